"""Annotation files mutated where their structure is, and folders mixed of two formats: a finding or a sentence, never a
crash, a hang or a silent loss."""

from __future__ import annotations

import random
import resource
import shutil
import time
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest

from kenpin.data import load_dataset
from kenpin.data.doctor import examine
from kenpin.data.formats import format_names
from kenpin.errors import KenpinError
from kenpin.records import Finding, Severity
from tests.data.mutations import mutated
from tests.data.samples import write_sample

LONGEST_S = 5.0
MOST_BYTES = 2**30  # by which the process's peak may grow over all mutations of a format
FORMATS = format_names()
_PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff"}
_SLOW = {"huggingface"}  # each reading takes as long as ten of the others


def _annotations(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() not in _PICTURES)


def _mutations(folder: Path, count: int, seed: int) -> Iterator[str]:
    """Mutates one annotation file after the other in its place, and puts it back."""
    random_ = random.Random(seed)
    originals = {path: path.read_bytes() for path in _annotations(folder)}
    for number in range(count):
        path = random_.choice([*originals])
        path.unlink()  # never in its place: a table may still be mapped from the file
        path.write_bytes(mutated(originals[path], path.suffix, random_))
        yield f"mutation {number} of seed {seed} of {path.relative_to(folder)}: {path.read_bytes()[:300]!r}"
        path.unlink()
        path.write_bytes(originals[path])


def _survives(folder: Path, format: str | None, which: str) -> None:
    started = time.process_time()
    try:
        examine(folder, format=format)
        told = ""
    except KenpinError as error:
        told = str(error)
    except Exception as error:
        raise AssertionError(which) from error
    assert "\n" not in told, which
    assert time.process_time() - started < LONGEST_S, which


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB


def _try(tmp_path: Path, format: str, count: int) -> None:
    folder = write_sample(tmp_path / "data", format)
    if not _annotations(folder):
        pytest.skip(f"{format} has no annotation files")
    peak = _peak_bytes()
    for number, which in enumerate(_mutations(folder, count, seed=0)):
        _survives(folder, format if number % 2 else None, which)
        assert _peak_bytes() - peak < MOST_BYTES, which


@pytest.mark.parametrize("format", FORMATS)
def test_a_mutated_annotation_is_a_finding_or_a_sentence(tmp_path: Path, format: str) -> None:
    _try(tmp_path, format, 5 if format in _SLOW else 25)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_ten_thousand_mutations(tmp_path: Path, format: str) -> None:
    _try(tmp_path, format, 200 if format in _SLOW else 700)  # of fourteen formats


def _mixed(folder: Path, first: Path, second: Path, random_: random.Random) -> None:
    """A folder that holds what two data sets hold, or a part of the second."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(first, folder)
    files = [path for path in second.rglob("*") if path.is_file()]
    for path in files if random_.random() < 0.5 else random_.sample(files, random_.randint(1, len(files))):
        target = folder / path.relative_to(second)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _explained(folder: Path, which: str) -> None:
    """Whatever a mixed folder is read as, each picture is in the data set or told of, or the refusal names formats."""
    findings: list[Finding] = []
    try:
        data = load_dataset(folder, note=findings.append)
    except KenpinError as refused:
        error = str(refused)
    else:
        error = ""
    if error:
        assert "--format" in error or "Name one" in error, f"{which}: {error}"
        return
    told = " ".join(f"{finding.where} {finding.what}" for finding in findings)
    pictures = {str(path) for path in folder.rglob("*") if path.suffix.lower() in _PICTURES}
    read = {path for path in data.files() if path} | {mask for mask in data.column("mask") if mask}
    for picture in pictures - read:
        assert str(Path(picture).parent) in told or picture in told, f"{which}: {picture} was left without a word"
    files = set(map(str, _annotations(folder)))
    codes = {finding.code for finding in findings}
    if len(files) > 1 and data.format == "folders":
        assert codes & {"annotation-not-read", "other-file", "nothing-annotated"}, f"{which}: a file was left"
    if not len(data):
        assert any(finding.severity is Severity.ERROR for finding in findings), f"{which}: empty, and clean"


def _try_mixed(tmp_path: Path, pairs: list[tuple[str, str]], each: int) -> None:
    samples = {name: write_sample(tmp_path / "of" / name, name) for name in {name for pair in pairs for name in pair}}
    for first, second in pairs:
        for seed in range(each):
            _mixed(tmp_path / "mixed", samples[first], samples[second], random.Random(f"{first} {second} {seed}"))
            _explained(tmp_path / "mixed", f"{first} and {second}, seed {seed}")


def test_folders_mixed_of_two_formats_are_explained_or_refused(tmp_path: Path) -> None:
    pairs = [pair for pair in permutations(FORMATS, 2) if not _SLOW & {*pair}]
    _try_mixed(tmp_path, random.Random(0).sample(pairs, 40), 1)


@pytest.mark.slow
def test_two_thousand_mixed_folders(tmp_path: Path) -> None:
    pairs = [*permutations(FORMATS, 2)]
    _try_mixed(tmp_path, pairs, -(-2_000 // len(pairs)))


def test_every_format_has_a_sample(tmp_path: Path) -> None:
    for name in FORMATS:
        assert load_dataset(write_sample(tmp_path / name, name), format=name).format == name
