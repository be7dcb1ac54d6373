"""A pretrained model without a run answers as it comes: told apart by its configuration, asked, drawn, never judged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import (
    AutoModelForImageClassification,
    BertConfig,
    BertModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
    ViTModel,
)

from kenpin import load_base, load_predictor
from kenpin.base_predictor import is_base
from kenpin.cli.ask import _in_lines
from kenpin.data.images import read_image
from kenpin.data.loading import write_dataset
from kenpin.drawing import caption, draw_beside_truth
from kenpin.errors import OptionError
from kenpin.export import export_merged
from kenpin.models.bare_base import family_of_base
from kenpin.models.florence2.prompts import QUESTIONS, sentence_of
from kenpin.models.language.detector import LanguageDetector
from kenpin.models.vlm import FAMILY as VLM
from kenpin.records import Detections, ImageSource, Prediction
from tests.commands import Run
from tests.objects import LABELS, made_objects
from tests.toy_runs import ToyRun, of_base, pictures_for, saved_base, trained


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of save_pretrained for each kind of base. Read only."""
    folder = tmp_path_factory.mktemp("bases")
    made = {family: saved_base(family, folder / family) for family in ("classifier", "florence2", "paligemma")}
    chat = VLM.untrained("toy", dtype="float32", prompt="What is it?").source
    chat.network.save_pretrained(folder / "chat")
    chat.processor.save_pretrained(folder / "chat")
    return {**made, "chat": folder / "chat"}


@pytest.fixture
def picture(parts: Path) -> Path:
    """A picture of a part."""
    return parts / "scratch" / "000.png"


@pytest.mark.parametrize(
    ("kind", "family", "target"),
    [
        ("classifier", "ClassifierFamily", "label"),
        ("florence2", "Florence2Family", "boxes"),
        ("paligemma", "PaliGemmaFamily", "boxes"),
        ("chat", "VlmFamily", "text"),
    ],
)
def test_the_configuration_tells_whose_base_it_is(kind: str, family: str, target: str, bases: dict[str, Path]) -> None:
    found = family_of_base(str(bases[kind]))
    assert (type(found).__name__, found.target) == (family, target)


def test_a_folder_of_save_pretrained_is_a_base_and_a_run_is_none(
    bases: dict[str, Path], parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_run: ToyRun
) -> None:
    monkeypatch.chdir(tmp_path)
    run = toy_run("classifier", tmp_path / "run")
    assert is_base(str(bases["chat"]))
    assert is_base("florence-community/Florence-2-base-ft")
    assert is_base("toy")
    (tmp_path / "owner" / ".name.partial").mkdir(parents=True)
    assert not any(map(is_base, (str(run), "nowhere", "./nowhere", "a/b/c", "/no/where", str(parts), "owner/name")))


def test_a_classifier_says_its_own_classes_and_judges_nothing(
    kenpin: Run, bases: dict[str, Path], picture: Path, tmp_path: Path
) -> None:
    status, out, err = kenpin("predict", bases["classifier"], picture, "--json", "said.json")
    assert status == 0
    network = AutoModelForImageClassification.from_pretrained(bases["classifier"]).eval()
    inspector: Any = of_base("classifier", bases["classifier"]).inspector
    with torch.inference_mode():
        shares = network(**inspector.encode([read_image(ImageSource(str(picture)))])).logits.softmax(1)[0]
    name = network.config.id2label[int(shares.argmax())]
    assert out == f"{picture}\t-\t{name}\t-\n"
    assert "has no threshold, so no picture passes or fails" in err
    (row,) = json.loads((tmp_path / "said.json").read_text("utf-8"))["predictions"]
    assert row["verdict"] is None
    assert row["defect_score"] is None
    assert list(row["probabilities"].values()) == pytest.approx(shares.tolist(), abs=1e-6)


def test_classes_of_one_name_are_told_apart(tmp_path: Path) -> None:
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    names = {0: "crane", 1: "lorry", 2: "crane"}
    config = ViTConfig(**small, image_size=32, patch_size=16, id2label=names, label2id={"crane": 0, "lorry": 1})
    ViTForImageClassification(config).save_pretrained(tmp_path)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    assert load_base(str(tmp_path)).labels == ("crane (0)", "lorry", "crane (2)")


