"""Folder: pictures that a line writes into a watched folder, each handed on once, when it is complete."""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from kenpin.data.part_names import NameForm
from kenpin.errors import ImageError, KenpinError
from kenpin.inspection.aside import not_moved, place_aside, put_aside
from kenpin.inspection.gathering import GatheredPart, PartFiles
from kenpin.inspection.pictures import Sighting, open_with_bytes
from kenpin.inspection.record import PartRecord
from kenpin.inspection.watching import WatchedFolder, ends_as_its_format, sightings
from kenpin.records import ImageSource
from kenpin.station.arrival import Arrival, ArrivedView, PartArrival
from kenpin.station.sources.belonging import Belongings
from kenpin.station.sources.contract import SourceOptions, SourcePlace
from kenpin.station.sources.handing import Handing
from kenpin.station.sources.naming import Belonging, check_rule

if TYPE_CHECKING:
    from PIL.Image import Image

SUMMARY = "a folder that a line or a camera writes pictures into"
NEEDS = "A folder that can be read; where it can be written to, files that are no pictures are moved out of it."

_LOOKS_EVERY_S = 0.05


class FolderSourceOptions(SourceOptions):
    """What a watched folder takes."""

    folder: Path = Field(description="Folder to watch, with all below it; from the station's folder.")
    path: str | None = Field(
        None,
        description="Rule on the path below the folder: {product} and {lot} in braces, * for a name, ** for any "
        "folders, as {product}/{lot}/*.png.",
    )
    settle_s: float = Field(
        0.5, ge=0, description="Seconds without a change after which a file without an end mark is complete."
    )
    aside_after_s: float = Field(
        30.0,
        ge=0,
        description="Seconds after which a file that cannot be opened is recorded, REVIEW, and moved aside.",
    )

    by: str | None = Field(
        None,
        description="Form of the files' names that tells parts by several pictures, as {part}_{view}: those of a part "
        "are judged together.",
    )
    part_after_s: float = Field(
        30.0, ge=0, description="Seconds after its last picture from which a part that lacks some is recorded, REVIEW."
    )

    @field_validator("by")
    @classmethod
    def _is_a_form(cls, by: str | None) -> str | None:
        return None if by is None else NameForm(by).text

    @field_validator("path")
    @classmethod
    def _is_a_path_rule(cls, rule: str | None) -> str | None:
        return None if rule is None else check_rule(rule)


OPTIONS = FolderSourceOptions


def open(options: FolderSourceOptions, place: SourcePlace) -> FolderSource:
    """A watched folder, which may be missing for a time. Raises MissingExtraError."""
    return FolderSource(options, place)


