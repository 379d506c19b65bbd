"""The store that the service's handlers use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from svc_common import StoreUnavailable, TooManyRequests, observe_store

from ..blocking import capped
from ..command_table import CommandInfo, CommandTable, parse_command_table
from ..policy import Policy
from ..replies import Command, ConnectionLost, Reply, ServerError, raised
from ..script_flags import ScriptFlags
from ..settings import RedisSettings
from .hub import Hub
from .node import LaneName, Limits, looked_at
from .open import open_topology
from .records import RecordStore
from .topology import Topology
from .watching import Entry, Watcher, entries_from, range_command

_UNAVAILABLE = frozenset(("CLUSTERDOWN", "LOADING", "MASTERDOWN", "READONLY", "TRYAGAIN"))
"""Errors of a server that is changing its place or state: nothing was done, and soon it can be."""


class Store:
    """Redis, with everything the service does with it."""

    def __init__(self, topology: Topology, settings: RedisSettings) -> None:
        self.topology = topology
        self.records = RecordStore(topology)
        most, timeout = settings.redis_max_subscriptions, settings.store_timeout
        self.hub = Hub(lambda: topology.dedicated((b"PING",)), timeout=timeout, most=most)
        self.watcher = Watcher(topology, timeout=timeout, most=most)
        # The answer must come before the request's own time is up
        self._block_seconds = max(
            0.1, min(settings.redis_block_seconds, settings.request_timeout - settings.store_timeout - 1)
        )
        self._patience = settings.store_timeout
        self._own_connections = settings.redis_blocking_connections
        self.policy = Policy(settings.redis_allow_commands, settings.redis_deny_commands)
        self.scripts = ScriptFlags()
        self._table: CommandTable | None = None
        self._table_of = -1
        self._reading: asyncio.Task[CommandTable] | None = None

    async def close(self) -> None:
        """Close every connection that is shared."""
        await self.hub.close()
        await self.watcher.close()
        await self.topology.close()

    async def ping(self) -> None:
        """Return when Redis answers; raises StoreUnavailable when it does not."""
        with observe_store("redis", "ping"):
            (reply,) = await self.topology.request([(b"PING",)])
        raised(reply)

    async def commands(self) -> CommandTable:
        """What the server says about its commands; asked again after a reconnect, once for everybody."""
        if self._table is not None and self._table_of == self.topology.connects:
            return self._table
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_commands())
            self._reading.add_done_callback(looked_at)
        return await asyncio.shield(self._reading)

    async def _read_commands(self) -> CommandTable:
        connects = self.topology.connects
        with observe_store("redis", "command"):
            (reply,) = await self.topology.request([(b"COMMAND",)], "bulk")
        self._table, self._table_of = parse_command_table(raised(reply)), connects
        return self._table

    async def execute(self, command: Command, info: CommandInfo) -> Reply:
        """Run one command; Redis's errors are values. Raises StoreUnavailable."""
        with observe_store("redis", info.name):
            (reply,) = await self.topology.request([self.scripts.translated(command)], lane_of(info))
        return self.scripts.reply(command, _available(reply))

    async def pipeline(self, commands: Sequence[Command], infos: Iterable[CommandInfo]) -> list[Reply]:
        """Run commands in order, not atomically; one reply for each."""
        with observe_store("redis", "pipeline"):
            if not any(map(_is_script, infos)):
                return await self.topology.request(commands)
            replies = await self.topology.request(self._translated(commands), "scripts")
        return self._replies(commands, replies)

    async def transaction(
        self, commands: Sequence[Command], infos: Iterable[CommandInfo]
    ) -> list[Reply] | ServerError:
        """Run commands atomically; one reply for each, or why none of them was run."""
        with observe_store("redis", "transaction"):
            lane: LaneName = "scripts" if any(map(_is_script, infos)) else "quick"
            outcome = await self.topology.transaction(self._translated(commands), lane)
        if isinstance(outcome, ServerError):
            _available(outcome)
            return outcome
        return self._replies(commands, outcome)

    def _translated(self, commands: Sequence[Command]) -> list[Command]:
        return [self.scripts.translated(command) for command in commands]

    def _replies(self, commands: Sequence[Command], replies: list[Reply]) -> list[Reply]:
        return [self.scripts.reply(command, reply) for command, reply in zip(commands, replies, strict=True)]

    async def alone(self, command: Command, info: CommandInfo) -> Reply:
        """Run a command on a connection of its own; cancelling it closes the connection.

        A wait is cut to ``REDIS_BLOCK_SECONDS``. Raises TooManyRequests when too many wait already.
        """
        with self.own_connection():
            wire = await self.topology.dedicated(command)
            try:
                with observe_store("redis", info.name):
                    async with asyncio.timeout(self._block_seconds + self._patience):
                        (reply,) = await wire.request([capped(command, self._block_seconds)])
                return _available(reply)
            except (TimeoutError, ConnectionLost) as error:  # something may have been taken out or not
                raise StoreUnavailable("redis") from error
            finally:
                wire.close()

    async def publish(self, channel: str, payload: bytes) -> int:
        """Publish a message; how many connections of this Redis received it."""
        with observe_store("redis", "publish"):
            (reply,) = await self.topology.request([(b"PUBLISH", channel.encode(), payload)])
        count = raised(reply)
        assert isinstance(count, int)
        return count

    async def append(
        self, key: str, fields: Sequence[tuple[bytes, bytes]], *, most: int | None = None
    ) -> str:
        """Append an entry to a stream, which is kept at about ``most`` entries; returns the entry's id."""
        trim = () if most is None else (b"MAXLEN", b"~", str(most).encode())
        words = [word for field in fields for word in field]
        with observe_store("redis", "xadd"):
            (reply,) = await self.topology.request([(b"XADD", key.encode(), *trim, b"*", *words)])
        if isinstance(reply, ServerError):
            entries_from(reply)  # raises what the error stands for
        assert isinstance(reply, bytes)
        return reply.decode()

    async def entries(self, key: str, after: str, count: int) -> list[Entry]:
        """Up to ``count`` entries of a stream behind an id. Raises Conflict for another kind of value."""
        with observe_store("redis", "xrange"):
            (reply,) = await self.topology.request([range_command(key.encode(), after, count)], "bulk")
        return entries_from(reply)

    def own_connection(self) -> _Place:
        """A place among the connections that are not shared, to be held in a ``with`` block."""
        return _Place(self)


class _Place:
    def __init__(self, store: Store) -> None:
        self._store = store

    def __enter__(self) -> None:
        if self._store._own_connections <= 0:
            raise TooManyRequests("Too many commands wait at once; try again soon.")
        self._store._own_connections -= 1

    def __exit__(self, *_: object) -> None:
        self._store._own_connections += 1


def lane_of(info: CommandInfo) -> LaneName:
    """Which of the shared connections a command goes by."""
    if _is_script(info):
        return "scripts"
    return "quick" if info.quick else "bulk"


def _is_script(info: CommandInfo) -> bool:
    return "@scripting" in info.categories


def _available(reply: Reply) -> Reply:
    if isinstance(reply, ServerError) and reply.code in _UNAVAILABLE:
        raise StoreUnavailable("redis", f"The store redis cannot do this now ({reply.code}).") from reply
    return reply


@asynccontextmanager
async def open_store(settings: RedisSettings) -> AsyncIterator[Store]:
    """The service's lifespan. Connects when the first command needs it, so Redis may come later."""
    limits = Limits(timeout=settings.store_timeout, max_reply=settings.redis_max_reply_bytes)
    topology = open_topology(settings.address(), limits)
    store = Store(topology, settings)
    try:
        yield store
    finally:
        await store.close()
