"""Numbers of pictures and boxes of each class in each split, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from kenpin.records import Evaluation
from kenpin.report import words
from kenpin.report.cards import in_order
from kenpin.report.content import ReportContent
from kenpin.report.plots import Table
from kenpin.words import ENGLISH, Texts


@dataclass(frozen=True, slots=True)
class _Split:
    """Counts of a split; `boxes` is empty where pictures have labels."""

    pictures: int
    showing: Mapping[str, int]
    """Pictures by the class that they show; one picture may show several where boxes are annotated."""
    boxes: Mapping[str, int]


def counts_table(content: ReportContent, texts: Texts = ENGLISH) -> Table:
    """The table of all splits by the run's record, else of the evaluated pictures; it may have no rows."""
    of_boxes = content.leading.target.locates
    splits = _stated(content, of_boxes) or {name: _judged(counts) for name, counts in content.evaluations.items()}
    labels = in_order(content.leading, dict.fromkeys(label for counts in splits.values() for label in counts.showing))
    return _of_boxes(splits, labels, texts) if of_boxes else _of_labels(splits, labels, content.noun, texts)


def _of_labels(splits: Mapping[str, _Split], labels: list[str], noun: str, texts: Texts) -> Table:
    rows = [
        (split, *(str(counts.showing.get(label, 0)) for label in labels), str(counts.pictures))
        for split, counts in splits.items()
    ]
    title = texts("Parts in each split") if noun == "parts" else texts("Pictures in each split")
    return Table(title, (texts("Split"), *(words.named(label, texts) for label in labels), texts("all")), tuple(rows))


def _of_boxes(splits: Mapping[str, _Split], labels: list[str], texts: Texts) -> Table:
    """A row a class: pictures that show it, and its boxes on them."""
    head = [texts("Class")]
    for split in splits:
        head += [texts("%(split)s: pictures", split=split), texts("%(split)s: boxes", split=split)]
    rows = [
        (texts("all"), *(str(n) for counts in splits.values() for n in (counts.pictures, sum(counts.boxes.values()))))
    ]
    for label in labels:
        numbers = [n for counts in splits.values() for n in (counts.showing.get(label, 0), counts.boxes.get(label, 0))]
        rows.append((words.named(label, texts), *map(str, numbers)))
    return Table(texts("Pictures that show each class, and its boxes"), tuple(head), tuple(rows))


def _stated(content: ReportContent, of_boxes: bool) -> dict[str, _Split]:
    """Counts by the run's record; empty where it has none, as that of a run from before boxes were counted."""
    dataset = content.run.get("dataset")
    stated = dataset if isinstance(dataset, Mapping) else {}
    counts, boxes, pictures = (
        value if isinstance(value := stated.get(key), Mapping) else {} for key in ("counts", "boxes", "pictures")
    )
    if of_boxes and not boxes:
        return {}
    found = {}
    for split, numbers in counts.items():
        showing = _numbers(numbers)
        found[split] = _Split(_numbers(pictures).get(split, sum(showing.values())), showing, _numbers(boxes.get(split)))
    return found


def _numbers(value: object) -> dict[str, int]:
    """The whole numbers of a mapping; empty for what is none."""
    return {key: n for key, n in value.items() if isinstance(n, int)} if isinstance(value, Mapping) else {}


def _judged(evaluation: Evaluation) -> _Split:
    return _Split(
        len(evaluation.judged),
        Counter(kind for part in evaluation.judged for kind in words.kinds(part)),
        Counter(label for part in evaluation.judged if part.boxes is not None for label in part.boxes.truth.labels),
    )
