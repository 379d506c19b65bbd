"""Rate limits: the algorithm, the headers, the shared store."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from token_issuer import as_bearer, shelf
from valkey.asyncio import Valkey as Client

from svc_common import Principal, StoreUnavailable
from svc_common.auth.access import ANYONE, Access
from svc_common.health import run_checks
from svc_common.ratelimit import LocalRates, RatePolicy, advance, caller_key
from svc_common.sharedrates import ClientScripts, SharedRates
from svc_common.testing import serving

TOKENS = "a:write:secret-a,b:write:secret-b"


@given(
    quota=st.integers(1, 50),
    window=st.sampled_from([1, 60, 3600]),
    gaps=st.lists(st.floats(0, 100), max_size=120),
)
def test_no_window_ever_has_more_than_twice_the_quota(quota: int, window: int, gaps: list[float]) -> None:
    """A burst of the quota, and then the quota again while the window refills: the algorithm's bound."""
    policy = RatePolicy(quota, window)
    theoretical, now = 0.0, 1000.0
    served: list[float] = []
    for gap in gaps:
        now += gap
        theoretical, verdict = advance(theoretical, now, policy)
        assert 0 <= verdict.remaining < quota
        if verdict.allowed:
            served.append(now)
        else:
            _, later = advance(theoretical, now + verdict.retry_after + 1e-6, policy)
            assert later.allowed
    for first in served:
        assert sum(first <= moment < first + window for moment in served) <= 2 * quota


def test_a_quota_is_whole_after_its_window() -> None:
    policy = RatePolicy(7, 60)
    theoretical, allowed = 0.0, []
    for _ in range(8):
        theoretical, verdict = advance(theoretical, 1000.0, policy)
        allowed.append((verdict.allowed, verdict.remaining))
    assert allowed == [(True, left) for left in range(6, -1, -1)] + [(False, 0)]
    for expected in range(6, -1, -1):
        theoretical, verdict = advance(theoretical, 1060.0, policy)
        assert (verdict.allowed, verdict.remaining) == (True, expected)


def test_whose_quota() -> None:
    assert caller_key(Principal("ada", Access.READ, {"sub": "42"}), "192.0.2.1") == "caller:42"
    assert caller_key(Principal("laptop", Access.READ), "192.0.2.1") == "caller:laptop"
    assert caller_key(ANYONE, "192.0.2.1") == "address:192.0.2.1"
    assert caller_key(None, "2001:db8:1:2:3::4") == caller_key(None, "2001:db8:1:2:ffff::") != ""
    # an IPv4 address as a listener for both shows it: not all of them together
    assert caller_key(None, "::ffff:192.0.2.1") == caller_key(None, "192.0.2.1") == "address:192.0.2.1"
    assert caller_key(None, "nonsense") == "address:unknown"


async def test_a_caller_over_its_quota() -> None:
    async with serving(shelf, AUTH_MODE="token", AUTH_TOKENS=TOKENS, RATE_LIMIT="3/hour") as svc:

        async def get(token: str) -> httpx.Response:
            return await svc.client.get("/shelf", headers=as_bearer(token))

        first = await get("secret-a")
        assert first.status_code == 200
        assert first.headers["RateLimit-Policy"] == '"default";q=3;w=3600'
        assert re.fullmatch(r'"default";r=2;t=1(200|199)', first.headers["RateLimit"])
        assert [(await get("secret-a")).status_code for _ in range(3)] == [200, 200, 429]
        refused = await get("secret-a")
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.headers["RateLimit"].startswith('"default";r=0;t=')
        assert 1000 < int(refused.headers["Retry-After"]) <= 1200
        assert (await get("secret-b")).status_code == 200  # everybody has a quota of their own
        assert [(await get("wrong")).status_code for _ in range(4)] == [401, 401, 401, 429]
        assert (await svc.client.get("/open")).status_code == 429  # the address has used up its own
        assert (await get("secret-b")).status_code == 200


class Runner(ClientScripts):
    """Runs scripts as a service's store does, and can be cut off."""

    cut_off = False
    asked = 0

    async def __call__(self, script: str, keys: Sequence[str], arguments: Sequence[int]) -> Sequence[int]:
        self.asked += 1
        if self.cut_off:
            raise StoreUnavailable("redis")
        return await super().__call__(script, keys, arguments)


async def test_limits_that_two_processes_share(redis_url: str) -> None:
    policy = RatePolicy(10, 3600)
    async with Client.from_url(redis_url) as one, Client.from_url(redis_url) as two:
        stores = [SharedRates(Runner(one), "shelf"), SharedRates(Runner(two), "shelf")]
        verdicts = await asyncio.gather(
            *(stores[number % 2].take("caller:a", policy) for number in range(25))
        )
        assert sum(verdict.allowed for verdict in verdicts) == 10
        assert {verdict.remaining for verdict in verdicts if verdict.allowed} == set(range(10))
        refused = next(verdict for verdict in verdicts if not verdict.allowed)
        assert 0 < refused.retry_after <= 360
        assert 3000 < refused.reset <= 3600
        assert (await stores[0].take("caller:b", policy)).remaining == 9
        assert (await SharedRates(Runner(one), "other").take("caller:a", policy)).remaining == 9
        names = [name.decode() for name in await one.keys("storefronts:rate:shelf:*")]
        assert len(names) == 2
        assert all(re.fullmatch("storefronts:rate:shelf:[0-9a-f]{32}", name) for name in names)
        assert all([0 < await one.pttl(name) <= 3_600_000 for name in names])


async def test_redis_and_the_process_count_alike(redis_url: str) -> None:
    policy = RatePolicy(5, 3600)
    async with Client.from_url(redis_url) as client:
        shared, local = SharedRates(Runner(client), "shelf"), LocalRates()
        for _ in range(6):
            ours, theirs = await local.take("a", policy), await shared.take("a", policy)
            assert ours.allowed == theirs.allowed
            assert abs(ours.remaining - theirs.remaining) <= 1
            assert abs(ours.reset - theirs.reset) < 60  # the one was asked a little later


async def test_an_outage_of_redis_lifts_no_limit(redis_url: str) -> None:
    policy = RatePolicy(2, 3600)
    async with Client.from_url(redis_url) as client:
        runner = Runner(client)
        store = SharedRates(runner, "shelf", pause=0.0)
        runner.cut_off = True
        assert [(await store.take("a", policy)).allowed for _ in range(3)] == [True, True, False]
        assert (await run_checks([store.check]))["rate-limits"].error.startswith("Rate limits are counted in")
        runner.cut_off = False
        assert (await store.take("a", policy)).allowed
        assert (await run_checks([store.check]))["rate-limits"].ok


async def test_redis_is_left_alone_for_a_while_after_an_outage(redis_url: str) -> None:
    async with Client.from_url(redis_url) as client:
        runner = Runner(client)
        store = SharedRates(runner, "shelf", pause=3600)
        runner.cut_off = True
        for _ in range(20):
            await store.take("a", RatePolicy(50, 60))
        assert runner.asked == 1


def test_rates_are_read() -> None:
    assert RatePolicy.parse("600/minute") == RatePolicy(600, 60)
    for wrong in ("", "600", "0/minute", "600/day", "-1/hour", "1.5/second"):
        with pytest.raises(ValueError):
            RatePolicy.parse(wrong)
