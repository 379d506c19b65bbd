"""Who waits for changes of which tables."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import orjson

from pg_svc.schema.model import Name
from pg_svc.watch.log import WatchLog

CHANNEL = "storefronts_watch"


class Watchers:
    """Listeners of this process. A notification's payload is ``["SCHEMA", "TABLE"]``."""

    def __init__(self, log: WatchLog) -> None:
        self.log = log
        self._waiting: dict[Name, set[asyncio.Event]] = {}

    @contextmanager
    def following(self, tables: Iterable[Name]) -> Iterator[asyncio.Event]:
        """An event that is set when one of the tables has changed, while the block runs."""
        told, names = asyncio.Event(), set(tables)
        for name in names:
            self._waiting.setdefault(name, set()).add(told)
        try:
            yield told
        finally:
            for name in names:
                self._waiting[name].discard(told)
                if not self._waiting[name]:
                    del self._waiting[name]

    def tell(self, payload: str) -> None:
        """Wake those who follow a table; whatever else is in the payload wakes nobody."""
        try:
            schema, name = orjson.loads(payload)
            waiting = self._waiting.get(Name(schema, name), ())
        except (ValueError, TypeError):
            return
        for told in waiting:
            told.set()

    def tell_all(self) -> None:
        """Wake everybody: notifications may have been missed."""
        for waiting in self._waiting.values():
            for told in waiting:
                told.set()
