"""What the tests of pg-svc share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest

from pg_svc.app import service
from svc_common.testing import TestedService, serving

from .library import Library, new_library

if TYPE_CHECKING:
    from devstack.pytest_plugin import GivenStore
    from devstack.stores import Postgres


async def until_ready(svc: TestedService) -> None:
    """Wait until the service has read its database's schema."""
    async with asyncio.timeout(20):
        while (await svc.admin.get("/readyz")).status_code != 200:
            await asyncio.sleep(0.02)


@pytest.fixture
async def svc(postgres_database: str) -> AsyncIterator[TestedService]:
    """The service on a new database, migrated."""
    async with serving(service, DATABASE_URL=postgres_database) as running:
        await until_ready(running)
        yield running


@pytest.fixture(scope="module")
def library(postgres: Postgres | GivenStore) -> Iterator[Library]:
    """A database with the library in it, for the tests of a module."""
    with new_library(postgres.url) as made:
        yield made
