"""A data set as tables and charts: its classes, sizes, file types, boxes, questions and answers, and measured items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kenpin.data.dataset import Dataset
from kenpin.data.images import Header
from kenpin.plural import counted
from kenpin.report import words
from kenpin.report.drawing import SKEWED, Axis, Figure, Series, line_chart, linear_axis, log_axis, percent
from kenpin.report.plots import Bar, BarPlot, LinePlot, PlotLine, Span, Table, bar_figure, line_figure

NO_CLASS, NO_SPLIT = "no class", "no split"
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
    """The beginning of a long text, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= letters else line[: letters - 1] + "…"


def class_table(dataset: Dataset, classes: Sequence[str], counts: Mapping[str, Mapping[str, int]], noun: str) -> Table:
    """Pictures that show each class, by split, then boxes and masks. counts: pictures by split and class."""
    splits = list(counts)
    columns: list[tuple[str, Mapping[str, int]]]
    columns = [(f"{noun}, {split or NO_SPLIT}" if len(splits) > 1 else noun, counts[split]) for split in splits]
    if len(splits) > 1:
        total: Counter[str] = Counter()
        for of_split in counts.values():
            total.update(of_split)
        columns.append((f"{noun}, all", total))
    for what, annotated in (("boxes", _boxes(dataset)), ("masks", _masks(dataset))):
        named = [split for split in splits if annotated.get(split)]
        columns += [(f"{what}, {split or NO_SPLIT}" if len(splits) > 1 else what, annotated[split]) for split in named]
    names = dict.fromkeys([*classes, *(name for of_split in counts.values() for name in of_split)])
    rows = [
        (shortened(name) or NO_CLASS, *(f"{column.get(name, 0):,}" for _, column in columns))
        for name in list(names)[:_ROWS]
    ]
    more = f"; the first {_ROWS} of {counted(len(names), 'class')}" if len(names) > _ROWS else ""
    title = f"{noun.capitalize()} of each class{more}"
    return Table(title, ("class", *(head for head, _ in columns)), tuple(rows))


def class_figure(counts: Mapping[str, Mapping[str, int]], noun: str) -> Figure | None:
    """Pictures of each class as bars, the most first; None where there are not two classes."""
    total: Counter[str] = Counter()
    for of_split in counts.values():
        total.update(of_split)
    if len(total) < 2:
        return None
    bars = [Bar(_name(name), number) for name, number in total.most_common(_BARS)]
    more = f"The first {_BARS} of {counted(len(total), 'class')}." if len(total) > _BARS else ""
    title = f"{noun.capitalize()} of each class"
    return bar_figure(BarPlot(title, more, noun, tuple(bars), in_percent=False))


def size_table(headers: Mapping[str, Header], classes: Mapping[str, Sequence[str]]) -> Table:
    """The most frequent widths and heights of opened pictures. classes: of each picture, by id."""
    sizes = {id: f"{width} × {height}" for id, header in headers.items() for width, height in (header.size_wh,)}
    return _frequent("Widths and heights in pixels", "size", sizes, classes)


def type_table(headers: Mapping[str, Header], classes: Mapping[str, Sequence[str]]) -> Table:
    """File types, modes and depths of opened pictures. classes: of each picture, by id."""
    types = {
        id: f"{header.format}, {header.mode.partition(';')[0]}, {counted(header.bit_depth, 'bit')}"
        for id, header in headers.items()
    }
    return _frequent("File types, modes and bits of a channel", "type", types, classes)


def size_figure(headers: Mapping[str, Header]) -> Figure | None:
    """Widths and heights in a plane; None where all pictures are of one size."""
    sizes = sorted({header.size_wh for header in headers.values()})
    if len(sizes) < 2:
        return None
    lines = (PlotLine("opened pictures", tuple((float(width), float(height)) for width, height in sizes), "dots"),)
    x, y = (Span(name, 0.0, float(max(of_all))) for name, of_all in zip(_SIDES, zip(*sizes, strict=True), strict=True))
    return line_figure(LinePlot("Widths and heights", f"There are {counted(len(sizes), 'size')}.", lines, x, y))


_SIDES = ("width in pixels", "height in pixels")


def box_table(boxes: Mapping[str, Numbers]) -> Table:
    """Widths and heights of each class's boxes. boxes: (n, 4) x1 y1 x2 y2 in pixels, by class."""
    rows = []
    for name, corners in list(boxes.items())[:_ROWS]:
        sides = _sides(corners)
        sizes = [f"{width:.0f} × {height:.0f}" for width, height in _by_area(sides)] if len(sides) else [words.NONE] * 3
        rows.append((shortened(name), f"{len(corners):,}", *sizes))
    head = ("class", "boxes", "smallest", "median", "largest")
    return Table("Widths and heights of boxes in pixels, by area", head, tuple(rows))


