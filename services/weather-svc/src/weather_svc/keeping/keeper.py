"""Stale-while-revalidate and stale-if-error (RFC 5861), in process and through the shared store.

A fresh entry is returned at once. A stale one is returned at once, too, while it is fetched anew in the
background; beyond ``revalidate`` seconds it is waited for, unless fetching it failed a moment ago. Where
fetching fails, an entry is good for ``max_stale`` seconds beyond its lifetime.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from cachetools import LRUCache, TTLCache
from pydantic import TypeAdapter, ValidationError

from svc_common import GatewayTimeout, Problem, Unavailable, get_logger

from .entry import Entry
from .flights import Flights
from .sharing import Sharing

log = get_logger("weather_svc.keeping")

T = TypeVar("T")

Load = Callable[[Entry[T] | None], Awaitable[Entry[T]]]
"""Fetches anew; given what is known already. Raises a Problem where that cannot be done."""

_PAUSE_AFTER_FAILURE = 3.0
_PAUSE_AFTER_REFUSAL = 1.0  # a used-up budget is not asked for more by everyone who comes
_FOLLOW_PAUSES = (0.01, 0.02, 0.05, 0.1)


class Keeper(Generic[T]):
    """Entries of one kind."""

    def __init__(
        self,
        kind: str,
        adapter: TypeAdapter[Entry[T]],
        sharing: Sharing,
        *,
        size: int,
        revalidate: float,
        max_stale: float,
        timeout: float,
    ) -> None:
        self._kind = kind
        self._adapter = adapter
        self._sharing = sharing
        self._revalidate = min(revalidate, max_stale)
        self._max_stale = max_stale
        self._timeout = timeout
        self._entries: LRUCache[str, Entry[T]] = LRUCache(size)
        self._failed: TTLCache[str, bool] = TTLCache(size, _PAUSE_AFTER_FAILURE)
        self._refused: TTLCache[str, Unavailable] = TTLCache(size, _PAUSE_AFTER_REFUSAL)
        self._flights: Flights[Entry[T]] = Flights()

    async def get(self, key: str, load: Load[T], *, patient: bool = False) -> Entry[T]:
        """The entry of a key, as fresh as can be had. ``patient`` waits for a fresh one where it is stale.

        Raises the Problem of ``load`` where there is nothing good enough.
        """
        entry = self._entries.get(key)
        now = time.time()
        if entry is not None and entry.fresh(now):
            return entry
        if not self._usable(entry, now):
            entry = None
            refusal = self._refused.get(key)
            if refusal is not None:
                raise Unavailable(refusal.detail, headers=refusal.headers)
        if entry is not None and key in self._failed:
            return entry
        flight = self._flights.join(key, lambda: self._fetch(key, entry, load))
        if entry is not None and not patient and now - entry.fresh_until < self._revalidate:
            return entry
        try:
            return await asyncio.shield(flight)
        except Problem:
            known = self._entries.get(key)  # the shared store may have had one
            if known is not None and self._usable(known, time.time()):
                return known
            raise

    async def close(self) -> None:
        """Cancel what is being fetched."""
        await self._flights.close()

    def _usable(self, entry: Entry[T] | None, now: float) -> bool:
        return entry is not None and now - entry.fresh_until < self._max_stale

    async def _fetch(self, key: str, known: Entry[T] | None, load: Load[T]) -> Entry[T]:
        try:
            async with asyncio.timeout(self._timeout):
                entry = await self._fetch_once_everywhere(key, known, load)
        except TimeoutError:
            problem: Problem = GatewayTimeout("The weather services did not answer in time.")
        except Problem as error:
            problem = error
        else:
            self._entries[key] = entry
            return entry
        self._failed[key] = True
        if isinstance(problem, Unavailable):
            self._refused[key] = problem
        log.info("fetch_failed", kind=self._kind, status=problem.status_code, reason=problem.detail)
        raise problem

    async def _fetch_once_everywhere(self, key: str, known: Entry[T] | None, load: Load[T]) -> Entry[T]:
        """Ask the upstream, unless another replica has or does."""
        name = f"{self._kind}:{key}"
        lifetime = self._timeout + 1.0
        followed = 0
        while True:
            known = self._newer(known, await self._sharing.get(name))
            if known is not None:
                self._entries[key] = known
                if known.fresh(time.time()):
                    return known
            lead = await self._sharing.lead(name, lifetime)
            if lead.failure is not None:
                raise lead.failure
            if lead.token is not None:
                return await self._load_and_share(name, lead.token, known, load)
            await asyncio.sleep(_FOLLOW_PAUSES[min(followed, len(_FOLLOW_PAUSES) - 1)])
            followed += 1

    async def _load_and_share(self, name: str, token: str, known: Entry[T] | None, load: Load[T]) -> Entry[T]:
        failure: Problem | None = None
        try:
            entry = await load(known)
            keep = entry.fresh_until - time.time() + self._max_stale
            await self._sharing.put(name, self._adapter.dump_json(entry), keep)
            return entry
        except Problem as problem:
            failure = problem
            raise
        finally:
            await self._sharing.release(name, token, failure)

    def _newer(self, known: Entry[T] | None, shared: bytes | None) -> Entry[T] | None:
        if shared is None:
            return known
        try:
            entry = self._adapter.validate_json(shared)
        except ValidationError:  # written by another version of this service, or by somebody else
            return known
        if not self._usable(entry, time.time()):
            return known
        return entry if known is None or entry.fetched > known.fetched else known