def test_a_network_that_never_learned_classes_is_refused(tmp_path: Path) -> None:
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    ViTModel(ViTConfig(**small, image_size=32, patch_size=16)).save_pretrained(tmp_path)
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(OptionError, match="cannot be loaded as an image classifier"):
        load_base(str(tmp_path))
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    with pytest.raises(OptionError, match=r"holds no weights of classifier\.bias, and so has learned no classes"):
        load_base(str(tmp_path))


def test_what_says_nothing_of_pictures_is_refused(tmp_path: Path) -> None:
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(**small, vocab_size=30)).save_pretrained(tmp_path)
    with pytest.raises(OptionError, match="of kind 'bert', which cannot judge pictures before it is trained"):
        load_base(str(tmp_path))


@pytest.mark.parametrize(
    ("kind", "words", "said"),
    [
        ("classifier", ("--prompt", "<OD>"), "is an image classifier and reads no words"),
        ("florence2", ("--prompt", "<OVERDO>"), "knows no task <OVERDO>"),
        ("florence2", ("--prompt", "<CAPTION> of what"), "takes no words behind it"),
        ("florence2", ("--prompt", "<OPEN_VOCABULARY_DETECTION>"), "takes words behind it"),
        ("chat", ("--checkpoint", "last"), "is not a run, and only runs have checkpoints"),
        ("chat", ("--beside-truth", "--draw", "drawn"), "finds no boxes"),
        ("florence2", ("--beside-truth",), "give a folder with --draw"),
        ("florence2", ("--beside-truth", "--draw", "drawn"), "no picture in it is annotated with boxes"),
    ],
)
def test_what_a_base_cannot_do_is_one_sentence(
    kind: str, words: tuple[str, ...], said: str, kenpin: Run, bases: dict[str, Path], parts: Path
) -> None:
    status, out, err = kenpin("predict", bases[kind], parts, *words)
    assert (status, out) == (2, "")
    assert said in err


def test_florence_is_asked_the_sentence_that_a_task_stands_for() -> None:
    assert {task: sentence_of(task) for task in QUESTIONS} == QUESTIONS
    assert sentence_of("<CAPTION_TO_PHRASE_GROUNDING>a dent") == "Locate the phrases in the caption: a dent"
    assert sentence_of("What is it?") == "What is it?"


@pytest.mark.parametrize(
    ("kind", "prompt", "has_boxes"),
    [
        ("florence2", None, True),
        ("florence2", "<OD>", True),
        ("florence2", "<CAPTION>", False),
        ("florence2", "<OCR_WITH_REGION>", False),
        ("paligemma", None, False),
        ("paligemma", "detect dent ; 傷", True),
        ("paligemma", "answer en What is it?", False),
    ],
)
def test_the_prompt_decides_between_boxes_and_words(
    kind: str, prompt: str | None, has_boxes: bool, bases: dict[str, Path]
) -> None:
    predictor = load_base(str(bases[kind]), prompt=prompt).prompted(prompt or _OWN[kind], 12)
    decode = predictor.inspector.decode
    (pictures, outputs) = next(predictor._outputs(made_objects(2), None, None, None))
    assert outputs["tokens"].shape[1] <= 12
    for prediction in decode(outputs, pictures):
        assert (prediction.detections is not None) is has_boxes
        assert prediction.text is not None
        assert prediction.defect_score is None, "nothing that a base finds is known to be a defect"


_OWN = {"florence2": "<OD>", "paligemma": "caption en"}


@pytest.mark.parametrize("kind", ["florence2", "paligemma"])
def test_a_base_says_what_a_training_would_begin_with(kind: str, bases: dict[str, Path]) -> None:
    pictures = pictures_for(kind, Path())
    begun = of_base(kind, bases[kind], constrained=False)
    assert isinstance(begun.inspector, LanguageDetector)
    bare = load_base(str(bases[kind])).prompted(begun.inspector.prompt, 30)
    assert [one.text for one in bare.predict(pictures)] == [one.text for one in begun.predict(pictures)]


