"""The options of every command that reads a data set: what is settled about its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kenpin.cli._groups import DATA

if TYPE_CHECKING:
    from kenpin.data.dataset import Dataset
    from kenpin.data.loading import HowToRead


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)  # without slots: a command may have two parents of options
class ReadOptions:
    """What is settled about the files of a data set."""

    format: Annotated[
        str | None, Parameter(group=DATA, help="Format of the data set, where it cannot be told from its files.")
    ] = None
    encoding: Annotated[
        str | None,
        Parameter(group=DATA, help="Encoding of its texts, such as cp932, where it is not Unicode and is in doubt."),
    ] = None
    boxes: Annotated[
        str | None,
        Parameter(
            group=DATA,
            help="What the four numbers of its boxes are, whatever its format says: xyxy, xywh, cxcywh or yxyx, as "
            "pixels, or as fractions with -unit behind it.",
        ),
    ] = None
    outside: Annotated[
        bool,
        Parameter(group=DATA, negative=(), help="Its links and annotations may lead to pictures outside its folder."),
    ] = False

    @property
    def keywords(self) -> HowToRead:
        """The keywords of `load_dataset`."""
        return {"format": self.format, "encoding": self.encoding, "boxes": self.boxes, "outside": self.outside}

    def load(self, data: str) -> Dataset:
        """The data set, read so. Raises DatasetError, OptionError."""
        from kenpin.data.loading import load_dataset

        return load_dataset(data, **self.keywords)
