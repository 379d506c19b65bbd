"""Values with a bounded age."""

from __future__ import annotations

import asyncio

from svc_common.auth.fresh import Fresh


async def test_a_slow_fetch_gives_nobody_a_value_that_is_too_old() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    values = iter(range(9))

    async def load() -> int:
        value = next(values)
        if value == 1:
            begun.set()
            await go_on.wait()
        return value

    most = 0.2
    fresh = Fresh(load, renew_after=0.0, most=most)
    assert await fresh.get() == 0
    assert await fresh.get() == 0  # and it is being renewed, slowly
    await begun.wait()
    await asyncio.sleep(most)  # by now what that fetch was told may be out of date
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
