"""Whether the service lives, whether it takes parts, and its figures for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from kenpin.station.intake.product_line import LineState
from kenpin.station.monitoring.watching import Watched
from kenpin.station.running import Station

ROUTER = APIRouter()


@ROUTER.get("/healthz", include_in_schema=False)
async def get_health() -> JSONResponse:
    """The process lives and answers."""
    return JSONResponse({"status": "alive"})


@ROUTER.get("/readyz", include_in_schema=False)
def get_ready(request: Request) -> JSONResponse:
    """200 where every line takes parts, 503 where one does not. Why, it tells nobody who is not signed in."""
    station: Station = request.app.state.station
    hindered = [product for product, state in station.state().items() if state.hindrance is not None]
    status = "waiting" if hindered else "ready"
    return JSONResponse({"status": status, "lines": len(station.state())}, 503 if hindered else 200)


@ROUTER.get("/metrics", include_in_schema=False)
def get_metrics(request: Request) -> Response:
    """Figures of this process, without a name of a part, a lot or a person."""
    registry = CollectorRegistry()
    station: Station = request.app.state.station
    registry.register(_Lines(station.state()))
    registry.register(_Charts(station.watching.shown))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Lines:
    """Figures of the lines, as Prometheus takes them."""

    def __init__(self, states: Mapping[str, LineState]) -> None:
        self._states = states

    def collect(self) -> Iterable[Metric]:
        judged = CounterMetricFamily("kenpin_parts", "Parts recorded since the start.", labels=["product"])
        gauges = {
            "waiting": GaugeMetricFamily("kenpin_parts_waiting", "Parts that wait.", labels=["product"]),
            "hindered": GaugeMetricFamily("kenpin_line_hindered", "1 where no parts are taken.", labels=["product"]),
            "version": GaugeMetricFamily("kenpin_line_version", "The version that judges.", labels=["product"]),
            "last": GaugeMetricFamily(
                "kenpin_last_part_seconds", "When the last part was recorded, since 1970.", labels=["product"]
            ),
        }
        for product, state in self._states.items():
            judged.add_metric([product], state.judged)
            gauges["waiting"].add_metric([product], state.waiting)
            gauges["hindered"].add_metric([product], state.hindrance is not None)
            gauges["version"].add_metric([product], state.version)
            if state.last_us is not None:
                gauges["last"].add_metric([product], state.last_us / 1e6)
        return [judged, *gauges.values()]


class _Charts:
    """Alarms of the control charts, as Prometheus takes them."""

    def __init__(self, shown: Mapping[str, Watched]) -> None:
        self._shown = shown

    def collect(self) -> Iterable[Metric]:
        alarm = GaugeMetricFamily(
            "kenpin_control_alarm", "1 while the alarm of a control chart runs.", labels=["product", "chart"]
        )
        since = GaugeMetricFamily(
            "kenpin_control_alarm_since_seconds", "When it began, since 1970.", labels=["product", "chart"]
        )
        charted = GaugeMetricFamily(
            "kenpin_control_charted", "1 where the line has a reference, without which none alarms.", labels=["product"]
        )
        for product, watched in self._shown.items():
            charted.add_metric([product], watched.reference is not None)
            for chart in watched.charts:
                alarm.add_metric([product, chart.kind.value], chart.began is not None)
                if chart.began is not None:
                    since.add_metric([product, chart.kind.value], chart.began.first_us / 1e6)
        return [alarm, since, charted]
