"""`kenpin describe` and `kenpin ablate`, from picture files to marked descriptions, by an untrained language model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kenpin.data.dataset import Dataset
from kenpin.data.loading import load_dataset
from kenpin.description import describe
from kenpin.description.answers import read_answer
from kenpin.description.contradictions import find_contradictions
from kenpin.description.describer import DescribedPicture
from kenpin.errors import CaseLibraryError, OptionError
from kenpin.records_json import from_json
from tests.commands import Run
from tests.pictures import write_parts
from tests.toy_runs import ToyRun, trained

SHORT = ("--text-length", 6)
OTHERS = ("rust", "良品")  # labels of cases that no search finds


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, parts: Path, toy_run: ToyRun) -> Path:
    """A folder with runs `head`, `space` and `words`, which is told vectors of `head` and is good for nothing, and a
    library of scratches."""
    from kenpin.cases.adding import CaseDefaults, add_pictures
    from kenpin.cases.case import CaseVerdict
    from kenpin.cli.cases import _vector_run
    from kenpin.predictor import load_predictor

    home = tmp_path_factory.mktemp("described")
    toy_run("classifier", home / "head", tuning="head")
    toy_run("mahalanobis", home / "space")
    few = [replace(one, prefix="What is it?", suffix="x") for one in load_dataset(parts).select(range(0, 48, 8))]
    trained("vlm", home / "words", None, dataset=Dataset.from_examples(few), epochs=1, embedding_from=home / "head")
    shown = list(load_dataset(parts).select(range(24, 32)))
    kept_out = [
        replace(one, label=label, attributes={"verdict": "NEGATIVE"})
        for one, label in zip(shown[:2], OTHERS, strict=True)
    ]
    cases = Dataset.from_examples([*kept_out, *shown[2:]])
    defaults = CaseDefaults(CaseVerdict.POSITIVE, note="polished again")
    embed = load_predictor(home / "space").embed
    added = list(add_pictures(str(home / "known"), _vector_run(home / "space"), cases, embed, defaults=defaults))
    assert len(added) == 8
    return home


def test_describes_marks_and_writes_everything(kenpin: Run, home: Path, parts: Path, tmp_path: Path) -> None:
    pictures = [parts / "ok" / "003.png", parts / "scratch" / "003.png", tmp_path / "half.png"]
    pictures[2].write_bytes(pictures[0].read_bytes()[:200])
    evidence = ("--evidence", home / "head", home / "space", "--cases", home / "known")
    status, out, err = kenpin("describe", home / "words", *pictures, *evidence, *SHORT, "--json", "said.json")
    assert status == 1
    assert "half.png" in err
    rows = json.loads(Path("said.json").read_text("utf-8"))
    assert rows["not_opened"] == [str(pictures[2])]
    found = [from_json(DescribedPicture, row, "said.json") for row in rows["descriptions"]]
    assert [one.id for one in found] == [str(picture) for picture in pictures[:2]]
    for one in found:
        assert one.described.description == read_answer(one.described.text)
        assert one.described.contradictions == find_contradictions(one.described.description, one.evidence)
        assert all(f"! {marked.sentence}" in out for marked in one.described.contradictions)
        assert [witness.name for witness in one.evidence.witnesses] == ["head", "space"]
        assert len(one.evidence.cases) == 3
    assert out.count("CONTRADICTORY") == sum(bool(one.described.contradictions) for one in found)
    scratched = found[1].evidence
    assert (scratched.verdict, scratched.witnesses[0].label) == ("FAIL", "scratch")
    assert scratched.cases[0].similarity < 1 - 1e-6, "the picture's own case is no evidence"
    assert found[0].evidence.verdict == "PASS"
    assert found[0].evidence.defect_classes == ("scratch", "rust"), "though no case of rust is near"
    assert found[0].evidence.ok_classes == ("ok", "良品")


def test_any_answer_of_an_untrained_model_follows_the_schema(home: Path, parts: Path) -> None:
    pictures = sorted((parts / "ok").glob("*.png"))[:4]
    told: dict[str, Any] = {"evidence": [home / "head"], "text_length": 5}
    likeliest = list(describe(home / "words", pictures, **told))
    drawn = list(describe(home / "words", pictures, **told, temperature=3.0, min_p=0.0, seed=1))
    again = list(describe(home / "words", pictures, **told, temperature=3.0, min_p=0.0, seed=1))
    assert drawn == again
    assert drawn != likeliest
    assert len({one.described.text for one in drawn}) > 2
    assert len(list(describe("toy", pictures[:2], **told))) == 2, "a base without any run answers too"
    assert all(len(one.described.description.appearance) <= 5 for one in (*likeliest, *drawn))


def test_ablates(kenpin: Run, home: Path, parts: Path) -> None:
    from shutil import copytree

    copytree(parts / "ok", "seen/ok", ignore=lambda _, names: sorted(names)[3:])
    command = ("ablate", home / "words", "--evidence", home / "head", "--text-length", 3, "--data")
    status, _, err = kenpin(*command, "seen")
    assert status == 2
    assert "has learned from all of these 3 pictures" in err
    write_parts(Path("few"), first=1000, count=1)
    status, out, _ = kenpin(*command, "few", "--json", "a.json")
    assert status == 0
    assert "2 pictures, split all; the place of the defect is known for 1" in out
    conditions = json.loads(Path("a.json").read_text("utf-8"))["conditions"]
    told = [one["told"] for one in conditions]
    assert told[:2] == ["all", "nothing"]
    assert {"without verdict", "without score", "without class", "without vectors"} <= set(told)
    assert "without cases" not in told
    assert all(line.split("  ")[0] == one for line, one in zip(out.splitlines()[2:], told, strict=True))


def test_refuses_what_cannot_be_told(kenpin: Run, home: Path, parts: Path, toy_run: ToyRun) -> None:
    picture = parts / "ok" / "000.png"
    status, _, err = kenpin("describe", home / "head", picture, "--evidence", home / "space")
    assert (status, "take a run of family vlm" in err) == (2, True)
    status, _, err = kenpin("describe", home / "words", picture)
    assert (status, "`--evidence` is missing" in err) == (2, True)
    status, _, err = kenpin("describe", home / "words", picture, "--evidence", home / "head", "--leave-out", "vedrict")
    assert (status, "verdict" in err) == (2, True)
    other = toy_run("classifier", Path("other"), tuning="head", seed=1)
    with pytest.raises(CaseLibraryError, match="not part of the evidence"):
        list(describe(home / "words", [picture], evidence=[other], cases=str(home / "known")))
    with pytest.raises(OptionError, match="unknown option `evidences`"):
        list(describe(home / "words", [picture], evidences=[home / "head"]))
    Path("there.json").write_text("mine")
    status, _, err = kenpin("describe", home / "words", picture, "--evidence", home / "head", "--json", "there.json")
    assert (status, Path("there.json").read_text()) == (2, "mine")


def test_options_also_stand_in_a_file(kenpin: Run, home: Path, parts: Path) -> None:
    picture = parts / "scratch" / "000.png"
    Path("how.yaml").write_text(f"evidence: [{home / 'head'}]\ntext-length: 4\nleave-out: [class]\n")
    status, _, _ = kenpin("describe", home / "words", picture, "--config", "how.yaml", "--json", "a.json")
    assert status == 0
    options = json.loads(Path("a.json").read_text("utf-8"))["options"]
    assert (options["text_length"], options["leave_out"]) == (4, ["class"])
