"""The examination as text for a terminal: counts, then the findings by kind, long lists shortened."""

from __future__ import annotations

from io import StringIO
from itertools import groupby
from typing import TYPE_CHECKING

from kenpin.plural import counted
from kenpin.records import Finding, Severity
from kenpin.visible import short, visible
from kenpin.words import ENGLISH, Texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kenpin.data.doctor.between import PairExamination
    from kenpin.data.doctor.examination import Examination

_SHOWN = 5  # findings of a kind; all of them are in the JSON
_SHOWN_CLASSES = 40
_SENTENCE = 1_000  # letters; one that names a file is longer than a name may be


def render(examination: Examination, *, width: int = 100) -> str:
    """Text with tables of at most `width` columns; findings are not wrapped, so that paths can be copied."""
    kinds = _kinds(examination.findings)
    return "\n".join([_heading(examination), _table(examination, width), *kinds, verdict(examination)])


def render_pair(pair: PairExamination, *, width: int = 100) -> str:
    """Both examinations as text, the findings between the data sets, and the counts of all findings."""
    first, second = (render(examination, width=width) for examination in pair.data_sets)
    heading = f"Between them: {counted(len(pair.between), 'finding')}\n"
    return "\n".join([first, "", second, "", heading, *_kinds(pair.between), f"Together: {verdict(pair)}"])


def _heading(examination: Examination) -> str:
    read_as = f" (read as {examination.format})" if examination.format else ""
    lines = [f"{visible(str(examination.source or 'data set'))}{read_as}: {counted(examination.pictures, 'picture')}"]
    if 0 < examination.opened < examination.pictures:
        lines.append(f"Opened: {examination.opened} of them; files, sizes and copies were checked only in these")
    if (sizes := examination.sizes) is not None:
        sizes_wh = dict.fromkeys((sizes.smallest_wh, sizes.median_wh, sizes.largest_wh))
        names = {1: "all", 2: "from", 3: "smallest, median and largest"}[len(sizes_wh)]
        lines.append(f"Sizes in pixels, {names}: " + ", ".join(f"{width} × {height}" for width, height in sizes_wh))
    return "\n".join(lines)


def _table(examination: Examination, width: int) -> str:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    counts = examination.counts
    names = list(dict.fromkeys([*examination.classes, *(name for row in counts.values() for name in row)]))
    table = Table(box=SIMPLE)
    table.add_column("class", overflow="fold")
    for split in counts:
        table.add_column(Text(short(split or "no split")), justify="right")
    for name in names[:_SHOWN_CLASSES]:  # Text: brackets in a name are no markup
        table.add_row(Text(short(name or "none")), *(str(row.get(name, 0)) for row in counts.values()))
    if len(names) > _SHOWN_CLASSES:
        table.add_row(f"and {len(names) - _SHOWN_CLASSES} more")
    text = StringIO()
    Console(file=text, width=width, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().rstrip().splitlines()) + "\n"


def _kinds(findings: Sequence[Finding]) -> Iterator[str]:
    """One block for each severity and code, in the order of severity."""

    def kind(finding: Finding) -> tuple[int, str]:
        return [*Severity].index(finding.severity), finding.code

    for _, group in groupby(sorted(findings, key=kind), key=kind):
        yield _block([*group])


def _block(findings: Sequence[Finding]) -> str:
    first = findings[0]
    lines = [f"{first.severity.noun.upper()} {first.code} ({len(findings)})"]
    lines += [f"  {visible(finding.where)}: {short(finding.what, _SENTENCE)}." for finding in findings[:_SHOWN]]
    if len(findings) > _SHOWN:
        lines.append(f"  and {len(findings) - _SHOWN} more")
    lines += [
        f"  → {short(remedy, _SENTENCE)}." for remedy in dict.fromkeys(finding.remedy for finding in findings[:_SHOWN])
    ]
    return "\n".join(lines) + "\n"


def verdict(examination: Examination | PairExamination, texts: Texts = ENGLISH) -> str:
    """How many findings of each severity there are, in a sentence."""
    errors, warnings, infos = (examination.count(severity) for severity in Severity)
    notes = texts.count("%(count)s note", "%(count)s notes", infos)
    if errors or warnings:
        counts = [
            texts.count("%(count)s error", "%(count)s errors", errors),
            texts.count("%(count)s warning", "%(count)s warnings", warnings),
            notes,
        ]
        return texts("%(sentence)s.", sentence=texts(", ").join(counts))
    if infos:
        return texts("Clean: no errors, no warnings; %(notes)s.", notes=notes)
    return texts("Clean: no errors, no warnings.")
