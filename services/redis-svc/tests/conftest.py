"""What the tests of redis-svc share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from redis_svc.app import service
from svc_common.testing import TestedService, serving


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
