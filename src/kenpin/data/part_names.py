"""Which part a picture is of, and which view of it: by a column of the data set, or by the form of its file's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING

from kenpin.data.reading.pictures import is_picture
from kenpin.errors import DatasetError, OptionError
from kenpin.nearest import did_you_mean
from kenpin.plural import counted
from kenpin.views import View

if TYPE_CHECKING:
    from kenpin.data.dataset import Dataset

PICTURE = "picture"
"""In place of a column: each picture is a part of its own."""
_VIEW_FIELDS = ("view", "light")
"""Fields of a form, and columns beside one, that name the view; all others of a form name the part."""
_PIECE = re.compile(r"\{(\w+)\}|\*")


def is_form(by: str) -> bool:
    """Whether parts are told by the form of file names, and not by a column."""
    return "{" in by


@dataclass(frozen=True)
class NameForm:
    """A form of file names such as `{part}_{view}`: what stands for `{view}` and `{light}` names the view, all other
    fields the part, and `*` is anything. It is compared with as many last pieces of a path as it has, without the
    ending.

    >>> NameForm("{part}_{view}").view_of("line 3/A_17_top.png")
    ('A_17', 'top')
    >>> NameForm("{lot}/{part}-{view}-{light}").view_of("in/L5/8-top-ring.png")
    ('L5/8', 'top ring')
    >>> NameForm("{part}/{view}").view_of("8.png") is None
    True
    """

    text: str

    def __post_init__(self) -> None:
        fields = [match[1] for match in _PIECE.finditer(self.text) if match[1]]
        twice = next((field for field in fields if fields.count(field) > 1), None)
        rest = _PIECE.sub("", self.text)
        wrong = None
        if not set(fields) - set(_VIEW_FIELDS):
            wrong = "names no part"
        elif twice is not None:
            wrong = f"has {{{twice}}} twice"
        elif "{" in rest or "}" in rest:
            wrong = "has a bracket that is none of a field"
        elif re.search(r"\}[*{]|\*[*{]", self.text):
            wrong = "has nothing between two fields"
        if wrong is not None:
            raise OptionError(f"form {self.text!r}: it {wrong}; write one such as {{part}}_{{view}}.")

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        pieces, at = [], 0
        for match in _PIECE.finditer(self.text):
            pieces.append(re.escape(self.text[at : match.start()]))
            field = match[1]
            # of `A_17_top` by `{part}_{view}` the last piece is the view, however many the part's name has
            pieces.append("[^/]*?" if field is None else f"(?P<{field}>[^/]+{'?' if field in _VIEW_FIELDS else ''})")
            at = match.end()
        return re.compile("".join([*pieces, re.escape(self.text[at:])]))

    def view_of(self, path: str) -> View | None:
        """Part and view of a file; None where its name has another form."""
        name = PurePath(path.replace("\\", "/"))
        last = name.stem if is_picture(name.name) else name.name
        pieces = (*name.parts[:-1], last)[-(self.text.count("/") + 1) :]
        match = self._pattern.fullmatch("/".join(pieces))
        return None if match is None else _view(match.groupdict(), match.groupdict())


def _view(part: Mapping[str, str], view: Mapping[str, str]) -> View:
    names = [view[field] for field in _VIEW_FIELDS if view.get(field)]
    return "/".join(part[field] for field in part if field not in _VIEW_FIELDS), " ".join(names) or None


def views_of(dataset: Dataset, by: str) -> list[View]:
    """Part and view of each picture, (n,). by: `group`, an attribute such as a serial number, or a form of file names;
    by a column, the attributes `view` and `light` name the view.

    Raises OptionError for an unknown column or an impossible form, DatasetError for a picture of which they do not tell
    the part.
    """
    found: list[View] = []
    form = NameForm(by) if is_form(by) else None
    lacking = []
    for example in dataset:
        if form is not None:
            view = form.view_of(example.id)
        else:
            part = example.group if by == "group" else example.attributes.get(by)
            view = _view({"part": part}, example.attributes) if part else None
        if view is None:
            lacking.append(example.id)
        else:
            found.append(view)
    if not lacking:
        return found
    where = dataset.root or "the data set"
    if form is None and not found:
        known = sorted({name for example in dataset for name in example.attributes} | {"group"})
        raise OptionError(
            f"option `by`: no picture of {where} has a column {by!r}; {did_you_mean(by, (PICTURE, *known))} Or give "
            "the form of file names, such as {part}_{view}."
        )
    what = f"without a part by the form {by}" if form is not None else f"without a value in column {by!r}"
    raise DatasetError(
        f"{where}: {len(lacking)} of {counted(len(dataset), 'picture')} {what}, the first is {lacking[0]}; give each "
        "picture its part, or leave these out."
    )


def with_parts(dataset: Dataset, by: str) -> Dataset:
    """The data set with its parts as groups, so that no split and no fold divides one; where lots or the like are its
    groups already, these stay.

    Raises OptionError and DatasetError as `views_of` does, and DatasetError for a part in two splits or two groups.
    """
    parts = [part for part, _ in views_of(dataset, by)]
    where = dataset.root or "the data set"
    for column, remedy in (("split", "put all pictures of a part into one split"), ("group", "give a part one group")):
        values = dataset.column(column)
        first: dict[str, str | None] = {}
        for part, value in zip(parts, values, strict=True):
            if first.setdefault(part, value) != value:
                raise DatasetError(
                    f"{where}: pictures of part {part} are of {column} {first[part] or 'none'} and of "
                    f"{value or 'none'}; {remedy}, or name parts that are different ones differently."
                )
    groups = dataset.column("group")
    return dataset.with_groups([part if group is None else group for part, group in zip(parts, groups, strict=True)])
