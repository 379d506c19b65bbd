"""Many who listen to one channel: each hears everything in order, and who leaves hears no more."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from redis_svc.address import Endpoint, parse_address
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


async def test_who_comes_back_is_not_told_with_the_answer_to_who_left() -> None:
    """Between the two answers the server is not subscribed, so a message may be lost."""
    asked: asyncio.Queue[str] = asyncio.Queue()
    ended = asyncio.Event()
    clients: list[asyncio.StreamWriter] = []
    confirmation = b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"
    end = b"*3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n"

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.append(writer)
        while line := await reader.readline():
            if line.strip() in (b"SUBSCRIBE", b"UNSUBSCRIBE", b"PING"):
                asked.put_nowait(line.strip().decode())
            elif line.strip() == b"SETNAME":
                writer.write(b"+PONG\r\n+OK\r\n")
        writer.close()
        ended.set()

    async def next_but_ping() -> str:
        while (word := await asked.get()) == "PING":
            pass
        return word

    async def stay(hub: Hub) -> None:
        async with hub.listen("channel", b"c", _Reader()):
            await asyncio.Event().wait()

    async with asyncio.timeout(60), await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        endpoint = Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
        login = parse_address("redis://").login
        hub = Hub(
            lambda: open_wire(endpoint, login, timeout=30, max_reply=2**20, patience=0), timeout=30, most=10
        )
        leaver = asyncio.create_task(stay(hub))
        assert await next_but_ping() == "SUBSCRIBE"
        leaver.cancel()
        await asyncio.gather(leaver, return_exceptions=True)
        coming = asyncio.create_task(stay(hub))
        assert [await next_but_ping(), await next_but_ping()] == ["UNSUBSCRIBE", "SUBSCRIBE"]
        topic = hub._topics["channel", b"c"]
        clients[0].write(confirmation)
        clients[0].write(end)
        while hub._asked["channel", b"c"] > 1:
            await asyncio.sleep(0)
        assert not topic.confirmed.is_set()
        clients[0].write(confirmation)
        await topic.confirmed.wait()
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await hub.close()
        await ended.wait()


async def test_what_all_hear_is_encoded_once() -> None:
    message = Message(b"c", b"hello")
    assert message.once(_shout) == b"HELLO"
    assert message.once(_shout) is message.once(_shout)
