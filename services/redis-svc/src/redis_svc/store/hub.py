"""Channels and patterns: one connection and one subscription each, however many listen in this process."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, Protocol

from svc_common import StoreUnavailable, TooManyRequests

from ..replies import Reply, ServerError
from .revival import made, until_gone
from .wire import Wire

Kind = Literal["channel", "pattern"]

_SUBSCRIBE = {"channel": b"SUBSCRIBE", "pattern": b"PSUBSCRIBE"}
_UNSUBSCRIBE = {"channel": b"UNSUBSCRIBE", "pattern": b"PUNSUBSCRIBE"}
_CONFIRMED: dict[Reply, Kind] = {b"subscribe": "channel", b"psubscribe": "pattern"}


TOLD_AT_ONCE = 500
"""Readers to tell in one turn of the loop: a message to 18,000 would hold up everybody else for 0.3 s."""


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """What was published. ``pattern`` is set where a pattern matched."""

    channel: bytes
    payload: bytes
    pattern: bytes | None = None
    _made: dict[Callable[[Message], bytes], bytes] = field(default_factory=dict)

    def once(self, encode: Callable[[Message], bytes]) -> bytes:
        """What ``encode`` makes of it: made once, for all who listen."""
        made = self._made.get(encode)
        if made is None:
            made = self._made[encode] = encode(self)
        return made


class Gap:
    """Put in the place of messages that may have been missed while Redis was away."""


GAP = Gap()


class Target(Protocol):
    """A reader's queue."""

    def put(self, item: Message | Gap, size: int = 0) -> None:
        """Take an item of about ``size`` bytes; never wait."""
        ...


class _Topic:
    def __init__(self) -> None:
        self.listeners: dict[Target, None] = {}  # a set, in the order of their arrival
        self.untold: deque[Message | Gap] = deque()
        self.round: Iterator[Target] | None = None  # the readers that are still to be told the first of them
        self.confirmed = asyncio.Event()
        self.error: ServerError | None = None


class Hub:
    """Subscriptions to Redis, shared by everybody who listens."""

    def __init__(self, connect: Callable[[], Awaitable[Wire]], *, timeout: float, most: int) -> None:
        self._connect = connect
        self._timeout = timeout
        self._most = most
        self._topics: dict[tuple[Kind, bytes], _Topic] = {}
        # Answers that are still to come. A topic's own is the last: those before were for who has left since
        self._asked: Counter[tuple[Kind, bytes]] = Counter()
        self._wire: Wire | None = None
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def listen(self, kind: Kind, name: bytes, target: Target) -> AsyncIterator[None]:
        """Tell ``target`` while the block runs; when it begins, Redis has confirmed the subscription.

        Raises StoreUnavailable, or TooManyRequests when there are too many different subscriptions.
        """
        topic = self._topics.get((kind, name))
        if topic is None:
            if len(self._topics) >= self._most:
                raise TooManyRequests("Too many different channels and patterns are listened to.")
            topic = self._topics[kind, name] = _Topic()
            self._ask(kind, name)
        topic.listeners[target] = None
        try:
            if self._task is None:
                self._task = asyncio.create_task(self._keep_connected())
            await self._wait_confirmed(topic)
            yield
        finally:
            topic.listeners.pop(target, None)
            if not topic.listeners and self._topics.get((kind, name)) is topic:
                del self._topics[kind, name]
                if self._wire is not None:
                    self._wire.tell((_UNSUBSCRIBE[kind], name))

    async def close(self) -> None:
        """Give the connection up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._wire is not None:
            self._wire.close()

    async def _wait_confirmed(self, topic: _Topic) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await topic.confirmed.wait()
        except TimeoutError:
            raise StoreUnavailable("redis") from None
        if topic.error is not None:
            raise StoreUnavailable("redis", f"Redis refuses the subscription ({topic.error.code}).")

    async def _keep_connected(self) -> None:
        while True:
            wire = await made(self._connect)
            wire.listen(self._received)
            self._wire = wire
            self._asked.clear()
            for kind, name in self._topics:
                self._ask(kind, name)
            await until_gone(wire)
            self._wire = None
            for topic in self._topics.values():
                if topic.confirmed.is_set():
                    topic.confirmed.clear()
                    self._tell(topic, GAP)

    def _ask(self, kind: Kind, name: bytes) -> None:
        if self._wire is not None and not self._wire.closed:
            self._asked[kind, name] += 1
            self._wire.tell((_SUBSCRIBE[kind], name))

    def _received(self, reply: Reply) -> None:
        if isinstance(reply, ServerError):
            # An ACL forbids a channel. Redis does not say which; every topic that waits for its answer fails
            for topic in self._topics.values():
                if not topic.confirmed.is_set():
                    topic.error = reply
                    topic.confirmed.set()
            return
        if not isinstance(reply, list) or len(reply) < 3:
            return
        if reply[0] == b"message":
            _, channel, payload = reply
            self._publish("channel", channel, Message(_bytes(channel), _bytes(payload)))
        elif reply[0] == b"pmessage":
            _, pattern, channel, payload = reply
            self._publish("pattern", pattern, Message(_bytes(channel), _bytes(payload), _bytes(pattern)))
        elif isinstance(reply[0], bytes) and reply[0] in _CONFIRMED:
            confirmed = _CONFIRMED[reply[0]], _bytes(reply[1])
            self._asked[confirmed] -= 1
            if self._asked[confirmed] <= 0:
                del self._asked[confirmed]
                if confirmed in self._topics:
                    self._topics[confirmed].confirmed.set()

    def _publish(self, kind: Kind, name: Reply, message: Message) -> None:
        topic = self._topics.get((kind, _bytes(name)))
        if topic is not None:
            self._tell(topic, message)

    def _tell(self, topic: _Topic, item: Message | Gap) -> None:
        topic.untold.append(item)
        if topic.round is None:
            self._tell_some(topic)

    def _tell_some(self, topic: _Topic) -> None:
        """Tell some readers, and the others in later turns of the loop; each hears everything in order."""
        left = TOLD_AT_ONCE
        while topic.untold:
            item = topic.untold[0]
            size = len(item.payload) if isinstance(item, Message) else 0
            if topic.round is None:
                topic.round = iter(list(topic.listeners))
            for target in islice(topic.round, left):
                left -= 1
                if target in topic.listeners:
                    target.put(item, size)
            if not left:
                asyncio.get_running_loop().call_soon(self._tell_some, topic)
                return
            topic.untold.popleft()
            topic.round = None


def _bytes(reply: Reply) -> bytes:
    assert isinstance(reply, bytes)
    return reply
