"""Regions of interest by picture: masks in a folder, named as the pictures, or a column of the data set."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath

from kenpin.data.dataset import Dataset
from kenpin.data.files import picture_files
from kenpin.data.images import displayed_size, read_mask
from kenpin.data.picture_files import PictureError
from kenpin.errors import ImageError, OptionError
from kenpin.masks import Mask, mask_of
from kenpin.outlines import Outline
from kenpin.records import Example, ImageSource
from kenpin.regions.by_picture import COLUMN, as_kept

_SUFFIX_LONGEST = 5


@dataclass(frozen=True)
class PictureRegions:
    """The region of interest of each picture."""

    source: str
    """A folder of masks, or `column:` and the name of a column whose cells are mask files or polygons."""
    default: Mask | None = None
    """The region of pictures that have none."""
    whole: bool = False
    """Whether pictures that have none are looked at as a whole."""
    table: str | None = None
    """Data set whose column it is; None: of the one that is looked at."""

    def mask_of(self, example: Example, size_wh: tuple[int, int]) -> Mask | None:
        """The region of a picture of this displayed size, (h, w), or in its proportions; None: the whole picture.
        Raises ImageError."""
        if self.source.startswith(COLUMN):
            cell, root = self._cell_of(example)
            if cell is not None:
                return _of_cell(cell, root, example, size_wh, self.source)
        elif (file := self._masks.get(_longest(_key(_name_of(example)), self._masks))) is not None:
            return _of_file(file, example)
        if self.whole:
            return None
        if self.default is None:
            raise PictureError(example.image, "image-without-region", *self._missing(example))
        return self.default

    def check(self, pictures: Dataset) -> None:
        """Refuse pictures without a region, or with one that cannot be read, before anything is learned. Raises
        OptionError."""
        bad: list[str] = []
        taken: dict[str, str] = {}
        for example in pictures:
            try:
                self.mask_of(example, example.size_wh or _size_of(example, pictures))
            except ImageError as error:
                bad.append(f"{error}")
            key = "" if self.source.startswith(COLUMN) else _longest(_key(_name_of(example)), self._masks)
            if key and (other := taken.setdefault(key, example.id)) != example.id:
                raise OptionError(
                    f"option `roi`: pictures {other} and {example.id} have one mask, {self._masks[key]}; put masks "
                    "into folders that are named as those of the pictures."
                )
        if bad:
            more = f" And {len(bad) - 1} more." if len(bad) > 1 else ""
            raise OptionError(f"option `roi`: {bad[0]}{more}")

    @property
    def finds_none(self) -> bool:
        """Whether no picture file has a region: its folder is gone, or it is a column that files have not."""
        if self.whole or self.default is not None:
            return False
        return self.table is None if self.source.startswith(COLUMN) else not Path(self.source).is_dir()

    @cached_property
    def _masks(self) -> dict[str, str]:
        """Mask files by their paths below the folder, without suffixes. Raises OptionError."""
        folder = Path(self.source)
        if not folder.is_dir():
            raise OptionError(f"option `roi`: {folder} is not a folder of masks; give one, named as the pictures.")
        found: dict[str, str] = {}
        for file in picture_files([folder]):
            key = _key(Path(file).relative_to(folder).as_posix())
            if (other := found.setdefault(key, file)) != file:
                raise OptionError(f"option `roi`: {other} and {file} are masks of one picture; leave one of them out.")
        return found

    @cached_property
    def _cells(self) -> tuple[dict[str, str], str]:
        """Cells of another table by the paths of their pictures, without suffixes, and its folder."""
        from kenpin.data.loading import load_dataset  # who names masks does not wait for every format

        dataset, name = load_dataset(str(self.table)), self.source.removeprefix(COLUMN)
        cells = {_key(one.id): one.attributes[name] for one in dataset if name in one.attributes}
        if not cells:
            raise OptionError(f"option `roi`: {self.table} has no column {name!r} with regions; name another table.")
        return cells, str(Path(str(self.table)).parent)

    def _cell_of(self, example: Example) -> tuple[str | None, str]:
        """The column's cell for a picture, and what paths in it begin at."""
        if self.table is None:
            origin = example.image.path or ""
            return example.attributes.get(self.source.removeprefix(COLUMN)), _root_of(origin, example.id)
        cells, root = self._cells
        return cells.get(_longest(_key(_name_of(example)), cells)), root

    def _missing(self, example: Example) -> tuple[str, str]:
        """What is missing, and the remedy."""
        otherwise = "or give a region for such pictures with --roi-default in the training"
        if self.source.startswith(COLUMN):
            where = "" if self.table is None else f" of {self.table}"
            name = self.source.removeprefix(COLUMN)
            return f"its region of interest is not in column {name!r}{where}", (
                "Fill the column with a mask file or a polygon [[x, y], …], name a table or a folder of masks with "
                f"--roi, {otherwise}"
            )
        name = PurePosixPath(_key(_name_of(example))).name
        return f"its region of interest is not in {self.source}", f"Add a mask {name}.png there, {otherwise}"


