"""The weather upstream as a server on a real socket, and the ways in which it can misbehave."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from devstack.ports import LOOPBACK
from devstack.weather.formats import BadRequest, forecast, geocode, get_place
from devstack.weather.troubles import TROUBLES, Options


@dataclass(frozen=True)
class Request:
    """One request that arrived; ``arguments`` are those of the query."""

    path: str
    arguments: dict[str, list[str]]
    headers: dict[str, str]


@dataclass
class Behaviour:
    """What the server does now, and what it has seen. Shared by the server's thread and the test's."""

    trouble: str | None = None
    options: Options = field(default_factory=Options)
    path: str | None = None
    times: int | None = None
    requests: list[Request] = field(default_factory=list)
    # Set when hanging and dripping answers shall come to an end.
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def next_trouble(self, path: str) -> str | None:
        if self.trouble is None or (self.path is not None and self.path != path):
            return None
        if self.times is not None:
            if self.times == 0:
                return None
            self.times -= 1
        return self.trouble


class UpstreamHandler(RequestHandler):
    """Answers, or misbehaves as told."""

    def initialize(self, upstream: WeatherUpstream) -> None:
        self.upstream = upstream

    def set_default_headers(self) -> None:
        """Mark every answer: this weather is made up."""
        self.set_header("X-Simulated", "true")
        self.clear_header("Server")

    def compute_etag(self) -> None:
        """Send none, as the real service."""

    async def get(self) -> None:
        """Answer ``/v1/forecast``, ``/v1/search``, ``/v1/get`` or, where redirects lead, anything else."""
        behaviour = self.upstream.behaviour
        arguments = {name: self.get_query_arguments(name) for name in self.request.query_arguments}
        behaviour.requests.append(Request(self.request.path, arguments, dict(self.request.headers)))
        trouble = behaviour.next_trouble(self.request.path)
        if trouble is not None:
            await TROUBLES[trouble](self, behaviour.options, behaviour.over)
            return
        try:
            self._answer(arguments)
        except BadRequest as error:
            self.set_status(400)
            self._write_json({"error": True, "reason": str(error)})

    def _answer(self, arguments: Mapping[str, list[str]]) -> None:
        if self.request.path == "/v1/forecast":
            self._write_json(forecast(arguments, datetime.now(UTC)))
        elif self.request.path == "/v1/search":
            self._write_json(geocode(arguments))
        elif self.request.path == "/v1/get" and (place := get_place(arguments)) is not None:
            self._write_json(place)
        else:
            self.set_status(404)
            self._write_json({"error": True, "reason": "Not Found"})

    def _write_json(self, answer: object) -> None:
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(answer, ensure_ascii=False, separators=(",", ":")))

    def log_exception(self, *_: object) -> None:
        """Stay silent: a client that breaks off a troublesome answer is what the test wants."""


class WeatherUpstream:
    """The server, running in a thread with an event loop of its own from ``start`` to ``close``.

    ``requests`` lists what arrived. After ``misbehave`` the answers go wrong until ``reset``.
    """

    def __init__(self, port: int = 0) -> None:
        self.behaviour = Behaviour()
        self._sockets = bind_sockets(port, LOOPBACK)
        self.port: int = self._sockets[0].getsockname()[1]
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="weather-upstream", daemon=True)

    @property
    def requests(self) -> list[Request]:
        """The requests since the last ``reset``, oldest first."""
        return self.behaviour.requests

    def misbehave(
        self,
        trouble: str,
        *,
        path: str | None = None,
        times: int | None = None,
        status: int = 500,
        retry_after: str | None = None,
        body: bytes = b"",
        content_type: str = "application/json",
        size: int = 64 * 1024 * 1024,
    ) -> None:
        """Answer wrongly from now on: one of ``devstack.weather.troubles.TROUBLES``.

        ``path`` (``/v1/forecast`` or ``/v1/search``) and ``times`` limit that to one endpoint and to the next
        requests. ``status`` and ``retry_after`` go with ``status``; ``body`` and ``content_type`` with
        ``body``; ``size`` in bytes with ``huge`` and ``gzip_bomb``.
        """
        if trouble not in TROUBLES:
            raise ValueError(f"no such trouble: {trouble} (there are {', '.join(sorted(TROUBLES))})")
        options = Options(status, retry_after, body, content_type, size)
        self._replace(Behaviour(trouble, options, path, times, self.behaviour.requests))

    def reset(self) -> None:
        """Behave again, forget the requests, and end what still hangs."""
        self._replace(Behaviour())

    def _replace(self, behaviour: Behaviour) -> None:
        previous, self.behaviour = self.behaviour, behaviour
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(previous.over.set)

    def start(self) -> None:
        """Begin to serve; the socket listens since the object was made."""
        self._thread.start()

    def close(self) -> None:
        """End all answers and the thread, and close the port."""
        self.reset()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._loop.run_forever()
        self._loop.run_until_complete(self._end())

    async def _listen(self) -> None:
        application = Application(
            [(r".*", UpstreamHandler, {"upstream": self})], log_function=lambda handler: None
        )
        self._server = HTTPServer(application)
        self._server.add_sockets(self._sockets)

    async def _end(self) -> None:
        self._server.stop()
        await self._server.close_all_connections()
        await self._loop.shutdown_asyncgens()
