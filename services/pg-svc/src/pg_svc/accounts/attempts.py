"""Attempts to log in are counted in PostgreSQL: for all replicas, and over restarts.

Each attempt is counted before its password is looked at, in one statement, so that attempts sent at the same
time to several instances cannot slip through together. After some free attempts the next one has to wait,
longer each time up to a bound, so nobody is shut out for good. The count of an account over all addresses
does not apply to addresses from which its owner has logged in before: a stranger cannot keep the owner out.
"""

from __future__ import annotations

from dataclasses import dataclass

from pg_svc.accounts.database import AccountsDatabase
from svc_common import TooManyRequests
from svc_common.audit import audit


@dataclass(frozen=True, slots=True)
class Limit:
    """``free`` attempts without delay, then 1, 2, 4 … up to ``longest`` seconds between attempts."""

    free: int
    longest: int


PAIR = Limit(free=5, longest=300)
ADDRESS = Limit(free=30, longest=60)
ACCOUNT = Limit(free=50, longest=30)

_FORGET = "15 minutes"

_COUNT = """
INSERT INTO storefronts.attempts AS a (key, failures, last) VALUES (%(key)s, 1, clock_timestamp())
ON CONFLICT (key) DO UPDATE SET
    failures = CASE WHEN a.last < clock_timestamp() - interval %(forget)s THEN 1 ELSE a.failures + 1 END,
    last = clock_timestamp()
WHERE a.failures < %(free)s
   OR a.last + make_interval(secs => least(%(longest)s, power(2, least(a.failures - %(free)s, 20))))
      <= clock_timestamp()
RETURNING 1
"""

_WAIT = """
SELECT ceil(extract(epoch FROM a.last - clock_timestamp()
    + make_interval(secs => least(%(longest)s, power(2, least(a.failures - %(free)s, 20))))))::int
FROM storefronts.attempts a WHERE key = %(key)s
"""


class Attempts:
    """Counts attempts, and says when it is too early for the next one."""

    def __init__(self, database: AccountsDatabase) -> None:
        self._database = database

    async def count(self, name: str, address: str) -> None:
        """Count an attempt on an account from an address. Raises TooManyRequests when it is too early."""
        await self.count_address(address)
        await self._count(_pair(name, address), PAIR)
        if not await self._database.one(
            "known_address",
            "SELECT 1 FROM storefronts.sessions s JOIN storefronts.users u ON u.id = s.user_id "
            "WHERE lower(u.name) = lower(%s) AND s.address = %s LIMIT 1",
            name,
            address,
        ):
            await self._count(_account(name), ACCOUNT)

    async def count_address(self, address: str) -> None:
        """Count an attempt from an address."""
        await self._count(_address(address), ADDRESS)

    async def succeeded(self, name: str, address: str) -> None:
        """It was the owner: forget the account's failures, and take this attempt off the address."""
        await self._database.run(
            "attempt",
            "WITH gone AS (DELETE FROM storefronts.attempts WHERE key IN (%s, %s) "
            "OR last < now() - interval '1 day') "
            "UPDATE storefronts.attempts SET failures = greatest(failures - 1, 0) WHERE key = %s",
            _pair(name, address),
            _account(name),
            _address(address),
        )

    async def _count(self, key: str, limit: Limit) -> None:
        parameters = {"key": key, "free": limit.free, "longest": limit.longest, "forget": _FORGET}
        if await self._database.named("attempt", _COUNT, parameters):
            return
        waits = await self._database.named("attempt", _WAIT, parameters)
        seconds = max(1, int(waits[0][0])) if waits else 1
        audit("attempt_refused", counted=key, wait=seconds)
        raise TooManyRequests("Too many attempts; wait a little.", headers={"Retry-After": str(seconds)})


def _pair(name: str, address: str) -> str:
    return f"pair {address} {name.lower()}"


def _account(name: str) -> str:
    return f"account {name.lower()}"


def _address(address: str) -> str:
    return f"address {address}"
