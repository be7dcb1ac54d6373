"""What is exported predicts what its run does, here and in a fresh process; adapters know their base."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoImageProcessor,
    AutoModelForImageClassification,
    AutoModelForImageTextToText,
    AutoTokenizer,
    Gemma2Config,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
)

from kenpin.cli import main
from kenpin.errors import OptionError, OutputError, OutputExistsError, RunError
from kenpin.export import export_merged, export_npz
from kenpin.models import get_family
from kenpin.models.networks import lite0
from kenpin.predictor import load_predictor
from kenpin.run.record import read_record, write_record
from kenpin.run.seal import seal
from tests.pictures import write_parts
from tests.toy_runs import OBJECTS, PARTS, answers, equal, loss, of_base, pictures_for, saved_base, trained
from tests.tree import ROOT

Run = Callable[..., Path]
WAYS = [
    ("classifier", "lora"),
    ("classifier", "full"),
    ("florence2", "lora"),
    ("florence2", "full"),
    ("paligemma", "lora"),
    ("paligemma", "attention"),
]
MERGED = [*WAYS[:-1], pytest.param(*WAYS[-1], marks=pytest.mark.slow)]
# far enough from the base, and not so far that nothing is found
STEPS: dict[str, dict[str, Any]] = {
    "classifier": {"epochs": 2},
    "florence2": {"epochs": 4, "learning_rate": 3e-2},
    "paligemma": {"epochs": 3, "learning_rate": 3e-3},
}


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, parts: Path) -> Run:
    """The run of a family and a tuning, trained once. Read only: copy before changing."""

    @cache
    def made(family: str, tuning: str, **options: Any) -> Path:
        pictures = None if family in ("florence2", "paligemma") else parts
        steps = STEPS[family] if (family, tuning) in WAYS else {}
        how = {"tuning": tuning} if tuning else {}
        out = tmp_path_factory.mktemp("run") / f"{family}-{tuning}"
        return trained(family, out, pictures, **steps, **how, **options)

    return made


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Run:
    """The merged export of that run. Read only."""

    @cache
    def made(family: str, tuning: str) -> Path:
        return export_merged(run(family, tuning), tmp_path_factory.mktemp("merged") / f"{family}-{tuning}")

    return made


@pytest.mark.parametrize(("family", "tuning"), MERGED)
def test_merging_changes_no_prediction(family: str, tuning: str, run: Run, merged: Run, parts: Path) -> None:
    pictures = pictures_for(family, parts)
    learned, whole, base = (
        load_predictor(run(family, tuning)),
        of_base(family, merged(family, tuning)),
        of_base(family, "toy"),
    )
    expected = answers(learned, pictures)
    assert any(labels for labels, *_ in expected), "nothing is found, so that nothing is compared"
    assert equal(answers(whole, pictures), expected)
    assert loss(whole, pictures) == pytest.approx(loss(learned, pictures), rel=1e-5)
    assert loss(base, pictures) != pytest.approx(loss(learned, pictures), rel=1e-3)


@pytest.mark.slow
def test_a_fresh_process_says_the_same_merged_and_unmerged(run: Run, merged: Run, parts: Path) -> None:
    ways = [("classifier", "lora"), ("florence2", "lora"), ("paligemma", "lora")]
    jobs = [f"{family}|{run(family, tuning)}|{merged(family, tuning)}" for family, tuning in ways]
    code = "import sys; from tests.toy_runs import answer_all; answer_all(*sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(parts), *jobs],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for (family, tuning), (unmerged, whole) in zip(ways, json.loads(done.stdout.splitlines()[-1]), strict=True):
        here = answers(load_predictor(run(family, tuning)), pictures_for(family, parts))
        assert equal(unmerged, here)
        assert equal(whole, here)


@pytest.mark.parametrize(
    ("family", "targets"), [("florence2", {}), ("paligemma", {"lora_targets": ("lm_head", "o_proj")})]
)
def test_adapters_of_an_output_layer_leave_the_embedding_alone(
    family: str, targets: dict[str, Any], run: Run, parts: Path, tmp_path: Path
) -> None:
    source = run(family, "lora", **targets)
    folder = export_merged(source, tmp_path / "out")
    weights = load_file(folder / "model.safetensors").values()
    network, told = AutoModelForImageTextToText.from_pretrained(folder, output_loading_info=True)
    assert not told["missing_keys"] | told["unexpected_keys"]
    assert network.config.tie_word_embeddings is False
    head, embedding = network.lm_head.weight, network.get_input_embeddings().weight
    assert sum(weight.shape == head.shape for weight in weights) == 2
    for layer in network.modules():
        if isinstance(layer, torch.nn.Embedding) and layer.weight.shape == head.shape:
            assert torch.equal(layer.weight, embedding)  # encoder and decoder go on sharing it
    base = of_base(family, "toy").inspector.module
    assert torch.equal(embedding, base.get_input_embeddings().weight)  # type: ignore[operator]
    assert not torch.equal(head, embedding)
    pictures = pictures_for(family, parts)
    assert loss(of_base(family, folder), pictures) == pytest.approx(loss(load_predictor(source), pictures), rel=1e-5)


@pytest.mark.parametrize(("family", "tuning"), [("florence2", "full"), ("paligemma", "lora")])
def test_what_shares_its_weights_goes_on_sharing_them(family: str, tuning: str, merged: Run) -> None:
    network = AutoModelForImageTextToText.from_pretrained(merged(family, tuning))
    assert network.config.tie_word_embeddings is True
    assert network.lm_head.weight is network.get_input_embeddings().weight


@pytest.mark.parametrize(("family", "tuning"), MERGED)
def test_transformers_loads_the_folder_by_itself(family: str, tuning: str, run: Run, merged: Run) -> None:
    folder = merged(family, tuning)
    kind = AutoModelForImageClassification if family == "classifier" else AutoModelForImageTextToText
    _, told = kind.from_pretrained(folder, output_loading_info=True)
    assert not told["missing_keys"] | told["unexpected_keys"] | told["mismatched_keys"]
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    record = json.loads((run(family, tuning) / "run.json").read_text("utf-8"))
    assert [processor.size["width"], processor.size["height"]] == record["image_size_wh"]
    if family != "classifier":
        assert AutoTokenizer.from_pretrained(folder)("傷", add_special_tokens=False)["input_ids"]
    if family == "paligemma":
        assert processor.resample == 2
    told = json.loads((folder / "kenpin.json").read_text("utf-8"))
    assert told["run"] == f"{family}-{tuning}"
    assert told["dtype"] == "float32"
    names = ("family", "base_id", "base_commit", "labels", "ok_labels", "image_size_wh", "threshold")
    assert {name: told[name] for name in names} == {name: record[name] for name in names}
    assert (told["threshold"] is None) is (family != "classifier")


def test_the_calibration_that_the_threshold_rests_on_goes_along(run: Run, tmp_path: Path) -> None:
    copy = shutil.copytree(run("paligemma", "lora"), tmp_path / "run")
    points = {"scores": [0.1, 0.9], "precisions": [0.2, 0.8]}
    (copy / "model" / "calibration.json").write_text(json.dumps(points))
    told = json.loads((export_merged(resealed(copy), tmp_path / "out") / "kenpin.json").read_text("utf-8"))
    assert told["calibration"] == points


@pytest.mark.parametrize("family", ["classifier", "florence2"])
def test_half_the_bits_are_enough_for_a_base(family: str, run: Run, parts: Path, tmp_path: Path) -> None:
    out = export_merged(run(family, "full"), tmp_path / "out", dtype="bfloat16")
    assert {str(weight.dtype) for weight in load_file(out / "model.safetensors").values()} == {"torch.bfloat16"}
    pictures = pictures_for(family, parts)
    predictor = of_base(family, out)
    assert next(predictor.inspector.module.parameters()).dtype == torch.float32
    if family == "classifier":
        expected = [row for _, row, *_ in answers(load_predictor(run(family, "full")), pictures)]
        assert np.allclose([row for _, row, *_ in answers(predictor, pictures)], expected, atol=0.02)


def resealed(run: Path, **options: Any) -> Path:
    """The run with its files as they now are, and other options, as if it had been trained so."""
    record = read_record(run)
    write_record(run, record.model_copy(update={"files": seal(run), "options": record.options | options}))
    return run


def test_weights_that_float16_cannot_hold_are_refused(run: Run, tmp_path: Path) -> None:
    copy = shutil.copytree(run("classifier", "full"), tmp_path / "run")
    weights = load_file(copy / "model" / "weights" / "model.safetensors")
    save_file(weights | {"classifier.bias": torch.full((2,), 1e6)}, copy / "model/weights/model.safetensors",
              {"format": "pt"})  # fmt: skip
    with pytest.raises(OptionError, match=r"classifier\.bias would not be finite in float16; take --dtype float32"):
        export_merged(resealed(copy), tmp_path / "out", dtype="float16")
    export_merged(copy, tmp_path / "out", dtype="bfloat16")


def test_what_trains_no_network_has_nothing_to_merge(run: Run, tmp_path: Path) -> None:
    for family, tuning, named in (("classifier", "head", "classifier with tuning head"), ("mahalanobis", "", "maha")):
        with pytest.raises(OptionError, match=rf"{named}.*nothing to merge; use the run itself"):
            export_merged(run(family, tuning), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_nothing_else_could_load_is_refused(run: Run, tmp_path: Path) -> None:
    copy = shutil.copytree(run("classifier", "full"), tmp_path / "run")
    shutil.rmtree(copy / "model" / "weights")
    lite0.Lite0ForImageClassification(lite0.Lite0Config(num_labels=2)).save_pretrained(copy / "model" / "weights")
    with pytest.raises(OptionError, match="transformers has no network like that"):
        export_merged(resealed(copy), tmp_path / "out")
    four_bits = resealed(shutil.copytree(run("florence2", "lora"), tmp_path / "qlora"), tuning="qlora")
    with pytest.raises(OptionError, match=r"4 bits.*train with tuning lora"):
        export_merged(four_bits, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# ---- npz ----


@pytest.fixture(scope="module")
def npz(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published form of the PaliGemma with merged adapters."""
    return export_npz(run("paligemma", "lora"), tmp_path_factory.mktemp("npz") / "merged.npz")


