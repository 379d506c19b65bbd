"""Certificates are checked against the system's store."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import trustme
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from devstack.weather.upstream import WeatherUpstream
from svc_common.testing import ServiceProcess

if TYPE_CHECKING:
    from conftest import Serve

HERE = {"latitude": "1", "longitude": "1"}


class Front(RequestHandler):
    """Passes requests on to the upstream, as a TLS terminator."""

    def initialize(self, upstream: WeatherUpstream) -> None:
        self.upstream = upstream

    async def get(self) -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{self.upstream.url}{self.request.uri}")
        self.set_status(answer.status_code)
        self.finish(answer.content)


@pytest.fixture
def authority() -> trustme.CA:
    """A certificate authority that nobody knows."""
    return trustme.CA()


@pytest.fixture
async def secure(weather_upstream: WeatherUpstream, authority: trustme.CA) -> AsyncIterator[str]:
    """The weather upstream behind TLS, with a certificate for localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    sockets = bind_sockets(0, "127.0.0.1")
    application = Application([(r".*", Front, {"upstream": weather_upstream})], log_function=lambda _: None)
    server = HTTPServer(application, ssl_options=context)
    server.add_sockets(sockets)
    yield f"https://localhost:{sockets[0].getsockname()[1]}"
    server.stop()
    await server.close_all_connections()


async def test_an_unknown_authority_is_not_trusted(
    serve: Serve, secure: str, weather_upstream: WeatherUpstream
) -> None:
    async with serve(WEATHER_URI=secure) as weather:
        answer = await weather.client.get("/v1/current", params=HERE)
        assert answer.status_code == 502
        assert answer.json()["detail"] == "open-meteo could not prove who it is (TLS)."
    assert weather_upstream.requests == []


async def test_an_authority_of_the_system_is_trusted(
    secure: str, authority: trustme.CA, tmp_path: Path
) -> None:
    store = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(store)
    with ServiceProcess("weather_svc", WEATHER_URI=secure, SSL_CERT_FILE=str(store)) as process:
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            answer = await client.get(f"{process.url}/v1/current", params=HERE)
        assert (answer.status_code, answer.text[:10]) == (200, "Currently ")