class FolderSource:
    """A watched folder."""

    def __init__(self, options: FolderSourceOptions, place: SourcePlace) -> None:
        self._options, self._place = options, place
        self._folder = place.path(options.folder)
        self._belongings = Belongings(options, options.path)
        form = None if options.by is None else NameForm(options.by)
        self._parts = None if form is None else PartFiles(form, self._is_whole, options.part_after_s)
        self._recorded: dict[str, tuple[int, int]] = {}
        """Files that have their records, and are not yet in the source's memory."""

    def run(self, handing: Handing) -> None:
        """Hand on what comes, until the station ends."""
        watched = WatchedFolder(
            self._folder,
            self._remembered(),
            settle_s=self._options.settle_s,
            aside_after_s=self._options.aside_after_s,
            until_idle_s=None,
            stop=handing.stop,
            note=lambda sentence: handing.hinder(sentence if watched.is_away else None),
        )
        parts = self._parts
        while (ready := watched.next(handing.most, wait=not (len(handing) or (parts and parts.waiting)))) is not None:
            if parts is not None:
                parts.add(ready)
                for part in parts.ready():
                    self._take_part(part, watched, handing)
                parts.forget_judged()
                if not ready and not len(handing):
                    handing.stop.wait(_LOOKS_EVERY_S)
            else:
                for seen in ready:
                    self._take(seen, watched, handing)
            handing.settle(_LOOKS_EVERY_S if not ready else 0.0)
            self._remember()
        handing.settle()
        self._remember()

    def _take(self, seen: Sighting, watched: WatchedFolder, handing: Handing) -> None:
        """Hand a file on, or leave it for a later try."""
        opened, data = open_with_bytes(seen, self._look, self._place.limits.picture_bytes)
        if opened.error is not None and not watched.gives_up(opened):
            return
        if not opened.picture_hash:
            handing.tell(str(opened.error))  # there is nothing to record; it is tried again every second
            return
        belonging = self._belongings.of(seen.id, lambda: self._grey(seen.id, data))
        arrival = Arrival(f"{self._place.name}/{seen.id}", data, belonging.product, belonging.lot)
        handing.hand(arrival, lambda record: self._done(seen, record, watched, handing))
        if opened.error is not None:
            handing.finish()  # a file that was given up is handed out again until it is judged

    def _take_part(self, part: GatheredPart, watched: WatchedFolder, handing: Handing) -> None:
        """Hand a part on, or leave it for a later try of its file that cannot be read. One that is larger than may be
        waits for people."""
        total, most = sum(one.size_bytes for _, one in part.files.values()), self._place.limits.part_bytes
        if total > most:  # before a byte of them is read
            handing.tell(
                f"{self._place.name}/{part.name}: its files, {len(part.files):,}, have {total:,} bytes, more than the "
                f"{most:,} of `part_bytes`; take away what is not of this part, or raise that limit."
            )
            part.is_tried = True
            return
        views, seen, belongings, is_broken = list[ArrivedView](), list[Sighting](), list[Belonging](), False
        for name, one in sorted(part.files.values(), key=lambda of: of[1].id):
            opened, data = open_with_bytes(one, self._look, self._place.limits.picture_bytes)
            if opened.error is not None and not watched.gives_up(opened):
                part.is_tried = True
                return
            if not opened.picture_hash:
                handing.tell(str(opened.error))
                part.is_tried = True
                return
            is_broken |= opened.error is not None
            views.append(ArrivedView(name, data))
            seen.append(one)
            belongings.append(self._belongings.of(one.id, partial(self._grey, one.id, data)))
        part.is_judged = True
        # a code may be on one of the pictures alone; the others then belong where path and settings say
        usual = self._belongings.of(seen[0].id, lambda: None)
        belonging = next((found for found in belongings if found != usual), usual)
        name = f"{self._place.name}/{part.name}"
        if part.is_named:
            arrival: Arrival | PartArrival = PartArrival(name, tuple(views), belonging.product, belonging.lot)
        else:
            arrival = Arrival(name, views[0].data, belonging.product, belonging.lot)

        def done(record: PartRecord | None) -> None:
            for one in seen:
                watched.judged(one)
            if record is not None:  # files of a part stay where they are: together they say what came
                self._recorded |= {one.id: (one.size_bytes, one.modified_ns) for one in seen}

        handing.hand(arrival, done)
        if is_broken:
            handing.finish()

    def _is_whole(self, part: GatheredPart) -> bool:
        belonging = self._belongings.of(next(iter(part.files)), lambda: None)
        try:
            return self._place.is_whole(belonging.product, part.views)
        except KenpinError:  # no line is for it, or by a code alone: it waits as long as may be
            return False

    def _done(self, seen: Sighting, record: PartRecord | None, watched: WatchedFolder, handing: Handing) -> None:
        watched.judged(seen)
        if record is None:
            return  # no line took it: it is tried again when the station starts again
        self._recorded[seen.id] = (seen.size_bytes, seen.modified_ns)
        if record.size_wh is None and not seen.is_folder:
            try:
                self._place.aside.mkdir(parents=True, exist_ok=True)
                put_aside(seen, self._place.aside / PurePosixPath(place_aside(record)).name)
            except OSError as error:
                handing.tell(not_moved(seen.path, error))

    def _remembered(self) -> dict[str, tuple[int, int]]:
        """The files that have their records; those that are gone are forgotten."""
        remembered = self._place.seen.all()
        try:
            there = {seen.id for seen in sightings(self._folder, {})}
        except OSError:
            return remembered
        gone = remembered.keys() - there
        if there and gone:  # an empty folder may be one whose disk is not there
            self._place.seen.remove(gone)
        return {id: state for id, state in remembered.items() if id in there}

    def _remember(self) -> None:
        if self._recorded:
            self._place.seen.add(self._recorded)
            self._recorded = {}

    def _look(self, source: ImageSource) -> Image | None:
        """Raises ImageError for a file that may not be complete; one with its end mark is opened by the line alone."""
        data = source.data or b""
        return None if ends_as_its_format(data) else self._place.opens(str(source), data)

    def _grey(self, name: str, data: bytes) -> NDArray[np.uint8] | None:
        try:
            return np.asarray(self._place.opens(name, data).convert("L"))
        except ImageError:
            return None