@pytest.mark.slow
def test_an_exported_detector_finds_as_a_base_what_its_run_finds(kenpin: Run, tmp_path: Path) -> None:
    run = trained("florence2", tmp_path / "run", None, tuning="full", epochs=40, constrained=False, calibrate="none")
    base = export_merged(run, tmp_path / "base")
    pictures = pictures_for("florence2", tmp_path)
    of_run = list(load_predictor(run).predict(pictures))
    of_bare = list(load_base(str(base)).prompted("<OD>", 30).predict(pictures))
    assert [one.text for one in of_bare] == [one.text for one in of_run]
    assert any(one.detections for one in of_run), "nothing is found, so that nothing is compared"
    for bare, learned in zip(of_bare, of_run, strict=True):
        assert bare.detections is not None
        assert learned.detections is not None
        assert bare.detections.boxes_xyxy_px == learned.detections.boxes_xyxy_px
        assert bare.detections.scores == pytest.approx(learned.detections.scores, rel=1e-4)


def test_the_pretrained_models_boxes_are_drawn_beside_the_truth(
    kenpin: Run, bases: dict[str, Path], tmp_path: Path
) -> None:
    data = made_objects(3)
    write_dataset(data, tmp_path / "objects", "yolo")
    words = ("predict", bases["florence2"], "objects", "--draw", "drawn", "--beside-truth", "--limit", 2)
    status, out, _ = kenpin(*words)
    assert (status, len(out.splitlines())) == (0, 2)
    first, second = sorted((tmp_path / "drawn").iterdir())
    with Image.open(first) as both:
        assert both.width > 2 * both.height > 0
    assert second.name.startswith("0002-")


def test_truth_is_on_the_left_and_what_was_found_on_the_right(tmp_path: Path) -> None:
    (example,) = made_objects(1)
    one = Detections(((10.0, 10.0, 60.0, 50.0),), ("dent",))
    blank = Detections()
    pictures = []
    for number, (known, found) in enumerate(((one, blank), (blank, one), (blank, blank))):
        prediction = Prediction(example.id, detections=found)
        drawn = draw_beside_truth(replace(example, boxes=known), prediction, None, tmp_path, number, labels=LABELS)
        with Image.open(drawn) as picture:
            half = picture.width // 2
            halves = (picture.crop((0, 0, half, 300)), picture.crop((half, 0, picture.width, 300)))
            pictures.append([half.tobytes() for half in halves])
    (left, _), (_, right), neither = pictures
    assert left != neither[0]
    assert right != neither[1]
    assert (pictures[0][1], pictures[1][0]) == (neither[1], neither[0])


def test_words_stand_on_the_banner() -> None:
    assert caption(Prediction("a", text="A  scratch,\nupper left."), None) == "A scratch, upper left."
    assert caption(Prediction("a", label="dent", text="dent"), None) == "dent"


def test_bases_are_asked(kenpin: Run, bases: dict[str, Path], picture: Path) -> None:
    status, out, _ = kenpin("ask", bases["florence2"], picture, "<CAPTION>", "--max-new-tokens", 5)
    assert (status, out.endswith("\n")) == (0, True)
    status, chat, _ = kenpin("ask", bases["chat"], picture, "What is it?", "--max-new-tokens", 5)
    assert (status, chat.endswith("\n")) == (0, True)
    status, out, err = kenpin("ask", bases["paligemma"], picture, "answer en why?", "--temperature", 1)
    assert (status, "does not sample words" in err) == (2, True)
    status, out, err = kenpin("ask", bases["classifier"], picture, "why?")
    assert (status, "reads no words" in err) == (2, True)


def test_boxes_are_printed_with_corners_and_scores() -> None:
    found = Detections(((1.0, 2.0, 30.5, 40.25), (0.0, 0.0, 5.0, 5.0)), ("傷", "dent"), (0.5, 0.25))
    assert (
        _in_lines(Prediction("a", detections=found)) == "傷\t1.0 2.0 30.5 40.2\t0.5000\ndent\t0.0 0.0 5.0 5.0\t0.2500"
    )
    assert _in_lines(Prediction("a", detections=Detections())) == "no box"
    assert _in_lines(Prediction("a", text=" A scratch. ")) == "A scratch."
