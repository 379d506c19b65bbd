"""Rate limits: how many requests a token, or an address without one, may make.

The generic cell rate algorithm (ITU-T I.371): one number for each caller, no bursts beyond the quota, and no
window whose edge lets two quotas through. Answers tell the state in ``RateLimit`` and ``RateLimit-Policy``
(draft-ietf-httpapi-ratelimit-headers-10).

Limits are kept in the process, or in Redis for all processes together (see ``sharedrates``).
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Protocol

from .auth.access import ANYONE, Principal
from .problems import TooManyRequests

_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class RatePolicy:
    """``quota`` requests in ``window`` seconds."""

    quota: int
    window: int

    @classmethod
    def parse(cls, text: str) -> RatePolicy:
        """Read ``600/minute``; ValueError for anything else."""
        quota, _, unit = text.partition("/")
        if unit not in _SECONDS or not quota.isdecimal() or int(quota) < 1:
            raise ValueError(f"{text!r} is not a rate such as 600/minute")
        return cls(int(quota), _SECONDS[unit])


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may be served; how many more could be; seconds until the quota is whole again."""

    allowed: bool
    remaining: int
    reset: float
    retry_after: float = 0.0

    def headers(self, policy: RatePolicy) -> dict[str, str]:
        """What the answer says about it."""
        headers = {
            "RateLimit-Policy": f'"default";q={policy.quota};w={policy.window}',
            "RateLimit": f'"default";r={self.remaining};t={math.ceil(self.reset)}',
        }
        if not self.allowed:
            headers["Retry-After"] = str(max(1, math.ceil(self.retry_after)))
        return headers


class RateStore(Protocol):
    """Keeps what callers have used."""

    async def take(self, key: str, policy: RatePolicy) -> Verdict:
        """Count one request of the caller ``key``. Raises Unavailable when the store does not answer."""
        ...


def advance(theoretical: float, now: float, policy: RatePolicy) -> tuple[float, Verdict]:
    """One step of the algorithm: the caller's next theoretical arrival time, and the verdict.

    ``theoretical`` is what the last step gave, 0 for a new caller; times are seconds of one clock.
    """
    interval = policy.window / policy.quota
    base = max(theoretical, now)
    following = base + interval
    over = following - now - policy.window
    if over > interval * 1e-6:  # what is left of a division must not cost the last request of a quota
        return theoretical, Verdict(False, 0, base - now, over)
    # -over is the time left in the window, so many intervals of it are still free
    return following, Verdict(True, math.floor(-over / interval + 1e-6), following - now)


class LocalRates:
    """Keeps the limits of this process. Whoever has not been seen longest is forgotten first."""

    def __init__(self) -> None:
        self._theoretical: OrderedDict[str, float] = OrderedDict()

    async def take(self, key: str, policy: RatePolicy) -> Verdict:
        """Count one request."""
        following, verdict = advance(self._theoretical.get(key, 0.0), time.monotonic(), policy)
        self._theoretical[key] = following
        self._theoretical.move_to_end(key)
        if len(self._theoretical) > _REMEMBERED:
            self._theoretical.popitem(last=False)
        return verdict


class RateLimiter:
    """A policy and where it is kept."""

    def __init__(self, policy: RatePolicy, store: RateStore) -> None:
        self._policy = policy
        self._store = store

    async def admit(self, principal: Principal | None, address: str | None) -> dict[str, str]:
        """Count a request; the headers of its answer. Raises TooManyRequests."""
        verdict = await self._store.take(caller_key(principal, address), self._policy)
        headers = verdict.headers(self._policy)
        if not verdict.allowed:
            raise TooManyRequests("Too many requests; slow down.", headers=headers)
        return headers


def caller_key(principal: Principal | None, address: str | None) -> str:
    """Whose quota a request uses: the token's owner's, or the address's (of IPv6 the network, a /64)."""
    if principal is not None and principal is not ANYONE:
        return f"caller:{principal.claims.get('sub', principal.name)}"
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return "address:unknown"
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return f"address:{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return f"address:{getattr(parsed, 'ipv4_mapped', None) or parsed}"
