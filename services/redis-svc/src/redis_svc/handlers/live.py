"""``/v1/live``: channels, patterns, keys and streams over one WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast
from urllib.parse import urlsplit

import orjson
from tornado.httputil import HTTPServerRequest
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from svc_common import Access, Problem, ServiceHandler
from svc_common.auth import bearer

from ..live import fields_as_text, is_stream_id, text_or_base64
from ..store import Store
from ..store.hub import Gap, Kind
from ..store.listener import Listener, SlowReader
from ..store.watching import tag_of_state
from ..upstash.requests import token_in
from .feeds import messages, record_states, state_as_json, stream_entries
from .records import refuse_own_keys

GOING_AWAY = 1001
TOO_SLOW = 4008
_MOST_SUBSCRIPTIONS = 100
_MOST_BYTES = 2**20
_PING_SECONDS = 20
_KINDS = ("channel", "pattern", "key", "stream")


class LiveHandler(ServiceHandler[Store], WebSocketHandler):
    """Takes ``{"subscribe": {…}}``, ``{"unsubscribe": {…}}`` and ``{"publish": {…}}``; tells what happens."""

    def initialize(self, **kwargs: Any) -> None:  # type: ignore[override]  # the arguments of the base
        """Nothing is subscribed to yet."""
        super().initialize(**kwargs)
        self._feeds: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._outbox: Listener[dict[str, Any]] = Listener()
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    def credential(cls, request: HTTPServerRequest) -> str | None:
        """``Authorization: Bearer T``, or ``?_token=T`` since browsers cannot send the header here."""
        return bearer(request.headers.get("Authorization")) or token_in(request.query)

    def check_origin(self, origin: str) -> bool:
        """Pages of this host, and of the origins in ``CORS_ORIGINS``."""
        allowed = self.context.settings.cors_origins
        if "*" in allowed or origin in allowed:
            return True
        return urlsplit(origin).netloc.lower() == self.request.headers.get("Host", "").lower()

    @property
    def websocket_ping_interval(self) -> float:
        """Seconds between pings; a client that answers none is gone."""
        return _PING_SECONDS

    @property
    def max_message_size(self) -> int:
        """Bytes of a message from the client."""
        return _MOST_BYTES

    def open(self, *args: str, **kwargs: str) -> None:
        """The handshake is done."""
        if self._client_gone:  # before it was let in; ``on_close`` has been called
            return
        self.begin_socket()
        self._tasks = [asyncio.create_task(self._send_all()), asyncio.create_task(self._say_goodbye())]

    def on_connection_close(self) -> None:
        """The client left."""
        self._client_gone = True
        WebSocketHandler.on_connection_close(self)

    def on_close(self) -> None:
        """The socket has ended; so does everything that was subscribed to on it."""
        if not self._tasks:
            return
        for task in (*self._tasks, *self._feeds.values()):
            task.cancel()
        self._tasks = []
        self._feeds = {}
        self.end_socket()

    async def on_message(self, message: str | bytes) -> None:
        """Do what the client asks for."""
        try:
            await self._obey(message)
        except Problem as problem:
            self._tell({"error": problem.detail or problem.title})

    async def _obey(self, message: str | bytes) -> None:
        try:
            value = orjson.loads(message)
        except orjson.JSONDecodeError:
            return self._tell({"error": "A message is a JSON object."})
        if not isinstance(value, dict) or len(value) != 1 or not isinstance(next(iter(value.values())), dict):
            return self._tell(
                {"error": "A message is one of subscribe, unsubscribe and publish with an object."}
            )
        verb, what = next(iter(value.items()))
        if verb == "publish":
            return await self._publish(what)
        kinds = [kind for kind in _KINDS if isinstance(what.get(kind), str)]
        if verb not in ("subscribe", "unsubscribe") or len(kinds) != 1:
            return self._tell({"error": f"Subscribe to one of {', '.join(_KINDS)}."})
        kind, name = kinds[0], what[kinds[0]]
        if kind in ("key", "stream"):
            refuse_own_keys(name)
        if verb == "unsubscribe":
            task = self._feeds.pop((kind, name), None)
            if task is not None:
                task.cancel()
            return self._tell({"unsubscribed": {kind: name}})
        after = what.get("after")
        if after is not None and not (isinstance(after, str) and (kind == "key" or is_stream_id(after))):
            return self._tell({"error": "after is the id of a stream's entry, or of a key's state."})
        if (kind, name) in self._feeds:
            return self._tell({"error": f"Already subscribed to the {kind} {name}."})
        if len(self._feeds) >= _MOST_SUBSCRIPTIONS:
            return self._tell({"error": f"A socket has at most {_MOST_SUBSCRIPTIONS} subscriptions."})
        self._feeds[kind, name] = asyncio.create_task(self._feed(kind, name, after))
        return None

    async def _publish(self, what: dict[str, Any]) -> None:
        channel, payload = what.get("channel"), what.get("message")
        if not isinstance(channel, str) or not isinstance(payload, str):
            return self._tell({"error": "Publish a channel and a message, both strings."})
        if self.principal is None or not self.principal.may(Access.WRITE):
            return self._tell({"error": "Publishing needs a token with the scope write."})
        receivers = await self.state.publish(channel, payload.encode())
        return self._tell({"published": {"channel": channel, "receivers": receivers}})

    async def _feed(self, kind: str, name: str, after: str | None) -> None:
        """Pass everything of one subscription on."""
        try:
            async for item in self._items(kind, name, after):
                self._tell(item)
        except Problem as problem:
            self._feeds.pop((kind, name), None)
            self._tell({"error": problem.detail or problem.title, kind: name})
        except SlowReader:
            self.close(TOO_SLOW, "slow reader")

    async def _items(self, kind: str, name: str, after: str | None) -> AsyncIterator[dict[str, Any]]:
        if kind == "key":
            async with record_states(self.state, name, after) as states:
                async for state in states:
                    yield {"key": name, **state_as_json(state), "tag": tag_of_state(state)}
        elif kind == "stream":
            async with stream_entries(self.state, name, after) as entries:
                async for entry in entries:
                    yield {"stream": name, "id": entry.id, "fields": fields_as_text(entry.fields)}
        else:
            first = True
            async with messages(self.state, cast(Kind, kind), name) as items:
                async for message in items:
                    if isinstance(message, Gap):
                        yield {"subscribed" if first else "gap": {kind: name}}
                        first = False
                        continue
                    origin = {} if message.pattern is None else {"pattern": name}
                    channel = message.channel.decode("utf-8", "replace")
                    yield {**origin, "channel": channel, **text_or_base64(message.payload, "message")}

    def _tell(self, item: dict[str, Any]) -> None:
        self._outbox.put(item, len(item) * 64 + sum(len(str(value)) for value in item.values()))

    async def _send_all(self) -> None:
        """Send one message after the other; who does not read them is cut off."""
        try:
            while True:
                item = await self._outbox.get()
                await self.write_message(orjson.dumps(item).decode())
        except SlowReader:
            self.close(TOO_SLOW, "slow reader")
        except WebSocketClosedError:
            return

    async def _say_goodbye(self) -> None:
        await self.context.closing.wait()
        self.close(GOING_AWAY, "shutdown")
