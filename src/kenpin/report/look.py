"""Look before you train: one page with a data set's pictures, annotations, numbers and findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Unpack, cast

from kenpin.config import LARGEST_SEED
from kenpin.data.dataset import Dataset
from kenpin.data.doctor import Examination, examine_dataset, verdict
from kenpin.data.images import Header, Picture
from kenpin.data.loading import HowToRead, load_dataset
from kenpin.data.sampling import NO_CLASS, PER_CLASS, PictureSample, sample_by_class
from kenpin.data.taking import DataSource
from kenpin.errors import DatasetError, OptionError
from kenpin.files import check_free
from kenpin.records import Example, Finding, Severity
from kenpin.report import look_charts as charts
from kenpin.report.document import fill, write_document
from kenpin.report.look_cards import PictureCard, ShownPicture, card, within
from kenpin.report.names import without_folders
from kenpin.words import ENGLISH, Language, Texts

MOST_BYTES = 4_000_000
"""Bytes of all thumbnails on a page together."""
_OPENED_AT_LEAST = 200
_SHOWN_AT_MOST = 600
_FINDINGS = 5  # findings of a kind; the doctor lists all
_CARDS = 6  # pictures for a kind of finding
_CARDS_OF_ONE = 3  # pictures for a finding on several


@dataclass(frozen=True, slots=True, eq=False)
class Overview:
    """A data set with its examination and sampled pictures."""

    dataset: Dataset
    examination: Examination
    classes_of_each: Sequence[Sequence[str]]
    """The classes that each picture shows, its label and those of its boxes."""
    sample: PictureSample
    headers: Mapping[str, Header]
    """Headers of the opened pictures, by id."""
    pictures: Mapping[str, ShownPicture]
    """Pictures on the page: the sample's, and those of findings, by id."""


class HowToShow(HowToRead, total=False):
    """Keywords of `load_dataset`, and of the page."""

    language: Language
    """Of the page's own texts; by default "en"."""


def look(
    data: DataSource,
    out: str | Path,
    *,
    split: str | None = None,
    per_class: int = PER_CLASS,
    seed: int = 0,
    whole: bool = False,
    overwrite: bool = False,
    **how: Unpack[HowToShow],
) -> Examination:
    """Show a data set on one self-contained HTML page, and return the doctor's examination.

    Annotations, classes and splits are checked and counted in all pictures. A sample of `per_class` pictures of each
    class in each split, chosen by `seed`, is shown; it and some others are opened, for checks of files, sizes and
    copies. `whole`: all are opened. `split`: the pictures of one split alone. `how`: keywords of `load_dataset`, and
    `language`, that of the page; what the doctor finds and no template knows stays English.

    Raises DatasetError for a data set that cannot be read or has no such split, OptionError, and OutputExistsError
    where `out` exists, unless `overwrite`. A picture that cannot be opened is a finding.
    """
    out = Path(out)
    check_free(out, overwrite)
    if per_class < 1:
        raise OptionError(f"option `--per-class` is {per_class}; give 1 or more.")
    if not 0 <= seed <= LARGEST_SEED:
        raise OptionError(f"option `--seed` is {seed}; give a number from 0 to {LARGEST_SEED}.")
    texts = Texts(how.pop("language", "en"))
    findings: list[Finding] = []
    dataset = load_dataset(data, note=findings.append, **cast(HowToRead, how))
    if split is not None and split not in dataset.splits:
        known = ", ".join(dataset.splits) or "none"
        raise DatasetError(f"{dataset.root or 'the data set'}: no split {split!r}; there are {known}.")
    chosen = dataset if split is None else dataset.of_split(split)
    overview = overview_of(chosen, findings, per_class=per_class, seed=seed, whole=whole)
    write_document(lambda: render_look(overview, texts), out, overwrite)
    return overview.examination


def overview_of(
    dataset: Dataset,
    findings: Iterable[Finding] = (),
    *,
    per_class: int = PER_CLASS,
    seed: int = 0,
    whole: bool = False,
) -> Overview:
    """Examine a data set that was read, and open a sample of its pictures. `findings`: those of its reader."""
    classes_of_each = _classes_of_each(dataset)
    sample = sample_by_class(
        [] if dataset.item_names else classes_of_each,
        [] if dataset.item_names else dataset.column("split"),
        each=per_class,
        seed=seed,
        at_least=_OPENED_AT_LEAST,
        at_most=_SHOWN_AT_MOST,
    )
    ids = dataset.column("id")
    shown = {ids[index] for index in sample.shown}
    headers: dict[str, Header] = {}
    pictures: dict[str, ShownPicture] = {}

    def seen(example: Example, picture: Picture) -> None:
        headers[example.id] = picture.header
        if example.id in shown:
            pictures[example.id] = ShownPicture.of(example, picture)

    examination = examine_dataset(dataset, findings, opened=None if whole else sample.opened, seen=seen)
    named = (id for of_kind in _kinds(examination.findings) for id in _pictured(of_kind))
    lacking = {*shown, *named} - pictures.keys()
    if not dataset.item_names:
        for example in dataset.select(index for index, id in enumerate(ids) if id in lacking):
            pictures[example.id] = ShownPicture.opened(example)
    return Overview(dataset, examination, classes_of_each, sample, headers, within(pictures, MOST_BYTES))


