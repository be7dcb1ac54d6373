"""Commands on a run's successors: `update`, `compare`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from kenpin.cli import _show
from kenpin.cli._groups import DATA, DECISION, REQUIRED
from kenpin.cli._reading import ReadOptions
from kenpin.cli.data import Overwrite
from kenpin.cli.runs import Device

OkLabels = Annotated[
    tuple[str, ...],
    Parameter(
        group=DATA,
        negative=(),
        consume_multiple=True,
        show_default=False,
        help="Further classes of good parts, besides those that the run knows as such.",
    ),
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class UpdateOptions(ReadOptions):
    """What is added, and what decides."""

    data: Annotated[
        str, Parameter(group=REQUIRED, help="Data set with good parts, and perhaps others: folder, file or hub id.")
    ]
    out: Annotated[Path, Parameter(group=REQUIRED, help="Run folder to write; must not exist.")]
    ok_labels: OkLabels = ()
    decide: Annotated[
        Literal["kept", "anew"],
        Parameter(
            group=DECISION,
            help="Threshold and calibration: those of the run, or anew by the parts that are given, with the run's "
            "costs.",
        ),
    ] = "kept"
    device: Device = None
    overwrite: Overwrite = False


def update(run: Path, /, *, options: UpdateOptions) -> int:
    """Add good parts to a unit space, exactly as if it had been fitted to all together, as a new run.

    Parameters
    ----------
    run:
        Run folder of family mahalanobis.
    """
    from kenpin.cli._telling import telling
    from kenpin.data.mistaken import refuse_exchanged
    from kenpin.report.headline import verdict_sentences
    from kenpin.updating import update as write_updated

    refuse_exchanged(run, [options.data], "update RUN --data DATA")
    dataset = options.load(options.data)
    with telling() as listener:
        done = write_updated(
            run,
            dataset,
            options.out,
            ok_labels=options.ok_labels or None,
            decide=options.decide,
            device=options.device,
            overwrite=options.overwrite,
            listener=listener,
        )
    for line in verdict_sentences(done.evaluation):
        _show.say(line)
    _show.row(str(done))
    return 0
