"""A running station without HTTP: its store and trail, and a line for each product."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from kenpin.data.images import as_rgb
from kenpin.data.part_names import NameForm
from kenpin.errors import ImageError, KenpinError, OptionError
from kenpin.files import sole_writer
from kenpin.inspection.journal import Appended
from kenpin.inspection.line import Line
from kenpin.inspection.policy import read_policy
from kenpin.inspection.record import PartRecord, part_key
from kenpin.runtime.engines import EngineName
from kenpin.station.arrival import Arrival, LineStoppedError, PartArrival
from kenpin.station.assigning.deciding import Assigning
from kenpin.station.chores import Chore, Chores
from kenpin.station.clock import now_us
from kenpin.station.drawing_key import drawing_key
from kenpin.station.folder import NO_VERSION, UNASSIGNED, StationFolder
from kenpin.station.intake.arriving import ArrivingBytes
from kenpin.station.intake.choosing_line import ChoosingLine, Rulers
from kenpin.station.intake.contract import Judging
from kenpin.station.intake.decoding import Decoder
from kenpin.station.intake.product_line import LineState, ProductLine
from kenpin.station.kept_pictures import KeptPictures
from kenpin.station.learning.steering import Learning
from kenpin.station.monitoring.references import LineReferences
from kenpin.station.monitoring.watching import Watching
from kenpin.station.news import News
from kenpin.station.operating.steering import Operating
from kenpin.station.retention.applied import PICTURES_REMOVED
from kenpin.station.retention.removing import remove_pictures
from kenpin.station.reviewing.applied import RULES_TOLD
from kenpin.station.reviewing.needs import ReviewNeeds
from kenpin.station.reviewing.queue import Reviewing
from kenpin.station.settings import ProductSettings, StationSettings
from kenpin.station.sinks.contract import SinkPlace
from kenpin.station.sinks.deliveries import Deliveries
from kenpin.station.sources.running import RunningSources
from kenpin.station.store.addresses import default_address
from kenpin.station.store.entering import Entering
from kenpin.station.store.event_tables import NodeEvents
from kenpin.station.store.following import Follower
from kenpin.station.store.node_parts import NodeParts, product_of
from kenpin.station.store.opening import Store
from kenpin.station.store.source_tables import StoredFiles
from kenpin.station.trail import Trail
from kenpin.station.versions.deciding import Versions
from kenpin.station.versions.installing import read_version
from kenpin.station.who.rights import CONSOLE, STATION

if TYPE_CHECKING:
    from PIL.Image import Image

_log = logging.getLogger(__name__)
_LOOKS_S = 1.0
"""Seconds between two looks whether another version is to judge: a switch may come from another node."""
_TENDS_S = 2.0
_WATCHES_S = 2.0
_SOURCES_END_S = 10.0
"""Seconds that a source has to end, such as a camera that does not answer."""
_RETAINS_FIRST_S, _RETAINS_S = 60.0, 24 * 3600.0


class NotThereError(KenpinError, LookupError):
    """What was asked for does not exist, or no longer."""


@dataclass(frozen=True, slots=True)
class NotLoaded:
    """A version that is to judge, and could not be loaded."""

    version: int
    at_us: int
    why: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """A part that was taken."""

    record: Future[PartRecord]
    product: str | None
    """None where the record tells it: `Station.product_of`."""


class Station:
    """A station that is open; for any thread."""

    def __init__(
        self, path: Path, settings: StationSettings, *, device: str | None = None, engine: EngineName = "auto"
    ) -> None:
        """Open its store, take up what its files hold, and load the version that judges of each product.

        Raises OptionError, RunError, OutputError, StoreError, MissingExtraError, OSError.
        """
        self.folder, self.settings = StationFolder(path.absolute()), settings
        self._device, self._engine = device, engine
        self._lines: dict[str, ProductLine] = {}
        self._chooses = settings.choose_product == "nearest"
        self._chooser: ProductLine | None = None
        self._rulers, self._turn = Rulers(), threading.Lock()
        self._opening = threading.Lock()
        self._not_loaded: dict[str, NotLoaded] = {}
        self.news = News()
        with ExitStack() as opened:
            for folder in (self.folder.path, self.folder.trails, self.folder.records, self.folder.data_sets):
                folder.mkdir(parents=True, exist_ok=True)
            opened.enter_context(sole_writer(self.folder.trails / settings.node, "running a station of this name"))
            self.trail = opened.enter_context(closing(Trail(self.folder.trail(settings.node), settings.node)))
            self.store = opened.enter_context(Store(settings.store or default_address(self.folder)))
            self.drawing_key = drawing_key(self.folder)
            self._needs = ReviewNeeds(settings.products, self.drawing_key)
            follower = Follower(self.store, self.folder, self._needs)
            follower.take_up(settings.node)
            self.pictures = KeptPictures(self.folder)
            self.decoder = opened.enter_context(closing(Decoder()))
            # of its own: whoever looks at many pictures keeps no part of the line waiting
            self.viewer = opened.enter_context(closing(Decoder(1, begun=False)))
            self.arriving = ArrivingBytes(settings.limits.waiting_bytes)
            self._entering = Entering(self.trail, follower)
            self._tell_rules()
            self.reviewing = Reviewing(self.store, self._entering, self.drawing_key, self.settings_of, self.defects_of)
            self.assigning = Assigning(self.store, self._entering, lambda: self.products.keys() - {UNASSIGNED})
            self.versions = Versions(self.folder, self.store, self._entering)
            self.watching = Watching(self.store, self.settings_of)
            self.references = LineReferences(self.store, self._entering)
            self.learning = opened.enter_context(
                closing(Learning(self.folder, self.store, self._entering, self.versions, self.pictures))
            )
            opened.callback(self._close_lines)
            self._install_first()
            for product, version in self.versions.running().items():
                self._open(product, version)
            if self._chooses:
                self._chooser = self._open_chooser()
            self.sinks = self._tell(opened)
            self.sources = self._take(opened)
            self.operating = Operating(self._entering, self.sources, self.sinks)
            self._closing = opened.pop_all()
        self._chores = Chores(
            [
                Chore("versions", self._follow_switches, _LOOKS_S, _LOOKS_S),
                Chore("jobs", self.learning.tend, _TENDS_S, _TENDS_S),
                Chore("retention", self._retain, _RETAINS_S, _RETAINS_FIRST_S),
                Chore("charts", self.watching.catch_up, _WATCHES_S, 0.0),  # also while nobody looks at them
            ]
        )

    @property
    def products(self) -> Mapping[str, ProductSettings]:
        """The products that it knows: by their settings, a version that judges, or a data set to begin with."""
        sets = [path.name for path in self.folder.data_sets.iterdir() if not path.name.startswith(".")]
        begun = sorted({name.rpartition("-")[0] for name in sets})
        usual = ProductSettings()
        found = {**dict.fromkeys([*self._lines, *begun], usual), **self.settings.products}
        return {**found, UNASSIGNED: usual} if self._chooses or self.folder.holds_unassigned else found

    def settings_of(self, product: str) -> ProductSettings:
        """The settings of a product; the usual ones where it has none."""
        return self.settings.products.get(product, ProductSettings())

    def defects_of(self, product: str) -> tuple[str, ...]:
        """Classes of defects that a product's running version tells apart."""
        line = self._lines.get(product)
        return () if line is None else line.defects

    def engines(self) -> dict[str, tuple[str, ...]]:
        """What computes the networks of each product's running version."""
        return {product: line.engines for product, line in sorted(self._lines.items())}

    @property
    def not_loaded(self) -> Mapping[str, NotLoaded]:
        """Versions that are to judge and could not be loaded, by product."""
        return self._not_loaded

    def submit(self, arrival: Arrival | PartArrival) -> Submitted:
        """Take a part. Raises LineFullError, LineStoppedError, and OptionError where no line is for it."""
        line = self._line_of(arrival.product, by_one=isinstance(arrival, Arrival))
        return Submitted(line.submit(arrival), None if self._chooses else line.product)

    def known_form(self, product: str | None) -> NameForm | None:
        """The form of file names by which the version that judges a product tells parts and views; None where it tells
        none. product: None where there is one alone. Raises as `submit`."""
        return self._line_of(product, by_one=False).known_form

    def product_of(self, record: PartRecord) -> str:
        """The product that a part with this record stands under. Raises StoreError, NotThereError."""
        key = part_key(record.id, record.picture_hash, record.picture_bytes, record.modified_ns)
        with self.store.reading() as connection:
            product = product_of(connection, key)
        if product is None:
            raise NotThereError(f"{record.id}: is not in the store; fill it again by `kenpin station rebuild`.")
        return product

    def unassigned(self) -> int:
        """How many parts wait for a person to say of which product they are. Raises StoreError."""
        return self.reviewing.waiting(UNASSIGNED) if self._chooses or self.folder.holds_unassigned else 0

    def state(self) -> dict[str, LineState]:
        """What each product's line does."""
        states = {product: line.state for product, line in sorted(self._lines.items())}
        return states if self._chooser is None else {**states, UNASSIGNED: self._chooser.state}

    def close(self) -> None:
        """Judge and record what waits, and release everything."""
        self._chores.close()
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tell_rules(self) -> None:
        """Enter the costs and chances by which parts are reviewed, where they are not those that were told last."""
        rules = {
            product: settings.model_dump(mode="json", exclude={"policy", "title"})
            for product, settings in sorted(self.settings.products.items())
        }
        if rules != (self.trail.last(RULES_TOLD) or {}):
            self._entering.enter(STATION.name, RULES_TOLD, rules)

    # ---- sources and sinks ----

    def _tell(self, opened: ExitStack) -> Deliveries:
        """Tell the sinks of the settings from now on."""
        node = self.settings.node
        place = SinkPlace("", node, self.folder.path, self.pictures.find)
        sinks = Deliveries(self.settings.sinks, NodeEvents(self.store, node), self.store, place)
        opened.enter_context(closing(sinks))
        opened.enter_context(self.news.listening(sinks.wake))
        sinks.start()
        return sinks

    def _take(self, opened: ExitStack) -> RunningSources:
        """Take parts from the sources of the settings from now on; they end before the lines do."""
        sources = RunningSources(
            self.settings.sources,
            lambda arrival: self.submit(arrival).record,
            folder=self.folder.path,
            asides=self.folder.asides,
            seen=lambda name: StoredFiles(self.store, name, self.settings.node),
            opens=self._opened,
            is_whole=self._is_whole,
            limits=self.settings.limits,
        )
        opened.callback(sources.close, _SOURCES_END_S)
        sources.start()
        return sources

    def _opened(self, name: str, data: bytes) -> Image:
        """A picture of a stranger, mode RGB, opened elsewhere. Raises ImageError."""
        opened = self.decoder.open(Arrival(name, data))
        if opened.image is None:
            raise opened.error or ImageError(f"{name}: cannot be opened. Look at the file.")
        return as_rgb(opened.image)

    def _is_whole(self, product: str | None, views: Sequence[str | None]) -> bool:
        """Whether a part with these views can be judged. product: None where there is one alone."""
        expected = self._line_of(product, by_one=False).views
        return expected is not None and expected.hindrance(views) is None

    # ---- lines ----

    def _line_of(self, product: str | None, *, by_one: bool) -> ProductLine:
        """by_one: whether the part comes by a single picture."""
        lines = self._lines
        if product is not None:
            if product not in lines:
                known = ", ".join(lines) or "none yet"
                raise OptionError(f"product {product!r:.60}: no version of it judges; the products are {known}.")
            return lines[product]
        if lines and self._chooser is not None:
            if not by_one:
                raise OptionError(
                    "the station finds out the product of parts by one picture alone; name that of a part by several "
                    f"as `product`: {', '.join(lines)}."
                )
            return self._chooser
        if len(lines) == 1:
            return next(iter(lines.values()))
        if not lines:
            raise LineStoppedError("no product is set up yet; set one up, and send the part again.")
        raise OptionError(f"there are several products; name one of them as `product`: {', '.join(lines)}.")

    def _install_first(self) -> None:
        """Install and run the policies of the settings, where no version of their product was ever installed."""
        running = self.versions.running()
        for product, settings in self.settings.products.items():
            if settings.policy is not None and product not in running:
                version = self.versions.install(CONSOLE, product, read_policy(settings.policy), settings.policy.name)
                reason = "named in the settings"
                self.versions.approve(CONSOLE, product, version, reason, four_eyes=False)
                self.versions.switch(CONSOLE, product, version, reason)

    def _open(self, product: str, version: int) -> None:
        """Load a version, and let it judge from the next batch on."""
        node = self.settings.node
        policy = read_version(self.folder, product, version)
        # an engine that was updated, or taken away, must not keep the station from starting
        line = Line(
            policy, self.folder.records_of(node, product, version), device=self._device, engine=self._engine,
            engine_may_change=True,
        )  # fmt: skip
        measure = self._rulers.prepare(product, line.runs) if self._chooses else lambda: None

        def judges() -> None:
            measure()
            self.news.tell()

        with self._opening:
            running = self._lines.get(product)
            if running is not None:
                running.switch(version, line, judges)
                return
            self._lines = self._lines | {product: self._product_line(product, version, line)}
            measure()

    def _product_line(self, product: str, version: int, line: Judging) -> ProductLine:
        node = self.settings.node
        parts = NodeParts(self.store, self.folder, node, product, self._needs, of_any=self._chooses)
        return ProductLine(
            product, version, line, _Telling(parts, self.news.tell), self.pictures, self.settings.limits,
            self.decoder.open, self._turn if self._chooses else None,
        )  # fmt: skip

    def _open_chooser(self) -> ProductLine:
        """The line of parts that come without a product."""
        out = self.folder.records_of(self.settings.node, UNASSIGNED, NO_VERSION)
        line = ChoosingLine(
            out, self._rulers, lambda product, some: self._lines[product].record_now(some), self.settings.nearest
        )
        return self._product_line(UNASSIGNED, NO_VERSION, line)

    def _follow_switches(self) -> None:
        """Load the versions that are switched to, by this node or another one."""
        for product, version in self.versions.running().items():
            line = self._lines.get(product)
            if line is not None and line.state.version == version:
                self._not_loaded.pop(product, None)
                continue
            if product in self._not_loaded and self._not_loaded[product].version == version:
                continue
            try:
                self._open(product, version)
            except (KenpinError, OSError) as error:
                # the former version goes on judging
                self._not_loaded[product] = NotLoaded(version, now_us(), f"{error}")
                _log.error("version %s of %s cannot be loaded: %s", version, product, error)

    def _retain(self) -> None:
        """Remove pictures by the settings' rules; what was removed is in the trail."""
        removed = remove_pictures(self.store, self.pictures, [*self.products], self.settings.retention, now_us())
        if removed.pictures:
            about = {"pictures": removed.pictures, "size_bytes": removed.size_bytes}
            self._entering.enter(STATION.name, PICTURES_REMOVED, about)

    def _close_lines(self) -> None:
        if self._chooser is not None:  # it judges by the others
            self._chooser.close()
        with ThreadPoolExecutor(max(len(self._lines), 1)) as closing_lines:
            list(closing_lines.map(ProductLine.close, self._lines.values()))


class _Telling:
    """What the store knows of parts, and news of each that it took up."""

    def __init__(self, parts: NodeParts, tell: Callable[[], None]) -> None:
        self.claim = parts.claim
        self._parts, self._tell = parts, tell

    def follow(self, appended: Appended | None = None) -> None:
        """As `NodeParts.follow`."""
        self._parts.follow(appended)
        self._tell()
