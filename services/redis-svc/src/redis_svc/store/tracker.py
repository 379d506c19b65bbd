"""Watching keys: Redis itself tells when a key that was read may have changed (``CLIENT TRACKING``).

Two connections for each server: what is read on one is remembered by the server, and its invalidations come
on the other, which listens to ``__redis__:invalidate``. Nothing has to be switched on in the server, and it
works for every kind of change: writes of any client, expiry, eviction, FLUSHALL. However many listen
to a key, it is read once for each change.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from svc_common import StoreUnavailable

from ..replies import Command, ConnectionLost, Reply, ServerError, raised
from .node import Node
from .revival import made, until_gone
from .wire import Wire

_INVALIDATE = b"__redis__:invalidate"

Ask: TypeAlias = Callable[[Sequence[Command]], Awaitable[list[Reply]]]
"""Reads with commands whose keys the server then remembers."""

_AGAIN_SECONDS = 1.0


class Topic(ABC):
    """Something that is derived from keys and read again when they change."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self.keys = tuple(keys)
        self.ready = asyncio.Event()
        self.dirty = False
        self.trouble: StoreUnavailable | None = None
        """Why it could not be read the last time."""
        self.tracker: Tracker | None = None
        self.task: asyncio.Task[None] | None = None

    @abstractmethod
    async def refresh(self, ask: Ask) -> None:
        """Read what there is now and tell the listeners. May raise StoreUnavailable; it is called again."""


Home: TypeAlias = "Callable[[Sequence[Topic]], Awaitable[list[Tracker]]]"
"""The trackers of the servers that hold topics now."""


class Tracker:
    """The watched keys of one server. Keys that move to another one are handed over to that one's tracker."""

    def __init__(self, node: Node, home: Home) -> None:
        self._node = node
        self._home = home
        self._topics: dict[bytes, set[Topic]] = {}
        self._reader: Wire | None = None
        self._task: asyncio.Task[None] | None = None

    def add(self, topic: Topic) -> None:
        """Read a topic now and whenever its keys change."""
        topic.tracker = self
        for key in topic.keys:
            self._topics.setdefault(key, set()).add(topic)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep_connected())
        elif self._reader is not None:
            self._touch(topic)

    def remove(self, topic: Topic) -> None:
        """Watch it no longer."""
        for key in topic.keys:
            topics = self._topics.get(key, set())
            topics.discard(topic)
            if not topics:
                self._topics.pop(key, None)
        if topic.task is not None and topic.task is not asyncio.current_task():
            topic.task.cancel()
        topic.task = None

    async def close(self) -> None:
        """Give the connections up."""
        tasks = [topic.task for topics in self._topics.values() for topic in topics if topic.task is not None]
        if self._task is not None:
            tasks.append(self._task)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_connected(self) -> None:
        while self._topics:
            pair = await made(self._connect)
            if pair is None:
                continue
            listening, reader = pair
            try:
                self._reader = reader
                for topic in self._all():
                    self._touch(topic)
                either = [asyncio.ensure_future(until_gone(listening)), reader.gone]
                try:
                    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    either[0].cancel()
            finally:
                self._reader = None
                listening.close()
                reader.close()

    async def _connect(self) -> tuple[Wire, Wire] | None:
        """The two connections; None when there is nothing left to watch here."""
        await self._hand_over(self._all())
        if not self._topics:
            return None
        listening = await self._node.dedicated()
        try:
            async with asyncio.timeout(self._node.timeout):
                (number,) = await listening.request([(b"CLIENT", b"ID")])
            reader = await self._node.dedicated(patience=self._node.timeout)
            try:
                redirect = str(raised(number)).encode()
                listening.listen(self._received)
                listening.tell((b"SUBSCRIBE", _INVALIDATE))
                (reply,) = await reader.request([(b"CLIENT", b"TRACKING", b"ON", b"REDIRECT", redirect)])
                raised(reply)
            except BaseException:
                reader.close()
                raise
        except (ConnectionLost, ServerError, TimeoutError) as error:
            listening.close()
            raise StoreUnavailable("redis") from error
        except BaseException:
            listening.close()
            raise
        return listening, reader

    def _received(self, reply: Reply) -> None:
        if not isinstance(reply, list) or len(reply) < 3 or reply[0] != b"message":
            return
        keys = reply[2]
        if isinstance(keys, list):
            found = [topic for key in keys if isinstance(key, bytes) for topic in self._topics.get(key, ())]
        else:  # everything was deleted at once
            found = self._all()
        for topic in found:
            self._touch(topic)

    def _all(self) -> list[Topic]:
        return list({id(topic): topic for topics in self._topics.values() for topic in topics}.values())

    def _touch(self, topic: Topic) -> None:
        topic.dirty = True
        if topic.task is None or topic.task.done():
            topic.task = asyncio.create_task(self._refresh(topic))

    async def _refresh(self, topic: Topic) -> None:
        while topic.dirty:
            topic.dirty = False
            try:
                await topic.refresh(self._ask)
            except StoreUnavailable as error:
                topic.trouble = error
                if self._reader is None or self._reader.closed:
                    return  # once the connections are there again, everything is read again
                # The server is busy, or the keys are at another one by now
                topic.dirty = True
                await asyncio.sleep(_AGAIN_SECONDS)
                with contextlib.suppress(StoreUnavailable):
                    await self._hand_over([topic])
                if topic.tracker is not self:
                    return
            else:
                topic.trouble = None
                topic.ready.set()

    async def _hand_over(self, topics: list[Topic]) -> None:
        """Give topics whose keys another server holds by now to that server's tracker."""
        if topics:
            homes = await self._home(topics)
            for topic, tracker in zip(topics, homes, strict=True):
                if tracker is not self and topic in self._topics.get(topic.keys[0], ()):
                    self.remove(topic)
                    tracker.add(topic)

    async def _ask(self, commands: Sequence[Command]) -> list[Reply]:
        if self._reader is None:
            raise StoreUnavailable("redis")
        try:
            return await self._reader.request(commands)
        except ConnectionLost as error:
            raise StoreUnavailable("redis") from error
