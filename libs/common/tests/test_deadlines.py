"""Deadlines: who leaves in time hears nothing, who does not is called once, in order, by one timer."""

from __future__ import annotations

import asyncio

from svc_common.deadlines import Deadlines


async def test_who_stays_is_called_and_who_leaves_is_not() -> None:
    deadlines, called = Deadlines(0.02), list[str]()
    over = asyncio.Event()
    deadlines.enter("a", lambda: called.append("a"))
    deadlines.enter("b", lambda: called.append("b"))
    deadlines.leave("b")
    deadlines.leave("never entered")
    deadlines.enter("c", lambda: called.append("c"))
    deadlines.enter("d", over.set)
    async with asyncio.timeout(10):
        await over.wait()
    assert called == ["a", "c"]


async def test_the_timer_starts_again_for_who_comes_later() -> None:
    deadlines = Deadlines(0.01)
    async with asyncio.timeout(10):
        for number in range(3):
            over = asyncio.Event()
            deadlines.enter(number, over.set)
            await over.wait()
