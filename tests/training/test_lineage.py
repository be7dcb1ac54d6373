"""Nothing that a part of an inspector has learned from decides, calibrates or measures: any family, on any base."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kenpin import cli
from kenpin.config import OF_DATA, TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.data.lineage import NOTHING_SEEN, Lineage
from kenpin.data.loading import load_dataset, write_dataset
from kenpin.errors import DatasetError, OptionError, RunError
from kenpin.evaluation import evaluate
from kenpin.export import export_merged
from kenpin.files import read_json
from kenpin.models import family_names, get_family, restoring
from kenpin.models.mahalanobis import inspector as unit_spaces
from kenpin.models.mahalanobis import selection
from kenpin.predictor import load_predictor
from kenpin.records import Prediction
from kenpin.records_json import evaluation_from_json
from kenpin.run.layout import LINEAGE
from kenpin.run.lineage import read_lineage, write_lineage
from kenpin.run.record import read_record, write_record
from kenpin.run.seal import seal
from kenpin.training import calibrating, deciding, decision, folding, recording, train
from kenpin.training.below import lineage_below, named_below, runs_below
from tests.models.chat.shapes import joined as together
from tests.models.chat.shapes import shapes
from tests.objects import joined, made_objects
from tests.pictures import write_parts

QUICK: dict[str, Any] = {"base": "toy", "epochs": 1, "report": False}


@pytest.fixture(scope="module", autouse=True)
def five_folds() -> Iterator[None]:
    """Chains are trained anew for each fold: half as many show the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folding, "FOLDS", 5)
        yield


@pytest.fixture(scope="module")
def half(parts: Path) -> Dataset:
    """Of the parts, the first 40 of each class, which the runs below learn from."""
    dataset = load_dataset(parts)
    return dataset.select([*range(40), *range(60, 100)])


