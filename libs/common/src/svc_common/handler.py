"""The base of every handler: JSON in and out, problems, conditional requests, event streams.

A handler is thin: it parses the request, calls the store or the domain, and renders. What all services do the
same way before and after it (who may call, limits, logs, metrics, CORS) is in ``lifecycle``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any, Generic, cast

import orjson
from tornado.iostream import StreamClosedError
from typing_extensions import TypeVar

from . import conditional, metrics
from .events import CONTENT_TYPE as EVENT_STREAM
from .events import GOODBYE, HEARTBEAT, HEARTBEAT_SECONDS, SLOW_READER_SECONDS, Event
from .lifecycle import RequestLifecycle
from .logs import get_logger
from .negotiation import best_type, media_type
from .problems import (
    BadRequest,
    NotAcceptable,
    PreconditionFailed,
    UnsupportedMediaType,
)

log = get_logger("svc_common.handler")

StateT = TypeVar("StateT", default=None)


class ServiceHandler(RequestLifecycle, Generic[StateT]):
    """A handler of a service. ``self.state`` is what the service's lifespan yielded."""

    unlimited_body = False
    """For ``stream_request_body`` handlers: the body may be of any length."""

    goodbye: Event | None = GOODBYE
    """What an event stream of this handler says when the service shuts down."""

    @property
    def state(self) -> StateT:
        """What the service's lifespan yielded: usually its store."""
        return cast(StateT, self.context.state)

    def query(self, name: str, default: str | None = None) -> str | None:
        """A query argument's last value, unstripped; ``default`` where it is missing."""
        return self.get_query_argument(name, default, strip=False)

    def query_int(self, name: str, default: int, *, least: int, most: int) -> int:
        """A whole number from the query within bounds; BadRequest otherwise."""
        text = self.query(name)
        if text is None:
            return default
        if not re.fullmatch(r"-?[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise BadRequest(f"{name} must be a whole number from {least} to {most}.")
        return int(text)

    def read_json(self) -> Any:
        """The body as JSON (RFC 8259: no NaN, UTF-8 only). UnsupportedMediaType or BadRequest otherwise."""
        kind = media_type(self.request.headers.get("Content-Type"))
        if kind and kind != "application/json" and not kind.endswith("+json"):
            raise UnsupportedMediaType("Send the body as application/json.")
        return parse_json(self.request.body)

    def write_json(self, value: Any, *, status: int = 200, content_type: str = "application/json") -> None:
        """Answer with a JSON value."""
        self.set_status(status)
        self.set_header("Content-Type", content_type)
        self.write(orjson.dumps(value))

    def no_content(self) -> None:
        """Answer 204."""
        self.set_status(204)

    def negotiate(self, *offers: str) -> str:
        """The offered media type that the client prefers; NotAcceptable when it takes none."""
        self.add_vary("Accept")
        chosen = best_type(self.request.headers.get("Accept"), offers)
        if chosen is None:
            raise NotAcceptable(f"This address answers {', '.join(offers)}.")
        return chosen

    def wants_events(self) -> bool:
        """Whether the client asks for an event stream by name."""
        return EVENT_STREAM in self.request.headers.get("Accept", "")

    def add_vary(self, name: str) -> None:
        """Add a header's name to ``Vary``."""
        known = self._headers.get("Vary")
        if known is None:
            self.set_header("Vary", name)
        elif name not in known:
            self.set_header("Vary", f"{known}, {name}")

    # -- conditional requests -----------------------------------------------------------------------

    def require_match(self, current: str | None) -> None:
        """Raise PreconditionFailed unless If-Match and If-None-Match allow a write over ``current``.

        ``current`` is the stored revision's tag without quotes, None when nothing is stored.
        """
        headers = self.request.headers
        if not conditional.if_match(headers.get("If-Match"), current):
            raise PreconditionFailed("The stored revision is not the one in If-Match.")
        if not conditional.if_none_match(headers.get("If-None-Match"), current):
            raise PreconditionFailed("There is already something stored here.")

    def not_modified(self, tag: str) -> bool:
        """Set the answer's entity tag; answer 304 and return True when the client has this revision."""
        self.set_header("ETag", conditional.quote(tag))
        if conditional.if_none_match(self.request.headers.get("If-None-Match"), tag):
            return False
        self.set_status(304)
        self.finish()
        return True

    def compute_etag(self) -> str | None:
        """No tag unless a handler sets one: hashing every answer costs more than it saves."""
        return None

    # -- event streams ------------------------------------------------------------------------------

    async def stream_events(self, events: AsyncIterable[Event | bytes]) -> None:
        """Answer with an event stream until the events end, the client leaves or the service closes.

        An item of ``events`` may be encoded already (shared by many listeners).
        """
        self.begin_stream()
        self.set_header("Content-Type", f"{EVENT_STREAM}; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")
        iterator = aiter(events)
        closing = asyncio.ensure_future(self.context.closing.wait())
        upcoming: asyncio.Future[Event | bytes] | None = None
        try:
            await self._send(b":\n\n")
            if self.request.method == "HEAD":
                return
            while not self._client_gone:
                if upcoming is None:
                    upcoming = asyncio.ensure_future(anext(iterator))
                done, _ = await asyncio.wait(
                    (upcoming, closing), timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if upcoming in done:
                    finished, upcoming = upcoming, None
                    try:
                        item = finished.result()
                    except StopAsyncIteration:
                        return
                    await self._send(item if isinstance(item, bytes) else item.encode())
                elif closing in done:
                    if self.goodbye is not None:
                        await self._send(self.goodbye.encode())
                    return
                else:
                    await self._send(HEARTBEAT)
        except (StreamClosedError, asyncio.CancelledError):
            if not self._client_gone:
                raise
        finally:
            closing.cancel()
            if upcoming is not None:
                upcoming.cancel()
                await asyncio.gather(upcoming, return_exceptions=True)
            if isinstance(iterator, AsyncGenerator):
                await iterator.aclose()

    def begin_stream(self) -> None:
        """Mark the answer as endless: no request time-out, ended by a goodbye at shutdown."""
        self._clear_deadline()
        self.cancel_on_disconnect = True
        if not self._streaming:
            self._streaming = True
            self.context.streams += 1
            metrics.STREAMS.labels(self.context.name).inc()

    async def _send(self, data: bytes) -> None:
        self.write(data)
        sent = self.flush()
        if not sent.done():
            try:
                await asyncio.wait_for(asyncio.shield(sent), SLOW_READER_SECONDS)
            except TimeoutError:
                log.info("slow_reader_cut_off", request_id=self.request_id)
                self._client_gone = True
                self.abort()
                raise StreamClosedError from None


def parse_json(body: bytes) -> Any:
    """Strict JSON (RFC 8259) from bytes; BadRequest says where it goes wrong."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}") from None
