"""Watching a place: its weather now, and again whenever it changes."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import AsyncIterator, Callable

from svc_common import Event, Problem

from .keeping.entry import Entry
from .model import Place, Report
from .weather import Weather

_LEAST_PAUSE = 0.5
_AFTER_FAILURE = 15.0
_JITTER = 0.1


async def changes(
    weather: Weather,
    place: Place,
    entry: Entry[Report],
    *,
    part: set[str],
    render: Callable[[Entry[Report]], bytes],
    last_id: str | None,
) -> AsyncIterator[Event]:
    """The present state, unless the client has it, then an event for each change of the fields in ``part``.

    The place is looked at when what is known of it goes stale; all who watch it share the request.
    """
    seen, failing = last_id, False
    while True:
        name = _name(entry, part)
        if name != seen:
            seen = name
            yield Event(data=render(entry).decode(), event="weather", id=name)
        await asyncio.sleep(_pause(entry, failing))
        try:
            entry = await weather.report(place, patient=True)
            failing = not entry.fresh(time.time())
        except Problem:
            failing = True  # the stream goes on; what was told last stays the last known


def _pause(entry: Entry[Report], failing: bool) -> float:
    if failing:
        return _AFTER_FAILURE * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
    return max(entry.fresh_until - time.time(), _LEAST_PAUSE)


def _name(entry: Entry[Report], part: set[str]) -> str:
    """The same for the same weather from the same source, in every replica."""
    content = entry.source + entry.value.model_dump_json(include=part)
    return hashlib.blake2b(content.encode(), digest_size=10).hexdigest()
