"""``GET /v1/current``."""

from __future__ import annotations

import time

import orjson

from ..answers import answer
from ..keeping.entry import Entry
from ..model import Report
from ..render.document import current_document
from ..render.text import current_text
from ..watch import changes
from .base import JSON, PLAIN, TEXT, WeatherHandler


class CurrentHandler(WeatherHandler):
    """The weather now: a sentence, everything as JSON, or an event whenever it changes."""

    async def get(self) -> None:
        """Answer in the form that ``Accept`` asks for; text by default."""
        if self.wants_events():
            await self._watch()
            return
        form = self.negotiate(TEXT, JSON)
        known = self.recent(form)
        if known is None:
            system, language = self.units(), self.language()
            located, entry = await self.located_report()
            if form == JSON:
                body = orjson.dumps(current_document(entry, located, system, language, time.time()))
            else:
                body = current_text(entry, located, system, language, time.time()).encode()
            known = answer(entry, JSON if form == JSON else PLAIN, body, system, language, located)
            self.keep(form, known)
        self.send(known)

    async def _watch(self) -> None:
        self.add_vary("Accept")
        system, language = self.units(), self.language()
        located, entry = await self.located_report()

        def render(known: Entry[Report]) -> bytes:
            return orjson.dumps(current_document(known, located, system, language, time.time()))

        await self.stream_events(
            changes(
                self.state.weather,
                located.place,
                entry,
                part={"current"},
                render=render,
                last_id=self.request.headers.get("Last-Event-ID"),
            )
        )
