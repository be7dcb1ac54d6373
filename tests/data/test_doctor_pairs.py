"""The doctor on two data sets: what both hold, by picture, look and group, and the classes that one lacks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from kenpin.data.doctor import PairExamination, examine_pair
from kenpin.errors import OptionError
from tests.builders import write_picture
from tests.commands import Run


def _folder(root: str, label: str, seeds: range) -> None:
    for seed in seeds:
        write_picture(Path(root, label, f"{seed}.png"), seed)


def _between(pair: PairExamination) -> dict[str, str]:
    """What was found between them, by code; at most one finding of each is expected here."""
    assert len({finding.code for finding in pair.between}) == len(pair.between)
    return {finding.code: str(finding) for finding in pair.between}


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders `train` and `test` of other pictures of the same two classes."""
    monkeypatch.chdir(tmp_path)
    for root, seeds in (("train", range(12)), ("test", range(50, 53))):
        _folder(root, "ok", seeds)
        _folder(root, "scratch", range(seeds.start + 100, seeds.stop + 100))


@pytest.mark.usefixtures("two")
def test_nothing_is_between_two_that_share_nothing() -> None:
    pair = examine_pair("train", "test")
    assert pair.between == ()
    assert [one.source for one in pair.data_sets] == ["train", "test"]
    assert not pair.has_errors


@pytest.mark.usefixtures("two")
def test_a_picture_in_both_is_an_error_that_names_both() -> None:
    shutil.copy("train/ok/3.png", "test/ok/renamed.png")
    pair = examine_pair("train", "test")
    found = _between(pair)
    assert found.keys() == {"copies-across-data-sets"}
    assert "train/ok/3.png: the same picture is also test/ok/renamed.png." in found["copies-across-data-sets"]
    assert pair.has_errors
    assert not any(one.has_errors for one in pair.data_sets)


@pytest.mark.usefixtures("two")
def test_a_picture_in_both_that_is_annotated_otherwise_says_so() -> None:
    shutil.copy("train/ok/3.png", "test/scratch/renamed.png")
    assert (
        "annotated differently: ok against scratch"
        in _between(examine_pair("train", "test"))["copies-across-data-sets"]
    )


@pytest.mark.usefixtures("two")
def test_a_look_alike_in_both_is_a_warning_that_names_both() -> None:
    with Image.open("train/ok/3.png") as picture:
        picture.filter(ImageFilter.GaussianBlur(0.6)).save("test/ok/blurred.png")
    pair = examine_pair("train", "test")
    found = _between(pair)
    assert found.keys() == {"near-copies-across-data-sets"}
    assert "train/ok/3.png: the picture looks like test/ok/blurred.png." in found["near-copies-across-data-sets"]
    assert not pair.has_errors


@pytest.mark.usefixtures("two")
def test_copies_within_one_are_its_own_finding_and_none_between() -> None:
    shutil.copy("train/ok/3.png", "train/ok/again.png")
    pair = examine_pair("train", "test")
    assert pair.between == ()
    assert "copies" in {finding.code for finding in pair.data_sets[0].findings}


def test_a_group_in_both_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for root, seeds, lots in (("train", range(4), "aabb"), ("test", range(50, 54), "ccbd")):
        _folder(root, "ok", seeds)
        rows = [f"ok/{seed}.png,ok,{lot}" for seed, lot in zip(seeds, lots, strict=True)]
        Path(root, "list.csv").write_text("\n".join(["path,label,group", *rows]))
    found = _between(examine_pair("train/list.csv", "test/list.csv"))
    assert found.keys() == {"group-in-both-data-sets"}
    assert "group b is in both data sets" in found["group-in-both-data-sets"]
    assert "ok/2.png" in found["group-in-both-data-sets"]
    assert "ok/52.png" in found["group-in-both-data-sets"]


@pytest.mark.usefixtures("two")
def test_classes_that_differ_are_named_with_the_nearest() -> None:
    Path("test/scratch").rename("test/Scratches")
    told = [str(finding) for finding in examine_pair("train", "test").between]
    assert len(told) == 2
    assert (
        "test: no picture shows scratch, which train has. Give the classes the same names: scratch may be Scratches"
        in (told[0])
    )
    assert "train: no picture shows Scratches, which test has." in told[1]


@pytest.mark.usefixtures("two")
def test_good_parts_alone_may_be_trained_on_but_not_tested_on() -> None:
    shutil.rmtree("train/scratch")
    (finding,) = examine_pair("train", "test").between
    assert (finding.code, finding.severity) == ("class-missing-from-data-set", "info")
    (finding,) = examine_pair("test", "train").between
    assert (finding.code, finding.severity) == ("class-missing-from-data-set", "warning")


@pytest.mark.usefixtures("two")
def test_the_same_data_set_twice_is_refused() -> None:
    with pytest.raises(OptionError, match="the same data set twice"):
        examine_pair("train", "./train/")


def test_the_command_tells_of_both_and_of_what_is_between(kenpin: Run) -> None:
    for root in ("train", "test"):
        _folder(root, "ok", range(3))
    status, out, _ = kenpin("doctor", "train", "test", "--json", "found.json")
    assert status == 1
    assert "train (read as folders): 3 pictures" in out
    assert "test (read as folders): 3 pictures" in out
    assert "ERROR copies-across-data-sets (3)" in out
    assert "\nTogether: 3 errors" in out
    found = json.loads(Path("found.json").read_text())
    assert [one["source"] for one in found["data_sets"]] == ["train", "test"]
    assert [finding["code"] for finding in found["between"]] == ["copies-across-data-sets"] * 3
    assert (found["has_errors"], found["totals"]["error"]) == (True, 3)
    assert kenpin("doctor", "train")[0] == 0, "one alone is as it was"