@pytest.mark.parametrize("tokenizer", ["", "tokenizer.json"])
def test_an_npz_file_is_a_base_that_says_the_same(npz: Path, tokenizer: str, run: Run, parts: Path) -> None:
    pictures = pictures_for("paligemma", parts)
    processor = run("paligemma", "lora") / "model" / "processor"
    predictor = of_base("paligemma", npz, tokenizer=str(processor / tokenizer))
    assert equal(answers(predictor, pictures), answers(load_predictor(run("paligemma", "lora")), pictures))


def test_an_npz_file_can_be_trained_further(npz: Path, run: Run, tmp_path: Path) -> None:
    tokenizer = str(run("paligemma", "lora") / "model" / "processor")
    again = trained(
        "paligemma",
        tmp_path / "run",
        None,
        base=str(npz),
        tokenizer=tokenizer,
        tuning="attention",
        epochs=1,
        decide_by="chosen",
    )
    assert load_predictor(again).record.base_id == str(npz)  # type: ignore[union-attr]
    with pytest.raises(OutputExistsError, match="the data come from this folder"):
        export_npz(again, npz, overwrite=True)
    with np.load(npz, allow_pickle=False) as arrays:
        assert all(name.startswith("params/") for name in arrays)
        assert arrays["params/img/embedding/bias"].dtype == np.float32
    out = export_npz(again, tmp_path / "small.npz", dtype="bfloat16")
    with np.load(out, allow_pickle=False) as arrays:
        assert arrays["params/img/embedding/bias"].dtype == "V2"