def render_look(overview: Overview, texts: Texts = ENGLISH) -> str:
    """The HTML page; text from data and labels is escaped, pictures are embedded."""
    dataset, examination = overview.dataset, overview.examination
    boxes = charts.boxes_by_class(dataset)
    classes = dict(zip(dataset.column("id"), overview.classes_of_each, strict=True))
    has_answers = any(answer is not None for answer in dataset.column("suffix"))
    of_rows = bool(dataset.item_names)
    root = without_folders(dataset.root)
    return fill(
        "look.html.jinja",
        texts,
        name=Path(dataset.root).name or dataset.root or texts("data set"),
        about=texts("%(root)s, read as %(format)s", root=root, format=dataset.format)
        if dataset.format
        else root or texts("from memory"),
        sentences=_sentences(overview, texts),
        tiles=_tiles(overview, boxes, texts),
        class_table=charts.class_table(dataset, examination.classes, examination.counts, texts),
        class_figure=charts.class_figure(examination.counts, of_rows, texts),
        kinds=[_kind(of_kind, overview.pictures, texts) for of_kind in _kinds(examination.findings)],
        verdict=verdict(examination, texts),
        galleries=_galleries(overview, texts),
        annotated=bool(boxes) or any(mask is not None for mask in dataset.column("mask")),
        type_tables=[f(overview.headers, classes, texts) for f in (charts.size_table, charts.type_table)],
        size_figure=charts.size_figure(overview.headers, texts),
        has_headers=bool(overview.headers),
        box_table=charts.box_table(boxes, texts) if boxes else None,
        box_figures=charts.box_figures(boxes, _boxes_of_each(dataset), texts) if boxes else [],
        question_table=charts.question_table(dataset, texts) if has_answers else None,
        answer_figure=charts.answer_figure(dataset, texts) if has_answers else None,
        item_table=charts.item_table(dataset, texts) if dataset.item_names else None,
        item_figures=charts.item_figures(dataset, texts) if dataset.item_names else [],
    )


def _sentences(overview: Overview, texts: Texts) -> list[str]:
    dataset, examination, sample = overview.dataset, overview.examination, overview.sample
    splits = [split for split in examination.counts if split]
    lead = texts(
        "%(total)s, %(classes)s, %(splits)s.",
        total=_total(dataset, texts),
        classes=texts.count("%(count)s class", "%(count)s classes", len(examination.classes))
        if examination.classes
        else texts("without classes"),
        splits=texts.count("%(count)s split", "%(count)s splits", len(splits))
        if splits
        else texts("not divided into splits"),
    )
    if dataset.item_names:
        return [
            lead,
            texts(
                "This is a table of numbers: there are no pictures to look at. Of each item, its quartiles are listed "
                "and its distribution is drawn class by class."
            ),
        ]
    sentences = [lead]
    if examination.opened < examination.pictures:
        sentences.append(
            texts.count(
                "%(opened)s of %(count)s picture were opened, sampled from all classes and splits. What this page says "
                "of files, sizes, file types and copies is only about these. Annotations, classes and splits were "
                "counted and checked in all %(pictures)s. To open all: --whole, or the doctor.",
                "%(opened)s of %(count)s pictures were opened, sampled from all classes and splits. What this page "
                "says of files, sizes, file types and copies is only about these. Annotations, classes and splits were "
                "counted and checked in all %(pictures)s. To open all: --whole, or the doctor.",
                examination.pictures,
                opened=f"{examination.opened:,}",
                pictures=f"{examination.pictures:,}",
            )
        )
    elif examination.pictures:
        sentences.append(texts("All pictures were opened, and the doctor made all its checks."))
    if len(sample.shown) < len(dataset):
        if examination.classes and splits:
            most = texts("up to %(number)s of each class in each split", number=sample.each)
        elif examination.classes:
            most = texts("up to %(number)s of each class", number=sample.each)
        elif splits:
            most = texts("up to %(number)s in each split", number=sample.each)
        else:
            most = texts("up to %(number)s", number=sample.each)
        sentences.append(
            texts.count(
                "%(count)s picture is shown, %(most)s; pictures named in findings are added.",
                "%(count)s pictures are shown, %(most)s; pictures named in findings are added.",
                len(sample.shown),
                most=most,
            )
        )
    return sentences


def _total(dataset: Dataset, texts: Texts) -> str:
    if not dataset.item_names:
        return texts.count("%(count)s picture", "%(count)s pictures", len(dataset))
    return texts(
        "%(rows)s of %(items)s",
        rows=texts.count("%(count)s row", "%(count)s rows", len(dataset)),
        items=texts.count("%(count)s measured item", "%(count)s measured items", len(dataset.item_names)),
    )


