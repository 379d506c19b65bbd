"""What the tests of redis-svc share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from devstack.stores import Redis as RedisServer
from redis_svc.app import service
from svc_common.testing import ServiceProcess, TestedService, serving


@pytest.fixture
async def svc(redis_url: str) -> AsyncIterator[TestedService]:
    """The service on an empty database."""
    async with serving(service, REDIS_URL=redis_url) as running:
        yield running


@pytest.fixture
async def raw(redis_url: str) -> AsyncIterator[Redis]:
    """Another client of the same database: what it sees is what is really stored."""
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(scope="session")
def _service_process(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[ServiceProcess, RedisServer]]:
    store = RedisServer(tmp_path_factory.mktemp("redis"))
    try:
        store.start()
        with ServiceProcess(
            "redis_svc",
            REDIS_URL=store.url,
            BASE_PATH="/redis",
            AUTH_MODE="token",
            AUTH_TOKENS="laptop:write:s3cret,operator:admin:adm1n",
        ) as process:
            yield process, store
    finally:
        store.discard()


@pytest.fixture
def service_url(_service_process: tuple[ServiceProcess, RedisServer]) -> str:
    """The address of a service in a process of its own, with the token ``s3cret``, on an empty database."""
    process, store = _service_process
    store.flush()
    return process.url
