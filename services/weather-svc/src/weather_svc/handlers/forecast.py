"""``GET /v1/forecast``, and ``/v1/forecast.svg`` and ``.png`` for those who cannot send ``Accept``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import orjson

from svc_common import NotFound
from svc_common.events import CONTENT_TYPE as EVENT_STREAM

from ..keeping.entry import Entry
from ..model import Day, Hour, Report
from ..places import Located
from ..render.document import forecast_document
from ..render.pool import Chart
from ..render.text import forecast_text
from ..summary import zone_of
from ..units import System
from ..watch import changes
from .base import JSON, TEXT, WeatherHandler

SVG = "image/svg+xml"
PNG = "image/png"

_DEFAULT_DAYS = 7
_MOST_DAYS = 16


class ForecastHandler(WeatherHandler):
    """The days to come: lines of text, JSON, a chart, or an event whenever the forecast changes."""

    offers: tuple[str, ...] = (TEXT, JSON, SVG, PNG)

    async def get(self) -> None:
        """Answer in the form that ``Accept`` asks for; text by default."""
        kind = EVENT_STREAM if self.wants_events() and len(self.offers) > 1 else self._kind()
        system, language = self.units(), self.language()
        count = self.query_int("days", _DEFAULT_DAYS, least=1, most=_MOST_DAYS)
        located, entry = await self.located_report()
        if kind == EVENT_STREAM:
            await self.stream_events(
                changes(
                    self.state.weather,
                    located.place,
                    entry,
                    part=lambda known: (known.value.hours, known.value.days),
                    render=lambda known: _document(known, located, count, system, language),
                    last_id=self.request.headers.get("Last-Event-ID"),
                )
            )
            return
        if self.unchanged(entry, kind, system, language, count, located):
            return
        if kind == JSON:
            self.set_header("Content-Type", JSON)
            self.write(_document(entry, located, count, system, language))
        elif kind == TEXT:
            _, days = coming(entry.value, located, count)
            self.write_text(forecast_text(entry, located, days, system, language, time.time()))
        else:
            await self._chart(entry, located, count, system, png=kind == PNG)

    def _kind(self) -> str:
        if len(self.offers) == 1:  # the address says it all
            return self.offers[0]
        return self.negotiate(*self.offers)

    async def _chart(
        self, entry: Entry[Report], located: Located, count: int, system: System, *, png: bool
    ) -> None:
        hours, _ = coming(entry.value, located, count)
        if not hours:
            raise NotFound(f"{entry.source} gives no hours that could be drawn.")
        zone = zone_of(entry.value.timezone or located.place.timezone)
        simulated = "SIMULATED DATA · " if entry.simulated else ""
        language, label = self.language(), located.place.label
        picture = await self.state.charts.picture(
            f"{entry.digest} {label} {count} {system} {language} {png} {hours[0].time}",
            Chart(hours, label, f"{simulated}{entry.attribution}", zone, system, language),
            png=png,
        )
        self.set_header("Content-Type", PNG if png else SVG)
        # A picture only shows; should somebody open it by itself, nothing in it may run or be loaded
        self.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.write(picture)


class ForecastSvgHandler(ForecastHandler):
    """The chart as SVG."""

    offers = (SVG,)


class ForecastPngHandler(ForecastHandler):
    """The chart as PNG."""

    offers = (PNG,)


def coming(report: Report, located: Located, count: int) -> tuple[Sequence[Hour], Sequence[Day]]:
    """The hours and days of a report from today on, by the clock of the place, for ``count`` days at most."""
    zone = zone_of(report.timezone or located.place.timezone)
    today = datetime.now(zone).date()
    end = today + timedelta(days=count)
    hours = [hour for hour in report.hours if today <= hour.time.astimezone(zone).date() < end]
    return hours, [day for day in report.days if today <= day.date < end]


def _document(entry: Entry[Report], located: Located, count: int, system: System, language: str) -> bytes:
    hours, days = coming(entry.value, located, count)
    return orjson.dumps(forecast_document(entry, located, hours, days, system, language, time.time()))