def box_figures(boxes: Mapping[str, Numbers], boxes_of_each: Sequence[int]) -> list[Figure]:
    """Sizes of boxes, and boxes per picture. boxes_of_each: of each annotated picture."""
    lengths = {name: np.sqrt(_sides(corners).prod(axis=1)) for name, corners in boxes.items()}
    title, label = "Sizes of boxes", "square root of a box's area in pixels"
    numbers = {"annotated pictures": np.asarray(boxes_of_each, np.float64)}
    figures = [
        _histogram(title, label, "boxes", lengths),
        _histogram("Boxes in a picture", "boxes in a picture", "pictures", numbers),
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


def question_table(dataset: Dataset) -> Table:
    """The most frequent questions with their answers."""
    answers: dict[str, Counter[str]] = {}
    for question, answer in zip(dataset.column("prefix"), dataset.column("suffix"), strict=True):
        if question is not None or answer is not None:
            answers.setdefault(question or "", Counter())[answer or ""] += 1
    most = sorted(answers.items(), key=lambda pair: -pair[1].total())[:_FEW_ROWS]
    rows = []
    for question, given in most:
        frequent = given.most_common(_ANSWERS)
        answer_text = ", ".join(f"{shortened(answer, 60) or 'nothing'} ({number:,})" for answer, number in frequent)
        rows.append((shortened(question) or "no question", f"{given.total():,}", f"{len(given):,}", answer_text))
    title = f"Questions, the most frequent of {len(answers):,} first"
    return Table(title, ("question", "asked", "different answers", "most frequent answers"), tuple(rows))


def answer_figure(dataset: Dataset) -> Figure | None:
    """Lengths of the answers; None where all are equally long."""
    lengths = [float(len(answer)) for answer in dataset.column("suffix") if answer is not None]
    return _histogram("Lengths of answers", "characters", "answers", {"answers": np.asarray(lengths)})


def item_table(dataset: Dataset) -> Table:
    """Quartiles of each measured item."""
    names = dataset.item_names[:_ROWS]
    numbers = dataset.numbers(names)
    rows = []
    for name, column in zip(names, numbers.T, strict=True):
        quartiles = np.quantile(column, (0.0, 0.25, 0.5, 0.75, 1.0)) if len(column) else []
        texts = [f"{value:.4g}".replace("-", "\N{MINUS SIGN}") for value in quartiles] or [words.NONE] * 5
        rows.append((shortened(name), *texts, f"{len(np.unique(column)):,}"))
    more = f"; the first {_ROWS} of {len(dataset.item_names):,}" if len(dataset.item_names) > _ROWS else ""
    head = ("item", "lowest", "lower quartile", "median", "upper quartile", "highest", "different values")
    return Table(f"Measured items{more}", head, tuple(rows))


def item_figures(dataset: Dataset) -> list[Figure]:
    """The distribution of each item, class by class."""
    names = dataset.item_names[:_CHARTS]
    labels = np.array([label or NO_CLASS for label in dataset.column("label")], object)
    rows = {name: labels == name for name, _ in Counter(labels.tolist()).most_common()}
    figures = []
    for name, column in zip(names, dataset.numbers(names).T, strict=True):
        by_class = {label: column[of_class] for label, of_class in rows.items()}
        figures.append(_histogram(shortened(name, 60), shortened(name, 40), "rows", by_class))
    return [figure for figure in figures if figure is not None]


def _histogram(title: str, label: str, noun: str, values: Mapping[str, Numbers]) -> Figure | None:
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
        series.append(Series(_name(name), points, "steps"))
    more = f"The {_CURVES} most frequent of {counted(len(values), 'class')}. " if len(values) > _CURVES else ""
    caption = f"{more}{len(every):,} {noun}, from {low:.4g} to {high:.4g}."
    chart = line_chart(title, caption, series, x, linear_axis(f"share of {noun}", 0.0, top, percent))
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


def _frequent(title: str, what: str, values: Mapping[str, str], classes: Mapping[str, Sequence[str]]) -> Table:
    """Number of pictures with each value, and their classes. values, classes: by the picture's id."""
    pictures = Counter(values.values())
    of_value: dict[str, Counter[str]] = {value: Counter() for value in pictures}
    for id, value in values.items():
        of_value[value].update(classes[id])
    rows = [
        (value, f"{number:,}", words.NONE if not of_value[value] else _listed(of_value[value].most_common()))
        for value, number in pictures.most_common(_FEW_ROWS)
    ]
    more = f", the most frequent of {len(pictures):,}" if len(pictures) > _FEW_ROWS else ""
    return Table(f"{title}{more}", (what, "opened pictures", "of the classes"), tuple(rows))


def _listed(numbers: Iterable[tuple[str, int]], limit: int = 6) -> str:
    pairs = list(numbers)
    more = f" and {len(pairs) - limit} more" if len(pairs) > limit else ""
    return ", ".join(f"{_name(name)}{LEFT_TO_RIGHT} {number:,}" for name, number in pairs[:limit]) + more


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


def _name(name: str) -> str:
    return shortened(name, _NAME_LETTERS) or NO_CLASS
