"""The base of every handler: JSON in and out, problems, conditional requests, event streams.

A handler is thin: it parses the request, calls the store or the domain, and renders. What all services do the
same way before and after it (who may call, limits, logs, metrics, CORS) is in ``lifecycle``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any, Generic

import orjson
from tornado.httputil import HTTPInputError, ParseBodyConfig, ParseUrlEncodedConfig, parse_body_arguments
from tornado.iostream import StreamClosedError
from typing_extensions import TypeVar

from . import conditional, metrics
from .events import CONTENT_TYPE as EVENT_STREAM
from .events import GOODBYE, HEARTBEAT, Event
from .lifecycle import RequestLifecycle
from .logs import get_logger
from .negotiation import best_type, media_type
from .problems import (
    BadRequest,
    NotAcceptable,
    PreconditionFailed,
    UnsupportedMediaType,
)
from .streams import OpenStream

log = get_logger("svc_common.handler")

FORM = "application/x-www-form-urlencoded"

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
        state: StateT = self.application.settings["context"].state  # no cast: a request asks ten times
        return state

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

    def read_form(self) -> dict[str, str]:
        """The fields of a form, the last of each name. UnsupportedMediaType or BadRequest otherwise.

        No body is read as a form unless a handler asks here: curl calls every body one.
        """
        kind = self.request.headers.get("Content-Type", "")
        if media_type(kind) != FORM:
            raise UnsupportedMediaType(f"Send the body as {FORM}.")
        fields: dict[str, list[bytes]] = {}
        try:
            parse_body_arguments(kind, self.request.body, fields, {}, config=self._form_config())
        except HTTPInputError as error:
            raise BadRequest(f"The body is not a valid form: {error}") from None
        return {name: self.decode_argument(values[-1], name) for name, values in fields.items()}

    def _form_config(self) -> ParseBodyConfig:
        most = self.context.settings.max_form_arguments
        return ParseBodyConfig(urlencoded=ParseUrlEncodedConfig(max_arguments=most))

    def write_json(self, value: Any, *, status: int = 200, content_type: str = "application/json") -> None:
        """Answer with a JSON value."""
        if status != 200:
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
        headers = self._headers  # ``in``: to find out by ``get`` that there is none takes an exception
        if "Vary" not in headers:
            headers["Vary"] = name
        elif name not in headers["Vary"]:
            headers["Vary"] += f", {name}"

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
        self.write(HEARTBEAT)
        sent = self.flush()
        iterator = aiter(events)
        connection = self.request.connection
        assert connection is not None
        stream = OpenStream(self.context.event_streams, connection, sent, self._cut_off)
        try:
            if self.request.method == "HEAD" or self._client_gone:
                return
            if self.context.closing.is_set():
                stream.end()
            if not await stream.send_all(iterator) and self.goodbye is not None:
                stream.write(self.goodbye.encode())
        except (StreamClosedError, asyncio.CancelledError):
            if not self._client_gone:
                raise
        finally:
            stream.close()
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

    def begin_socket(self) -> None:
        """Count a WebSocket that is open; its handler's ``on_close`` calls ``end_socket``."""
        self._count_socket(1)

    def end_socket(self) -> None:
        """The WebSocket has ended."""
        self._count_socket(-1)

    def _count_socket(self, number: int) -> None:
        self.context.in_flight += number
        self.context.streams += number
        self.context.sockets += number
        metrics.STREAMS.labels(self.context.name).inc(number)

    def _cut_off(self) -> None:
        log.info("slow_reader_cut_off", request_id=self.request_id)
        self.abort()


def parse_json(body: bytes) -> Any:
    """Strict JSON (RFC 8259) from bytes; BadRequest says where it goes wrong."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}") from None
