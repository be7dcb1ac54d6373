"""The commands `describe` and `ablate`: descriptions held to the evidence, and what the evidence adds to them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from kenpin.cli import FINDINGS, _show
from kenpin.cli._groups import DATA, OUTPUT, REQUIRED
from kenpin.cli._options import with_settings
from kenpin.cli._reading import ReadOptions
from kenpin.cli.data import Overwrite
from kenpin.cli.evaluate import WithSeen
from kenpin.cli.runs import Device
from kenpin.description.options import AblationOptions, DescriptionOptions
from kenpin.plural import counted
from kenpin.records import Example

if TYPE_CHECKING:
    from kenpin.description.ablation import Condition
    from kenpin.description.describer import DescribedPicture
    from kenpin.quality.paired import PairedDifference

Json = Annotated[Path | None, Parameter(group=OUTPUT, help="Write all results to this JSON file.")]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeCommandOptions:
    """Where pictures are described, and where the descriptions go."""

    json: Json = None
    device: Device = None
    overwrite: Overwrite = False


@with_settings
def describe(
    model: str,
    images: Annotated[tuple[str, ...], Parameter(negative=())],
    /,
    *,
    settings: DescriptionOptions,
    options: DescribeCommandOptions = DescribeCommandOptions(),
) -> int:
    """Describe pictures in words, with other runs and known cases as evidence, and mark what contradicts these.

    The exit status is 1 where a picture could not be opened, 0 otherwise.

    Parameters
    ----------
    model:
        Run folder of family vlm; or a base without any run: a hub id, or a folder of save_pretrained.
    images:
        Picture files and folders of pictures.
    """
    from kenpin.data.files import picture_files
    from kenpin.description import describe as describe_pictures
    from kenpin.files import check_writable, write_json
    from kenpin.records_json import to_json

    check_writable(options.json, options.overwrite)
    bad: list[str] = []
    rows: list[Any] = []
    marked = 0
    with _show.progress_line() as progress:
        found = describe_pictures(
            model,
            picture_files(images),
            device=options.device,
            progress=progress,
            on_error=partial(_set_aside, bad),
            **settings.model_dump(),
        )
        for one in found:
            _tell(one)
            rows.append(to_json(one))
            marked += bool(one.described.contradictions)
    _show.say(f"{counted(len(rows), 'picture')} described, {marked} in contradiction to the evidence.")
    if options.json is not None:
        write_json(options.json, {"model": model, "options": settings.model_dump(mode="json"), "descriptions": rows,
                                  "not_opened": bad})  # fmt: skip
    return FINDINGS if bad else 0


def _tell(one: DescribedPicture) -> None:
    """Print a description as people read it."""
    said = one.described.description
    verdict = "-" if one.evidence.verdict is None else one.evidence.verdict.value
    mark = ["CONTRADICTORY"] if one.described.contradictions else []
    texts = {"looks": said.appearance, "cause": said.suggested_cause, "repair": said.suggested_repair}
    _show.row(one.id, verdict, said.finding, *mark)
    for line in (
        f"place {said.place}, severity {said.severity}, confidence {said.confidence}",
        *(f"{name}: {' '.join(text.split())}" for name, text in texts.items() if text.strip()),
        *(f"! {found.sentence}" for found in one.described.contradictions),
    ):
        _show.row(f"  {line}")


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class AblateOptions(DescribeCommandOptions, ReadOptions):
    """What is described, and where the results go."""

    split: Annotated[
        str | None, Parameter(group=DATA, help="Split to take; by default test where there is one, else all.")
    ] = None
    with_seen: WithSeen = False


@with_settings
def ablate(
    model: str,
    /,
    *,
    data: Annotated[str, Parameter(group=REQUIRED, help="Data set with labels or boxes: folder, file or hub id.")],
    settings: AblationOptions,
    options: AblateOptions = AblateOptions(),
) -> int:
    """Measure what the evidence adds: how often class and place are named exactly with all of it, without any, and
    without each piece.

    The exit status is 1 where a picture could not be opened, 0 otherwise.

    Parameters
    ----------
    model:
        Run folder of family vlm; or a base without any run: a hub id, or a folder of save_pretrained.
    """
    from kenpin.base_predictor import load_conversational
    from kenpin.data.lineage import held_out
    from kenpin.description import describer_of
    from kenpin.description.ablation import ablate as compare
    from kenpin.description.ablation import with_truth
    from kenpin.description.gathering import load_gatherer
    from kenpin.files import check_writable, write_json
    from kenpin.records_json import to_json
    from kenpin.run.lineage import lineage_of

    check_writable(options.json, options.overwrite)
    dataset = options.load(data)
    split = "test" if options.split is None and "test" in dataset.splits else options.split
    if split is not None:
        dataset = dataset.required_split(split)
    dataset = with_truth(dataset)
    describer = describer_of(load_conversational(model, device=options.device), settings)
    gatherer = load_gatherer(settings.evidence, settings.cases, nearest=settings.nearest, device=options.device)
    dataset, notes = held_out(dataset, gatherer.lineage | lineage_of(model), with_seen=options.with_seen)
    for note in notes:
        _show.say(note)
    bad: list[str] = []
    with _show.progress_line() as progress:
        parts = gatherer.gather(dataset, progress=progress, on_error=partial(_set_aside, bad))
        conditions = compare(describer, parts)
    placed = conditions[-1].place_cost
    places = f"the place of the defect is known for {placed.parts if placed else 0}"
    _show.row(f"{counted(len(dataset) - len(bad), 'picture')}, split {split or 'all'}; {places}")
    _show.lines("\n".join(_table(conditions)))
    if options.json is not None:
        write_json(options.json, {"model": model, "data": data, "split": split,
                                  "options": settings.model_dump(mode="json"), "conditions": to_json(conditions),
                                  "not_opened": bad})  # fmt: skip
    return FINDINGS if bad else 0


def _table(conditions: tuple[Condition, ...]) -> list[str]:
    """A row a condition: shares that are right, and what is lost against `all`, with exact intervals."""
    rows: list[tuple[str, ...]] = [
        ("evidence", "class right", "place right", "contradictory", "class lost", "p", "place lost", "p")
    ]
    for one in conditions:
        shares = (one.finding, one.place, one.contradictory)
        rows.append(
            (
                one.told,
                *("–" if share.value is None else f"{share.value:.3f}" for share in shares),
                *_lost(one.finding_cost),
                *_lost(one.place_cost),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _lost(cost: PairedDifference | None) -> tuple[str, str]:
    if cost is None:
        return "–", "–"
    return f"{cost.change:+.3f} ({cost.low:+.3f} to {cost.high:+.3f})", f"{cost.p_value:.2g}"


def _set_aside(bad: list[str], example: Example, error: Exception) -> None:
    bad.append(example.id)
    _show.say(f"kenpin: {error}")
