"""Few parts after training: each command does what so few allow, with honest figures, or refuses them by name."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kenpin.data.dataset import Dataset
from kenpin.data.splitting import rare_class_notes, split_by_group, split_by_ratio, split_in_order
from kenpin.errors import DatasetError, KenpinError, OptionError
from kenpin.evaluation import evaluate
from kenpin.evaluation.kinds import Better
from kenpin.evaluation.measures import kind_of
from kenpin.records import Example, ImageSource, Measure, Prediction, Threshold
from kenpin.report.findings import Findings, write_findings
from kenpin.report.headline import headline
from kenpin.studies import Embeddings, Rows, study_drift, study_gage, study_threshold
from kenpin.targets import Target
from tests.commands import Run
from tests.pictures import part
from tests.toy_runs import ToyRun

NONSENSE = re.compile(r"\b(nan|inf|NaN|Infinity|undefined)\b")
FEW = st.sampled_from([0, 1, 2, 3])


def sound(found: Findings) -> None:
    """No number in it is none, and no interval has no width."""
    texts = [*found.sentences, *(cell for table in found.tables for row in table.rows for cell in row)]
    assert not [text for text in texts if NONSENSE.search(text)]
    assert not re.search(r"\((\d+\.\d+) to \1\)", " ".join(texts))
    assert all(plot.bars for plot in found.bars)
    for bar in (bar for plot in found.bars for bar in plot.bars):
        assert all(math.isfinite(end) for end in (bar.value, bar.low, bar.high) if end is not None)


def refused(error: KenpinError, where: str) -> None:
    """In one sentence with its remedy, which begins with the name of the file."""
    sentence = str(error)
    assert sentence.startswith(f"{where}: ")
    assert sentence.endswith(".")
    assert re.search(r"; \w|\. [A-Z]", sentence), sentence
    assert "shape" not in sentence


CROSSED = st.tuples(*3 * [st.sampled_from([1, 2, 3])])


@example((2, 1, 1), "by part", False, {"v"})
@example((3, 1, 1), "by part", False, {"m"})
@example((2, 2, 2), "one value", False, {"m"})
@given(CROSSED, st.sampled_from(["one value", "by part", "noisy"]), st.booleans(), st.sets(st.sampled_from("vm")))
def test_a_gage_of_one_part_appraiser_or_trial(
    counts: tuple[int, int, int], values: str, reference: bool, columns: set[str]
) -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"part": str(of), "appraiser": str(by), "trial": str(trial)}
        | ({"verdict": "NG" if of == 0 and values != "one value" else "OK"} if "v" in columns else {})
        | ({"value": 0.1 + (values != "one value") * of + (values == "noisy") * rng.normal()} if "m" in columns else {})
        | ({"reference": "OK"} if reference else {})
        for of, by, trial in product(*map(range, counts))
    ]
    parts, appraisers, trials = counts
    too_few = (
        not columns
        or ("m" in columns and (parts < 2 or trials < 2 or values == "one value"))
        or ("v" in columns and appraisers * trials == 1 and not reference)
    )
    try:
        found = study_gage(Rows(rows, "gage.csv"))
    except DatasetError as error:
        refused(error, "gage.csv")
        assert too_few
        return
    assert not too_few
    sound(found)


def test_parts_that_were_judged_once_are_no_agreement() -> None:
    """One part of three is judged again, and otherwise: that is 0 of 1, and not 2 of 3."""
    said = [("a", "x", "1", "OK"), ("b", "x", "1", "OK"), ("c", "x", "1", "OK"), ("c", "x", "2", "NG")]
    names = ("part", "appraiser", "trial", "verdict")
    found = study_gage(Rows([dict(zip(names, row, strict=True)) for row in said]))
    assert found.sentences[0] == "x gives the same verdict on 0 of 1 part in every trial."
    said = [("a", "x", "1", "OK"), ("b", "y", "1", "OK"), ("c", "x", "1", "OK"), ("c", "y", "1", "NG")]
    found = study_gage(Rows([dict(zip(names, row, strict=True)) for row in said]))
    assert ("everybody", "all agree", "0.0 %") in {row[:3] for table in found.tables for row in table.rows}


@given(FEW, st.sampled_from([1, 2, 24, 25]), st.booleans())
def test_a_drift_against_few(new: int, old: int, varies: bool) -> None:
    rng = np.random.default_rng(0)
    rows, reference = (
        Rows([{"id": f"{n}", "defect_score": rng.normal() * varies, "verdict": "PASS"} for n in range(count)], where)
        for count, where in ((new, "new.json"), (old, "old.json"))
    )
    try:
        found = study_drift(rows, reference)
    except DatasetError as error:
        refused(error, "old.json" if new else "new.json")
        assert not new or old < 25
        return
    sound(found)
    assert not found.alarm


@given(st.sampled_from([0, 1, 2, 3, 4, 30]), st.sampled_from([0, 1, 2, 3, 4, 30]))
def test_embeddings_are_compared_where_so_many_could_show_a_difference(new: int, old: int) -> None:
    scored = Rows.of(defect_score=np.arange(25.0))
    of_new, of_old = (
        Embeddings(np.arange(2.0 * count).reshape(count, 2) + far, [str(n) for n in range(count)], where)
        for count, far, where in ((new, 1e9, "new.npz"), (old, 0, "old.npz"))
    )
    try:
        found = study_drift(scored, scored, embeddings=(of_new, of_old))
    except DatasetError as error:
        refused(error, "new.npz")
        assert new < 2 or old < 25
        return
    assert found.alarm, "they lie apart as far as can be"


@given(FEW, FEW, st.booleans(), st.sampled_from([None, 0.5]))
def test_a_threshold_of_few(good: int, bad: int, alike: bool, cost_review: float | None) -> None:
    defective = [False] * good + [True] * bad
    scores = [0.5 if alike else row + 3.0 * is_bad for row, is_bad in enumerate(defective)]
    rows = Rows.of("judged.json", defect_score=scores, defective=defective)
    try:
        found = study_threshold(rows, cost_escape=10, cost_overkill=1, cost_review=cost_review, test=rows)
    except DatasetError as error:
        refused(error, "judged.json")
        assert not good
        return
    assert good
    sound(found)


def test_few_parts_make_a_whole_page(tmp_path: Path) -> None:
    names = ("part", "trial", "verdict")
    gage = study_gage(Rows([dict(zip(names, row, strict=True)) for row in product("ab", "12", ["OK"])]))
    one = Rows.of(defect_score=[0.5, 0.5], defective=[False, True])
    for found in (gage, study_threshold(one, cost_escape=10, cost_overkill=1)):
        page = write_findings(found, tmp_path / f"{found.kind}.html").read_text("utf-8")
        assert not NONSENSE.search(re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL))


class Says:
    """An inspector that says of each picture what it is told to."""

    target, lineage = Target.LABEL, None

    def __init__(self, scores: Sequence[float], kind: str) -> None:
        self.scores, self.kind = scores, kind
        self.labels = () if kind == "scores" else ("ok", "void")

    def predict(self, dataset: Dataset, /) -> Iterator[Prediction]:
        for row, (picture, score) in enumerate(zip(dataset, self.scores, strict=False)):
            said = Prediction(picture.id, defect_score=score)
            if self.labels:
                likely = self.labels[score >= 0.5]
                said = replace(said, label=likely, probabilities={"ok": 1 - score, "void": score})
            yield replace(said, embedding=(1.0, float(row))) if self.kind == "embeds" else said


def labelled(**counts: int) -> Dataset:
    return Dataset.from_examples(
        (
            Example(f"{label}{n}", ImageSource(f"{label}{n}.png"), None, label, group="L7")
            for label, count in counts.items()
            for n in range(count)
        ),
        root="data",
    )


@settings(max_examples=25)
@example({"ok": 1, "void": 1}, [0.5] * 6, "names", None)
@example({"ok": 1, "void": 1}, [0.2] * 6, "embeds", None)
@example({"ok": 2, "void": 1}, [0.2, 0.9] * 3, "embeds", None)
@given(
    st.fixed_dictionaries({"ok": FEW, "void": FEW}),
    st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]), min_size=6, max_size=6),
    st.sampled_from(["scores", "names", "embeds"]),
    st.sampled_from([None, Threshold(0.5, None, "chosen"), Threshold(-math.inf, None, "chosen")]),
)
def test_an_evaluation_of_few(
    counts: dict[str, int], scores: list[float], kind: str, threshold: Threshold | None
) -> None:
    dataset = labelled(**counts)
    if not len(dataset):
        with pytest.raises(DatasetError, match=r"^data: no labelled picture is in it, .*; add labels"):
            evaluate(Says(scores, kind), dataset, ok_labels=["ok"], threshold=threshold, split=None)
        return
    found = evaluate(Says(scores, kind), dataset, ok_labels=["ok"], threshold=threshold, split=None)
    for name, measure in found.measures.items():
        assert honest(name, measure), (name, measure)
    assert not NONSENSE.search(" ".join((*headline(found), *found.notes)))
    both = counts["ok"] and counts["void"]
    assert (found.measures["auroc"].value is None) is not bool(both)
    if threshold is not None:
        for side, name in (("ok", "overkill_rate"), ("void", "escape_rate")):
            assert (found.measures[name].value is None) is not bool(counts[side])
    if kind == "embeds" and len(dataset) > 1:
        assert (found.measures["recall_at_1"].value is None) is not (max(counts.values()) > 1)
        assert any("alone of the class" in note for note in found.notes) is (1 in counts.values())


def honest(name: str, measure: Measure) -> bool:
    """A finite number within an interval that has a width, or nothing."""
    if measure.value is None or measure.low is None or measure.high is None:
        return (measure.low, measure.high) == (None, None)
    if kind_of(name).better is Better.LOWER and measure.high == 0:
        return False  # of few parts nothing is known so well
    return math.isfinite(measure.value) and measure.low <= measure.value <= measure.high and measure.low < measure.high


def test_defective_parts_alone_are_measured_unless_a_label_may_mean_a_good_one() -> None:
    found = evaluate(
        Says([0.1, 0.9], "scores"), labelled(void=2), ok_labels=["ok"], threshold=Threshold(0.5, None, ""), split=None
    )
    assert found.measures["escape_rate"].value == 0.5
    assert "No picture has the label of a good part (ok), so all are taken for defective." in found.notes
    for name in ("good", "OK"):
        with pytest.raises(OptionError, match=rf"^data: none of the OK labels \['ok'\] occurs; did you mean `{name}`"):
            evaluate(
                Says([0.1] * 3, "scores"),
                labelled(**{name: 2, "void": 1}),
                ok_labels=["ok"],
                threshold=None,
                split=None,
            )


SHARES = st.sampled_from(
    [{"train": 0.7, "validation": 0.15, "test": 0.15}, {"train": 0.5, "test": 0.5}, {"train": 0.98, "test": 0.02}]
)


@given(st.fixed_dictionaries({"ok": FEW, "void": FEW}), SHARES, st.sampled_from(["ratio", "order", "group"]))
def test_a_split_of_few(counts: dict[str, int], shares: dict[str, float], by: str) -> None:
    ways: dict[str, Callable[[Dataset, dict[str, float]], Dataset]] = {
        "ratio": lambda dataset, ratios: split_by_ratio(dataset, ratios, seed=0),
        "order": split_in_order,
        "group": lambda dataset, ratios: split_by_group(dataset, ratios, column="group", seed=0),
    }
    dataset = labelled(**counts)
    try:
        divided = ways[by](dataset, shares)
    except DatasetError as error:
        refused(error, str(dataset.root or "the data set"))
        if by == "group":
            return  # there is one lot, whatever there is of it
        enough = int(re.findall(r"([\d,]+) in all are enough", str(error))[0])
        assert enough > len(dataset)
        assert set(ways[by](labelled(ok=enough), shares).splits) == set(shares)
        if least := re.findall(r"a share of 1/(\d+) or more", str(error)):
            ratios = {name: 1 / int(least[0]) for name in [*shares][1:]}
            ways[by](dataset, {"train": 1 - sum(ratios.values()), **ratios})
        return
    assert set(divided.splits) == set(shares)
    told = rare_class_notes(divided, tuple(shares))
    lacking = {label for label in dataset.classes for split in shares if label not in divided.of_split(split).classes}
    assert len(told) == len(lacking)
    assert all(any(note.startswith(f"class {label} has ") for note in told) for label in lacking)


@pytest.fixture
def run(toy_run: ToyRun, kenpin: Run) -> Path:
    """A run `run` in the current folder."""
    return toy_run("mahalanobis", Path("run").absolute())


@pytest.fixture
def strange(kenpin: Run) -> None:
    """What people give in place of pictures."""
    import tarfile
    import zipfile

    Path("flat").mkdir()
    part(900, scratched=False).save("flat/a.png")
    with zipfile.ZipFile("a.zip", "w") as archive:
        archive.write("flat/a.png", "ok/a.png")
    for name, mode in (("a.tar", "w"), ("a.tar.gz", "w:gz")):
        with tarfile.open(name, mode) as unpacked:  # type: ignore[call-overload]
            unpacked.add("flat/a.png", "ok/a.png")
    Path("line.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    Path("numbers.csv").write_text("id,label,a\np1,ok,1\n")
    Path("nothing").mkdir()
    Path("zipped").mkdir()
    Path("zipped/a.zip").write_bytes(Path("a.zip").read_bytes())
    Path("notes").mkdir()
    Path("notes/notes.txt").write_text("no picture")


STRANGE = {
    "a.zip": "archive",
    "a.tar": "archive",
    "a.tar.gz": "archive",
    "line.mp4": "video",
    "numbers.csv": "table",
    "nothing": "",
    "zipped": "archive",
    "notes": "",
    "run": "it is a run",
    "nowhere": "there is no such file",
}


@pytest.mark.usefixtures("run", "strange")
def test_what_is_no_picture_is_called_what_it_is(kenpin: Run) -> None:
    for row, (data, what) in enumerate(STRANGE.items()):
        others = [
            ("explain", "run", data, "--out", "maps"),
            ("cases", "add", "library", "run", data),
            ("cases", "add", "library", "run", "--data", data),
            ("embed", "run", data, "vectors"),
        ]
        for words in (("predict", "run", data), ("evaluate", "run", "--data", data), others[row % len(others)]):
            status, out, told = kenpin(*words)
            one_file = not Path(data).is_dir() or (data == "zipped" and "no picture" not in told)
            takes_files = words[0] in ("predict", "explain") or (
                words[:2] == ("cases", "add") and "--data" not in words
            )
            assert (status, out) == (1 if one_file and takes_files else 2, ""), (words, told)
            first = told.splitlines()[0]
            assert first.startswith(f"kenpin: {data}"), told
            assert what in first
            assert "begins with" not in first
    told = kenpin("cases", "add", "library", "run", "--data", "numbers.csv")[2]
    assert told.startswith("kenpin: numbers.csv: it is a table of numbers, and this model looks at pictures")
    for data in ("a.zip", "a.tar", "a.tar.gz", "zipped"):
        asked = kenpin("predict", "run", data)[2].rpartition("`kenpin ")[2].rstrip("`.\n").split()
        assert kenpin(*asked, "--overwrite")[0] == 0
        assert kenpin("predict", "run", "OUT")[0] == 0
    assert not [path for path in Path().iterdir() if path.name in ("maps", "library", "vectors")]


@pytest.mark.usefixtures("run", "strange")
def test_run_and_data_exchanged_are_named_with_the_right_command(kenpin: Run) -> None:
    for words in (
        ("predict", "flat", "run"),
        ("embed", "flat", "run", "vectors"),
        ("explain", "flat", "run", "--out", "maps"),
    ):
        status, _, told = kenpin(*words)
        assert status == 2
        assert told.startswith("kenpin: flat: it is not a run, and run is one; exchange them: `kenpin ")
        assert kenpin(*told.rpartition("`kenpin ")[2].rstrip("`.\n").split())[0] == 0
    status, _, told = kenpin("evaluate", "flat", "run")
    assert (status, told) == (
        2,
        "kenpin: unexpected argument `run`; data is given by name: `kenpin evaluate flat --data run`.\n",
    )
    status, _, told = kenpin("evaluate", "flat", "--data", "run")
    assert (status, told) == (
        2,
        "kenpin: flat: it is not a run, and run is one; exchange them: `kenpin evaluate run --data flat`.\n",
    )
    status, _, told = kenpin("evaluate", "run", "--data", "flat")
    assert status == 2
    assert told == (
        "kenpin: flat: no labelled picture is in it, and nothing can be measured; add labels, by folders that are "
        "named like the classes, or use `kenpin predict`, which needs none.\n"
    )
    Path("flat/ok").mkdir()
    Path("flat/a.png").rename("flat/ok/a.png")
    assert kenpin("evaluate", "run", "--data", "flat")[0] == 0
    assert kenpin("evaluate", "a.zip", "--data", "flat")[2] == (
        "kenpin: a.zip: it is a file, and a run is a folder; give the folder that a training wrote.\n"
    )
    status, _, told = kenpin("inspect", "run", "flat", "--out", "records")
    assert (status, told) == (
        2,
        "kenpin: run: it is a folder, and a YAML file is needed here; give the path of one.\n",
    )


@pytest.mark.usefixtures("run")
def test_one_picture_of_each_kind_is_measured_and_shown(kenpin: Run) -> None:
    for number, counts in enumerate(({"ok": 1}, {"scratch": 1}, {"ok": 1, "scratch": 1})):
        for label, count in counts.items():
            folder = Path(f"data{number}/{label}")
            folder.mkdir(parents=True)
            for row in range(count):
                part(900 + row, scratched=label == "scratch").save(folder / f"{row}.png")
        assert kenpin("evaluate", "run", "--data", f"data{number}", "--name", f"few {number}")[0] == 0
    status, out, _ = kenpin("report", "run")
    assert status == 0
    page = re.sub(
        r"<(style|script).*?</\1>|data:[\w/;,+=-]*", "", Path(out.strip()).read_text("utf-8"), flags=re.DOTALL
    )
    assert Counter(NONSENSE.findall(page)) == Counter()
