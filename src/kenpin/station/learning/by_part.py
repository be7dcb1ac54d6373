"""Reviewed parts by several pictures in a data set: each picture with its part and view, as the runs tell them."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from kenpin.data.dataset import Dataset
from kenpin.data.part_names import NameForm, is_form, views_of
from kenpin.errors import DatasetError
from kenpin.records import Example, ImageSource
from kenpin.station.learning.reviewed import LeftOutPart, ReviewedPart, ReviewedView

PART, VIEW = "part", "view"
"""Columns that name them."""
_OWN_COLUMNS = ("path", "label", "group", "split", VIEW, "light")
_FIELDS = ("{view}", "{light}")
_LONGEST_BYTES = 200  # of a file's name, which has 255 at most with its ending
_ANY_FIELD, _ANY = re.compile(r"\{\w+\}"), re.compile(r"\{\w+\}|\*")


@dataclass(frozen=True, slots=True)
class Naming:
    """How the pictures of a data set tell their parts."""

    by: str
    """As `--by` takes it: the form of the files' names, or a column."""

    @staticmethod
    def of(by: str, parts: Sequence[ReviewedPart]) -> Naming:
        """By what the runs that judge tell parts, where files and columns can be named so; else by a column."""
        if not is_form(by):
            return Naming(PART if by in _OWN_COLUMNS else by)
        form = NameForm(by)
        fits = "/" not in by and all(_file_of(form, part, view) for part in parts for view in part.views)
        return Naming(by if fits else PART)

    def file_of(self, part: ReviewedPart, view: ReviewedView) -> str:
        """Name of a picture's file, without an ending; no two are the same."""
        named = _file_of(NameForm(self.by), part, view) if is_form(self.by) else None
        return named or view.content

    def attributes_of(self, part: ReviewedPart, view: ReviewedView) -> dict[str, str]:
        """Columns beside its file: they tell the same."""
        return {PART if is_form(self.by) else self.by: part.content, **({VIEW: view.name} if view.name else {})}

    def check(self, written: Dataset, parts: Sequence[ReviewedPart]) -> None:
        """Raises DatasetError where a data set that was written does not tell each picture's part and view."""
        of_content = {view.content: (part.content, view.name) for part in parts for view in part.views}
        told: dict[str, set[str]] = {}
        for content, (part, view) in zip(written.contents(), views_of(written, self.by), strict=True):
            meant, name = of_content[content]
            told.setdefault(part, set()).add(meant)
            if view != name:
                raise DatasetError(f"data set: view {name!r:.60} cannot be told by {self.by}; rename it on the line.")
        if any(len(meant) > 1 for meant in told.values()):
            raise DatasetError(f"data set: parts cannot be told apart by {self.by}; give the form another name.")


def whole_parts(parts: Sequence[ReviewedPart], *, by_part: bool) -> tuple[list[ReviewedPart], list[LeftOutPart]]:
    """The parts of single pictures, or with the views that most of the others have, and what was left out: a part with
    other views teaches nothing of those that it lacks, and one picture of two parts would be learned from and held
    out."""
    kinds = Counter(_views(part) for part in parts if part.views)
    usual = max(kinds, key=lambda views: kinds[views], default=("",)) if by_part else ()
    fit, left_out, seen = list[ReviewedPart](), list[LeftOutPart](), dict[str, str]()
    for part in parts:
        contents = [view.content for view in part.views]
        shared = next((content for content in contents if seen.get(content, part.content) != part.content), None)
        if _views(part) != usual:
            left_out.append(LeftOutPart(part.id, part.content, "it has other views than most parts"))
        elif len({*contents}) < len(contents) or shared is not None:
            left_out.append(LeftOutPart(part.id, part.content, "a picture of it is that of another view or part"))
        else:
            seen |= dict.fromkeys(contents, part.content)
            fit.append(part)
    return fit, left_out


@contextmanager
def named_pictures(
    parts: Sequence[tuple[ReviewedPart, str, str]], naming: Naming, inside: Path
) -> Iterator[list[Example]]:
    """An example for each view of these parts, which are given with class and split, under names that tell part and
    view, which are gone on leaving. inside: a folder on the disk of the pictures."""
    with TemporaryDirectory(dir=inside) as folder:
        examples = []
        for number, (part, label, split) in enumerate(parts):
            # a folder each: whatever a file is called, none lies on another
            own = Path(folder) / f"{number}"
            for place, view in enumerate(part.views):
                link = own / f"{place}" / naming.file_of(part, view)
                link.parent.mkdir(parents=True)
                try:
                    link.hardlink_to(view.picture)
                except OSError:  # a disk that has no links
                    shutil.copyfile(view.picture, link)
                attributes = naming.attributes_of(part, view)
                examples.append(
                    Example(view.content, ImageSource(str(link)), split, label=label, attributes=attributes)
                )
        yield examples


def _views(part: ReviewedPart) -> tuple[str, ...]:
    return tuple(sorted(view.name or "" for view in part.views))


def _file_of(form: NameForm, part: ReviewedPart, view: ReviewedView) -> str | None:
    """A file's name of the form; None where none tells this view."""
    for fields in _divided(view.name or "", [field for field in _FIELDS if field in form.text]):
        text = form.text
        for field, value in fields.items():
            text = text.replace(field, value)
        # the first field names the part; what else stands for any text is the same everywhere
        named = _ANY.sub("x", _ANY_FIELD.sub(part.content, text, count=1))
        is_name = named.isprintable() and len(named.encode()) <= _LONGEST_BYTES
        found = form.view_of(f"{named}.png") if is_name else None
        if found is not None and found[1] == view.name and part.content in found[0]:
            return named
    return None


def _divided(name: str, fields: Sequence[str]) -> Iterator[dict[str, str]]:
    """Each way to divide a view's name among the fields of a form."""
    words = name.split(" ")
    if len(fields) < 2:
        yield dict.fromkeys(fields, name)
    for cut in range(1, len(words)) if len(fields) > 1 else ():
        yield {fields[0]: " ".join(words[:cut]), fields[1]: " ".join(words[cut:])}
