"""One Redis server: four shared connections, and further ones for those who need one of their own.

Quick commands and long ones (``bulk``) go by different connections, so that a reply of many megabytes does
not stand in the way of a counter. What might put replies out of step goes fenced (see ``wire``): values with
a line end by a third connection (``guarded``), scripts, which can make up their errors, by a fourth
(``scripts``), so that a script that breaks its connection does not disturb anybody's values. A script with a
line end in its arguments is the one thing that servers are known to repeat unchanged: it goes alone.

A shared connection is made when it is first needed and again after it was lost; while the attempt lasts,
everybody waits for the same one, and nobody longer than the time-out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from svc_common import StoreUnavailable

from ..address import Endpoint, Login
from ..replies import Command, ConnectionLost, Reply
from .connect import open_wire
from .wire import Wire


@dataclass(frozen=True)
class Limits:
    """``timeout``: seconds to wait for Redis. ``max_reply``: bytes of a single reply."""

    timeout: float
    max_reply: int


LaneName = Literal["quick", "bulk", "guarded", "scripts"]
LANES: tuple[LaneName, ...] = ("quick", "bulk", "guarded", "scripts")
_FENCED = frozenset(("guarded", "scripts"))
_MOST_ALONE = 16

Locate = Callable[[], Awaitable[Endpoint]]
"""Where the server is now; asked before each attempt to connect."""


Check = Callable[[Wire], Awaitable[None]]
"""Whether a server is the right one; raises StoreUnavailable when it is not."""


class Node:
    """A server and the connections to it. Raises StoreUnavailable when it cannot be reached.

    ``unreachable`` is called whenever a connection to it could not be made.
    """

    def __init__(
        self,
        locate: Locate,
        login: Login,
        limits: Limits,
        *,
        check: Check | None = None,
        unreachable: Callable[[], None] | None = None,
    ) -> None:
        self._check = check
        self._unreachable = unreachable
        self._locate = locate
        self._login = login
        self._limits = limits
        self._lanes = {lane: _Lane(self._open) for lane in LANES}
        self._alone = asyncio.Semaphore(_MOST_ALONE)
        self.timeout = limits.timeout
        self.connects = 0
        """How often a shared connection was made: what was learned from the server before may be outdated."""

    async def request(self, commands: Sequence[Command], lane_name: LaneName = "quick") -> list[Reply]:
        """Send commands behind one another on a shared connection; one reply for each."""
        if _holds_line_end(commands):
            if lane_name == "scripts":
                return await self._request_alone(commands)
            lane_name = "guarded"
        lane = self._lanes[lane_name]
        wire = lane.wire
        if wire is None or wire.closed:
            wire = await lane.connected()
        try:
            return await wire.request(commands, fenced=lane_name in _FENCED)
        except ConnectionLost as error:
            raise StoreUnavailable("redis") from error

    async def _request_alone(self, commands: Sequence[Command]) -> list[Reply]:
        async with self._alone:
            wire = await self.dedicated(patience=self.timeout)
            try:
                return await wire.request(commands, fenced=True)
            except ConnectionLost as error:
                raise StoreUnavailable("redis") from error
            finally:
                wire.close()

    async def dedicated(self, *, patience: float = 0) -> Wire:
        """A connection for one caller, who closes it. ``patience`` 0 waits for replies without end."""
        return await self._made(patience)

    def drop(self) -> None:
        """Give the shared connections up: the server is not the right one any more."""
        for lane in self._lanes.values():
            lane.drop()

    async def close(self) -> None:
        """Close the shared connections."""
        for lane in self._lanes.values():
            await lane.close()

    async def _open(self) -> Wire:
        async with asyncio.timeout(self._limits.timeout):
            wire = await self._made(self._limits.timeout)
        self.connects += 1
        return wire

    async def _made(self, patience: float) -> Wire:
        timeout, most = self._limits.timeout, self._limits.max_reply
        try:
            endpoint = await self._locate()
            wire = await open_wire(endpoint, self._login, timeout=timeout, max_reply=most, patience=patience)
            if self._check is not None:
                await self._checked(self._check, wire)
        except StoreUnavailable:
            if self._unreachable is not None:
                self._unreachable()
            raise
        return wire

    async def _checked(self, check: Check, wire: Wire) -> None:
        try:
            async with asyncio.timeout(self._limits.timeout):
                await check(wire)
        except TimeoutError as error:
            wire.close()
            raise StoreUnavailable("redis") from error
        except BaseException:
            wire.close()
            raise


class _Lane:
    """A shared connection that comes back."""

    def __init__(self, open_: Callable[[], Awaitable[Wire]]) -> None:
        self._open = open_
        self._attempt: asyncio.Task[Wire] | None = None
        self.wire: Wire | None = None

    async def connected(self) -> Wire:
        if self._attempt is None:
            self._attempt = asyncio.create_task(self._connect())
            self._attempt.add_done_callback(looked_at)
        return await asyncio.shield(self._attempt)

    async def _connect(self) -> Wire:
        try:
            self.wire = await self._open()
        except TimeoutError as error:
            raise StoreUnavailable("redis") from error
        finally:
            self._attempt = None
        return self.wire

    def drop(self) -> None:
        if self.wire is not None:
            self.wire.close()
            self.wire = None

    async def close(self) -> None:
        if self._attempt is not None:
            self._attempt.cancel()
            await asyncio.gather(self._attempt, return_exceptions=True)
        self.drop()


def _holds_line_end(commands: Sequence[Command]) -> bool:
    for command in commands:  # plain loops: a generator takes three times as long, for each command
        for word in command:
            if b"\r" in word:
                return True
    return False


def looked_at(attempt: asyncio.Task[Any]) -> None:
    """For shared attempts, since everybody who waited for one may have left before it failed."""
    if not attempt.cancelled():
        attempt.exception()
