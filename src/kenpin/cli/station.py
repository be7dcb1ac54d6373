"""The command `station`, which serves a line and its people, and the commands on its folder."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from kenpin.cli import _show
from kenpin.cli._groups import DATA, OUTPUT
from kenpin.cli.runs import Device, Engine
from kenpin.errors import OptionError
from kenpin.plural import counted, was_were

app = cyclopts.App(name="station")
app.command("kenpin.cli.station_accounts:app", name="account")


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class StationOptions:
    """Where the station keeps everything, and where it listens."""

    folder: Annotated[Path, Parameter(group=DATA, help="Folder of the station, made where it does not exist.")] = Path(
        "station"
    )
    product: Annotated[str, Parameter(group=DATA, help="Name of the product that the policy is for.")] = "parts"
    host: Annotated[str | None, Parameter(group=OUTPUT, help="Address to listen at, in place of the settings'.")] = None
    port: Annotated[int | None, Parameter(group=OUTPUT, help="Port to listen at; 0: any free one.")] = None
    device: Device = None
    engine: Engine = "auto"


@app.default
def station(policy: Path | None = None, /, *, options: StationOptions = StationOptions()) -> None:
    """Judge a line's parts, and show them in a browser, until it is stopped.

    The first start prints a link that makes the first account. Settings stand in `station.yaml` in the folder.

    Parameters
    ----------
    policy:
        Policy of the first version of a product; without it the settings name it, or it is set up in a browser.
    """
    if sys.platform == "win32":
        raise OptionError("a station needs Linux or macOS; on Windows run its container, or judge by `kenpin inspect`.")
    from kenpin.station.folder import check_product
    from kenpin.station.service import serve
    from kenpin.station.settings import ProductSettings, read_settings

    settings = read_settings(options.folder / "station.yaml")
    given = {name: value for name in ("host", "port") if (value := getattr(options, name)) is not None}
    if policy is not None:
        product = settings.products.get(options.product, ProductSettings()).model_copy(update={"policy": policy})
        given["products"] = {**settings.products, check_product(options.product): product}
    serve(options.folder, settings.model_copy(update=given), _show.row, device=options.device, engine=options.engine)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildOptions:
    """Which store is filled."""

    store: Annotated[
        str | None,
        Parameter(
            group=OUTPUT,
            help="URL of the store, such as postgresql://kenpin@db/kenpin; by default that of the station's settings.",
        ),
    ] = None


@app.command
def rebuild(folder: Path, /, *, options: RebuildOptions = RebuildOptions()) -> None:
    """Fill a station's store again from its records and trails; accounts in it stay.

    The station must be stopped. A lost store is made new, and then asks for new accounts.

    Parameters
    ----------
    folder:
        Folder of the station.
    """
    from kenpin.station.folder import StationFolder
    from kenpin.station.settings import read_settings
    from kenpin.station.store.applying import needs_of
    from kenpin.station.store.following import rebuild as rebuild_store
    from kenpin.station.store.opening import open_store

    station = StationFolder(folder)
    if not (station.records.is_dir() or station.trails.is_dir()):
        raise OptionError(f"{folder}: holds no records of a station; name the folder of one.")
    settings = read_settings(station.settings)
    with open_store(station, options.store or settings.store) as store:
        found = rebuild_store(store, station, needs_of(station, settings))
        parts = counted(found.parts, "part")
        entries = counted(found.entries, "entry of the trails", "entries of the trails")
        _show.say(f"{store.told}: {parts} and {entries} {was_were(found.parts + found.entries)} taken up.")


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """Where the demonstration keeps everything, and how it goes."""

    folder: Annotated[Path, Parameter(group=DATA, help="Folder of the demonstration.")] = Path("station-demo")
    renew: Annotated[bool, Parameter(group=DATA, negative=(), help="Remove what was there, and begin again.")] = False
    parts: Annotated[int, Parameter(group=DATA, help="Parts that come as fast as they can be judged.")] = 240
    pace: Annotated[float, Parameter(group=DATA, help="Seconds between the parts behind them.")] = 2.0
    port: Annotated[int | None, Parameter(group=OUTPUT, help="Port to listen at; 0: any free one.")] = None
    engine: Engine = "auto"


@app.command
def demo(*, options: DemoOptions = DemoOptions()) -> None:
    """Show a station on made parts of two products, some of which made people have reviewed, until it is stopped.

    It trains what judges, listens on its own machine alone, and prints an account. A second start goes on with the same
    folder.
    """
    from kenpin.station.demonstration.running import run_demonstration

    run_demonstration(
        options.folder, _show.row, port=options.port, parts=options.parts, pace_s=options.pace, renew=options.renew,
        engine=options.engine,
    )  # fmt: skip
