"""Pictures judged as they are framed: what the network finds goes back into the frame of the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PIL.Image import Image

from kenpin.data.dataset import Dataset
from kenpin.data.framed_set import framed_set, row_of_framed
from kenpin.data.framing import Framed, Framing, kept_view, read_framing
from kenpin.data.picture_regions import regions_given
from kenpin.errors import ImageError, OptionError
from kenpin.models.contract import Judge, Localised, OnError, Progress
from kenpin.models.deciding import CELLS, deciding, one_object
from kenpin.models.outputs import Outputs
from kenpin.models.tiles import PREDICTION, Plain, Rows, decoded, one_by_one, stacked
from kenpin.records import Detections, Example, ImageSource, Prediction

if TYPE_CHECKING:  # who judges by a package does not wait for the options of a training
    from kenpin.config import ViewOptions

View = TypeVar("View", bound="ViewOptions")


def framing_by(options: ViewOptions) -> Framing | None:
    """The framing of a family's options. Raises OptionError, ImageError, MissingExtraError."""
    return read_framing(options.align, options.roi, options.object, options.roi_default)


def with_kept_view(options: View, folder: Path) -> View:
    """The options with the reference and region of interest that a run keeps in its folder."""
    return options.model_copy(update=kept_view(folder, options.align, options.roi, options.roi_default))


def framing_of(judge: Judge) -> Framing | None:
    """How a judge frames pictures; None where it looks at all of them as they are."""
    found: Framing | None = getattr(judge, "framing", None)
    return found


def framed_for(judge: Judge, image: Image, example: Example) -> tuple[Framing | None, Framed]:
    """How a judge frames an example's picture, and what it sees of it. Raises NotAlignedError, and ImageError where the
    picture has no region of its own and is to have one."""
    framing = framing_of(judge)
    if framing is None:
        return None, Framed(image)
    framing = framing.of_picture(example, image.size)
    return framing, framing.of(image)


def look_in(judge: Judge, roi: str) -> None:
    """Let a judge find the region of interest of each picture by this folder of masks or table, in place of what its
    run keeps. Raises OptionError where it looks at one region, or at whole pictures."""
    framing = framing_of(judge)
    if framing is None or framing.by_picture is None:
        raise OptionError(
            "option `--roi`: this run was not trained on a region of its own in each picture; leave it out, or train "
            "with --roi FOLDER."
        )
    judge.framing = replace(framing, by_picture=regions_given(roi, framing.by_picture))  # type: ignore[attr-defined]


def outputs_framed(
    judge: Judge,
    framing: Framing,
    dataset: Dataset,
    *,
    inner: Plain,
    progress: Progress | None,
    on_error: OnError | None,
    batch_size: int | None,
) -> Iterator[tuple[list[Example], Outputs]]:
    """One picture at a time with its raw outputs, one row, in the data set's order. inner: gives those of framed
    pictures."""

    def rows_of(pictures: Dataset, sizes: Sequence[tuple[int, int]]) -> Rows:
        framed, opener = framed_set(pictures, framing, sizes)
        for row, outputs in _rows(framed, pictures, inner, on_error, batch_size):
            if outputs is None:
                yield row, None
            else:
                of_one = opener.framing_of(pictures[row], sizes[row])
                yield row, in_picture(judge, of_one, opener.framed(framed[row]), sizes[row], outputs)

    yield from one_by_one(dataset, rows_of, progress, on_error)


def _rows(
    framed: Dataset,
    pictures: Dataset,
    inner: Plain,
    on_error: OnError | None,
    batch_size: int | None,
) -> Iterator[tuple[int, Outputs | None]]:
    """Rows of the pictures with their outputs, None where one cannot be opened or framed."""
    bad: dict[int, ImageError] = {}
    row = 0

    def note(example: Example, error: ImageError) -> None:
        bad[row_of_framed(example)] = error

    def failed_up_to(wanted: int) -> Iterator[tuple[int, Outputs | None]]:
        nonlocal row
        while row < wanted:
            if on_error is not None:
                on_error(pictures[row], bad[row])
            yield row, None
            row += 1

    for examples, outputs in inner(framed, on_error=None if on_error is None else note, batch_size=batch_size):
        for index, example in enumerate(examples):
            yield from failed_up_to(row_of_framed(example))
            yield row, {name: rows[index : index + 1] for name, rows in outputs.items()}
            row += 1
    yield from failed_up_to(len(pictures))


def outputs_of_framed_images(
    judge: Judge,
    framing: Framing,
    images: Sequence[Image],
    *,
    examples: Sequence[Example | None],
    inner: Callable[[Sequence[Image]], Outputs],
) -> Outputs:
    """A row of raw outputs for each picture, mode RGB. examples: of the pictures, as `outputs_together` takes them;
    inner: gives outputs of framed pictures. Raises NotAlignedError, ImageError where one has no region."""
    known = examples or [Example("", ImageSource())] * len(images)
    framings = [framing.of_picture(example, image.size) for example, image in zip(known, images, strict=True)]
    each = [of_one.of(image) for of_one, image in zip(framings, images, strict=True)]
    found = inner([framed.image for framed in each])
    rows = [
        in_picture(judge, of_one, framed, image.size, {name: of[index : index + 1] for name, of in found.items()})
        for index, (of_one, framed, image) in enumerate(zip(framings, each, images, strict=True))
    ]
    return {name: stacked([row[name] for row in rows]) for name in rows[0]}


def in_picture(judge: Judge, framing: Framing, framed: Framed, size_wh: tuple[int, int], outputs: Outputs) -> Outputs:
    """Raw outputs of one framed picture, one row, in the frame of its picture."""
    if isinstance(judge, Localised):
        grid = outputs["map"][0]
        found = {"map": framing.map_in_picture(grid, framed, size_wh)[None]}
        if CELLS in outputs:
            found[CELLS] = one_object(deciding(outputs[CELLS][0], framing.looked_at(grid, framed)))
        return found
    example = Example("", ImageSource(), size_wh=framed.image.size)
    known = decoded(outputs, [example])
    (prediction,) = judge.decode(outputs, [example]) if known is None else known
    if prediction.detections is None:
        return outputs
    return {PREDICTION: one_object(_moved(prediction, prediction.detections, framing, framed, size_wh))}


def _moved(
    prediction: Prediction, boxes: Detections, framing: Framing, framed: Framed, size_wh: tuple[int, int]
) -> Prediction:
    """Its boxes in the frame of the picture; outlines, which are of the frame that was seen, are left."""
    there = framing.boxes_in_picture(boxes.boxes_xyxy_px, framed, size_wh)
    return replace(prediction, detections=replace(boxes, boxes_xyxy_px=there, segments=None, outlines=None))
