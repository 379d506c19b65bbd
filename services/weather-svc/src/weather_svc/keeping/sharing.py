"""What replicas share where there is a Redis; without one, or while it is down, each goes on alone."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from svc_common import (
    BadGateway,
    GatewayTimeout,
    NotFound,
    Problem,
    StoreUnavailable,
    Unavailable,
    get_logger,
)

from ..store import RedisStore

log = get_logger("weather_svc.sharing")

T = TypeVar("T")

_PAUSE = 1.0
_ALONE = "alone"
_KINDS: dict[str, type[Problem]] = {
    str(kind.status): kind for kind in (NotFound, BadGateway, Unavailable, GatewayTimeout)
}


@dataclass(frozen=True, slots=True)
class Lead:
    """Who fetches: this replica with ``token``, or another one, whose ``failure`` may be known."""

    token: str | None = None
    failure: Problem | None = None


class Sharing:
    """The shared store. Its troubles cost nothing but the sharing: it is left alone for a second then."""

    def __init__(self, store: RedisStore | None) -> None:
        self._store = store
        self._again_at = 0.0

    async def get(self, name: str) -> bytes | None:
        """A shared entry; None where there is none."""
        store = self._reachable()
        return await self._try(store.get(name)) if store else None

    async def put(self, name: str, entry: bytes, seconds: float) -> None:
        """Share an entry for so long."""
        store = self._reachable()
        if store and seconds > 0:
            await self._try(store.put(name, entry, seconds))

    async def lead(self, name: str, seconds: float) -> Lead:
        """Ask to be the one who fetches, for so many seconds at most."""
        store = self._reachable()
        if store is None:
            return Lead(_ALONE)
        answer = await self._try(store.lead(name, seconds))
        if answer is None:
            return Lead(_ALONE)
        token, failure = answer
        return Lead(token, _problem(failure) if failure else None)

    async def release(self, name: str, token: str, failure: Problem | None) -> None:
        """Let others fetch again. A failure is told to those who waited, so that they need not find out."""
        store = self._reachable()
        if store and token != _ALONE:
            reason = f"{failure.status_code} {failure.detail}" if failure else ""
            await self._try(store.release(name, token, reason))

    async def take(self, name: str, limit: int, window: float) -> float | None:
        """Take a call from a common budget: 0 when granted, else seconds to wait; None when nobody counts."""
        store = self._reachable()
        return await self._try(store.take(name, limit, window)) if store else None

    def _reachable(self) -> RedisStore | None:
        return self._store if time.monotonic() >= self._again_at else None

    async def _try(self, call: Awaitable[T]) -> T | None:
        try:
            return await call
        except StoreUnavailable:
            if self._again_at == 0.0 or time.monotonic() >= self._again_at:
                log.warning("sharing_paused", seconds=_PAUSE)
            self._again_at = time.monotonic() + _PAUSE
            return None


def _problem(reason: str) -> Problem:
    status, _, detail = reason.partition(" ")
    return _KINDS.get(status, BadGateway)(detail)
