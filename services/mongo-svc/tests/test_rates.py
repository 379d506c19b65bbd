"""Rate limits that several processes of mongo-svc count together in Redis."""

from __future__ import annotations

import pytest

from mongo_svc.app import service
from svc_common.process import StartError
from svc_common.testing import serving
from svc_common.testing.quota import SHARED_QUOTA, check_shared_quota


async def test_a_quota_counts_for_all_processes(mongo_database: str, redis_url: str) -> None:
    settings = {"MONGODB_URI": mongo_database, "REDIS_URL": redis_url, **SHARED_QUOTA}
    async with serving(service, **settings) as one, serving(service, **settings) as two:
        await check_shared_quota(one, two, "/v1/shelf/none")


async def test_an_address_that_cannot_be_read(mongo_database: str) -> None:
    with pytest.raises(StartError, match="RATE_LIMIT_REDIS_URL"):
        async with serving(
            service, MONGODB_URI=mongo_database, RATE_LIMIT_REDIS_URL="http://nowhere", RATE_LIMIT="1/hour"
        ):
            pass
