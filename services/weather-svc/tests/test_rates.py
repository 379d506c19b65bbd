"""Rate limits that several processes of weather-svc count together in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from svc_common.process import StartError
from svc_common.testing.quota import SHARED_QUOTA, check_shared_quota

if TYPE_CHECKING:
    from conftest import Serve


async def test_a_quota_counts_for_all_processes(serve: Serve, redis_url: str) -> None:
    settings = {"REDIS_URL": redis_url, **SHARED_QUOTA}
    async with serve(**settings) as one, serve(**settings) as two:
        await check_shared_quota(one, two, "/v1/current")


async def test_an_address_that_cannot_be_read(serve: Serve) -> None:
    with pytest.raises(StartError, match="RATE_LIMIT_REDIS_URL"):
        async with serve(RATE_LIMIT_REDIS_URL="http://nowhere", RATE_LIMIT="1/hour"):
            pass
