"""Running sources: a thread for each, tried again whenever it fails, and never stopping the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kenpin.errors import KenpinError, OptionError, first_line
from kenpin.nearest import did_you_mean
from kenpin.station.clock import now_us
from kenpin.station.settings import Limits
from kenpin.station.sources.contract import (
    IsWhole,
    Opens,
    SeenFiles,
    SourceKind,
    SourceOptions,
    SourcePlace,
    never_whole,
    open_here,
    read_source,
)
from kenpin.station.sources.handing import Handing, HandingState, Submit
from kenpin.station.waits import wait_s


@dataclass(frozen=True, slots=True)
class SourceState:
    """What a source is doing."""

    name: str
    kind: str
    standing: Literal["starting", "up", "waits", "away", "finished"]
    """Whether parts come from it: `waits` while they cannot be handed on, `away` while it cannot be read, `finished`
    where there will be no more."""
    since_us: int
    """Since when it stands so, in microseconds since 1970."""
    parts: HandingState
    last_error: str | None
    last_error_us: int | None
    """In microseconds since 1970."""
    next_try_us: int | None
    """When it is tried again; None where it is not away."""


class RunningSource:
    """One source in its thread."""

    def __init__(
        self, kind_name: str, kind: SourceKind, options: SourceOptions, place: SourcePlace, submit: Submit
    ) -> None:
        self._kind_name, self._kind, self._options, self._place = kind_name, kind, options, place
        self._stop, self._hurried = threading.Event(), threading.Event()
        self._handing = Handing(submit, self._stop)
        self._lock = threading.Lock()
        self._standing: Literal["starting", "up", "away", "finished"] = "starting"
        self._since_us = now_us()
        self._last_error: str | None = None
        self._last_error_us: int | None = None
        self._next_try_us: int | None = None
        self._thread = threading.Thread(target=self._work, name=f"source {place.name}", daemon=True)

    @property
    def state(self) -> SourceState:
        """What it is doing."""
        parts = self._handing.state
        with self._lock:
            hindered_us = parts.hindered_us if self._standing == "up" else None
            return SourceState(
                self._place.name,
                self._kind_name,
                self._standing if hindered_us is None else "waits",
                self._since_us if hindered_us is None else hindered_us,
                parts,
                self._last_error,
                self._last_error_us,
                self._next_try_us,
            )

    def start(self) -> None:
        """Take parts from it from now on."""
        self._thread.start()

    def try_now(self) -> None:
        """Try at once where it waits after a failure."""
        self._hurried.set()

    def stop(self) -> None:
        """Begin to end; `close` waits for it."""
        self._stop.set()
        self._hurried.set()

    def close(self, timeout_s: float | None = None) -> None:
        """End. A camera that does not answer is waited for at most so long."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _work(self) -> None:
        failures = 0
        while not self._stop.is_set():
            recorded = self._handing.state.recorded
            try:
                source = self._kind.open(self._options, self._place)
                self._stands("up")
                source.run(self._handing)
            except Exception as error:  # noqa: BLE001 whatever it is, it is shown and tried again
                failures = 1 if self._handing.state.recorded > recorded else failures + 1
                pause_s = wait_s(failures, first_s=self._options.first_wait_s, longest_s=self._options.longest_wait_s)
                self._hurried.clear()
                self._failed(error, pause_s)
                if not self._stop.is_set():
                    self._hurried.wait(pause_s)
            else:
                if not self._stop.is_set():
                    self._stands("finished")
                return

    def _stands(self, standing: Literal["up", "finished"]) -> None:
        with self._lock:
            if standing != self._standing:
                self._standing, self._since_us = standing, now_us()
            self._next_try_us = None

    def _failed(self, error: Exception, pause_s: float) -> None:
        at_us = now_us()
        with self._lock:
            if self._standing != "away":
                self._standing, self._since_us = "away", at_us
            self._last_error = str(error) if isinstance(error, KenpinError) else _in_words(error)
            self._last_error_us, self._next_try_us = at_us, at_us + int(pause_s * 1e6)


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)}"


class RunningSources:
    """All sources of a node."""

    def __init__(
        self,
        sources: Mapping[str, Mapping[str, Any]],
        submit: Submit,
        *,
        folder: Path,
        asides: Path,
        seen: Callable[[str], SeenFiles],
        opens: Opens = open_here,
        is_whole: IsWhole = never_whole,
        limits: Limits | None = None,
    ) -> None:
        """sources: settings by name; folder: the station's; asides: for files that are no pictures, a folder for each
        source; seen: the memory of a source, by its name; opens: pictures of strangers; is_whole: of
        parts by several pictures; limits: the station's, None: the usual ones. Raises OptionError."""
        self._by_name: dict[str, RunningSource] = {}
        for name, values in sources.items():
            kind_name, kind, options = read_source(name, values)
            place = SourcePlace(name, folder, asides / name, seen(name), opens, is_whole, limits or Limits())
            self._by_name[name] = RunningSource(kind_name, kind, options, place, submit)

    def start(self) -> None:
        """Take parts from all from now on."""
        for source in self._by_name.values():
            source.start()

    @property
    def states(self) -> tuple[SourceState, ...]:
        """What each is doing."""
        return tuple(source.state for source in self._by_name.values())

    def of(self, name: str) -> RunningSource:
        """The source of this name. Raises OptionError."""
        if name not in self._by_name:
            raise OptionError(f"source {name!r:.60} is not in the settings; {did_you_mean(name, self._by_name)}")
        return self._by_name[name]

    def close(self, timeout_s: float | None = None) -> None:
        """End all, before the lines end: a part that the line has taken is waited for by the line. timeout_s: most
        seconds to wait for each."""
        for source in self._by_name.values():
            source.stop()
        for source in self._by_name.values():
            source.close(timeout_s)
