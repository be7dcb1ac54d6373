"""What the columns of a table mean, by their names; shared by CSV files and Hugging Face tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kenpin.errors import DatasetError

_NAMES = {
    "image": ("image", "path", "file", "file_name", "filename"),
    "label": ("label", "class"),
    "group": ("group", "lot", "part", "serial"),
    "split": ("split",),
}


def column_of(role: str, columns: Sequence[str]) -> str | None:
    """The column that plays a role (image, label, group, split): the first of the role's names that occurs."""
    by_name = {column.strip().casefold(): column for column in reversed(columns)}
    return next((by_name[name] for name in _NAMES[role] if name in by_name), None)


def attribute_columns(attributes: Iterable[Mapping[str, str]], taken: Iterable[str]) -> list[str]:
    """Names of all attributes in their first order. Raises DatasetError where one reads as another column."""
    reserved = {*taken, *(name for names in _NAMES.values() for name in names)}
    columns = list(dict.fromkeys(name for row in attributes for name in row))
    for name in columns:
        if name.strip().casefold() in reserved:
            raise DatasetError(f"attribute {name!r} would read as a column of another meaning. Rename the attribute.")
    return columns
