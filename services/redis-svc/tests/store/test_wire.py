"""The shared connection: order, batches, callers who leave, and what ends it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop
from redis.asyncio import Redis

from redis_svc.address import Endpoint, parse_address
from redis_svc.replies import ConnectionLost, Reply, ReplyTooLarge, ReplyUnclear, ServerError
from redis_svc.store.connect import open_wire
from redis_svc.store.wire import Wire


@pytest.fixture
async def wire(redis_url: str) -> AsyncIterator[Wire]:
    address = parse_address(redis_url)
    wire = await open_wire(address.endpoints[0], address.login, timeout=30, max_reply=2**20)
    yield wire
    wire.close()


async def test_replies_come_in_the_order_of_their_commands(wire: Wire) -> None:
    asked = [wire.request([(b"ECHO", b"%d" % number), (b"ECHO", b"again")]) for number in range(500)]
    for number, future in enumerate(asked):
        assert await future == [b"%d" % number, b"again"]


async def test_commands_of_one_turn_leave_in_one_write(wire: Wire) -> None:
    writes: list[bytes] = []
    transport = wire._transport
    assert transport is not None
    write: Callable[[bytes], None] = transport.write

    def recorded(data: bytes | bytearray | memoryview) -> None:
        writes.append(bytes(data))
        write(bytes(data))

    transport.write = recorded  # type: ignore[method-assign]
    await asyncio.gather(*(wire.request([(b"INCR", b"n")]) for _ in range(100)))
    assert len(writes) == 1
    assert writes[0].count(b"INCR") == 100


async def test_a_caller_who_leaves_takes_nobodys_reply(wire: Wire) -> None:
    for _ in range(20):
        futures = [wire.request([(b"ECHO", b"%d" % number)]) for number in range(50)]
        for future in futures[::3]:
            future.cancel()
        await asyncio.sleep(0)
        for future in futures[1::3]:
            future.cancel()
        assert [await future for future in futures[2::3]] == [[b"%d" % number] for number in range(2, 50, 3)]
    assert wire.waiting == 0


async def test_errors_are_values_with_their_code(wire: Wire) -> None:
    await wire.request([(b"LPUSH", b"list", b"1")])
    wrong, ok = await wire.request([(b"GET", b"list"), (b"PING",)])
    assert isinstance(wrong, ServerError)
    assert wrong.code == "WRONGTYPE"
    assert ok == b"PONG"


async def test_binary_arguments(wire: Wire) -> None:
    value = bytes(range(256)) + b"\r\n$5\r\n"
    assert await wire.request([(b"SET", value, value), (b"GET", value)], fenced=True) == [b"OK", value]


async def test_a_reply_over_the_limit_is_told_to_its_caller_alone(wire: Wire, raw: Redis) -> None:
    await raw.set("large", b"x" * 3_000_000)
    large, behind = wire.request([(b"GET", b"large")]), wire.request([(b"PING",)])
    with pytest.raises(ReplyTooLarge):
        await large
    with pytest.raises(ConnectionLost):
        await behind
    assert wire.closed


async def test_all_replies_to_one_request_count_for_the_limit(wire: Wire, raw: Redis) -> None:
    await raw.set("half", b"x" * 600_000)
    for _ in range(5):  # request by request it may be any number
        assert len(await wire.request([(b"GET", b"half")])) == 1
    with pytest.raises(ReplyTooLarge):
        await wire.request([(b"GET", b"half")] * 20)
    assert wire.closed


def test_a_loop_that_was_held_up_does_not_blame_the_server(redis_url: str) -> None:
    """On uvloop, which the service runs on: its timers come before what has arrived in the meantime."""

    async def ask() -> list[Reply]:
        address = parse_address(redis_url)
        wire = await open_wire(address.endpoints[0], address.login, timeout=30, max_reply=2**20, patience=0.2)
        busy, trigger = socket.socketpair()
        loop = asyncio.get_running_loop()
        asked: asyncio.Future[asyncio.Future[list[Reply]]] = loop.create_future()

        def hold_up() -> None:  # where sockets are read: the timers come next, then what is to be written
            loop.remove_reader(busy)
            asked.set_result(wire.request([(b"PING",)]))
            time.sleep(0.5)

        loop.add_reader(busy, hold_up)
        trigger.send(b"!")
        try:
            return await (await asked)
        finally:
            wire.close()
            busy.close()
            trigger.close()

    assert uvloop.run(ask()) == [b"PONG"]


async def test_silence_ends_it(redis_url: str, raw: Redis) -> None:
    address = parse_address(redis_url)
    wire = await open_wire(address.endpoints[0], address.login, timeout=30, max_reply=2**20, patience=0.2)
    waiting = [wire.request([(b"BLPOP", b"none", b"0")]), wire.request([(b"PING",)])]
    async with asyncio.timeout(30):
        for future in waiting:
            with pytest.raises(ConnectionLost):
                await future
        await wire.gone


async def test_nothing_is_sent_twice(wire: Wire, raw: Redis) -> None:
    await wire.request([(b"PING",)])
    lost = [wire.request([(b"INCR", b"n")]) for _ in range(10)]
    await asyncio.sleep(0)  # they are written
    (client,) = [client for client in await raw.client_list() if client["name"] == "redis-svc"]
    await raw.client_kill_filter(_id=client["id"])
    outcomes = await asyncio.gather(*lost, return_exceptions=True)
    counted = int(await raw.get("n") or 0)
    answered = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert len(answered) <= counted <= 10
    assert all(isinstance(outcome, list | ConnectionLost) for outcome in outcomes)


@asynccontextmanager
async def _serving(answer: bytes) -> AsyncIterator[Endpoint]:
    """A server that says what a broken or hostile one might, to whatever comes behind the login."""
    ended = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(65536)
            writer.write(b"+PONG\r\n+OK\r\n")
            await reader.read(65536)
            writer.write(answer)
            await reader.read(65536)
        except ConnectionError:
            pass
        finally:
            writer.close()
            ended.set()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
        await ended.wait()


@pytest.mark.parametrize(
    "answer", [b"-ERR a\r\n+forged\r\n+forged\r\n+forged\r\n", b"HTTP/1.1 400 Bad\r\n\r\n"]
)
async def test_replies_out_of_step_reach_nobody_else(answer: bytes) -> None:
    async with asyncio.timeout(30), _serving(answer) as endpoint:
        login = parse_address("redis://").login
        wire = await open_wire(endpoint, login, timeout=30, max_reply=2**20)
        hostile, innocent = wire.request([(b"X", b"\r")], fenced=True), wire.request([(b"GET", b"mine")])
        with pytest.raises(ReplyUnclear):
            await hostile
        with pytest.raises(ConnectionLost):
            await innocent
        assert wire.closed
