"""A data set as tables and charts: its classes, sizes, file types, boxes, questions and answers, and measured items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kenpin.data.dataset import Dataset
from kenpin.data.images import Header
from kenpin.report import words
from kenpin.report.drawing import SKEWED, Axis, Figure, Series, line_chart, linear_axis, log_axis, percent
from kenpin.report.plots import Bar, BarPlot, LinePlot, PlotLine, Span, Table, bar_figure, line_figure
from kenpin.visible import beginning
from kenpin.words import Texts

LEFT_TO_RIGHT = "\N{LEFT-TO-RIGHT MARK}"
"""Without it a number would be shown before the Arabic name that it follows."""
_NAME_LETTERS = 22  # of a class in a chart; the table above it shows more
_CELL_LETTERS = 160
_ROWS = 200  # of a table
_BARS = 24
_FEW_ROWS = 12  # rows of tables of frequent values
_ANSWERS = 4  # of a question
_CURVES = 4  # curves in one chart: the number of line styles
_BINS = 24
_CHARTS = 24  # of measured items

Numbers = NDArray[np.float64]


def shortened(text: str, letters: int = _CELL_LETTERS) -> str:
    """The beginning of a long text, in one line; letters of Japanese and Chinese count twice."""
    return beginning(" ".join(text.split()), letters)


def class_table(
    dataset: Dataset, classes: Sequence[str], counts: Mapping[str, Mapping[str, int]], texts: Texts
) -> Table:
    """Pictures that show each class, by split, then boxes and masks. counts: pictures by split and class."""
    splits = list(counts)
    of_rows = bool(dataset.item_names)
    noun = texts("rows") if of_rows else texts("pictures")

    def head(what: str, split: str) -> str:
        if len(splits) < 2:
            return what
        return texts("%(what)s, %(split)s", what=what, split=split or texts("no split"))

    columns: list[tuple[str, Mapping[str, int]]] = [(head(noun, split), counts[split]) for split in splits]
    if len(splits) > 1:
        total: Counter[str] = Counter()
        for of_split in counts.values():
            total.update(of_split)
        columns.append((texts("%(what)s, all", what=noun), total))
    for what, annotated in ((texts("boxes"), _boxes(dataset)), (texts("masks"), _masks(dataset))):
        named = [split for split in splits if annotated.get(split)]
        columns += [(head(what, split), annotated[split]) for split in named]
    names = dict.fromkeys([*classes, *(name for of_split in counts.values() for name in of_split)])
    rows = [
        (shortened(name) or texts("no class"), *(f"{column.get(name, 0):,}" for _, column in columns))
        for name in list(names)[:_ROWS]
    ]
    title = _title_of_classes(of_rows, texts)
    if len(names) > _ROWS:
        title = texts(
            "%(title)s; the first %(number)s of %(all)s classes", title=title, number=_ROWS, all=f"{len(names):,}"
        )
    return Table(title, (texts("class"), *(column for column, _ in columns)), tuple(rows))


def _title_of_classes(of_rows: bool, texts: Texts) -> str:
    return texts("Rows of each class") if of_rows else texts("Pictures of each class")


def class_figure(counts: Mapping[str, Mapping[str, int]], of_rows: bool, texts: Texts) -> Figure | None:
    """Pictures of each class as bars, the most first; None where there are not two classes."""
    total: Counter[str] = Counter()
    for of_split in counts.values():
        total.update(of_split)
    if len(total) < 2:
        return None
    bars = [Bar(_name(name, texts), number) for name, number in total.most_common(_BARS)]
    more = ""
    if len(total) > _BARS:
        more = texts("The first %(number)s of %(all)s classes.", number=_BARS, all=f"{len(total):,}")
    noun = texts("rows") if of_rows else texts("pictures")
    return bar_figure(BarPlot(_title_of_classes(of_rows, texts), more, noun, tuple(bars), in_percent=False))


def size_table(headers: Mapping[str, Header], classes: Mapping[str, Sequence[str]], texts: Texts) -> Table:
    """The most frequent widths and heights of opened pictures. classes: of each picture, by id."""
    sizes = {id: f"{width} × {height}" for id, header in headers.items() for width, height in (header.size_wh,)}
    return _frequent(texts("Widths and heights in pixels"), texts("size"), sizes, classes, texts)


def type_table(headers: Mapping[str, Header], classes: Mapping[str, Sequence[str]], texts: Texts) -> Table:
    """File types, modes and depths of opened pictures. classes: of each picture, by id."""
    types = {
        id: texts.count(
            "%(format)s, %(mode)s, %(count)s bit",
            "%(format)s, %(mode)s, %(count)s bits",
            header.bit_depth,
            format=header.format,
            mode=header.mode.partition(";")[0],
        )
        for id, header in headers.items()
    }
    return _frequent(texts("File types, modes and bits of a channel"), texts("type"), types, classes, texts)


def size_figure(headers: Mapping[str, Header], texts: Texts) -> Figure | None:
    """Widths and heights in a plane; None where all pictures are of one size."""
    sizes = sorted({header.size_wh for header in headers.values()})
    if len(sizes) < 2:
        return None
    points = tuple((float(width), float(height)) for width, height in sizes)
    lines = (PlotLine(texts("opened pictures"), points, "dots"),)
    widths, heights = zip(*sizes, strict=True)
    x = Span(texts("width in pixels"), 0.0, float(max(widths)))
    y = Span(texts("height in pixels"), 0.0, float(max(heights)))
    described = texts.count("There are %(count)s size.", "There are %(count)s sizes.", len(sizes))
    return line_figure(LinePlot(texts("Widths and heights"), described, lines, x, y))


def box_table(boxes: Mapping[str, Numbers], texts: Texts) -> Table:
    """Widths and heights of each class's boxes. boxes: (n, 4) x1 y1 x2 y2 in pixels, by class."""
    rows = []
    for name, corners in list(boxes.items())[:_ROWS]:
        sides = _sides(corners)
        sizes = [f"{width:.0f} × {height:.0f}" for width, height in _by_area(sides)] if len(sides) else [words.NONE] * 3
        rows.append((shortened(name), f"{len(corners):,}", *sizes))
    head = (texts("class"), texts("boxes"), texts("smallest"), texts("median"), texts("largest"))
    return Table(texts("Widths and heights of boxes in pixels, by area"), head, tuple(rows))


