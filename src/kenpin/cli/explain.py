"""The command `explain`: where in a picture an answer comes from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kenpin.cli import FINDINGS, _show
from kenpin.cli._groups import MAPS, OUTPUT, REQUIRED
from kenpin.cli._regions import RoiOption, tell_regions
from kenpin.cli._scale import PxPerMmOption, scale_in_force, typed_scale
from kenpin.cli.data import Overwrite
from kenpin.cli.runs import Device, Engine
from kenpin.records import Example

_TOLD = 5
"""Items, and layers, whose shares of a score are told, at most."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainOptions:
    """What is explained, and where the maps go."""

    out: Annotated[Path, Parameter(group=REQUIRED, help="PNG file to draw, or folder for one file per picture.")]
    array: Annotated[Path | None, Parameter(group=OUTPUT, help="Write the values of the maps to this .npz file.")] = (
        None
    )
    against: Annotated[
        str | None,
        Parameter(group=MAPS, help="Picture to compare with: the maps show what makes the two embeddings alike."),
    ] = None
    way: Annotated[
        str | None,
        Parameter(
            group=MAPS, help="Method: relevance, rollout, gradcam or shares; by default the one that suits the model."
        ),
    ] = None
    label: Annotated[str | None, Parameter(group=MAPS, help="Class to explain, in place of the predicted one.")] = None
    px_per_mm: PxPerMmOption = None
    roi: RoiOption = None
    region_from: Annotated[
        float | None,
        Parameter(
            group=MAPS,
            help="Number of the map from which regions are outlined; by default that from which a part fails.",
        ),
    ] = None
    device: Device = None
    engine: Engine = "auto"
    overwrite: Overwrite = False


def explain(
    run: Path, images: Annotated[tuple[str, ...], Parameter(negative=())], /, *, options: ExplainOptions
) -> int:
    """Show where in pictures a run's answer comes from. The exit status is 1 where a picture could not be opened.

    Parameters
    ----------
    run:
        Run folder.
    images:
        Picture files and folders of pictures.
    """
    from kenpin.data.files import picture_files
    from kenpin.data.mistaken import refuse_exchanged
    from kenpin.errors import OptionError
    from kenpin.explain import Explanation, array_file, compare, told_shares, with_regions, write_drawings
    from kenpin.explain import explain as maps_of
    from kenpin.files import check_writable
    from kenpin.predictor import load_predictor
    from kenpin.regions.region import told_region

    refuse_exchanged(run, images, f"explain RUN DATA --out {options.out}")
    paths = list(picture_files(images))
    single = options.out.suffix.lower() == ".png"
    if options.against is not None and (len(paths) > 1 or options.way is not None or options.label is not None):
        raise OptionError("command line: `--against` compares two pictures; give one more, and no --way or --label.")
    if single and len(paths) + (options.against is not None) > 1:
        raise OptionError(f"command line: `--out` {options.out} is one file for several pictures; name a folder.")
    check_writable(options.out, options.overwrite, folder=not single)
    check_writable(options.array, options.overwrite)
    if options.array is not None and options.array.suffix != ".npz":
        raise OptionError(f"command line: `--array` {options.array} must end in .npz.")
    scale = typed_scale(options.px_per_mm)
    if options.region_from is not None and not math.isfinite(options.region_from):
        raise OptionError("command line: `--region-from` is not finite; give a number of the map.")
    predictor = load_predictor(run, device=options.device, engine=options.engine)
    bad: list[str] = []

    def set_aside(example: Example, error: Exception) -> None:
        bad.append(example.id)
        _show.say(f"kenpin: {error}")

    tell_regions(predictor, options.roi)
    fails_from = predictor.fails_on_map
    cut = options.region_from
    if cut is None and fails_from is not None and math.isfinite(fails_from):
        cut = fails_from
    if cut is None and options.px_per_mm is not None:
        raise OptionError(
            "command line: `--px-per-mm` measures regions, and no number of this run's maps is known from which a part "
            "fails; give `--region-from`."
        )
    scale = scale_in_force(scale, predictor.px_per_mm, str(run))
    found: Iterable[Explanation]
    if options.against is not None:
        found = compare(predictor, paths[0], options.against)
    else:
        found = maps_of(predictor, paths, way=options.way, label=options.label, on_error=set_aside)
    with nullcontext() if options.array is None else array_file(options.array) as add:
        if cut is not None:
            found = (with_regions(one, cut, scale) for one in found)
        for one, drawn in write_drawings(found, options.out, fails_from=fails_from):
            _show.row(one.id, str(drawn), "; ".join(shown.shows for shown in one.maps) or "nothing found")
            if one.prediction is not None and one.prediction.distance:
                shares = {"layers": one.prediction.layer_contributions, "items": one.prediction.contributions}
                for name, found_shares in shares.items():
                    if found_shares:
                        _show.row(one.id, name, told_shares(found_shares, one.prediction.distance, _TOLD))
            for region in one.regions:
                _show.row(one.id, "region", told_region(region))
            if add is not None:
                add(one)
    return FINDINGS if bad else 0
