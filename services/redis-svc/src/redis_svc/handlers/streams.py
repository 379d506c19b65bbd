"""Event streams over channels and streams, and writing to them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from svc_common import BadRequest, Event, NotAcceptable, PushedEvents, ServiceHandler

from ..live import fields_as_text, is_stream_id, json_event
from ..store import Store
from ..store.hub import Gap, Message
from ..store.listener import SlowReader
from ..store.watching import Entry
from .feeds import stream_entries
from .records import refuse_own_keys

_MOST_FIELDS = 1000


class ChannelHandler(ServiceHandler[Store]):
    """``/v1/channels/{channel}``."""

    async def get(self, channel: str) -> None:
        """Every message from now on, as an event stream."""
        if not self.wants_events():
            raise NotAcceptable("This address answers text/event-stream.")
        events = _ChannelEvents(channel)
        async with self.state.hub.listen("channel", channel.encode(), events):
            await self.stream_events(events)

    async def post(self, channel: str) -> None:
        """Publish the body."""
        self.write_json({"receivers": await self.state.publish(channel, self.request.body)})


class _ChannelEvents(PushedEvents):
    """A channel's messages as events."""

    __slots__ = ("_channel",)

    def __init__(self, channel: str) -> None:
        super().__init__(json_event("cut-off", {"reason": "slow reader"}).encode())
        self._channel = channel
        self.push(json_event("subscribed", {"channel": channel}).encode())

    def put(self, item: Message | Gap, size: int = 0) -> None:
        """What the hub tells."""
        if isinstance(item, Gap):
            self.push(json_event("gap", {"channel": self._channel}).encode())
        else:
            self.push(item.once(_message_event))


def _message_event(message: Message) -> bytes:
    return Event(event="message", data=message.payload.decode("utf-8", "replace")).encode()


class StreamHandler(ServiceHandler[Store]):
    """``/v1/streams/{key}``."""

    async def prepare(self) -> None:
        """Admit the request; the keys that hold content types and rate limits are not for it."""
        await super().prepare()
        refuse_own_keys(self.path_kwargs["key"])

    async def get(self, key: str) -> None:
        """A page of entries; or, as an event stream, those behind ``Last-Event-ID`` and every new one."""
        limit = self.query_int("limit", 100, least=1, most=1000)
        after = self.request.headers.get("Last-Event-ID") or self.query("after")
        if after is not None and not is_stream_id(after):
            raise BadRequest("Last-Event-ID and after take the id of an entry.")
        if self.wants_events():
            async with stream_entries(self.state, key, after) as entries:
                await self.stream_events(self._events(entries))
            return
        page = await self.state.entries(key, after or "0-0", limit)
        self.write_json(
            {"entries": [{"id": entry.id, "fields": fields_as_text(entry.fields)} for entry in page]}
        )

    async def post(self, key: str) -> None:
        """Append an entry: a JSON object of fields."""
        value = self.read_json()
        if not isinstance(value, dict) or not value or len(value) > _MOST_FIELDS:
            raise BadRequest(f"Send the fields as a JSON object with 1 to {_MOST_FIELDS} members.")
        most = self.query_int("maxlen", 0, least=1, most=2**31) or None
        fields = [(name.encode(), _field(item)) for name, item in value.items()]
        number = await self.state.append(key, fields, most=most)
        self.write_json({"id": number}, status=201)

    async def _events(self, entries: AsyncIterator[Entry]) -> AsyncIterator[Event]:
        try:
            async for entry in entries:
                yield json_event("entry", fields_as_text(entry.fields), id=entry.id)
        except SlowReader:
            yield json_event("cut-off", {"reason": "slow reader"})


def _field(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int | float):
        return str(value).encode()
    raise BadRequest("A field is a string, a number or a boolean.")
