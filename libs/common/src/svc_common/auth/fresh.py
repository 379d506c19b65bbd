"""Values that are fetched when they are asked for, and never older than they may be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Fresh(Generic[T]):
    """A value with a bounded age.

    Up to ``renew_after`` seconds it is given as it is, up to ``most`` seconds it is given while it is being
    renewed, and after that whoever asks waits for it. Its age counts from the moment it was asked for, so
    nothing that changed ``most`` seconds ago is ever missed. Nobody asks: nothing is fetched.
    """

    def __init__(self, load: Callable[[], Awaitable[T]], *, renew_after: float, most: float) -> None:
        self._load = load
        self._renew_after = renew_after
        self._most = most
        self._value: tuple[T] | None = None
        self._asked = 0.0
        self._tried = float("-inf")
        self._task: asyncio.Task[None] | None = None

    async def get(self) -> T:
        """The value. Raises what loading raises when there is none that is young enough."""
        now = time.monotonic()
        age = now - self._asked
        if self._value is not None and age < self._most:
            if age >= self._renew_after and now - self._tried >= self._renew_after / 2:
                self._start().add_done_callback(_seen)
            return self._value[0]
        # A fetch that was under way already may be so slow that its value is too old when it comes
        while self._value is None or (self._asked < now and time.monotonic() - self._asked >= self._most):
            await self._renewed()
        return self._value[0]

    async def renew(self, *, pause: float) -> bool:
        """Fetch it anew unless that was tried less than ``pause`` seconds ago; whether it was fetched."""
        if self._task is None and time.monotonic() - self._tried < pause:
            return False
        await self._renewed()
        return True

    async def _renewed(self) -> None:
        # Whoever waits shares one fetch, and a request that is cancelled does not take it from the others
        await asyncio.shield(self._start())

    def _start(self) -> asyncio.Task[None]:
        if self._task is None:
            self._task = asyncio.create_task(self._fetch())
        return self._task

    async def _fetch(self) -> None:
        self._tried = asked = time.monotonic()
        try:
            self._value = (await self._load(),)
            self._asked = asked
        finally:
            self._task = None


def _seen(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()  # whoever needs the value next tries again and hears of it
