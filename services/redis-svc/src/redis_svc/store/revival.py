"""Connections that must always be there: made again and again until they stand, and probed while they do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import stamina

from svc_common import StoreUnavailable

from .wire import Wire

T = TypeVar("T")

_PROBE_SECONDS = 5.0


async def made(make: Callable[[], Awaitable[T]]) -> T:
    """What ``make`` returns, as soon as Redis is there: tries again, a little slower each time."""
    async for attempt in stamina.retry_context(
        on=StoreUnavailable, attempts=None, timeout=None, wait_initial=0.05, wait_max=1.0, wait_jitter=0.1
    ):
        with attempt:
            return await make()
    raise AssertionError("unreachable: attempts are unlimited")


async def until_gone(wire: Wire) -> None:
    """Return when a listening connection has ended; one that answers no PING any more is ended."""
    while not wire.closed:
        heard = wire.heard
        wire.tell((b"PING",))
        await asyncio.wait((wire.gone,), timeout=_PROBE_SECONDS)
        if wire.heard == heard:
            wire.close()
