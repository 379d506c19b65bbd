"""``GET /v1/current``."""

from __future__ import annotations

import time

import orjson

from svc_common.events import CONTENT_TYPE as EVENT_STREAM

from ..render.document import current_document
from ..render.text import current_text
from ..watch import changes
from .base import JSON, TEXT, WeatherHandler


class CurrentHandler(WeatherHandler):
    """The weather now: a sentence, everything as JSON, or an event whenever it changes."""

    async def get(self) -> None:
        """Answer in the form that ``Accept`` asks for; text by default."""
        kind = EVENT_STREAM if self.wants_events() else self.negotiate(TEXT, JSON)
        self.add_vary("Accept")
        system, language = self.units(), self.language()
        located, entry = await self.located_report()
        if kind == EVENT_STREAM:
            await self.stream_events(
                changes(
                    self.state.weather,
                    located.place,
                    entry,
                    part=lambda known: known.value.current,
                    render=lambda known: orjson.dumps(
                        current_document(known, located, system, language, time.time())
                    ),
                    last_id=self.request.headers.get("Last-Event-ID"),
                )
            )
            return
        if self.unchanged(entry, kind, system, language, located):
            return
        if kind == JSON:
            self.write_json(current_document(entry, located, system, language, time.time()))
        else:
            self.write_text(current_text(entry, located, system, language, time.time()))