def regions_given(given: str, kept: PictureRegions) -> PictureRegions:
    """The regions of a run whose pictures are judged now, from what was given in place of what it keeps: a folder of
    masks, or a table with the column of the training, else with a column `roi`. Raises OptionError."""
    path = Path(given)
    if path.is_dir():
        return PictureRegions(as_kept(given), kept.default, kept.whole)
    if not path.is_file() or path.suffix.lower() not in (".csv", ".tsv", ".jsonl"):
        raise OptionError(
            f"option `--roi`: {given} is neither a folder of masks nor a table (.csv, .jsonl) with a column of "
            "regions, and this run looks at a region of its own in each picture; give one of them."
        )
    column = kept.source if kept.source.startswith(COLUMN) else f"{COLUMN}roi"
    return PictureRegions(column, kept.default, kept.whole, str(path))


def _of_cell(cell: str, root: str, example: Example, size_wh: tuple[int, int], source: str) -> Mask:
    """The region that a cell names or draws. Raises PictureError."""
    if not cell.lstrip().startswith("["):
        return _of_file(str(Path(root) / cell), example)
    try:
        corners = json.loads(cell)
        rings = corners if isinstance(corners[0][0], list) else [corners]
        outline = Outline(rings=tuple(tuple(float(value) for x, y in ring for value in (x, y)) for ring in rings))
        mask = mask_of(outline, size_wh)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        what = f"{source} holds no polygon for it ({cell[:40]})"
        raise PictureError(
            example.image, "image-without-region", what, "Write corners as [[x, y], …] in its pixels, three at least"
        ) from error
    if not mask.any():
        what = f"its polygon in {source} covers no pixel of its {size_wh[0]} × {size_wh[1]}"
        raise PictureError(example.image, "image-without-region", what, "Give corners within the picture")
    return mask


def _of_file(file: str, example: Example) -> Mask:
    """The region that a mask file shows. Raises PictureError, ImageError."""
    try:
        status = Path(file).stat()
    except OSError as error:
        what = f"its mask {file} cannot be read ({error.strerror})"
        raise PictureError(example.image, "image-without-region", what, "Put it there, or name another") from error
    mask = _read(file, status.st_mtime_ns, status.st_size)
    if not mask.any():
        what = f"its mask {file} is black all over"
        raise PictureError(example.image, "image-without-region", what, "Paint white what is to be looked at")
    return mask


@lru_cache(maxsize=32)  # a picture's mask is asked for by its size, its hash and its pixels, one soon after the other
def _read(file: str, modified_ns: int, size: int) -> Mask:
    return read_mask(ImageSource(file))


def _size_of(example: Example, pictures: Dataset) -> tuple[int, int]:
    return displayed_size(pictures.source_of(example))


def _name_of(example: Example) -> str:
    return example.image.path or example.id


def _root_of(path: str, id: str) -> str:
    """The folder that a data set's ids begin at, from a picture's path and id; that of the picture where they do not
    fit."""
    return path.removesuffix(id) if id and path.endswith(id) else str(Path(path).parent)


def _key(path: str) -> str:
    """A path without suffix, with forward slashes, in one form of Unicode."""
    whole = unicodedata.normalize("NFC", path.replace("\\", "/"))
    stem, dot, suffix = whole.rpartition(".")
    return stem if dot and "/" not in suffix and 0 < len(suffix) <= _SUFFIX_LONGEST else whole


def _longest(key: str, known: Iterable[str] | Mapping[str, str]) -> str:
    """The longest end of a path, by whole names, that is known; empty where none is."""
    parts = key.split("/")
    return next((end for at in range(len(parts)) if (end := "/".join(parts[at:])) in known), "")
