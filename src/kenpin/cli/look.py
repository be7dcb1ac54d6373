"""The command `look`: a data set on one page, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kenpin.cli import FINDINGS, _show
from kenpin.cli._groups import DATA, OUTPUT, REQUIRED, RUN
from kenpin.cli._reading import ReadOptions
from kenpin.cli.data import Overwrite, PageLanguage
from kenpin.data.sampling import PER_CLASS
from kenpin.plural import counted


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class LookOptions(ReadOptions):
    """What is looked at, and how the page is written."""

    split: Annotated[str | None, Parameter(group=DATA, help="Look only at the pictures of this split.")] = None
    per_class: Annotated[int, Parameter(group=OUTPUT, help="Pictures to show of each class in each split.")] = PER_CLASS
    seed: Annotated[int, Parameter(group=RUN, help="Seed of the choice of pictures.")] = 0
    whole: Annotated[
        bool,
        Parameter(group=DATA, negative=(), help="Open all pictures and not a sample; takes long where there are many."),
    ] = False
    language: PageLanguage = "en"
    overwrite: Overwrite = False


def look(
    data: str,
    /,
    *,
    out: Annotated[Path, Parameter(group=REQUIRED, help="HTML file to write; it needs no other.")],
    options: LookOptions = LookOptions(),
) -> int:
    """Show a data set on one page: pictures, annotations, numbers, findings.

    The exit status is 1 where the doctor finds an error, 0 otherwise.

    Parameters
    ----------
    data:
        Data set: folder, file or hub id.
    """
    from kenpin.data.doctor import verdict
    from kenpin.files import check_writable
    from kenpin.report.look import look as write_look

    check_writable(out, options.overwrite)
    found = write_look(
        data,
        out,
        split=options.split,
        per_class=options.per_class,
        seed=options.seed,
        whole=options.whole,
        language=options.language,
        overwrite=options.overwrite,
        **options.keywords,
    )
    # a table's rows have nothing to open
    pictures = f"{counted(found.pictures, 'picture')}, {found.opened:,} opened"
    entries = pictures if found.opened or not found.pictures else counted(found.pictures, "row")

    _show.row(f"{out}: {entries}, {counted(len(found.classes), 'class')}. {verdict(found)}")
    return FINDINGS if found.has_errors else 0
