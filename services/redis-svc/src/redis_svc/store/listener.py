"""What waits between Redis and one reader: a short queue that is never allowed to grow long."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_ITEMS = 1000
MAX_BYTES = 4 * 2**20


class SlowReader(Exception):
    """The reader did not keep up; what came since is not kept for it."""


class Listener(Generic[T]):
    """One reader's items, in order. More than ``most`` of them or ``MAX_BYTES`` behind, it is cut off."""

    __slots__ = ("_bytes", "_items", "_most", "_slow", "_waiter")

    def __init__(self, most: int = MAX_ITEMS) -> None:
        self._most = most
        self._items: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._slow = False
        self._waiter: asyncio.Future[None] | None = None

    def put(self, item: T, size: int = 0) -> None:
        """Add an item of about ``size`` bytes."""
        if self._slow:
            return
        self._items.append((item, size))
        self._bytes += size
        if len(self._items) > self._most or (self._bytes > MAX_BYTES and len(self._items) > 1):
            self._slow = True
            self._items.clear()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def get(self) -> T:
        """The next item, when there is one. Raises SlowReader."""
        while not self._items:
            if self._slow:
                raise SlowReader
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        item, size = self._items.popleft()
        self._bytes -= size
        return item
