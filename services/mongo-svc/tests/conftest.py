"""Fixtures of mongo-svc's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mongo_svc.app import service
from svc_common.testing import TestedService, serving


@pytest.fixture
async def svc(mongo_database: str) -> AsyncIterator[TestedService]:
    """The service on an empty database of the shared server, patient with a machine that is busy."""
    async with serving(service, MONGODB_URI=mongo_database, STORE_TIMEOUT="15") as running:
        yield running
