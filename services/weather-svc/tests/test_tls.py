"""Certificates are checked against the system's store."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
import trustme
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from devstack.weather.upstream import WeatherUpstream
from svc_common.testing import ServiceProcess, TestedService
from svc_common.testing.quota import SHARED_QUOTA, check_shared_quota
from svc_common.testing.tls import Authority, tls_front

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


async def until_told(svc: TestedService, check: str, text: str) -> None:
    """Wait until readiness says so: Redis has a quarter of a second, which a busy machine may need twice."""
    async with asyncio.timeout(30):
        while text not in str((await svc.admin.get("/readyz?verbose")).json()["checks"][check]["error"]):
            await asyncio.sleep(0.05)


async def test_redis_over_tls(serve: Serve, redis_url: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    inner = urlsplit(redis_url)
    async with tls_front(inner.port or 0, authority.certificate("localhost")) as front:
        url = f"rediss://localhost:{front.port}{inner.path}?ssl_ca_certs={authority.file}"
        settings = {**SHARED_QUOTA, "REDIS_URL": url}
        async with serve(**settings) as one, serve(**settings) as two:
            await until_told(one, "redis", "None")
            await check_shared_quota(one, two, "/v1/current")
        assert front.secured
        assert front.refused == 0


@pytest.mark.parametrize("name", ["localhost", "redis.example"])
async def test_a_redis_that_proves_nothing_is_not_used(
    serve: Serve, redis_url: str, tmp_path: Path, name: str
) -> None:
    authority = Authority(tmp_path)
    inner = urlsplit(redis_url)
    options = "" if name == "localhost" else f"?ssl_ca_certs={authority.file}"
    async with tls_front(inner.port or 0, authority.certificate(name)) as front:
        url = f"rediss://localhost:{front.port}{inner.path}{options}"
        async with serve(REDIS_URL=url, RATE_LIMIT="3/hour", STORE_TIMEOUT="15") as svc:
            statuses = [(await svc.client.get("/v1/current", params=HERE)).status_code for _ in range(4)]
            assert statuses == [200, 200, 200, 429]  # the service does without, and the limit holds
            await until_told(svc, "redis", "certificate")
            await until_told(svc, "rate-limits", "each process")
            assert (await svc.admin.get("/readyz")).status_code == 200
        assert front.secured == 0
