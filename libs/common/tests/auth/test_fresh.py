"""Values with a bounded age."""

from __future__ import annotations

import asyncio

import pytest

from svc_common.auth.fresh import Fresh


class Clock:
    """Stands still until it is told otherwise."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


async def test_a_slow_fetch_gives_nobody_a_value_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("svc_common.auth.fresh.time", clock)
    begun, go_on = asyncio.Event(), asyncio.Event()
    values = iter(range(9))

    async def load() -> int:
        value = next(values)
        if value == 1:
            begun.set()
            await go_on.wait()
        return value

    fresh = Fresh(load, renew_after=2.0, most=4.0)
    assert await fresh.get() == 0
    clock.now += 2
    assert await fresh.get() == 0  # and it is being renewed, slowly
    await begun.wait()
    clock.now += 4  # by now what that fetch was told may be out of date
    waiting = asyncio.create_task(fresh.get())
    await asyncio.sleep(0)
    go_on.set()
    assert await waiting == 2


async def test_whoever_waits_shares_a_fetch_and_its_failure() -> None:
    fetched = 0

    async def load() -> int:
        nonlocal fetched
        fetched += 1
        await asyncio.sleep(0)
        if fetched == 1:
            raise OSError("away")
        return fetched

    fresh = Fresh(load, renew_after=60, most=60)
    found = await asyncio.gather(*(fresh.get() for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in found] == [OSError] * 3
    assert await asyncio.gather(*(fresh.get() for _ in range(3))) == [2] * 3
