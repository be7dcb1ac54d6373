"""The command `inspect`: pictures of a line judged by several runs, each part once, with a record that lasts."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kenpin.cli import _show
from kenpin.cli._groups import DATA, OUTPUT, REQUIRED
from kenpin.cli._regions import RoiOption
from kenpin.cli._scale import PxPerMmOption, scale_in_force, typed_scale
from kenpin.cli.data import Overwrite
from kenpin.cli.runs import Device, Engine
from kenpin.inspection.fusing import SEVERITY
from kenpin.plural import counted, was_were
from kenpin.records import Verdict

if TYPE_CHECKING:
    from kenpin.inspection.inspecting import Tally
    from kenpin.inspection.line import Line
    from kenpin.inspection.pictures import Source
    from kenpin.inspection.policy import Policy
    from kenpin.inspection.record import PartRecord

FAILED, TO_REVIEW, STOPPED = 3, 4, 130
"""Exit statuses: 3 where a part failed, 4 where none did and a person must look at one, 130 where named pictures are
left that nobody looked at."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class InspectOptions:
    """Where pictures come from, and where the records go."""

    out: Annotated[
        Path,
        Parameter(group=REQUIRED, help="Folder of the records; a stopped inspection continues in the same folder."),
    ]
    watch: Annotated[Path | None, Parameter(group=DATA, help="Inspect pictures as they come into this folder.")] = None
    until_idle: Annotated[
        float | None,
        Parameter(
            group=DATA, help="Stop watching after this many seconds without a new picture; 0: when all are done."
        ),
    ] = None
    lot: Annotated[str | None, Parameter(group=DATA, help="Name of the lot, in place of the policy's.")] = None
    px_per_mm: PxPerMmOption = None
    roi: RoiOption = None
    parquet: Annotated[Path | None, Parameter(group=OUTPUT, help="Write all records to this file at the end.")] = None
    device: Device = None
    engine: Engine = "auto"
    overwrite: Overwrite = False


def inspect(
    policy: Path, pictures: Annotated[tuple[str, ...], Parameter(negative=())] = (), /, *, options: InspectOptions
) -> int:
    """Judge pictures by a policy: one line a part, and a record that lasts.

    The exit status is 0 where all parts pass, 3 where one fails, and 4 where none fails and a person must look at one.

    Parameters
    ----------
    policy:
        YAML file that names the runs and how their verdicts become one.
    pictures:
        Picture files and folders of pictures; none with --watch, and none to write --parquet alone.
    """
    from kenpin.data.files import picture_files
    from kenpin.errors import OptionError
    from kenpin.files import check_writable
    from kenpin.inspection.journal import JOURNAL, unguarded_lines, write_parquet
    from kenpin.inspection.line import Line, record_folder
    from kenpin.inspection.policy import read_policy

    sources = [bool(pictures), options.watch is not None].count(True)
    if sources == 2 or (sources == 0 and options.parquet is None):
        raise OptionError("command line: give pictures, or a folder with `--watch`; only one of these.")
    if options.until_idle is not None and (options.watch is None or not options.until_idle >= 0):
        raise OptionError("command line: `--until-idle` goes with --watch, and is 0 or more seconds.")
    if options.watch is not None:
        _check_watched(options.watch, options.out)
    check_writable(options.parquet, options.overwrite)
    chosen = read_policy(policy)
    if (scale := scale_in_force(typed_scale(options.px_per_mm), chosen.scale, str(policy))) is not None:
        chosen = chosen.model_copy(update={"px_per_mm": scale})
    if options.roi is not None:
        chosen = chosen.model_copy(update={"roi": options.roi})
    if options.lot is not None:
        chosen = chosen.model_copy(update={"lot": options.lot})
    unlisted: list[str] = []
    paths = [*dict.fromkeys(picture_files(pictures, unlisted=unlisted)), *unlisted]
    status = 0
    with ExitStack() as opened:
        if sources:
            line = opened.enter_context(Line(chosen, options.out, device=options.device, engine=options.engine))
            for note in line.notes:
                _show.say(f"kenpin: {note}")
            if line.views is not None:
                _show.say(f"a part is judged by {line.views}, told by {line.form.text}.")
            _tell_unguarded(line.journal.unguarded)
            status, folder = _inspect(line, chosen, paths, options.watch, options.until_idle), line.out
        else:
            folder = opened.enter_context(record_folder(options.out))
            _tell_unguarded(unguarded_lines(folder / JOURNAL))
        if options.parquet is not None:
            _show.say(f"{options.parquet}: {counted(write_parquet(folder / JOURNAL, options.parquet), 'record')}.")
    return status


