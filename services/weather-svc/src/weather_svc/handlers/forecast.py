"""``GET /v1/forecast``, and ``/v1/forecast.svg`` and ``.png`` for those who cannot send ``Accept``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import orjson

from svc_common import NotFound

from ..answers import answer
from ..keeping.entry import Entry
from ..model import Day, Hour, Report
from ..places import Located
from ..render.chart import Chart
from ..render.document import forecast_document
from ..render.text import forecast_text
from ..summary import zone_of
from ..units import System
from ..watch import changes
from .base import JSON, PLAIN, TEXT, WeatherHandler

SVG = "image/svg+xml"
PNG = "image/png"

_DEFAULT_DAYS = 7
_MOST_DAYS = 16


class ForecastHandler(WeatherHandler):
    """The days to come: lines of text, JSON, a chart, or an event whenever the forecast changes."""

    async def get(self) -> None:
        """Answer in the form that ``Accept`` asks for; text by default."""
        if self.wants_events():
            await self._watch()
        else:
            await self.answer(self.negotiate(TEXT, JSON, SVG, PNG))

    async def answer(self, form: str) -> None:
        """Answer in a form."""
        known = self.recent(form)
        if known is None:
            system, language, count = self.units(), self.language(), self._count()
            located, entry = await self.located_report()
            hours, days = coming(entry.value, located, count)
            # The same report shows other days after midnight
            variant = (system, language, count, located, [day.date for day in days], hours[:1])
            if form == JSON:
                body = _document(entry, located, count, system, language)
            elif form == TEXT:
                body = forecast_text(entry, located, days, system, language, time.time()).encode()
            else:
                body = await self._chart(entry, located, hours, system, language, png=form == PNG)
            known = answer(entry, PLAIN if form == TEXT else form, body, *variant)
            self.keep(form, known)
        if form in (SVG, PNG):
            # A picture only shows; should somebody open it by itself, nothing in it may run or be loaded
            self.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.send(known)

    def _count(self) -> int:
        return self.query_int("days", _DEFAULT_DAYS, least=1, most=_MOST_DAYS)

    async def _watch(self) -> None:
        self.add_vary("Accept")
        system, language, count = self.units(), self.language(), self._count()
        located, entry = await self.located_report()
        await self.stream_events(
            changes(
                self.state.weather,
                located.place,
                entry,
                part={"packed_hours", "days"},
                render=lambda known: _document(known, located, count, system, language),
                last_id=self.request.headers.get("Last-Event-ID"),
            )
        )

    async def _chart(
        self,
        entry: Entry[Report],
        located: Located,
        hours: Sequence[Hour],
        system: System,
        language: str,
        *,
        png: bool,
    ) -> bytes:
        if not hours:
            raise NotFound(f"{entry.source} gives no hours that could be drawn.")
        zone = zone_of(entry.value.timezone or located.place.timezone)
        label, simulated = located.place.label, "SIMULATED DATA · " if entry.simulated else ""
        key = f"{entry.digest} {label} {system} {language} {png} {hours[0].time} {len(hours)}"
        chart = Chart(hours, label, f"{simulated}{entry.attribution}", zone, system, language)
        return await self.state.charts.picture(key, chart, png=png)


class ForecastSvgHandler(ForecastHandler):
    """The chart as SVG."""

    async def get(self) -> None:
        """Answer with the picture, whatever ``Accept`` says."""
        await self.answer(SVG)


class ForecastPngHandler(ForecastHandler):
    """The chart as PNG."""

    async def get(self) -> None:
        """Answer with the picture, whatever ``Accept`` says."""
        await self.answer(PNG)


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
