"""How often an upstream may be called: never more than its limit in any minute, whoever calls.

Replicas with a common Redis count together. While it cannot count, each replica has a share of its own, set
aside beforehand, so that what was counted there and what is called without it never add up to more.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Protocol

WINDOW = 61.0
"""Seconds. A second more than the minute, since a call takes a while to arrive where minutes are counted."""

_LEAST_WAIT = 0.001
_RESERVED = 5  # one in so many calls, for the time without Redis


class CommonCount(Protocol):
    """Counts for all replicas: 0 when granted, else seconds to wait; None when it cannot count."""

    async def take(self, name: str, limit: int, window: float) -> float | None:
        """Take one call."""


class Window:
    """Calls of the recent past, in this process."""

    def __init__(self, limit: int, seconds: float = WINDOW) -> None:
        self._limit = limit
        self._seconds = seconds
        self._calls: deque[float] = deque()

    def take(self, now: float) -> float:
        """Take one call at a moment: 0 when granted, else the seconds until there is one."""
        while self._calls and self._calls[0] <= now - self._seconds:
            self._calls.popleft()
        if len(self._calls) < self._limit:
            self._calls.append(now)
            return 0.0
        # Never 0, to which a difference of floats may round: that would mean granted
        return max(self._calls[0] + self._seconds - now, _LEAST_WAIT) if self._calls else self._seconds


class Budget:
    """The budget of one upstream, for ``processes`` of which this is one."""

    def __init__(self, name: str, limit: int, processes: int, common: CommonCount | None) -> None:
        self._name = name
        self._common = common
        self._alone = processes == 1
        pool, share = divide(limit, processes) if common else (0, limit // processes)
        self._pool = pool
        self._own = Window(share)

    async def take(self) -> float:
        """Take one call: 0 when it may be made, else the seconds until one may."""
        wait = await self._common.take(self._name, self._pool, WINDOW) if self._common else None
        if wait is not None and (wait > 0 or not self._alone):
            return wait
        return self._own.take(time.monotonic())


def divide(limit: int, processes: int) -> tuple[int, int]:
    """``(counted together, each one's own)``. They add up to the limit, unless one process has it all."""
    if processes == 1:
        return limit, limit
    share = max(limit // _RESERVED // processes, 1)
    return limit - share * processes, share