def box_figures(boxes: Mapping[str, Numbers], boxes_of_each: Sequence[int], texts: Texts) -> list[Figure]:
    """Sizes of boxes, and boxes per picture. boxes_of_each: of each annotated picture."""
    lengths = {name: np.sqrt(_sides(corners).prod(axis=1)) for name, corners in boxes.items()}
    title, label = texts("Sizes of boxes"), texts("square root of a box's area in pixels")
    numbers = {texts("annotated pictures"): np.asarray(boxes_of_each, np.float64)}
    figures = [
        _histogram(title, label, texts("boxes"), lengths, texts),
        _histogram(texts("Boxes in a picture"), texts("boxes in a picture"), texts("pictures"), numbers, texts),
    ]
    return [figure for figure in figures if figure is not None]


def boxes_by_class(dataset: Dataset) -> dict[str, Numbers]:
    """Corners (n, 4) of all boxes by class, the class with the most boxes first."""
    corners: dict[str, list[list[float]]] = {}
    columns = zip(dataset.column("boxes_xyxy_px"), dataset.column("box_labels"), strict=True)
    for boxes, labels in columns:
        for box, label in zip(boxes or (), labels or (), strict=True):
            corners.setdefault(label, []).append(box)
    return {
        name: np.asarray(of_class, np.float64)
        for name, of_class in sorted(corners.items(), key=lambda pair: -len(pair[1]))
    }


