"""One quota for several instances: the same test for every service that can share one."""

from __future__ import annotations

import asyncio
from collections import Counter

from .server import TestedService

SHARED_QUOTA = {
    "AUTH_MODE": "token",
    "AUTH_TOKENS": "a:read:secret-a,b:read:secret-b",
    "RATE_LIMIT": "10/hour",
    "STORE_TIMEOUT": "15",
}
"""Settings for the instances; together with a Redis."""


async def check_shared_quota(one: TestedService, two: TestedService, path: str) -> None:
    """Ask two instances in turn for an address that needs ``read``: together they serve one quota."""

    async def get(number: int, token: str) -> int:
        client = (one, two)[number % 2].client
        return (await client.get(path, headers={"Authorization": f"Bearer {token}"})).status_code

    statuses = Counter(await asyncio.gather(*(get(number, "secret-a") for number in range(24))))
    assert statuses[429] == 14, statuses
    assert await get(0, "secret-b") != 429
    refused = await two.client.get(path, headers={"Authorization": "Bearer secret-a"})
    assert refused.status_code == 429
    assert refused.headers["RateLimit"].startswith('"default";r=0;')
    assert refused.headers["RateLimit-Policy"] == '"default";q=10;w=3600'
    assert int(refused.headers["Retry-After"]) > 1