def test_an_npz_file_has_the_rows_before_the_image_token(tmp_path: Path) -> None:
    base = saved_base("paligemma", tmp_path / "base")
    network = AutoModelForImageTextToText.from_pretrained(base)
    rows = network.config.image_token_id
    network.resize_token_embeddings(rows + 64, mean_resizing=False)
    network.save_pretrained(base)
    out = export_npz(trained("paligemma", tmp_path / "run", None, base=str(base), epochs=1), tmp_path / "out.npz")
    with np.load(out, allow_pickle=False) as arrays:
        assert len(arrays["params/llm/embedder/input_embedding"]) == rows


def test_an_npz_file_has_no_room_for_a_head_of_its_own(run: Run, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"--to merged, or train again with lm_head left out of lora_targets"):
        export_npz(run("paligemma", "lora", lora_targets=("lm_head", "o_proj")), tmp_path / "out.npz")
    with pytest.raises(OptionError, match="not family florence2; take --to merged"):
        export_npz(run("florence2", "lora"), tmp_path / "out.npz")
    with pytest.raises(OptionError, match=r"must end in \.npz"):
        export_npz(run("paligemma", "lora"), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_npz_file_has_no_room_for_a_paligemma_2(tmp_path: Path) -> None:
    base = saved_base("paligemma", tmp_path / "base")
    config = PaliGemmaConfig.from_pretrained(base)
    names = ("vocab_size", "num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim")
    config.text_config = Gemma2Config(**{name: getattr(config.text_config, name) for name in names})
    PaliGemmaForConditionalGeneration(config).save_pretrained(base)
    run = trained("paligemma", tmp_path / "run", None, base=str(base), epochs=1)
    export_merged(run, tmp_path / "out")
    with pytest.raises(OptionError, match="this is a PaliGemma 2; take --to merged"):
        export_npz(run, tmp_path / "out.npz")


# ---- nothing is destroyed ----


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_only_an_export_is_ever_replaced(run: Run, merged: Run, parts: Path, tmp_path: Path) -> None:
    source = run("classifier", "full")
    data = shutil.copytree(parts, tmp_path / "data")
    other = shutil.copytree(source, tmp_path / "other")
    (tmp_path / "mine.npz").write_text("mine")
    before = contents(tmp_path)
    for taken in (data, other, source, source.parent, tmp_path / "mine.npz"):
        with pytest.raises(OutputExistsError, match=r"already exists.*--overwrite"):
            export_merged(source, taken)
        with pytest.raises(OutputExistsError, match="is not an export of this kind"):
            export_merged(source, taken, overwrite=True)
    with pytest.raises(OutputExistsError, match=r"already exists.*--overwrite"):
        export_npz(run("paligemma", "lora"), tmp_path / "mine.npz")
    assert contents(tmp_path) == before
    out = shutil.copytree(merged("classifier", "lora"), tmp_path / "out")
    export_merged(source, out, overwrite=True)
    assert json.loads((out / "kenpin.json").read_text("utf-8"))["run"] == "classifier-full"
    export_npz(run("paligemma", "lora"), tmp_path / "mine.npz", overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {"data", "other", "mine.npz", "mine.lineage.npz", "out"}


def test_an_export_that_the_run_stands_on_is_not_replaced(merged: Run, tmp_path: Path) -> None:
    others = write_parts(tmp_path / "others", first=1000, count=24)
    base = shutil.copytree(merged("classifier", "lora"), tmp_path / "base")
    again = trained("classifier", tmp_path / "run", others, base=str(base), tuning="lora", epochs=1, decide_by="chosen")
    before = contents(base)
    with pytest.raises(OutputExistsError, match="the data come from this folder"):
        export_merged(again, base, overwrite=True)
    assert contents(base) == before


def test_an_export_that_fails_leaves_what_was_there(
    run: Run, merged: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    out = shutil.copytree(merged("classifier", "lora"), tmp_path / "out")
    before = contents(tmp_path)
    monkeypatch.setattr("kenpin.export.networks.write_json", full)
    with pytest.raises(OutputError, match=f"{out}: there is no room left"):
        export_merged(run("classifier", "full"), out, overwrite=True)
    assert contents(tmp_path) == before


def test_the_command(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(run("paligemma", "lora"))
    for to, name in (("merged", "out"), ("npz", "out.npz")):
        for status in (0, 2):
            with pytest.raises(SystemExit) as end:
                main(["export", source, str(tmp_path / name), "--to", to, "--dtype", "float16"])
            assert end.value.code == status
        out, err = capsys.readouterr()
        assert out == f"{tmp_path / name}\n"
        assert "--overwrite" in err
    assert json.loads((tmp_path / "out" / "config.json").read_text("utf-8"))["dtype"] == "float16"


# ---- adapters know their base ----

LARGER: dict[str, dict[str, Any]] = {
    "classifier": {"num_hidden_layers": 3, "hidden_size": 64},
    "florence2": {"encoder_layers": 3, "decoder_layers": 3},
    "paligemma": {"num_hidden_layers": 3, "layer_types": ["full_attention"] * 3},
}


@pytest.mark.parametrize(
    ("family", "tuning"),
    [
        ("classifier", "lora"),
        ("florence2", "lora"),
        ("florence2", "full"),
        ("paligemma", "attention"),
        *(
            pytest.param(*way, marks=pytest.mark.slow)
            for way in (
                ("florence2", "attention"),
                ("florence2", "frozen-vision"),
                ("paligemma", "lora"),
                ("paligemma", "frozen-vision"),
                ("paligemma", "full"),
            )
        ),
    ],
)
def test_another_base_under_the_same_name_is_refused(family: str, tuning: str, tmp_path: Path) -> None:
    base = saved_base(family, tmp_path / "base")
    chosen = get_family(family)
    options = chosen.Options.from_mapping({"data": "-", "out": "-", "base": str(base), "tuning": tuning})
    task = PARTS if family == "classifier" else OBJECTS
    inspector = chosen.create(options, task)
    (tmp_path / "model").mkdir()
    inspector.save(tmp_path / "model")
    chosen.restore(tmp_path / "model", inspector.base, options, task)
    for other in ({"seed": 1}, LARGER[family]):
        shutil.rmtree(base)
        saved_base(family, base, **other)
        both = rf"trained on base {base} \(commit none\).* loads as {base} \(commit none\)"
        with pytest.raises(RunError, match=both):
            chosen.restore(tmp_path / "model", inspector.base, options, task)


def test_the_adapters_of_another_run_are_refused_by_the_seal(run: Run, tmp_path: Path) -> None:
    copy = shutil.copytree(run("paligemma", "lora"), tmp_path / "run")
    file = copy / "model" / "adapter" / "adapter_model.safetensors"
    save_file({name: weight + 1e-3 for name, weight in load_file(file).items()}, file)
    for used in (load_predictor, lambda folder: export_merged(folder, tmp_path / "out")):
        with pytest.raises(RunError, match=r"adapter_model\.safetensors: is not the file that was trained"):
            used(copy)