@pytest.fixture(scope="module")
def embedder(half: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train("embedder", dataset=half, data="-", out=tmp_path_factory.mktemp("below") / "embedder", **QUICK)


@pytest.fixture(scope="module")
def chained(half: Dataset, embedder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A unit space on the embedder, itself to be stood on."""
    out = tmp_path_factory.mktemp("below") / "space"
    options: dict[str, Any] = {"base": str(embedder), "folds": "whole", "report": False}
    return train("mahalanobis", dataset=half, data="-", out=out, **options)


@pytest.fixture(scope="module")
def exported(half: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of which every weight has learned, as a base for anything."""
    folder = tmp_path_factory.mktemp("exported")
    run = train("classifier", dataset=half, data="-", out=folder / "run", tuning="full", **QUICK)
    return export_merged(run, folder / "base")


class Witness:
    """Sees everything that decides in a training: which pictures, by content."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, dataset: Dataset) -> None:
        self.content_of = dict(zip(dataset.column("id"), dataset.contents(), strict=True))
        self.decided: set[str] = set()
        self.loaded: set[Path] = set()
        decide, calibrate, divide, read = decision.decide, calibrating.calibrate, selection.divide_parts, read_record

        def seen_decide(predictions: Sequence[Prediction], *rest: Any) -> Any:
            self.decided |= {one.id for one in predictions}
            return decide(predictions, *rest)

        def seen_calibrate(inspector: Any, method: Any, pictures: Dataset, *rest: Any) -> Any:
            self.decided |= set(pictures.column("id"))
            return calibrate(inspector, method, pictures, *rest)

        def seen_divide(training: Dataset, *rest: Any) -> Any:
            portions = divide(training, *rest)
            ids = training.column("id")
            set_aside = (*portions.good_held_out, *portions.defective, *portions.defective_held_out)
            self.decided |= {ids[row] for row in set_aside}
            return portions

        def seen_read(run: Path) -> Any:
            self.loaded.add(run)
            return read(run)

        monkeypatch.setattr(deciding, "decide", seen_decide)
        monkeypatch.setattr(deciding, "calibrate", seen_calibrate)
        monkeypatch.setattr(unit_spaces, "divide_parts", seen_divide)
        monkeypatch.setattr(restoring, "read_record", seen_read)

    def check(self, run: Path, below: Lineage) -> None:
        """Nothing decided by, and nothing measured on, is in the lineage of what lies below the run."""
        evaluation = evaluation_from_json(read_json(run / "evaluation.json"))
        judged = self.decided | {part.id for part in evaluation.judged}
        assert judged
        assert not {self.content_of[id] for id in judged} & below.contents


@pytest.mark.parametrize(
    ("family", "below", "options"),
    [
        ("mahalanobis", "embedder", {}),
        ("mahalanobis", "embedder", {"calibrate": "platt"}),
        pytest.param("mahalanobis", "embedder", {"limit": "quantile", "good_passed": 0.9}, marks=pytest.mark.slow),
        ("mahalanobis", "embedder", {"select_items": True, "confirm_share": 0.5}),
        pytest.param("mahalanobis", "embedder", {"method": "rt"}, marks=pytest.mark.slow),
        ("mahalanobis", "chained", {}),
        pytest.param("mahalanobis", "exported", {}, marks=pytest.mark.slow),
        ("mahalanobis", "exported", {"where": "pooled", "place_items": 200}),
        ("classifier", "exported", {"tuning": "head"}),
        pytest.param(
            "classifier",
            "exported",
            {"tuning": "head", "head": "linear", "calibrate": "isotonic"},
            marks=pytest.mark.slow,
        ),
        ("classifier", "exported", {"tuning": "full", "epochs": 1}),
        ("embedder", "exported", {"epochs": 1}),
    ],
)
def test_nothing_below_has_learned_from_what_decides(
    family: str,
    below: str,
    options: dict[str, Any],
    parts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    base: Path = request.getfixturevalue(below)
    dataset = load_dataset(parts)
    witness = Witness(monkeypatch, dataset)
    run = train(family, data=str(parts), out=tmp_path / "run", report=False, base=str(base), **options)
    lineage = read_lineage(base)
    assert len(lineage.contents) == 80
    witness.check(run, lineage)
    assert read_lineage(run).contents > lineage.contents, "what stands on it has learned from the same, and more"
    assert str(base) in read_lineage(run).names
    assert witness.loaded <= _named_below(_options(family, base=str(base), **options))


def test_a_language_model_that_is_told_vectors_is_judged_by_pictures_that_these_have_not_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = together(shapes(40), shapes(30, first=100))
    labelled = dataset.with_labels([suffix.split()[0] for suffix in dataset.column("suffix")], ())
    vectors = train("embedder", dataset=labelled.select(range(40)), data="-", out=tmp_path / "v", **QUICK)
    witness = Witness(monkeypatch, dataset)
    options = QUICK | {"embedding_from": str(vectors), "tuning": "projector", "batch_size": 4, "max_new_tokens": 4}
    run = train("vlm", dataset=dataset, data="-", out=tmp_path / "run", **options)
    witness.check(run, read_lineage(vectors))
    with pytest.raises(DatasetError, match="5 more ones are missing"):
        train("vlm", dataset=dataset.select(range(40)), data="-", out=tmp_path / "none", **options)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["florence2", "paligemma"])
def test_a_detector_on_an_exported_one_is_judged_by_pictures_that_it_has_not_seen(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = joined(made_objects(10), made_objects(30, first=50))
    first = joined(made_objects(8), made_objects(2, first=8, split="validation"))
    options = QUICK | {"max_new_tokens": 20, "precision": "fp32", "batch_size": 4}
    base = export_merged(train(family, dataset=first, data="-", out=tmp_path / "first", **options), tmp_path / "base")
    witness = Witness(monkeypatch, dataset)
    run = train(family, dataset=dataset, data="-", out=tmp_path / "run", **options | {"base": str(base)})
    witness.check(run, read_lineage(base))


def test_where_all_has_been_seen_the_training_is_refused_and_the_remedies_work(
    parts: Path, half: Dataset, embedder: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"data": "-", "dataset": half, "base": str(embedder), "report": False}
    with pytest.raises(DatasetError, match="5 more good ones and 5 more defective ones are missing") as refused:
        train("mahalanobis", out=tmp_path / "run", **options)
    assert not list(tmp_path.iterdir())
    assert "--decide-by chosen" in str(refused.value)
    chosen = train("mahalanobis", out=tmp_path / "chosen", decide_by="chosen", **options)
    told = " ".join(read_record(chosen).notes)
    assert f"16 of the 16 pictures that decide here chose the best weights of {embedder} too" in told
    assert "--folds whole" in str(refused.value)
    assert "--leave-out" in str(refused.value)
    run = train("mahalanobis", out=tmp_path / "whole", folds="whole", **options)
    evaluation = evaluation_from_json(read_json(run / "evaluation.json"))
    assert len(evaluation.judged) == 80
    assert evaluation.threshold is not None
    assert "chain trained without it" in evaluation.threshold.basis
    assert not (run / "chain").exists()

    split = load_dataset(parts).with_splits(["train", "validation", "train"] * 40)
    kept = train("embedder", dataset=split, data="-", out=tmp_path / "kept", leave_out=("validation",), **QUICK)
    unseen = NOTHING_SEEN.having_learned(split.of_split("validation")).contents
    assert not read_lineage(kept).contents & unseen
    train("mahalanobis", out=tmp_path / "after", **options | {"dataset": split, "base": str(kept)})
    with pytest.raises(OptionError, match="no split 'tset'"):
        train("embedder", dataset=split, data="-", out=tmp_path / "no", leave_out=("tset",), **QUICK)


def test_folds_of_a_whole_chain_hold_each_picture_out_of_every_link(
    half: Dataset, chained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three links: an embedder, a unit space on it, and one on that; none that judges a fold has seen it."""
    learned: list[tuple[str, Lineage]] = []
    write = write_lineage

    def seen_write(path: Path, lineage: Lineage, network: Lineage | None = None) -> None:
        if path.name.startswith("base-"):  # a link of a fold, not the run itself
            learned.append((path.name, lineage))
        write(path, lineage, network)

    monkeypatch.setattr(recording, "write_lineage", seen_write)
    run = train(
        "mahalanobis", dataset=half, data="-", out=tmp_path / "run", base=str(chained), folds="whole", report=False
    )
    assert len(learned) == 10, "two links for each of five folds"
    everything = set(half.contents())
    for one, other in zip(learned[::2], learned[1::2], strict=True):
        assert one[0].startswith("base-embedder")
        assert other[0].startswith("base-space")
        assert len(everything - one[1].contents) == len(everything - other[1].contents) == 16
    held = [everything - lineage.contents for _, lineage in learned[1::2]]
    assert set().union(*held) == everything
    assert read_lineage(run).contents == everything


def test_folds_of_a_whole_chain_are_refused_where_they_would_do_nothing(
    parts: Path, exported: Path, half: Dataset, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"data": "-", "dataset": half, "out": tmp_path / "run", "report": False, "folds": "whole"}
    with pytest.raises(OptionError, match="does nothing without a run below"):
        train("mahalanobis", base="toy", **options)
    with pytest.raises(OptionError, match="was exported from a run and cannot be trained again"):
        train("mahalanobis", base=str(exported), **options)
    with pytest.raises(OptionError, match="fitted in one pass"):
        train("classifier", base=str(exported), tuning="full", **options)
    assert not list(tmp_path.iterdir())


def test_a_law_of_the_distance_is_refused_on_parts_that_the_items_were_learned_from(
    parts: Path, embedder: Path, half: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match="do not follow their law"):
        train("mahalanobis", data=str(parts), out=tmp_path / "run", base=str(embedder), limit="chi-square")
    others = load_dataset(write_parts(tmp_path / "others", first=1000, count=40))
    train("mahalanobis", dataset=others, data="-", out=tmp_path / "run", base=str(embedder), limit="chi-square")


def test_an_evaluation_leaves_out_what_was_seen_and_says_so(parts: Path, embedder: Path, half: Dataset) -> None:
    predictor = load_predictor(embedder, device="cpu")
    settings: dict[str, Any] = {"ok_labels": ["ok"], "threshold": predictor.threshold, "split": None}
    found = evaluate(predictor, load_dataset(parts), **settings)
    assert len(found.judged) == 40
    assert found.notes[0].startswith("80 of these 120 pictures were left out")
    with pytest.raises(DatasetError, match="all of these 80 pictures"):
        evaluate(predictor, half, **settings)
    remembered = evaluate(predictor, half, **settings, with_seen=True)
    assert remembered.notes[0].startswith("Not held out")
    assert all(part.seen for part in remembered.judged)


def test_decisions_on_predictions_leave_out_what_was_seen(
    kenpin: Any, parts: Path, embedder: Path, tmp_path: Path
) -> None:
    status, _, err = kenpin("evaluate", embedder, "--data", parts, "--with-seen", "--json", "all.json")
    assert status == 0, err
    status, out, err = kenpin("judge", "all.json")
    assert status == 0
    assert "80 of 120 rows are left out" in err
    assert "40 parts" in " ".join(out.split()) or "On all.json" in out


def test_copies_of_training_pictures_measure_nothing(parts: Path, tmp_path: Path) -> None:
    dataset = load_dataset(parts).with_splits(["train", "validation", "test"] * 40)
    copies = [
        replace(example, id=f"copy/{split}/{example.id}", split=split)
        for split in ("validation", "test")
        for example in dataset.of_split("train")
    ]
    doubled = Dataset.from_examples([*dataset, *copies], root=dataset.root)
    run = train("classifier", dataset=doubled, data="-", out=tmp_path / "run", base="toy", report=False)
    evaluation = evaluation_from_json(read_json(run / "evaluation.json"))
    assert len(evaluation.judged) == 40
    told = " ".join(read_json(run / "run.json")["notes"])
    assert "40 of the 80 validation pictures were left out: they are training pictures too" in told


def test_a_run_of_the_first_edition_predicts_and_is_no_base(embedder: Path, parts: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(embedder, old)
    (old / LINEAGE).unlink()
    hashes = sorted(read_lineage(embedder).contents)[:60]
    np.save(old / "trained_on.npy", np.array(hashes, dtype="S32"))
    write_record(old, read_record(embedder).model_copy(update={"files": seal(old)}))
    predictor = load_predictor(old, device="cpu")
    found = evaluate(predictor, load_dataset(parts), ok_labels=["ok"], threshold=None, split=None)
    assert len(found.judged) == 60
    assert any("earlier kenpin trained this run" in note for note in found.notes)
    with pytest.raises(RunError, match="train it again"):
        train("mahalanobis", data=str(parts), out=tmp_path / "run", base=str(old))


def _named_below(options: TrainOptions) -> set[Path]:
    """The runs that options name, and those that these name."""
    runs = set(runs_below(options).values())
    return runs.union(*(_named_below(_options(read_record(run).family, **read_record(run).options)) for run in runs))


def _options(family: str, **values: Any) -> TrainOptions:
    options: TrainOptions = get_family(family).Options.from_mapping({"data": "-", "out": "-", **values})
    return options


@pytest.mark.parametrize("family", family_names())
def test_every_free_word_of_a_family_counts_that_may_name_a_run(family: str, embedder: Path) -> None:
    """No family has an option by which it could stand on a run unnoticed: those that name none are told here."""
    harmless = {"data", "out", "device", "from_cases", *OF_DATA}
    kinds = {name: str(field.annotation) for name, field in get_family(family).Options.model_fields.items()}
    free = {
        name
        for name, kind in kinds.items()
        if ("str" in kind or "Path" in kind) and not any(of in kind for of in ("tuple", "dict", "Literal"))
    }
    named: dict[str, Any] = dict.fromkeys(free - harmless, str(embedder))
    options = get_family(family).Options.model_construct(**named)
    assert set(named_below(options)) == free - harmless
    assert lineage_below(options).contents == read_lineage(embedder).contents


def test_the_command_line_says_it_in_a_sentence(kenpin: Any, embedder: Path, half: Dataset, tmp_path: Path) -> None:
    write_dataset(half, tmp_path / "half", "folders")
    status, _, err = kenpin("train", "mahalanobis", "--data", tmp_path / "half", "--base", embedder, "--out", "run")
    assert status == cli.MISUSE
    assert err.count("\n") == 1
    assert "has learned from or been chosen by 80 of the 80 training pictures" in err
