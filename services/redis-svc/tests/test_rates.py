"""Rate limits that several processes of redis-svc share."""

from __future__ import annotations

import asyncio
from collections import Counter

from redis_svc.app import service
from svc_common.testing import serving

TOKENS = {"AUTH_MODE": "token", "AUTH_TOKENS": "a:read:secret-a,b:read:secret-b", "RATE_LIMIT": "10/hour"}


async def test_a_quota_counts_for_all_processes(redis_url: str) -> None:
    async with (
        serving(service, REDIS_URL=redis_url, **TOKENS) as one,
        serving(service, REDIS_URL=redis_url, **TOKENS) as two,
    ):

        async def get(number: int, token: str) -> int:
            client = (one, two)[number % 2].client
            answer = await client.get("/v1/records/none", headers={"Authorization": f"Bearer {token}"})
            return answer.status_code

        assert Counter(await asyncio.gather(*(get(number, "secret-a") for number in range(24)))) == {
            404: 10,
            429: 14,
        }
        assert await get(0, "secret-b") == 404
        refused = await two.client.get("/v1/records/none", headers={"Authorization": "Bearer secret-a"})
        assert refused.headers["RateLimit"].startswith('"default";r=0;')
        assert refused.headers["RateLimit-Policy"] == '"default";q=10;w=3600'