def question_table(dataset: Dataset, texts: Texts) -> Table:
    """The most frequent questions with their answers."""
    answers: dict[str, Counter[str]] = {}
    for question, answer in zip(dataset.column("prefix"), dataset.column("suffix"), strict=True):
        if question is not None or answer is not None:
            answers.setdefault(question or "", Counter())[answer or ""] += 1
    nothing = texts("nothing")  # not within an f-string, where nothing finds it for the catalogue
    most = sorted(answers.items(), key=lambda pair: -pair[1].total())[:_FEW_ROWS]
    rows = []
    for question, given in most:
        frequent = given.most_common(_ANSWERS)
        answer_text = ", ".join(f"{shortened(answer, 60) or nothing} ({number:,})" for answer, number in frequent)
        rows.append((shortened(question) or texts("no question"), f"{given.total():,}", f"{len(given):,}", answer_text))
    title = texts("Questions, the most frequent of %(number)s first", number=f"{len(answers):,}")
    head = (texts("question"), texts("asked"), texts("different answers"), texts("most frequent answers"))
    return Table(title, head, tuple(rows))


def answer_figure(dataset: Dataset, texts: Texts) -> Figure | None:
    """Lengths of the answers; None where all are equally long."""
    lengths = [float(len(answer)) for answer in dataset.column("suffix") if answer is not None]
    noun = texts("answers")
    return _histogram(texts("Lengths of answers"), texts("characters"), noun, {noun: np.asarray(lengths)}, texts)


def item_table(dataset: Dataset, texts: Texts) -> Table:
    """Quartiles of each measured item."""
    names = dataset.item_names[:_ROWS]
    numbers = dataset.numbers(names)
    rows = []
    for name, column in zip(names, numbers.T, strict=True):
        quartiles = np.quantile(column, (0.0, 0.25, 0.5, 0.75, 1.0)) if len(column) else []
        values = [f"{value:.4g}".replace("-", "\N{MINUS SIGN}") for value in quartiles] or [words.NONE] * 5
        rows.append((shortened(name), *values, f"{len(np.unique(column)):,}"))
    title = texts("Measured items")
    if len(dataset.item_names) > _ROWS:
        title = texts(
            "%(title)s; the first %(number)s of %(all)s", title=title, number=_ROWS, all=f"{len(dataset.item_names):,}"
        )
    head = (
        texts("item"),
        texts("lowest"),
        texts("lower quartile"),
        texts("median"),
        texts("upper quartile"),
        texts("highest"),
        texts("different values"),
    )
    return Table(title, head, tuple(rows))


def item_figures(dataset: Dataset, texts: Texts) -> list[Figure]:
    """The distribution of each item, class by class."""
    names = dataset.item_names[:_CHARTS]
    labels = np.array([label or texts("no class") for label in dataset.column("label")], object)
    rows = {name: labels == name for name, _ in Counter(labels.tolist()).most_common()}
    figures = []
    for name, column in zip(names, dataset.numbers(names).T, strict=True):
        by_class = {label: column[of_class] for label, of_class in rows.items()}
        figures.append(_histogram(shortened(name, 60), shortened(name, 40), texts("rows"), by_class, texts))
    return [figure for figure in figures if figure is not None]


def _histogram(title: str, label: str, noun: str, values: Mapping[str, Numbers], texts: Texts) -> Figure | None:
    """Shares of each class in equal steps of one axis; None where there is one value alone, or none.

    Of more classes than there are styles of lines, the first ones; `values` has the most frequent first.
    """
    shown = dict(list(values.items())[:_CURVES])
    finite = {name: of_class[np.isfinite(of_class)] for name, of_class in shown.items()}
    every = np.concatenate([np.empty(0), *finite.values()])
    if not len(every) or every.min() == every.max():
        return None
    low, high = float(every.min()), float(every.max())
    x, edges = _steps(label, low, high, finite.values())
    series, top = [], 0.0
    for name, of_class in finite.items():
        shares = np.histogram(of_class.clip(x.low, x.high), edges)[0] / max(1, len(of_class))
        top = max(top, float(shares.max()))
        # each share is constant until the next edge, and the last falls to 0
        heights = [0.0, *shares.tolist(), 0.0]
        points = tuple(zip([float(edges[0]), *edges.tolist()], heights, strict=True))
        series.append(Series(_name(name, texts), points, "steps"))
    caption = texts(
        "%(number)s %(noun)s, from %(low)s to %(high)s.",
        number=f"{len(every):,}",
        noun=noun,
        low=f"{low:.4g}",
        high=f"{high:.4g}",
    )
    if len(values) > _CURVES:
        frequent = texts("The %(number)s most frequent of %(all)s classes.", number=_CURVES, all=f"{len(values):,}")
        caption = texts.in_a_row((frequent, caption))
    chart = line_chart(title, caption, series, x, linear_axis(texts("share of %(noun)s", noun=noun), 0.0, top, percent))
    legend = tuple((f"s{index % _CURVES + 1}", line.name) for index, line in enumerate(series))
    return Figure(title, chart, caption, legend if len(legend) > 1 else ())


