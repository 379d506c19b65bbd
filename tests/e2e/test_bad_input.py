"""Hostile requests against every service as it really runs: a 4xx, the same process still serving."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import httpx
import pytest

from svc_common.testing import ServiceProcess, raw_request

READS = {
    "mongo_svc": "/v1/books/none",
    "redis_svc": "/v1/records/none",
    "pg_svc": "/rest/todos",
    "weather_svc": "/openapi.json",
}
WRITES = {
    "mongo_svc": "/v1/books/x",
    "redis_svc": "/v1/records/x",
    "pg_svc": "/rest/todos",
    "weather_svc": "/v1/current",
}


@pytest.fixture(params=sorted(READS))
def service(request: pytest.FixtureRequest) -> Iterator[ServiceProcess]:
    name = request.param
    environment: dict[str, str] = {"BODY_TIMEOUT": "0.5", "MIN_BODY_RATE": "1000000", "IDLE_TIMEOUT": "2"}
    if name == "mongo_svc":
        environment["MONGODB_URI"] = request.getfixturevalue("mongo_database")
    elif name == "redis_svc":
        environment["REDIS_URL"] = request.getfixturevalue("redis_url")
    elif name == "pg_svc":
        environment["DATABASE_URL"] = request.getfixturevalue("postgres_database")
    with ServiceProcess(name, **environment) as process:
        yield process


def status(answer: bytes) -> int:
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


async def test_hostile_bytes(service: ServiceProcess) -> None:
    path = WRITES[service.module].encode()
    noise = random.Random(42)
    attacks = {
        "two gigabytes": b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 2147483648\r\n\r\nx",
        "slow body": b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nab",
        "headers": b"GET "
        + path
        + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        + b"A: b\r\n" * 10_000
        + b"\r\n",
        "percent": b"GET " + path + b"/%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "nul": b"GET " + path + b"%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        **{f"noise {number}": noise.randbytes(500) + b"\r\n\r\n" for number in range(10)},
    }
    results = await asyncio.gather(*(raw_request(service.url, data) for data in attacks.values()))
    for name, answer in zip(attacks, results, strict=True):
        if name.startswith("noise"):
            assert answer == b"" or 400 <= status(answer) < 500, (name, answer[:100])
        else:
            assert 400 <= status(answer) < 500, (name, answer[:100])
    await alive(service)


async def test_hostile_json(service: ServiceProcess) -> None:
    method = "POST" if service.module == "pg_svc" else "PUT"
    if service.module in ("redis_svc", "weather_svc"):
        method = "PATCH"  # bytes are bytes to one, the other takes nothing: the method is what is refused
    bodies = [
        b"[" * 100_000,
        b'{"a": NaN}',
        b'{"a": 1',
        b"\xff\xfe",
        b'{"a": "\\ud800"}',
        b'{"a": 1e999999}x',
    ]
    # A connection for each request: one that has been idle for a while may be closed while it is used again
    one_use = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=service.url, trust_env=False, timeout=60, limits=one_use) as client:
        before = (await client.get(READS[service.module])).status_code
        for body in bodies:
            answer = await client.request(
                method, WRITES[service.module], content=body, headers={"Content-Type": "application/json"}
            )
            assert 400 <= answer.status_code < 500, (body[:20], answer.text)
            assert "Traceback" not in answer.text
        assert (await client.get(READS[service.module])).status_code == before
        if service.module == "pg_svc":
            assert (await client.get("/rest/todos")).json() == []
        elif service.module == "mongo_svc":
            assert (await client.get("/v1/books/x")).status_code == 404
    await alive(service)


async def alive(service: ServiceProcess) -> None:
    assert service.process.poll() is None
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        assert (await client.get(service.admin_url + "/livez")).status_code == 200
        assert (await client.get(service.url + READS[service.module])).status_code in (200, 404)
    assert '"level":"error"' not in service.log
