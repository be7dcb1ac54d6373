"""The content of a report, read from a run folder's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kenpin.errors import RunError
from kenpin.records import Evaluation
from kenpin.records_json import evaluation_from_json, from_json
from kenpin.regions.region import PxPerMm
from kenpin.run.layout import METRICS, RECORD, evaluation_files, further_evaluations
from kenpin.run.looked_at import LookedAt, read_looked_at
from kenpin.run.maps import Maps, read_maps
from kenpin.run.rows import read_rows
from kenpin.run.scale import scale_kept
from kenpin.run.thumbnails import read_thumbnails
from kenpin.run.vectors import ProjectedEmbedding, read_embedding
from kenpin.strict_json import parse_json, read_bounded
from kenpin.taguchi.selection import Selection
from kenpin.words import ENGLISH, Texts

_SELECTION = "model/selection.json"
_TABLE = "table"  # base of a run on numbers


@dataclass(frozen=True, slots=True)
class Kept:
    """Thumbnails and maps of the pictures of one evaluation."""

    thumbnails: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """JPEG bytes by picture id."""
    maps: Maps | None = field(default=None, repr=False)
    """Maps of the worst mistakes and highest scores."""
    px_per_mm: PxPerMm | None = None
    """Pixels a millimetre of the pictures as they were taken, where they are known."""


@dataclass(frozen=True, slots=True)
class ReportContent:
    """Content of a run's page."""

    name: str
    run: Mapping[str, Any]
    """run.json as it stands; its `dataset.counts` (split -> label -> pictures) fills the table of the data."""
    evaluations: Mapping[str, Evaluation]
    """Evaluations by name, the leading one first; at least one."""
    training: Sequence[Mapping[str, Any]] = ()
    """Rows of metrics.jsonl in their order."""
    thumbnails: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Thumbnails of the leading evaluation: JPEG bytes by picture id."""
    embedding: ProjectedEmbedding | None = field(default=None, repr=False)
    """Embeddings of the leading evaluation's pictures."""
    maps: Maps | None = field(default=None, repr=False)
    """Maps of its worst mistakes and highest scores."""
    looked_at: Mapping[str, LookedAt] = field(default_factory=dict, repr=False)
    """Masks of what was looked at in some of its pictures."""
    px_per_mm: PxPerMm | None = None
    """Pixels a millimetre that the run keeps, by which regions are measured."""
    further: Mapping[str, Kept] = field(default_factory=dict, repr=False)
    """Thumbnails and maps of the other evaluations' pictures, by evaluation."""
    selection: Selection | None = field(default=None, repr=False)
    """The items of a unit space, and how they were chosen."""
    doctor: Mapping[str, Any] | None = None
    """The data set's findings: `findings`, a list of Finding records as JSON."""
    unsealed: tuple[str, ...] = ()
    """Names of the files on the page that the run's seal does not cover."""
    before: ReportContent | None = None
    """The run that this one is compared with."""

    @property
    def noun(self) -> str:
        """The plural noun of the judged examples: `pictures`, or `parts` for the rows of a table."""
        return "parts" if self.run.get("base_id") == _TABLE else "pictures"

    @property
    def is_by_part(self) -> bool:
        """Whether each judged example is a part by several pictures."""
        return self.run.get("parts") is not None

    @property
    def leading(self) -> Evaluation:
        """The evaluation of the headline."""
        return next(iter(self.evaluations.values()))

    @property
    def leading_name(self) -> str:
        """Name of the leading evaluation."""
        return next(iter(self.evaluations))

    def kept(self, name: str) -> Kept:
        """Thumbnails and maps of an evaluation's pictures."""
        found = Kept(self.thumbnails, self.maps) if name == self.leading_name else self.further.get(name, Kept())
        return replace(found, px_per_mm=self.px_per_mm)


def read_content(
    run_folder: Path, *, against: Path | None = None, name: str | None = None, texts: Texts = ENGLISH
) -> ReportContent:
    """The content of a run folder: run.json and evaluation.json, and the optional files that exist.

    `name`: the run's; None: its folder's; `texts`: of the page's language. Further evaluations follow by their names.
    Raises RunError for missing or damaged files.
    """
    named = further_evaluations(run_folder)
    own, *others = (evaluation_files(run_folder, name) for name in (None, *named))
    read = [evaluation_from_json(_json(files.evaluation), str(files.evaluation)) for files in (own, *others)]
    # a further evaluation may bear the leading one's split as its name and must not take its place
    leading = read[0].split if read[0].split not in named else texts("%(split)s (in training)", split=read[0].split)
    lines = run_folder / METRICS
    doctor, chosen = run_folder / "doctor.json", run_folder / _SELECTION
    run = _json(run_folder / RECORD)
    shown = [lines, doctor, chosen, *(file for files in (own, *others) for file in files.all)]
    return ReportContent(
        name=name or run_folder.resolve().name,
        run=run,
        evaluations=dict(zip([leading, *named], read, strict=True)),
        training=read_rows(lines) if lines.exists() else (),
        thumbnails=read_thumbnails(own.thumbnails),
        embedding=None if own.vectors is None else read_embedding(own.vectors),
        maps=read_maps(own.maps),
        looked_at=read_looked_at(own.looked_at),
        px_per_mm=scale_kept(run_folder, run.get("options") or {}),
        further={
            name: Kept(read_thumbnails(files.thumbnails), read_maps(files.maps))
            for name, files in zip(named, others, strict=True)
        },
        selection=from_json(Selection, _json(chosen), str(chosen)) if chosen.exists() else None,
        doctor=_doctor(doctor) if doctor.exists() else None,
        unsealed=_unsealed(run_folder, run, shown),
        before=None if against is None else read_content(against, texts=texts),
    )


def _unsealed(run_folder: Path, run: Mapping[str, Any], shown: Sequence[Path]) -> tuple[str, ...]:
    sealed = run.get("files")
    names = [file.relative_to(run_folder).as_posix() for file in shown if file.exists()]
    return tuple(name for name in names if not isinstance(sealed, Mapping) or name not in sealed)


def _doctor(file: Path) -> dict[str, Any]:
    values = _json(file)
    findings = values.get("findings", [])
    names = ("severity", "where", "what", "remedy")
    if not isinstance(findings, list) or not all(
        isinstance(finding, dict) and all(isinstance(finding.get(name), str) for name in names) for finding in findings
    ):
        raise RunError(f"{file}: its findings are damaged; write it again with `kenpin doctor --json`, or remove it.")
    return values


def _json(file: Path) -> dict[str, Any]:
    try:
        value = parse_json(read_bounded(file))
    except FileNotFoundError as error:
        raise RunError(f"{file}: is missing; restore it from a copy or train again.") from error
    except (OSError, ValueError) as error:
        raise RunError(f"{file}: it cannot be read ({error}). Restore it from a copy or train again.") from error
    if not isinstance(value, dict):
        raise RunError(f"{file}: it is of type {type(value).__name__}, not an object. Restore it or train again.")
    return value