def _inspect(line: Line, policy: Policy, paths: list[str], watch: Path | None, until_idle_s: float | None) -> int:
    from kenpin.inspection.inspecting import inspect as inspect_pictures
    from kenpin.inspection.pictures import NamedPictures
    from kenpin.inspection.watching import WatchedFolder

    source: Source
    with _stopped_by_signals() as stop:
        if watch is None:
            source = NamedPictures(paths, stop)
        else:
            before = len(line.journal)
            _show.say(f"watching {watch}; {counted(before, 'part')} {was_were(before)} judged before.")
            source = WatchedFolder(
                watch,
                line.journal.files(),
                settle_s=policy.settle_s,
                aside_after_s=policy.aside_after_s,
                until_idle_s=until_idle_s,
                stop=stop,
                note=_show.say,
            )
        if line.views is None:
            tally = inspect_pictures(line, source, _tell, _show.say)
        else:
            from kenpin.inspection.gathering import inspect_parts

            tally = inspect_parts(line, source, line.form, _tell, part_after_s=policy.part_after_s, stop=stop)
        if stop.is_set():
            _show.say("stopped; the same command continues from here.")
    for sentence in _summary(tally):
        _show.say(sentence)
    if watch is None and stop.is_set() and tally.verdicts.total() < len(paths):
        return STOPPED
    worst = max(tally.verdicts, key=SEVERITY.__getitem__, default=Verdict.PASS)
    return {Verdict.PASS: 0, Verdict.FAIL: FAILED, Verdict.REVIEW: TO_REVIEW}[worst]


def _tell_unguarded(count: int) -> None:
    if count:
        _show.say(
            f"{counted(count, 'record')} {was_were(count)} written by an earlier kenpin, without a hash: it cannot be "
            "told whether one was changed before a newer one came after it."
        )


def _tell(record: PartRecord) -> None:
    """One line a part. Raises OptionError where nobody reads it: a status of 0 would say that all parts pass."""
    from kenpin.errors import OptionError

    try:
        _show.row(record.id, record.verdict, record.reasons[0])
    except BrokenPipeError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tries again when it ends
        raise OptionError("standard output was closed before the last part; read it to its end.") from error


def _summary(tally: Tally) -> Iterator[str]:
    """How many parts there were, and how long they took."""
    import numpy as np

    counts = ", ".join(f"{tally.verdicts[verdict]} {verdict}" for verdict in Verdict)
    aside = f", {tally.aside} set aside" if tally.aside else ""
    left = f", {tally.not_moved} that could not be" if tally.not_moved else ""
    yield f"{counted(tally.verdicts.total(), 'part')}: {counts}{aside}{left}."
    if tally.latencies_s:
        p50_ms, p99_ms = 1_000 * np.percentile(tally.latencies_s, (50, 99), method="inverted_cdf")
        yield f"time from complete picture to record on disk: p50 {p50_ms:.0f} ms, p99 {p99_ms:.0f} ms."


def _check_watched(watch: Path, out: Path) -> None:
    from kenpin.errors import OptionError

    if not watch.is_dir():
        raise OptionError(f"{watch}: there is no such folder to watch; make it, or name another.")
    if out.resolve().is_relative_to(watch.resolve()):
        raise OptionError(
            f"{out}: lies in the watched folder, whose pictures would be inspected again; choose another."
        )


@contextmanager
def _stopped_by_signals() -> Iterator[Event]:
    """Set by SIGTERM or Ctrl-C: what is in hand is finished first."""
    stop = Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
