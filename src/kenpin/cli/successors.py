"""Commands on a run's successors: `update`, `compare`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from kenpin.cli import _show
from kenpin.cli._cluster import ClusterOptions
from kenpin.cli._found import FoundOptions, check_targets, hand_over
from kenpin.cli._groups import DATA, DECISION, REQUIRED
from kenpin.cli._reading import ReadOptions
from kenpin.cli.data import Overwrite
from kenpin.cli.runs import Device

if TYPE_CHECKING:
    from kenpin.quality.costs import Prices

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
class UpdateOptions(ReadOptions, ClusterOptions):
    """What is added, and what decides."""

    data: Annotated[
        str, Parameter(group=REQUIRED, help="Data set with good parts, and perhaps others: folder, file or hub id.")
    ]
    out: Annotated[Path, Parameter(group=REQUIRED, help="Run folder to write; must not exist.")]
    ok_labels: OkLabels = ()
    decide: Annotated[
        Literal["kept", "again"],
        Parameter(
            group=DECISION,
            help="Threshold and calibration: those of the run, or again by the parts that are given, with the run's "
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
    from kenpin.cluster import ClusterPredictor
    from kenpin.data.mistaken import refuse_exchanged
    from kenpin.report.headline import verdict_sentences
    from kenpin.updating import update as write_updated

    refuse_exchanged(run, [options.data], "update RUN --data DATA")
    dataset = options.load(options.data)
    with options.started() as cluster, telling() as listener:
        on = None if cluster is None else ClusterPredictor(cluster, run, device=options.device)
        done = write_updated(
            on or run,
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


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CompareOptions(ReadOptions):
    """What the two are compared on, what errors cost, and where the findings go."""

    data: Annotated[str, Parameter(group=REQUIRED, help="Data set with labels: folder, file or hub id.")]
    split: Annotated[
        str | None, Parameter(group=DATA, help="Split to take; by default test where there is one, else all.")
    ] = None
    ok_labels: Annotated[
        tuple[str, ...],
        Parameter(
            group=DATA,
            negative=(),
            consume_multiple=True,
            show_default=False,
            help="Classes that mean a good part; by default those of the two.",
        ),
    ] = ()
    cost_escape: Annotated[
        float | None,
        Parameter(group=DECISION, help="Cost of an escape; by default as the newer one's threshold has it."),
    ] = None
    cost_overkill: Annotated[float | None, Parameter(group=DECISION, help="Cost of an overkill.")] = None
    cost_review: Annotated[float | None, Parameter(group=DECISION, help="Cost of a review.")] = None
    defect_rate: Annotated[
        float | None, Parameter(group=DECISION, help="Share of defective parts on the line; by default as in the data.")
    ] = None
    device: Device = None
    to: FoundOptions = field(default_factory=FoundOptions)


def compare(before: Path, now: Path, /, *, options: CompareOptions) -> int:
    """Compare two inspectors on the same labelled pictures: those that neither, nor any run below, has learned from.

    Parameters
    ----------
    before:
        Run folder or package.
    now:
        Run folder or package that may take its place.
    """
    from kenpin.data.mistaken import refuse_exchanged
    from kenpin.finished_run import compare as compare_on

    check_targets(options.to)
    refuse_exchanged(now, [options.data], f"compare {before} RUN --data DATA")
    found = compare_on(
        before,
        now,
        options.load(options.data),
        split=options.split,
        ok_labels=options.ok_labels or None,
        prices=_prices(options),
        device=options.device,
    )
    hand_over(found.findings(), options.to)
    return 0


def _prices(options: CompareOptions) -> Prices | None:
    """The costs that were given; None where none was. Raises OptionError."""
    from kenpin.errors import OptionError
    from kenpin.quality.costs import Prices

    given = (options.cost_escape, options.cost_overkill, options.cost_review, options.defect_rate)
    if given == (None, None, None, None):
        return None
    if options.cost_escape is None or options.cost_overkill is None:
        raise OptionError("costs are compared with one another; give both --cost-escape and --cost-overkill.")
    return Prices(options.cost_escape, options.cost_overkill, options.cost_review, options.defect_rate)
