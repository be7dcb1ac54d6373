"""The command `drift`: whether scores, failures and vectors still come from where the reference ones came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kenpin.cli import FINDINGS, _show
from kenpin.cli._found import FoundOptions, check_targets, hand_over
from kenpin.cli._groups import DATA, DECISION, REQUIRED
from kenpin.plural import counted, is_are

if TYPE_CHECKING:
    from kenpin.studies import Rows


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class DriftOptions:
    """What is charted, against what, and where the findings go."""

    reference: Annotated[
        Path,
        Parameter(
            group=REQUIRED, help="Predictions of parts from a time when all was well; the run was not trained on them."
        ),
    ]
    score: Annotated[
        tuple[str, ...],
        Parameter(
            group=DATA,
            negative=(),
            show_default=False,
            help="Column to chart; by default distance, else defect_score. May be given again.",
        ),
    ] = ()
    mapping: Annotated[
        Path | None, Parameter(group=DATA, help="Table with the lot or shift of each predicted `id`.")
    ] = None
    lot: Annotated[str, Parameter(group=DATA, help="Column of the lot or shift.")] = "lot"
    lot_size: Annotated[
        int, Parameter(group=DATA, help="Consecutive parts that make a lot, where there is no such column.")
    ] = 50
    arl: Annotated[
        float,
        Parameter(group=DECISION, help="Points of a chart between two false alarms, on average (average run length)."),
    ] = 1000.0
    shift: Annotated[
        float,
        Parameter(group=DECISION, help="Shift of the mean, in standard deviations, that should be found soonest."),
    ] = 1.0
    vectors: Annotated[
        Path | None, Parameter(group=DATA, help="Embeddings of the parts: vectors.npz of `kenpin embed`.")
    ] = None
    reference_vectors: Annotated[Path | None, Parameter(group=DATA, help="Embeddings of the reference.")] = None
    to: FoundOptions = field(default_factory=FoundOptions)


def drift(predictions: Path, /, *, options: DriftOptions) -> int:
    """Chart predictions in their order against earlier ones. The exit status is 1 where something drifted, 0 otherwise.

    Parameters
    ----------
    predictions:
        JSON file of `kenpin predict` or `evaluate`, or a table with the column `id`, in the order of time.
    """
    from kenpin.errors import OptionError
    from kenpin.studies import read_embeddings, read_rows, study_drift
    from kenpin.studies.drift import usual_measure

    check_targets(options.to)
    if (options.vectors is None) is not (options.reference_vectors is None):
        raise OptionError("embeddings are compared with embeddings; give both --vectors and --reference-vectors.")
    if options.lot_size < 1:
        raise OptionError(f"option `--lot-size` is {options.lot_size}; give 1 or more.")
    new, old = (read_rows(path, _show.say) for path in (predictions, options.reference))
    if options.mapping is not None:
        new = new.joined(read_rows(options.mapping, _show.say))
    measures = options.score or (usual_measure(new),)
    embeddings = None
    if options.vectors is not None and options.reference_vectors is not None:
        embeddings = (read_embeddings(options.vectors), read_embeddings(options.reference_vectors))
    found = study_drift(
        _measured(new, measures),
        _measured(old, measures),
        measures=measures,
        lot=options.lot,
        lot_size=options.lot_size,
        arl=options.arl,
        shift=options.shift,
        embeddings=embeddings,
    )
    hand_over(found, options.to)
    return FINDINGS if found.alarm else 0


def _measured(rows: Rows, measures: Sequence[str]) -> Rows:
    """The rows that have all measures; of the others it is told how many there are."""
    kept = rows.having(measures)
    if left_out := len(rows) - len(kept):
        lack = " and ".join(f"`{measure}`" for measure in measures)
        told = counted(left_out, f"part without {lack}", f"parts without {lack}")
        _show.say(f"kenpin: {told} {is_are(left_out)} left out.")
    return kept
