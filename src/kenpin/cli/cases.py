"""Commands on a library of known cases: `cases add`, `cases search`, `cases remove`, `cases stats`."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import cyclopts
from cyclopts import Parameter

from kenpin.cases.case import NOT_UNWANTED, Case, CaseFilter, CaseVerdict, Found, Metric, VectorRun
from kenpin.cli import FINDINGS, _show
from kenpin.cli._groups import CASES, DATA, OUTPUT, RUN
from kenpin.cli._reading import ReadOptions
from kenpin.cli.data import Overwrite
from kenpin.cli.runs import Device
from kenpin.errors import OptionError
from kenpin.plural import counted
from kenpin.visible import short

if TYPE_CHECKING:
    from kenpin.cases.adding import Embed
    from kenpin.data.dataset import Dataset
    from kenpin.predictor import Predictor
    from kenpin.records import Example

_Several = Parameter(negative=(), consume_multiple=True, show_default=False)
Verdicts = Annotated[tuple[CaseVerdict, ...], _Several]
Texts = Annotated[tuple[str, ...], _Several]
Json = Annotated[Path | None, Parameter(group=OUTPUT, help="Write all results to this JSON file.")]

app = cyclopts.App(name="cases")


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class AddOptions(ReadOptions):
    """What is added, what is said of it, and how it is kept."""

    data: Annotated[
        str | None,
        Parameter(
            group=DATA,
            help="Data set to add; its own verdicts, labels, notes and lots take precedence over the options.",
        ),
    ] = None
    cases: Annotated[
        str | None, Parameter(group=DATA, help="Library to add from, with its verdicts, labels, notes and lots.")
    ] = None
    verdict: Annotated[
        CaseVerdict | None, Parameter(group=CASES, help="Verdict on the cases: whether they are wanted.")
    ] = None
    label: Annotated[str | None, Parameter(group=CASES, help="Label of the cases.")] = None
    note: Annotated[str | None, Parameter(group=CASES, help="Note on the cases.")] = None
    lot: Annotated[str | None, Parameter(group=CASES, help="Lot of the cases.")] = None
    metric: Annotated[
        Metric | None,
        Parameter(
            group=OUTPUT, help="Distance of a new library: cosine, the default, or l2; it cannot be changed later."
        ),
    ] = None
    thumbnails: Annotated[bool, Parameter(group=OUTPUT, negative=(), help="Keep a small copy of each new picture.")] = (
        False
    )
    update: Annotated[bool, Parameter(group=OUTPUT, negative=(), help="Update cases that the library has already.")] = (
        False
    )
    device: Device = None


@app.command
def add(
    library: str,
    run: Path,
    pictures: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    /,
    *,
    options: AddOptions = AddOptions(),
) -> int:
    """Add pictures as known cases: one line each, once it is on disk.

    The exit status is 1 where a picture could not be opened, 0 otherwise.

    Parameters
    ----------
    library:
        Folder of the library, or a URI that LanceDB takes; made if there is none.
    run:
        Run folder; its model makes the embeddings.
    pictures:
        Picture files and folders of pictures.
    """
    from kenpin.cases.adding import CaseDefaults, add_pictures

    if [bool(pictures), options.data is not None, options.cases is not None].count(True) != 1:
        raise OptionError(
            "cases add: give pictures, a data set with --data, or a library with --cases; only one of these."
        )
    bad: list[str] = []
    outcomes: Counter[str] = Counter()
    with _show.progress_line() as progress:
        added = add_pictures(
            library,
            _vector_run(run),
            _pictures(pictures, options),
            _embedding(run, options.device, progress, bad),
            defaults=CaseDefaults(options.verdict, options.label, options.note, options.lot),
            metric=options.metric,
            thumbnails=options.thumbnails,
            change=options.update,
        )
        for case, outcome in added:
            _show.row(outcome, *_cells(case))
            outcomes[outcome] += 1
    _show.say(f"{library}: {', '.join(f'{count} {outcome}' for outcome, count in outcomes.items()) or 'none added'}.")
    return FINDINGS if bad else 0


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """Which cases are searched, and where the results go."""

    k: Annotated[int, Parameter(group=CASES, name="-k", help="Cases to find for each picture.")] = 5
    verdict: Annotated[
        Verdicts,
        Parameter(group=CASES, help="Search only cases of these verdicts; by default positive and unknown."),
    ] = NOT_UNWANTED
    label: Annotated[Texts, Parameter(group=CASES, help="Search only cases of these labels.")] = ()
    lot: Annotated[Texts, Parameter(group=CASES, help="Search only cases of these lots.")] = ()
    json: Json = None
    device: Device = None
    overwrite: Overwrite = False


@app.command
def search(
    library: str,
    run: Path,
    pictures: Annotated[tuple[str, ...], Parameter(negative=())],
    /,
    *,
    options: SearchOptions = SearchOptions(),
) -> int:
    """Find the known cases nearest to pictures, without unwanted ones.

    One line a case: picture, rank, distance, verdict, label, lot, the case's picture, note. The exit status is 1 where
    a picture could not be opened, 0 otherwise.

    Parameters
    ----------
    library:
        Folder of the library, or its URI.
    run:
        Run folder; the one whose embeddings the library holds.
    pictures:
        Picture files and folders of pictures.
    """
    from kenpin.cases.library import CaseLibrary
    from kenpin.files import check_writable, write_json

    if options.k < 1:
        raise OptionError(f"option `-k` is {options.k}; give 1 or more.")
    check_writable(options.json, options.overwrite)
    opened = CaseLibrary.open(library)
    opened.check(_vector_run(run))
    among = CaseFilter(verdicts=options.verdict, labels=options.label, lots=options.lot)
    bad: list[str] = []
    rows: list[dict[str, Any]] = []
    with _show.progress_line() as progress:
        for examples, vectors in _embedding(run, options.device, progress, bad)(_pictures(pictures, AddOptions())):
            for example, found in zip(examples, opened.search(vectors, k=options.k, among=among), strict=True):
                for rank, one in enumerate(found, start=1):
                    _show.row(example.id, f"{rank}", f"{one.distance:.4f}", *_cells(one.case))
                rows.append({"picture": example.id, "found": [_as_json(one) for one in found]})
    if options.json is not None:
        about = {"library": library, "run": str(run), "metric": opened.metric}
        write_json(options.json, about | {"searches": rows, "not_opened": bad})
    return FINDINGS if bad else 0


@app.command
def remove(
    library: str,
    /,
    *,
    id: Annotated[Texts, Parameter(group=CASES, help="Cases of these ids.")] = (),
    verdict: Annotated[Verdicts, Parameter(group=CASES, help="Cases of these verdicts.")] = (),
    label: Annotated[Texts, Parameter(group=CASES, help="Cases of these labels.")] = (),
    lot: Annotated[Texts, Parameter(group=CASES, help="Cases of these lots.")] = (),
    all: Annotated[bool, Parameter(group=CASES, negative=(), help="All cases.")] = False,
    yes: Annotated[
        bool, Parameter(group=OUTPUT, negative=(), help="Remove them; without it, only count them.")
    ] = False,
) -> int:
    """Remove the cases that match all options; without `--yes`, only count them. Their pictures stay on disk.

    Parameters
    ----------
    library:
        Folder of the library, or its URI.
    """
    from kenpin.cases.library import CaseLibrary

    among = CaseFilter(ids=id, verdicts=verdict, labels=label, lots=lot)
    if all is bool(among.columns()):
        raise OptionError("cases remove: say which cases with --id, --verdict, --label or --lot, or --all alone.")
    opened = CaseLibrary.open(library)
    if yes:
        _show.row(f"{library}: {counted(opened.remove(among), 'case')} removed, {len(opened)} left.")
    else:
        _show.row(
            f"{library}: {opened.count(among)} of {counted(len(opened), 'case')} would be removed; add --yes to do it."
        )
    return 0


@app.command
def stats(
    library: str,
    /,
    *,
    recall: Annotated[
        bool,
        Parameter(
            group=RUN, negative=(), help="Measure on 100 cases how many of their 10 nearest cases a search finds."
        ),
    ] = False,
    json: Json = None,
    overwrite: Overwrite = False,
) -> int:
    """Count the cases by verdict, label and lot, and name the run that made their embeddings.

    Parameters
    ----------
    library:
        Folder of the library, or its URI.
    """
    from kenpin.cases.library import CaseLibrary
    from kenpin.files import check_writable, write_json

    check_writable(json, overwrite)
    opened = CaseLibrary.open(library)
    stats = opened.stats()
    embeddings = f"{counted(opened.dimension, 'number')} each, compared by {opened.metric}"
    indexed = ", with an index" if stats.indexed else ""
    _show.row(counted(stats.count, "case"))
    _show.row("embeddings", f"{embeddings}{indexed}")
    _show.row("run", f"{opened.run} in {opened.run.path}")
    found = opened.recall() if recall else None
    if found is not None:
        _show.row("recall", _show.number(found))
    by = {"verdict": stats.by_verdict, "label": stats.by_label, "lot": stats.by_lot}
    for what, counts in by.items():
        _show.row(what, ", ".join(f"{short(_one_line(value))}: {count}" for value, count in counts.items()))
    if json is not None:
        by_text = {f"by_{what}": {value or "": count for value, count in counts.items()} for what, counts in by.items()}
        about: dict[str, Any] = {"cases": stats.count, "dimension": opened.dimension, "metric": opened.metric}
        about |= {"recall": None if found is None else asdict(found)}
        write_json(json, about | {"indexed": stats.indexed, "run": asdict(opened.run)} | by_text)
    return 0


def _vector_run(run: Path) -> VectorRun:
    from kenpin.run.record import read_record, space_of

    return VectorRun(space_of(read_record(run)), run.name, str(run.absolute()))


def _pictures(pictures: tuple[str, ...], options: AddOptions) -> Dataset:
    from kenpin.cases.dataset import dataset_of
    from kenpin.cases.library import CaseLibrary
    from kenpin.data.dataset import Dataset
    from kenpin.data.files import picture_files
    from kenpin.records import Example, ImageSource

    if any(options.keywords.values()) and options.data is None:
        raise OptionError("options `--format`, `--encoding`, `--boxes` and `--outside` are for --data; leave them out.")
    if options.data is not None:
        return options.load(options.data)
    if options.cases is not None:
        return dataset_of(CaseLibrary.open(options.cases))
    return Dataset.from_examples(Example(id=path, image=ImageSource(path=path)) for path in picture_files(pictures))


def _embedding(run: Path, device: str | None, progress: _show.ProgressLine, bad: list[str]) -> Embed:
    """How a run turns pictures into vectors; its model is loaded with the first, those that cannot be opened go to
    `bad`."""

    @cache
    def predictor() -> Predictor:
        from kenpin.predictor import load_predictor

        return load_predictor(run, device=device)

    def set_aside(example: Example, error: Exception) -> None:
        bad.append(example.id)
        _show.say(f"kenpin: {error}")

    return lambda pictures: predictor().embed(pictures, progress=progress, on_error=set_aside)


def _cells(case: Case) -> tuple[str, ...]:
    texts = (case.verdict or CaseVerdict.UNKNOWN, case.label, case.lot, case.picture, case.note)
    return tuple(map(_one_line, texts))


def _one_line(text: str | None) -> str:
    """What a person wrote, on one line and in one cell, or a dash."""
    return " ".join((text or "-").split())


def _as_json(found: Found) -> dict[str, Any]:
    """A found case, its picture alone left out."""
    case = asdict(replace(found.case, thumbnail=None))
    del case["thumbnail"]
    return {"distance": found.distance, **case, "added": case["added"].isoformat()}
