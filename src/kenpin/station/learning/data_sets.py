"""Reviewed parts as a frozen data set: the pictures, what people settled, and who did; written whole or not at all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from kenpin.data.dataset import Dataset
from kenpin.data.loading import load_dataset, write_dataset
from kenpin.errors import DatasetError, OptionError, RunError
from kenpin.files import new_folder, read_json, write_json
from kenpin.plural import counted, is_are, was_were
from kenpin.records import Detections, Example, ImageSource, Verdict
from kenpin.records_json import from_json, to_json
from kenpin.run.record import seal_of
from kenpin.station.learning.by_part import Naming, named_pictures, whole_parts
from kenpin.station.learning.reviewed import LeftOutPart, ReviewedPart
from kenpin.station.learning.splitting import Split, SplitUnit, divide

FROZEN, DATA = "frozen.json", "data"
SCHEMA: Literal[1] = 1
GOOD, DEFECTIVE = "ok", "defective"
"""Classes of parts whose class nobody named."""
_SHOWN = 5  # ids in a sentence
_UNDRAWN = "it failed, and nobody drew a box"


@dataclass(frozen=True, slots=True)
class FrozenView:
    """A picture of a part by several, in a frozen data set."""

    name: str | None
    file: str
    """Below the folder of the data."""
    content: str


@dataclass(frozen=True, slots=True)
class FrozenPart:
    """A part in a frozen data set."""

    file: str
    """Its picture, below the folder of the data; of several the first one."""
    split: str
    id: str
    content: str
    verdict: Verdict
    label: str
    """Its class in the data set."""
    settled_by: str
    settled_us: int
    sampled: bool
    views: tuple[FrozenView, ...] = ()
    """Of a part by several pictures, each of them."""

    @property
    def contents(self) -> tuple[str, ...]:
        """Of its pictures, and over all of them."""
        return (self.content, *(view.content for view in self.views))


@dataclass(frozen=True, slots=True)
class FrozenDataSet:
    """What `frozen.json` holds."""

    fingerprint: str
    """Of the data set, as `Dataset.fingerprint` gives it."""
    frozen_by: str
    frozen_us: int
    ok_labels: tuple[str, ...]
    """Classes of good parts; of boxes, of which a good part has none, there are none."""
    parts: tuple[FrozenPart, ...]
    left_out: tuple[LeftOutPart, ...]
    notes: tuple[str, ...]
    boxes: int | None = None
    """How many boxes and regions people drew on its parts; None: it holds classes of pictures alone."""
    by: str | None = None
    """What tells parts by several pictures, as `--by` takes it; None: each picture is a part."""

    def counts(self) -> dict[str, dict[str, int]]:
        """Parts of each class, by split."""
        return {
            split: dict(Counter(part.label for part in self.parts if part.split == split))
            for split in ("train", "test")
        }


def freeze(
    parts: Sequence[ReviewedPart],
    target: Path,
    *,
    who: str,
    at_us: int,
    earlier: Iterable[FrozenDataSet] = (),
    test_share: float = 0.3,
    of_boxes: bool = False,
    by: str | None = None,
) -> FrozenDataSet:
    """Write a folder with the data set in `data` and `frozen.json`, whole or not at all.

    earlier: the frozen data sets of the product, whose test parts stay test parts; test_share: share of each class that
    is held out; of_boxes: whether it holds boxes and outlines in COCO's form, in place of class folders; by: what tells
    parts by several pictures to the runs that judge: it then holds a table, each picture with its part and view, or of
    boxes each picture by itself, those of a part as one group; None where each picture is a part.

    Left out and told are parts of one picture that were settled differently, parts whose picture is gone or is none or
    that have other views, and of boxes parts that failed and views of these on which nobody drew any. Raises
    OutputError, and OptionError or DatasetError where a part is not settled, a picture is not the one that was settled,
    or nothing is left.
    """
    if not 0 < test_share < 1:
        raise OptionError(f"a test share of {test_share} leaves nothing to learn from or to test on; give one between.")
    for part in parts:
        if part.verdict is Verdict.REVIEW:
            raise OptionError(f"part {part.id}: is not settled; freeze parts that people passed or failed.")
    usable, left_out = _usable(parts)
    usable, others = whole_parts(usable, by_part=by is not None)
    left_out += others
    if not usable:
        raise DatasetError("data set: no reviewed part is left to learn from; review some first.")
    if of_boxes:
        if not any(part.is_drawn for part in usable):
            raise DatasetError("data set: nobody drew a box on any part; draw some in the review, or freeze classes.")
        usable, without, views_told = _with_boxes(usable)
        left_out += without
    else:
        views_told = _of_views(usable)
    labels, notes = _labels(usable)
    splits = _splits(usable, labels, test_share, earlier)
    naming = None if by is None or of_boxes else Naming.of(by, usable)
    with ExitStack() as opened:
        folder = opened.enter_context(new_folder(target, overwrite=False))
        examples: Iterable[Example]
        if naming is not None:
            labelled = [*zip(usable, labels, splits, strict=True)]
            examples = opened.enter_context(named_pictures(labelled, naming, folder))
        else:
            examples = (
                example
                for part, label, split in zip(usable, labels, splits, strict=True)
                for example in _examples(part, label, split, of_boxes=of_boxes)
            )
        format = "csv" if naming is not None else "coco" if of_boxes else "folders"
        write_dataset(Dataset.from_examples(examples, format=format), folder / DATA, format)
        written = load_dataset(folder / DATA)
        files = _files(written, usable)
        if naming is not None:
            naming.check(written, usable)
        frozen = FrozenDataSet(
            fingerprint=written.fingerprint(),
            frozen_by=who,
            frozen_us=at_us,
            ok_labels=()
            if of_boxes
            else tuple(sorted({label for part, label in zip(usable, labels, strict=True) if _is_good(part)})),
            parts=tuple(
                FrozenPart(
                    files[part.contents[0]],
                    split,
                    part.id,
                    part.content,
                    part.verdict,
                    label,
                    part.settled_by,
                    part.settled_us,
                    part.sampled,
                    tuple(FrozenView(view.name, files[view.content], view.content) for view in part.views),
                )
                for part, label, split in zip(usable, labels, splits, strict=True)
            ),
            left_out=tuple(left_out),
            notes=(*notes, *_told(left_out), *views_told, *_of_test(usable, splits)),
            boxes=sum(len(boxes or ()) for part in usable for boxes in part.drawn) if of_boxes else None,
            by=None if naming is None else naming.by,
        )
        values = {"schema": SCHEMA, **to_json(frozen)}
        write_json(folder / FROZEN, values | {"seal": seal_of(values)})
    return frozen


def read_frozen(folder: Path) -> FrozenDataSet:
    """The frozen data set in a folder. Raises RunError where it is none, or not as it was frozen."""
    file = folder / FROZEN
    values: dict[str, Any] = read_json(file)
    if values.get("schema") != SCHEMA:
        raise RunError(f"{file}: its schema is {values.get('schema')}, this kenpin reads {SCHEMA}; freeze it again.")
    if values.pop("seal", None) != seal_of(values):
        raise RunError(f"{file}: is not what was frozen; restore it from a copy, or freeze the parts again.")
    return from_json(FrozenDataSet, {name: one for name, one in values.items() if name != "schema"}, str(file))


def load_frozen(folder: Path) -> Dataset:
    """The pictures of a frozen data set with what was settled. Raises RunError where they are not frozen so."""
    dataset = load_dataset(folder / DATA)
    if dataset.fingerprint() != read_frozen(folder).fingerprint:
        raise RunError(f"{folder / DATA}: is not as it was frozen; restore it from a copy, or freeze the parts again.")
    return dataset


def _is_good(part: ReviewedPart) -> bool:
    return part.verdict is Verdict.PASS


def _usable(parts: Sequence[ReviewedPart]) -> tuple[list[ReviewedPart], list[LeftOutPart]]:
    """Each picture once, in the order of the parts; without those that were settled differently, and those gone."""
    of_content: dict[str, list[ReviewedPart]] = defaultdict(list)
    for part in parts:
        of_content[part.content].append(part)
    usable, left_out = [], []
    for content, own in of_content.items():
        if any(part.said != own[0].said for part in own):
            why = "the same picture was settled differently"
            left_out += [LeftOutPart(part.id, content, why) for part in own]
        elif not all(picture.is_file() for picture in own[0].pictures):
            left_out += [LeftOutPart(part.id, content, "its picture is not kept any more") for part in own]
        elif not own[0].is_picture:
            left_out += [LeftOutPart(part.id, content, "its file cannot be opened as a picture") for part in own]
        else:
            best = max(own, key=lambda part: (part.is_drawn, part.settled_us if part.is_drawn else 0))
            usable.append(best)
            left_out += [LeftOutPart(part.id, content, f"a copy of part {best.id}") for part in own if part is not best]
    return usable, left_out


def _with_boxes(parts: Sequence[ReviewedPart]) -> tuple[list[ReviewedPart], list[LeftOutPart], list[str]]:
    """Without parts that failed, and views of these, that have no box: a detector would learn that nothing is there;
    and notes on the views."""
    fit, left_out = list[ReviewedPart](), list[LeftOutPart]()
    for part in parts:
        if _is_good(part):
            fit.append(part)
        elif part.is_drawn:
            fit.append(replace(part, views=tuple(view for view in part.views if view.boxes)))
        else:
            left_out.append(LeftOutPart(part.id, part.content, _UNDRAWN))
    if not any(part.views for part in fit):
        return fit, left_out, []
    notes = ["Boxes are learned picture by picture: each view is a picture of its own."]
    kept = {part.content: len(part.views) for part in fit}
    bare = sum(len(part.views) - kept[part.content] for part in parts if part.content in kept)
    if bare:
        notes.append(
            f"{counted(bare, 'view')} of defective parts on which nobody drew a box {was_were(bare)} left out: nobody "
            "said that nothing is to be seen there."
        )
    return fit, left_out, notes


def _examples(part: ReviewedPart, label: str, split: Split, *, of_boxes: bool) -> Iterator[Example]:
    """A part by one picture with its class; or with its boxes, where it has views each of them, as one group. label: of
    the part, and of a box whose class nobody named."""
    if not of_boxes:
        yield Example(part.content, ImageSource(str(part.picture)), split, label=label)
        return
    group = part.content if part.views else None
    for content, picture, drawn in zip(part.contents, part.pictures, part.drawn, strict=True):
        boxes = drawn or Detections()  # a good part has none
        boxes = replace(boxes, labels=tuple(own or label for own in boxes.labels))
        yield Example(content, ImageSource(str(picture)), split, group=group, boxes=boxes)


def _labels(parts: Sequence[ReviewedPart]) -> tuple[list[str], list[str]]:
    """The class of each part in the data set, and notes. A class that failed parts have is none of good parts."""
    of_failed = {part.label or DEFECTIVE for part in parts if not _is_good(part)}
    if GOOD in of_failed:
        raise OptionError(f"data set: parts that failed are of class {GOOD}; give them the class of their defect.")
    labels, renamed = [], []
    for part in parts:
        label = part.label or (GOOD if _is_good(part) else DEFECTIVE)
        if _is_good(part) and label in of_failed:
            renamed.append(part.id)
            label = GOOD
        labels.append(label)
    if not renamed:
        return labels, []
    return labels, [
        f"{counted(len(renamed), 'part')} that passed {is_are(len(renamed))} named like a defect, and taken as {GOOD}: "
        f"{_some(renamed)}."
    ]


def _splits(
    parts: Sequence[ReviewedPart], labels: Sequence[str], share: float, earlier: Iterable[FrozenDataSet]
) -> list[Split]:
    before: dict[str, Split] = {}
    for data_set in earlier:
        for frozen in data_set.parts:
            split: Split = "test" if frozen.split == "test" else "train"
            for content in frozen.contents:
                before[content] = "train" if before.get(content) == "train" else split
    of_id: dict[str, list[int]] = defaultdict(list)
    for row, part in enumerate(parts):
        of_id[part.id].append(row)
    units = [
        # over all views too: of a part whose boxes were frozen before, it may be with other views
        SplitUnit(
            tuple(dict.fromkeys(one for row in rows for one in (parts[row].content, *parts[row].contents))),
            labels[rows[0]],
        )
        for rows in of_id.values()
    ]
    splits: list[Split] = ["train"] * len(parts)
    for rows, found in zip(of_id.values(), divide(units, share, before), strict=True):
        for row in rows:
            splits[row] = found
    return splits


def _files(written: Dataset, parts: Sequence[ReviewedPart]) -> Mapping[str, str]:
    """The file of each content. Raises DatasetError where a picture that was written is not the one of its part."""
    files = dict(zip(written.contents(), written.column("id"), strict=True))
    for part in parts:
        if any(content not in files for content in part.contents):
            raise DatasetError(
                f"{part.picture}: is not the picture of part {part.id} that was settled; restore it from a copy, or "
                "leave the part out."
            )
    return files


def _told(left_out: Sequence[LeftOutPart]) -> list[str]:
    reasons: dict[str, list[str]] = defaultdict(list)
    for part in left_out:
        reasons[part.why if not part.why.startswith("a copy") else "copies of other parts' pictures"].append(part.id)
    undrawn = reasons.pop(_UNDRAWN, [])
    notes = [
        f"{counted(len(ids), 'part')} {was_were(len(ids))} left out, {why}: {_some(ids)}."
        for why, ids in reasons.items()
    ]
    if undrawn:
        notes.append(
            f"{counted(len(undrawn), 'defective part')} on which nobody drew a box {was_were(len(undrawn))} left out: "
            f"{_some(undrawn)}; undo what was said of them in the review, draw their boxes, and freeze again."
        )
    return notes


def _of_views(parts: Sequence[ReviewedPart]) -> list[str]:
    """What the labels of views stand for."""
    failed = sum(bool(part.views) and not _is_good(part) for part in parts)
    if not failed:
        return []
    return [
        f"All views of {counted(failed, 'defective part')} have its class, as people say of a part what it is, and not "
        "of a view."
    ]


def _of_test(parts: Sequence[ReviewedPart], splits: Sequence[str]) -> list[str]:
    """How far the test parts stand for the line."""
    test = [part for part, split in zip(parts, splits, strict=True) if split == "test"]
    sampled = sum(part.sampled for part in test)
    if sampled == len(test):
        return []
    return [
        f"Of {counted(len(test), 'test part')} {sampled} {is_are(sampled)} drawn at random and the others chosen for "
        "review, by doubt and cost: they compare inspectors with one another, and are not the line's usual parts."
    ]


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_SHOWN]) + (f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else "")
