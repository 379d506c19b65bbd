"""Event streams of the Upstash protocol: ``/subscribe``, ``/psubscribe`` and ``/monitor``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from svc_common import Event, StoreUnavailable

from ..replies import ConnectionLost, Reply, ServerError
from ..store.hub import Gap, Kind, Message
from ..store.listener import Listener, SlowReader
from .feeds import messages
from .upstash import UpstashHandler


class SubscribeHandler(UpstashHandler):
    """``/subscribe/{channel}``: ``data: subscribe,ch,1``, then ``data: message,ch,payload``."""

    goodbye = None  # its readers take every data line for a message
    kind: Kind = "channel"

    async def get(self, name: str) -> None:
        """Listen."""
        async with messages(self.state, self.kind, name) as items:
            await self.stream_events(self._events(name, items))

    async def post(self, name: str) -> None:
        """Listen; the official client asks by POST."""
        await self.get(name)

    async def _events(self, name: str, items: AsyncIterator[Message | Gap]) -> AsyncIterator[Event]:
        verb = "subscribe" if self.kind == "channel" else "psubscribe"
        try:
            async for item in items:
                if isinstance(item, Gap):
                    yield Event(data=f"{verb},{name},1")
                    continue
                channel, payload = _text(item.channel), _text(item.payload)
                if item.pattern is None:
                    yield Event(data=f"message,{channel},{payload}")
                else:
                    yield Event(data=f"pmessage,{_text(item.pattern)},{channel},{payload}")
        except SlowReader:
            return


class PatternSubscribeHandler(SubscribeHandler):
    """``/psubscribe/{pattern}``."""

    kind: Kind = "pattern"


class MonitorHandler(UpstashHandler):
    """``/monitor``: every command that the server runs, as Redis prints it. On a connection of its own."""

    goodbye = None

    async def get(self) -> None:
        """Watch."""
        with self.state.own_connection():
            await self.stream_events(self._events())

    async def post(self) -> None:
        """Watch."""
        await self.get()

    async def _events(self) -> AsyncIterator[Event]:
        wire = await self.state.topology.dedicated((b"MONITOR",))
        try:
            listener: Listener[Reply] = Listener()
            try:
                (started,) = await wire.request([(b"MONITOR",)])
            except ConnectionLost as error:
                raise StoreUnavailable("redis") from error
            if isinstance(started, ServerError):
                yield Event(data=started.message)
                return
            wire.listen(lambda line: listener.put(line, len(line) if isinstance(line, bytes) else 0))
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
