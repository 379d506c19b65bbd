"""Many who listen to one channel: each hears everything in order, and who leaves hears no more."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from redis_svc.address import parse_address
from redis_svc.store.connect import open_wire
from redis_svc.store.hub import Gap, Hub, Message
from redis_svc.store.wire import Wire


class _Reader:
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.complete = asyncio.Event()

    def put(self, item: Message | Gap, size: int = 0) -> None:
        assert isinstance(item, Message)
        assert size == len(item.payload)
        self.heard.append(item.once(_shout))
        if item.payload == b"last":
            self.complete.set()


def _shout(message: Message) -> bytes:
    return message.payload.upper()


async def test_readers_are_told_in_turns_of_the_loop(
    redis_url: str, raw: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redis_svc.store.hub.TOLD_AT_ONCE", 3)
    address = parse_address(redis_url)

    async def connect() -> Wire:
        return await open_wire(address.endpoints[0], address.login, timeout=30, max_reply=2**20, patience=0)

    hub = Hub(connect, timeout=30, most=10)
    readers, leaver = [_Reader() for _ in range(10)], _Reader()
    async with asyncio.timeout(30), AsyncExitStack() as stack:
        stack.push_async_callback(hub.close)
        for reader in readers:
            await stack.enter_async_context(hub.listen("channel", b"c", reader))
        async with hub.listen("channel", b"c", leaver):
            await raw.publish("c", "one")
            await raw.publish("c", "two")
            while len(leaver.heard) < 2:
                await asyncio.sleep(0)
        await raw.publish("c", "three")
        await raw.publish("c", "last")
        for reader in readers:
            await reader.complete.wait()
            assert reader.heard == [b"ONE", b"TWO", b"THREE", b"LAST"]
        assert leaver.heard == [b"ONE", b"TWO"]


async def test_what_all_hear_is_encoded_once() -> None:
    message = Message(b"c", b"hello")
    assert message.once(_shout) == b"HELLO"
    assert message.once(_shout) is message.once(_shout)