def _steps(label: str, low: float, high: float, values: Collection[Numbers]) -> tuple[Axis, Numbers]:
    """An axis for a histogram and the edges of its steps."""
    every = np.concatenate([*values])
    if high - low < _BINS and (every == every.round()).all():  # a step for each whole number
        x = linear_axis(label, low, high)
        return replace(x, low=x.low - 0.5, high=x.high + 0.5), np.arange(x.low - 0.5, x.high + 1)
    fewest = min(len(of_class) for of_class in values if len(of_class))
    count = int(np.clip(2 * fewest ** (1 / 3), _BINS // 3, _BINS))  # Rice's rule, lest few values make a comb
    if low > 0 and high > SKEWED * float(np.median(every)):
        x = log_axis(label, low, high)
        return x, np.geomspace(x.low, x.high, count + 1)
    x = linear_axis(label, low, high)
    return x, np.linspace(x.low, x.high, count + 1)


def _frequent(
    title: str, what: str, values: Mapping[str, str], classes: Mapping[str, Sequence[str]], texts: Texts
) -> Table:
    """Number of pictures with each value, and their classes. values, classes: by the picture's id."""
    pictures = Counter(values.values())
    of_value: dict[str, Counter[str]] = {value: Counter() for value in pictures}
    for id, value in values.items():
        of_value[value].update(classes[id])
    rows = [
        (value, f"{number:,}", words.NONE if not of_value[value] else _listed(of_value[value].most_common(), texts))
        for value, number in pictures.most_common(_FEW_ROWS)
    ]
    if len(pictures) > _FEW_ROWS:
        title = texts("%(title)s, the most frequent of %(number)s", title=title, number=f"{len(pictures):,}")
    return Table(title, (what, texts("opened pictures"), texts("of the classes")), tuple(rows))


def _listed(numbers: Iterable[tuple[str, int]], texts: Texts, limit: int = 6) -> str:
    pairs = list(numbers)
    listed = ", ".join(f"{_name(name, texts)}{LEFT_TO_RIGHT} {number:,}" for name, number in pairs[:limit])
    if len(pairs) <= limit:
        return listed
    return texts("%(names)s and %(number)s more", names=listed, number=len(pairs) - limit)


def _boxes(dataset: Dataset) -> dict[str, Counter[str]]:
    """Boxes by split and class."""
    counts: dict[str, Counter[str]] = {}
    for split, labels in zip(dataset.column("split"), dataset.column("box_labels"), strict=True):
        counts.setdefault(split or "", Counter()).update(labels or ())
    return counts


def _masks(dataset: Dataset) -> dict[str, Counter[str]]:
    """Pictures with a mask by split and label."""
    counts: dict[str, Counter[str]] = {}
    for split, label, mask in zip(*map(dataset.column, ("split", "label", "mask")), strict=True):
        if mask is not None:
            counts.setdefault(split or "", Counter())[label or ""] += 1
    return counts


def _sides(corners: Numbers) -> Numbers:
    """Widths and heights (m, 2) of the boxes that have an area."""
    sides = corners[:, 2:] - corners[:, :2]
    return np.asarray(sides[np.isfinite(sides).all(axis=1) & (sides > 0).all(axis=1)])


def _by_area(sides: Numbers) -> Numbers:
    """The smallest, the median and the largest size, (3, 2)."""
    order = np.argsort(sides.prod(axis=1), kind="stable")
    return np.asarray(sides[order[[0, len(order) // 2, -1]]])


def _name(name: str, texts: Texts) -> str:
    return shortened(name, _NAME_LETTERS) or texts("no class")
