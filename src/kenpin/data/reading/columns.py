"""The meaning of a table's columns by their names, for CSV files, tables of numbers and Hugging Face tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

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


def has_pictures(schema: pa.Schema) -> bool:
    """Whether a table has a column of pictures: by its name, or by its form, bytes with a path."""
    is_picture = (
        pa.types.is_struct(kind) and {"bytes", "path"} <= {part.name for part in kind} for kind in schema.types
    )
    return column_of("image", schema.names) is not None or any(is_picture)


def attribute_columns(attributes: Iterable[Mapping[str, str]], taken: Iterable[str]) -> list[str]:
    """Names of all attributes in their first order. Raises DatasetError where one reads as another column."""
    reserved = {*taken, *(name for names in _NAMES.values() for name in names)}
    columns = list(dict.fromkeys(name for row in attributes for name in row))
    for name in columns:
        if name.strip().casefold() in reserved:
            raise DatasetError(f"attribute {name!r} would read as a column of another meaning. Rename the attribute.")
    return columns