def _tiles(overview: Overview, boxes: Mapping[str, charts.Numbers], texts: Texts) -> list[tuple[str, str]]:
    dataset, examination = overview.dataset, overview.examination
    masks = sum(mask is not None for mask in dataset.column("mask"))
    answers = sum(answer is not None for answer in dataset.column("suffix"))
    tiles = [
        (texts("measured items"), len(dataset.item_names)),
        (texts("classes"), len(examination.classes)),
        (texts("splits"), sum(split != "" for split in examination.counts)),
        (texts("boxes"), sum(map(len, boxes.values()))),
        (texts("masks"), masks),
        (texts("answers"), answers),
        (texts("pictures opened"), examination.opened),
    ]
    return [
        (texts("rows") if dataset.item_names else texts("pictures"), f"{len(dataset):,}"),
        *((name, f"{number:,}") for name, number in tiles if number),
        (texts("errors"), f"{examination.count(Severity.ERROR):,}"),
        (texts("warnings"), f"{examination.count(Severity.WARNING):,}"),
    ]


def _kinds(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Findings by severity and code, errors first."""

    def kind(finding: Finding) -> tuple[int, str]:
        return [*Severity].index(finding.severity), finding.code

    return [[*group] for _, group in groupby(sorted(findings, key=kind), key=kind)]


def _pictured(findings: Sequence[Finding]) -> list[str]:
    """Ids of the pictures that are shown with findings of one kind."""
    ids = (id for finding in findings[:_CARDS] for id in finding.pictures[:_CARDS_OF_ONE])
    return list(dict.fromkeys(ids))[:_CARDS]


def _kind(findings: Sequence[Finding], pictures: Mapping[str, ShownPicture], texts: Texts) -> dict[str, Any]:
    """The template's values for the findings of one kind."""
    nouns = {Severity.ERROR: texts("error"), Severity.WARNING: texts("warning"), Severity.INFO: texts("note")}
    return {
        "severity": findings[0].severity.value,
        "noun": nouns[findings[0].severity],
        "code": findings[0].code,
        "count": len(findings),
        "findings": [
            (charts.shortened(without_folders(finding.where)), charts.shortened(without_folders(finding.what), 400))
            for finding in findings[:_FINDINGS]
        ],
        "remedies": list(dict.fromkeys(without_folders(finding.remedy) for finding in findings[:_FINDINGS])),
        "cards": [card(pictures[id], (), texts) for id in _pictured(findings) if id in pictures],
    }


def _galleries(overview: Overview, texts: Texts) -> list[tuple[str, str, list[PictureCard]]]:
    """For each class its name, its numbers of pictures and boxes, and the cards of the pictures sampled for it."""
    dataset, sample = overview.dataset, overview.sample
    findings: dict[str, list[Finding]] = {}
    for finding in overview.examination.findings:
        for id in finding.pictures:
            findings.setdefault(id, []).append(finding)
    whole: Counter[str] = Counter()
    for of_split in overview.examination.counts.values():
        whole.update(of_split)
    ids, order = dataset.column("id"), [*overview.examination.counts]
    splits = [order.index(split or "") for split in dataset.column("split")]
    showing = Counter(name for index in sample.shown for name in overview.classes_of_each[index] or (NO_CLASS,))
    by_class: dict[str, list[int]] = {}
    for index, name in sample.shown.items():
        by_class.setdefault(name, []).append(index)
    galleries = []
    for name in sorted(by_class, key=[*overview.examination.classes, NO_CLASS].index):
        indices = sorted(by_class[name], key=lambda index: (splits[index], index))
        if elsewhere := showing[name] - len(indices):
            count_text = texts.count(
                "%(count)s picture, %(shown)s shown here and %(elsewhere)s with another class",
                "%(count)s pictures, %(shown)s shown here and %(elsewhere)s with another class",
                whole[name],
                shown=len(indices),
                elsewhere=elsewhere,
            )
        else:
            count_text = texts.count(
                "%(count)s picture, %(shown)s shown",
                "%(count)s pictures, %(shown)s shown",
                whole[name],
                shown=len(indices),
            )
        cards = [card(overview.pictures[ids[index]], findings.get(ids[index], ()), texts) for index in indices]
        title = charts.shortened(name) or texts("no class")
        galleries.append((title if overview.examination.classes else "", count_text, cards))
    return galleries


def _classes_of_each(dataset: Dataset) -> list[list[str]]:
    """The classes that each picture shows: its label and those of its boxes."""
    return [
        sorted({*(boxes or ()), *(() if label is None else (label,))})
        for label, boxes in zip(dataset.column("label"), dataset.column("box_labels"), strict=True)
    ]


def _boxes_of_each(dataset: Dataset) -> list[int]:
    return [len(labels) for labels in dataset.column("box_labels") if labels is not None]
