"""Which format a folder or file is in: the one that explains what lies there, or a refusal that names those that do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kenpin.data.dataset import Dataset
from kenpin.data.formats import csv, format_names, get_format
from kenpin.data.mistaken import is_a_run, what_it_is
from kenpin.data.not_opened import in_words, kinds_of
from kenpin.data.reading import Reading
from kenpin.data.reading.foreign import names_one_of, tool_of
from kenpin.data.reading.pictures import files_below, is_picture, listed, listings_kept, subfolders
from kenpin.errors import DatasetError
from kenpin.plural import counted
from kenpin.records import Finding, Severity

_ANNOTATED = ("label", "boxes_xyxy_px", "suffix")
_DEEPEST = 4  # folders in folders that are looked through for a data set
_FOLDERS = "folders"  # it makes something of any folder with pictures in it, so it is asked last
_FEW, _MOST = 0.1, 0.9  # shares of the pictures that another format explains
_FILES_TRIED = 2_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """What reading a folder in one format gave."""

    name: str
    dataset: Dataset
    reading: Reading
    findings: tuple[Finding, ...]

    @property
    def explained(self) -> int:
        """How many pictures it gives an annotation, or uses as one: that tells a reading from a listing of files."""
        if self.name == _FOLDERS and len(set(self.dataset.column("label")) - {None}) < 2:
            return 0  # any folder with pictures in it is a class folder of its own name
        return int(self.dataset.has_any(*_ANNOTATED).sum()) + sum(map(is_picture, self.reading.used))

    @property
    def parts(self) -> int:
        """How many parts it gives numbers, in place of pictures."""
        return len(self.dataset) if self.dataset.item_names else 0


def recognising(path: Path) -> list[str]:
    """The formats that recognise a file or folder by a look at it. A look never fails."""
    with listings_kept():
        return [name for name in format_names() if _recognises(name, path)]


def _recognises(name: str, path: Path) -> bool:
    try:
        return get_format(name).recognises(path)
    except OSError:
        return False


def located(path: Path) -> tuple[Path, list[str]]:
    """The path itself, or the only folder in it, below folders alone, that a format recognises; and the formats that
    recognise it. Raises DatasetError."""
    names = recognising(path)
    if names or not path.is_dir():
        return path, names
    found = _data_below(path, _DEEPEST)
    if len(found) == 1:
        return found[0], recognising(found[0])
    if len(found) > 1:
        listed = ", ".join(str(folder.relative_to(path)) for folder in found[:4])
        more = f" and {len(found) - 4} more" if len(found) > 4 else ""
        raise DatasetError(f"{path}: it holds {counted(len(found), 'data set')}: {listed}{more}. Name one of them.")
    return path, []


def _data_below(folder: Path, depth: int) -> list[Path]:
    found: list[Path] = []
    for entry in subfolders(folder) if depth else ():
        inner = Path(entry.path)
        if not is_a_run(inner):
            found += [inner] if recognising(inner) else _data_below(inner, depth - 1)
    return found


def unknown(path: Path) -> DatasetError:
    """The error for a file or folder that no format recognises."""
    if path.is_dir() and not listed(path):
        return DatasetError(f"{path}: the folder is empty. Put pictures in it, or correct the path.")
    if (mistaken := what_it_is(path)) is not None:
        return DatasetError(mistaken)
    files = [str(path)] if path.is_file() else _some_files(path)
    for file in files:
        if (tool := tool_of(file)) is not None:
            return DatasetError(
                f"{file}: this is {tool.name}, and nothing else here says how to read it. {tool.remedy}."
            )
    if path.is_dir() and not any(map(is_picture, files)):
        for kind, names in kinds_of(files).items():
            what, remedy = in_words(kind, names)
            return DatasetError(f"{path}: there is no picture in it, and {what}. {remedy}.")
    known = ", ".join(format_names())
    return DatasetError(f"{path}: no format recognises it. Say which it is with --format, one of {known}.")


def _some_files(path: Path) -> list[str]:
    files: list[str] = []
    for file in files_below(path, unlisted=[]):
        files.append(file)
        if len(files) == _FILES_TRIED:
            break
    return files


def chosen(path: Path, names: Sequence[str], attempt: Callable[[str], Attempt]) -> Attempt:
    """The reading that explains the folder, of several formats that recognise it. Raises DatasetError.

    A reading loses against one that explains nearly as many pictures by annotations which it leaves unread, and one of
    few pictures against one of many. Where neither is better, the user has to say.
    """
    attempts = [attempt(name) for name in names if name != _FOLDERS]
    if _FOLDERS in names and not _explains_all(path, attempts):
        attempts.append(attempt(_FOLDERS))
    losers = {
        loser.name
        for one in attempts
        for other in attempts
        if one is not other and (loser := _worse(one, other)) is not None
    }
    left = [one for one in attempts if one.name not in losers]
    if len(left) == 1:
        return left[0]
    equal = left or attempts
    what = " or ".join(f"{one.name} ({_in_words(one)})" for one in equal)
    raise DatasetError(f"{path}: it may be {what}. Say which, with --format {equal[0].name}.")


def _explains_all(path: Path, attempts: Sequence[Attempt]) -> bool:
    """Whether the only reading that is left explains nearly all pictures of a folder."""
    if len(attempts) != 1 or attempts[0].parts:
        return False
    return attempts[0].explained >= max(1, _MOST * sum(map(is_picture, files_below(path, unlisted=[]))))


def _in_words(attempt: Attempt) -> str:
    if attempt.parts:
        return counted(attempt.parts, "row of numbers", "rows of numbers")
    return f"{attempt.explained} annotated of {counted(len(attempt.dataset), 'picture')}"


def _worse(one: Attempt, other: Attempt) -> Attempt | None:
    """The reading of two that explains the folder worse; None where neither does, or both."""
    if one.parts or other.parts:
        table, pictures = (one, other) if one.parts else (other, one)
        # measurements beside pictures that are sorted are a note on them, and so is a photo beside measurements
        return table if len(pictures.dataset.classes) > 1 else pictures if not pictures.explained else None
    first, second = one.explained, other.explained
    if not first and not second:
        # a folder of pictures alone explains nothing; the reader of the annotations says what is wrong with them
        return next((attempt for attempt in (one, other) if attempt.name == _FOLDERS), None)
    if not first or not second:
        return other if first else one
    only_one, only_other = one.reading.used - other.reading.used, other.reading.used - one.reading.used
    if only_one and not only_other and first >= _MOST * second:
        return other
    if only_other and not only_one and second >= _MOST * first:
        return one
    if first <= _FEW * second:
        return one
    if second <= _FEW * first:
        return other
    return None


def has_errors(findings: Sequence[Finding]) -> bool:
    """Whether a reader told an error."""
    return any(finding.severity is Severity.ERROR for finding in findings)


def of_a_table(path: Path, names: Sequence[str]) -> bool:
    """Whether what lies there is a lone table, or one that names the pictures beside it, and no format recognises it:
    its reader says best what is wrong with it."""
    table = csv.table_of(path)
    if table is None or any(name != _FOLDERS for name in names):
        return False
    pictures = [entry.name for entry in listed(table.parent).pictures]
    return not names or names_one_of(table, pictures)
