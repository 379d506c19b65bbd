"""The shared store: Redis. The only module that knows the driver.

Keys begin with ``weather:``. ``entry:…`` holds a kept answer, ``lead:…`` the replica that fetches,
``failure:…`` for a moment why that did not work, ``budget:…`` the recent calls of an upstream (a sorted set
by time), and ``counting`` since when this server counts.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from svc_common import StoreUnavailable, observe_store
from svc_common.sharedrates import ClientScripts

from .settings import WeatherSettings

_PREFIX = "weather:"
_FAILURE_SECONDS = 1.0
_UNTRUSTED = "The certificate of the store redis is not trusted, or is for another name."

# Times are the server's, so that clocks of replicas do not matter. A server that has just come up empty
# does not know what was called before, so for one window it says that it cannot count (-1).
_TAKE = """
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local window, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local since = redis.call('GET', KEYS[2])
if not since then
  redis.call('SET', KEYS[2], now)
  return -1
end
if now - since < window then return -1 end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
if redis.call('ZCARD', KEYS[1]) >= limit then
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  return math.max(1, tonumber(oldest[2]) + window - now)
end
redis.call('ZADD', KEYS[1], now, ARGV[3])
redis.call('PEXPIRE', KEYS[1], window)
return 0
"""

_LEAD = """
local failure = redis.call('GET', KEYS[2])
if failure then return {0, failure} end
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return {1, ''} end
return {0, ''}
"""

_RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] ~= '' then redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3]) end
return redis.call('DEL', KEYS[1])
"""


class RedisStore:
    """Shared entries, leads and budgets. Every method raises StoreUnavailable when Redis does not answer."""

    def __init__(self, url: str, timeout: float) -> None:
        self._redis = _client(url, timeout)
        self._take = self._redis.register_script(_TAKE)
        self._lead = self._redis.register_script(_LEAD)
        self._release = self._redis.register_script(_RELEASE)

    async def ping(self) -> None:
        """Return when Redis answers."""
        async with _call("ping"):
            await self._redis.ping()

    async def get(self, name: str) -> bytes | None:
        """The entry of a name."""
        async with _call("get"):
            value = await self._redis.get(f"{_PREFIX}entry:{name}")
        return value if isinstance(value, bytes) else None

    async def put(self, name: str, entry: bytes, seconds: float) -> None:
        """Keep an entry for so long."""
        async with _call("set"):
            await self._redis.set(f"{_PREFIX}entry:{name}", entry, px=_milliseconds(seconds))

    async def lead(self, name: str, seconds: float) -> tuple[str | None, str]:
        """A token when this caller may fetch; else None, and why the last one failed if that is recent."""
        token = secrets.token_hex(8)
        async with _call("lead"):
            won, failure = await self._lead(
                keys=[f"{_PREFIX}lead:{name}", f"{_PREFIX}failure:{name}"],
                args=[token, _milliseconds(seconds)],
            )
        return (token if won else None), failure.decode(errors="replace")

    async def release(self, name: str, token: str, failure: str) -> None:
        """Give the lead back; a failure is remembered for a second."""
        async with _call("release"):
            await self._release(
                keys=[f"{_PREFIX}lead:{name}", f"{_PREFIX}failure:{name}"],
                args=[token, failure, _milliseconds(_FAILURE_SECONDS)],
            )

    async def take(self, name: str, limit: int, window: float) -> float | None:
        """Count one call among at most ``limit`` in any ``window`` seconds.

        0 when it may be made, else the seconds until one may. None while the server has not been counting for
        a whole window.
        """
        async with _call("take"):
            wait: int = await self._take(
                keys=[f"{_PREFIX}budget:{name}", f"{_PREFIX}counting"],
                args=[_milliseconds(window), limit, secrets.token_hex(8)],
            )
        return None if wait < 0 else wait / 1000

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


@asynccontextmanager
async def _call(operation: str) -> AsyncIterator[None]:
    with observe_store("redis", operation):
        try:
            yield
        except (RedisError, OSError, TimeoutError) as error:
            # The driver tells this in words alone
            untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
            raise StoreUnavailable("redis", _UNTRUSTED if untrusted else "") from error


def open_rates(settings: WeatherSettings) -> ClientScripts | None:
    """Where replicas count rate limits together, if that is set. ValueError for an unreadable address."""
    url = settings.rate_limit_redis_url.get_secret_value()
    return ClientScripts(_client(url, settings.store_timeout)) if url else None


def _client(url: str, timeout: float) -> Redis:
    return Redis.from_url(
        url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0)
    )


def _milliseconds(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000))
