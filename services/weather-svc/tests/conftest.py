"""A server that answers as it is told, and the service in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import orjson
import pytest
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from devstack.weather.upstream import WeatherUpstream
from svc_common.testing import TestedService, serving
from weather_svc import assembly
from weather_svc.app import service

ADDRESSES = (
    "WEATHER_URI",
    "WEATHER_GEOCODING_URI",
    "WEATHER_MET_NORWAY_URI",
    "WEATHER_WTTR_URI",
    "WEATHER_OPENWEATHERMAP_URI",
    "WEATHER_CHANNEL_URI",
)

Serve = Callable[..., AbstractAsyncContextManager[TestedService]]


@dataclass
class Seen:
    """A request that arrived."""

    path: str
    arguments: dict[str, str]
    headers: HTTPHeaders


@dataclass
class FormatServer:
    """A real HTTP server on the loopback interface; ``documents`` maps paths to what they answer."""

    url: str
    documents: dict[str, object] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    requests: list[Seen] = field(default_factory=list)


class _Handler(RequestHandler):
    def initialize(self, server: FormatServer) -> None:
        self.server = server

    def get(self) -> None:
        arguments = {name: self.get_query_argument(name) for name in self.request.query_arguments}
        self.server.requests.append(Seen(self.request.path, arguments, self.request.headers))
        for name, value in self.server.headers.items():
            self.set_header(name, value)
        since = self.request.headers.get("If-Modified-Since")
        if since is not None and since == self.server.headers.get("Last-Modified"):
            self.set_status(304)
            return
        self.set_status(self.server.status)
        if self.request.path not in self.server.documents:
            self.set_status(404)
        self.finish(orjson.dumps(self.server.documents.get(self.request.path)))

    def compute_etag(self) -> None:
        return None


@pytest.fixture
async def format_server() -> AsyncIterator[FormatServer]:
    """A server for the formats of providers other than Open-Meteo."""
    sockets = bind_sockets(0, "127.0.0.1")
    told = FormatServer(f"http://127.0.0.1:{sockets[0].getsockname()[1]}")
    application = Application([(r".*", _Handler, {"server": told})], log_function=lambda handler: None)
    server = HTTPServer(application)
    server.add_sockets(sockets)
    yield told
    server.stop()
    await server.close_all_connections()


@pytest.fixture(autouse=True)
def patience_with_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine Redis takes longer than the service waits: then replicas would share nothing."""
    monkeypatch.setattr(assembly, "_REDIS_TIMEOUT", 30.0)


@pytest.fixture
def serve(weather_upstream: WeatherUpstream) -> Serve:
    """Start the service with every upstream on this machine: ``async with serve(WEATHER_TIMEOUT="1")``."""

    def start(**environment: str) -> AbstractAsyncContextManager[TestedService]:
        local = dict.fromkeys(ADDRESSES, weather_upstream.url)
        defaults = {
            "WEATHER_TIMEOUT": "30",
            "WEATHER_ATTEMPT_TIMEOUT": "20",
            "STORE_TIMEOUT": "20",
            "WEATHER_MAX_ANSWER_BYTES": "200000",
            "WEATHER_CONTACT": "tests@example.org",
            "OPENWEATHERMAP_API_KEY": "k3y",
        }
        return serving(service, **{**local, **defaults, **environment})

    return start
