"""Event streams of the Upstash protocol: ``/subscribe``, ``/psubscribe`` and ``/monitor``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from svc_common import Event, PushedEvents, StoreUnavailable

from ..replies import ConnectionLost, Reply, ServerError
from ..store.hub import Gap, Kind, Message
from ..store.listener import Listener, SlowReader
from .upstash import UpstashHandler

_MOST_LINES = 50_000
"""Lines of a monitor that may wait: a busy server sends thousands in one piece."""


class SubscribeHandler(UpstashHandler):
    """``/subscribe/{channel}``: ``data: subscribe,ch,1``, then ``data: message,ch,payload``."""

    goodbye = None  # its readers take every data line for a message
    kind: Kind = "channel"
    verb = "subscribe"

    async def get(self, name: str) -> None:
        """Listen."""
        if await self.refused([self.verb.encode()]):
            return
        events = _Messages(f"{self.verb},{name},1")
        async with self.state.hub.listen(self.kind, name.encode(), events):
            await self.stream_events(events)

    async def post(self, name: str) -> None:
        """Listen; the official client asks by POST."""
        await self.get(name)


class _Messages(PushedEvents):
    """The messages of a subscription in the words of the protocol; who is too slow is told nothing more."""

    __slots__ = ("_confirmed",)

    def __init__(self, confirmed: str) -> None:
        super().__init__()
        self._confirmed = Event(data=confirmed).encode()
        self.push(self._confirmed)

    def put(self, item: Message | Gap, size: int = 0) -> None:
        """What the hub tells."""
        self.push(self._confirmed if isinstance(item, Gap) else item.once(_message_event))


def _message_event(message: Message) -> bytes:
    words = [message.channel, message.payload]
    words = [b"message", *words] if message.pattern is None else [b"pmessage", message.pattern, *words]
    return Event(data=",".join(map(_text, words))).encode()


class PatternSubscribeHandler(SubscribeHandler):
    """``/psubscribe/{pattern}``."""

    kind: Kind = "pattern"
    verb = "psubscribe"


class MonitorHandler(UpstashHandler):
    """``/monitor``: every command that the server runs, as Redis prints it. On a connection of its own."""

    goodbye = None

    async def get(self) -> None:
        """Watch."""
        if await self.refused([b"MONITOR"]):
            return
        with self.state.own_connection():
            await self.stream_events(self._events())

    async def post(self) -> None:
        """Watch."""
        await self.get()

    async def _events(self) -> AsyncIterator[Event]:
        wire = await self.state.topology.dedicated((b"MONITOR",))
        try:
            listener: Listener[Reply] = Listener(_MOST_LINES)
            # Before it begins: the first lines may come together with the OK
            wire.listen(lambda line: listener.put(line, len(line) if isinstance(line, bytes) else 0))
            try:
                (started,) = await wire.request([(b"MONITOR",)])
            except ConnectionLost as error:
                raise StoreUnavailable("redis") from error
            if isinstance(started, ServerError):
                yield Event(data=started.message)
                return
            yield Event(data="OK")
            while not wire.closed:
                upcoming = asyncio.ensure_future(listener.get())
                try:
                    await asyncio.wait((upcoming, wire.gone), return_when=asyncio.FIRST_COMPLETED)
                    if upcoming.done():
                        line = upcoming.result()
                        yield Event(data=_text(line) if isinstance(line, bytes) else "")
                finally:
                    upcoming.cancel()
        except SlowReader:
            return
        finally:
            wire.close()


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
