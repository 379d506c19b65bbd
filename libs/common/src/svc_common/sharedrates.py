"""Rate limits that all processes of a service count together, in Redis.

Drivers live in the services' stores alone, so a service lends a way to run a script (see ``Service``).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any, Protocol

from .health import Check
from .logs import get_logger
from .problems import StoreUnavailable
from .ratelimit import LocalRates, RatePolicy, Verdict

RESERVED_PREFIX = "storefronts:rate:"
"""What the names of all counters begin with."""

_PAUSE = 1.0
_MICRO = 1_000_000

log = get_logger("svc_common.sharedrates")

SHARED_SCRIPT = """\
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local quota, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local interval = window / quota
local base = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local following = base + interval
local over = following - now - window
if over > 1 then
  return {0, 0, math.ceil(base - now), math.ceil(over)}
end
redis.call('SET', KEYS[1], string.format('%.0f', following), 'PX', math.ceil((following - now) / 1000))
return {1, math.max(0, math.floor((1 - over) / interval)), math.ceil(following - now), 0}
"""
"""The same step inside Redis, by Redis's clock. KEYS: the caller. ARGV: quota, window in microseconds.

Returns allowed (0 or 1), remaining, and two times in microseconds: until whole, until the next try."""


class ScriptRunner(Protocol):
    """Runs Lua scripts in Redis."""

    async def __call__(self, script: str, keys: Sequence[str], arguments: Sequence[int]) -> Sequence[int]:
        """The script's answer. Raises whatever it likes when there is none."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class RedisClient(Protocol):
    """What is used of redis-py's asynchronous client."""

    def eval(self, script: str, numkeys: int, /, *keys_and_args: Any) -> Any:
        """Run a script; awaitable."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class ClientScripts:
    """A ScriptRunner over redis-py's client."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def __call__(self, script: str, keys: Sequence[str], arguments: Sequence[int]) -> Sequence[int]:
        """The script's answer. Raises the driver's errors."""
        answer: Sequence[int] = await self._client.eval(script, len(keys), *keys, *arguments)
        return answer

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class SharedRates:
    """Keeps limits in Redis; in this process for a second whenever Redis does not answer.

    Services may share a Redis: each has its own counters, by ``service``. The counters' names are digests, so
    that whoever may list the keys of that Redis learns no address.
    """

    def __init__(self, run: ScriptRunner, service: str, *, pause: float = _PAUSE) -> None:
        self._run = run
        self._service = service
        self._pause = pause
        self._local = LocalRates()
        self._away_until = 0.0

    async def take(self, key: str, policy: RatePolicy) -> Verdict:
        """Count one request. An outage of Redis neither lifts the limits nor takes the service down."""
        if self._away_until:
            now = time.monotonic()
            if now < self._away_until:
                return await self._local.take(key, policy)
            self._away_until = now + self._pause  # one request finds out for all
        try:
            allowed, remaining, reset, retry_after = await self._run(
                SHARED_SCRIPT, [counter_name(self._service, key)], [policy.quota, policy.window * _MICRO]
            )
        except Exception as error:  # a driver's errors are its own, and none of them may end a request
            self._leave(error)
            return await self._local.take(key, policy)
        if self._away_until:
            self._away_until = 0.0
            log.info("rate_limit_shared_again")
        return Verdict(bool(allowed), remaining, reset / _MICRO, retry_after / _MICRO)

    def _leave(self, error: Exception) -> None:
        cause = error.__cause__ if isinstance(error, StoreUnavailable) and error.__cause__ else error
        if not self._away_until:
            log.warning("rate_limit_not_shared", error=type(cause).__name__)
        self._away_until = time.monotonic() + self._pause

    async def _probe(self) -> None:
        if self._away_until:
            raise StoreUnavailable("redis", "Rate limits are counted in each process; Redis does not answer.")

    @property
    def check(self) -> Check:
        """For ``/readyz``: told, but no reason to be not ready."""
        return Check("rate-limits", self._probe, required=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._run.close()


def counter_name(service: str, key: str) -> str:
    """The key in Redis that counts for a caller (see ``caller_key``) of a service."""
    return f"{RESERVED_PREFIX}{service}:{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}"
