"""Watching records, listening to channels and following streams, over real event streams."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from redis_svc.app import service
from svc_common.testing import TestedService, serving
from svc_common.testing.events import Seen, listening

if TYPE_CHECKING:
    from devstack.pytest_plugin import OwnRedis


def _state(seen: Seen) -> object:
    assert seen.event == "record"
    return json.loads(seen.data)


async def test_watching_a_record(svc: TestedService, raw: Redis) -> None:
    async with asyncio.timeout(60), listening(svc.client, "/v1/records/a%2Fb") as reader:
        assert _state(await reader.next()) == {"exists": False}
        await svc.client.put("/v1/records/a%2Fb", content=b"hello", headers={"Content-Type": "text/plain"})
        seen = await reader.next()
        assert _state(seen) == {"exists": True, "content_type": "text/plain", "value": "hello"}
        assert f'"{seen.id}"' == (await svc.client.get("/v1/records/a%2Fb")).headers["ETag"]
        await raw.set("a/b", b"\xff")
        assert _state(await reader.next()) == {
            "exists": True,
            "content_type": "application/octet-stream",
            "base64": "/w==",
        }
        await raw.pexpire("a/b", 1)
        assert _state(await reader.next()) == {"exists": False}  # it expired
        await raw.hset("a/b", "x", "1")
        assert _state(await reader.next()) == {"exists": True, "other": True}
        await raw.flushall()
        assert _state(await reader.next()) == {"exists": False}


async def test_a_watch_resumes(svc: TestedService) -> None:
    await svc.client.put("/v1/records/a", content=b"1")
    async with asyncio.timeout(60):
        async with listening(svc.client, "/v1/records/a") as reader:
            first = await reader.next()
        async with listening(svc.client, "/v1/records/a", after=first.id) as reader:
            await svc.client.put("/v1/records/a", content=b"2")
            second = await reader.next()
            assert json.loads(second.data)["value"] == "2"
        await svc.client.put("/v1/records/a", content=b"3")
        async with listening(svc.client, "/v1/records/a", after=second.id) as reader:
            assert json.loads((await reader.next()).data)["value"] == "3"


async def test_channels(svc: TestedService, raw: Redis) -> None:
    async with asyncio.timeout(60), listening(svc.client, "/v1/channels/news%2F1") as reader:
        assert (await reader.next()).event == "subscribed"
        answer = await svc.client.post("/v1/channels/news%2F1", content="one\ntwo")
        assert (answer.status_code, answer.json()) == (200, {"receivers": 1})
        assert await reader.next() == Seen("message", "one\ntwo")
        await raw.publish("news/1", "x" * 100_000)
        assert len((await reader.next()).data) == 100_000
    assert (await svc.client.get("/v1/channels/news")).status_code == 406


async def test_many_listeners_are_one_subscription(svc: TestedService, raw: Redis) -> None:
    async with asyncio.timeout(60):
        before = (await raw.info("clients"))["connected_clients"]
        streams = [listening(svc.client, "/v1/channels/many") for _ in range(50)]
        readers = [await stream.__aenter__() for stream in streams]
        for reader in readers:
            assert (await reader.next()).event == "subscribed"
        assert await raw.pubsub_numsub("many") == [(b"many", 1)]
        assert (await raw.info("clients"))["connected_clients"] <= before + 1
        assert await raw.publish("many", "hello") == 1
        for reader in readers:
            assert (await reader.next()).data == "hello"
        for stream in streams:
            await stream.__aexit__(None, None, None)
        while await raw.pubsub_numsub("many") != [(b"many", 0)]:
            await asyncio.sleep(0.01)


async def test_a_stream_is_followed_without_loss(svc: TestedService, raw: Redis) -> None:
    async with asyncio.timeout(60):
        for number in range(1500):
            await raw.xadd("log", {"n": number}, id=f"{number + 1}-0")
        async with listening(svc.client, "/v1/streams/log", after="3-0") as reader:
            for number in range(3, 1500):
                seen = await reader.next()
                assert (seen.event, seen.id, json.loads(seen.data)) == (
                    "entry",
                    f"{number + 1}-0",
                    {"n": str(number)},
                )
            answer = await svc.client.post("/v1/streams/log", json={"n": 1, "käse": "ja", "b": True})
            assert answer.status_code == 201
            seen = await reader.next()
            assert (seen.id, json.loads(seen.data)) == (
                answer.json()["id"],
                {"n": "1", "käse": "ja", "b": "true"},
            )
            last = seen.id
        await raw.xadd("log", {"n": "missed"})
        async with listening(svc.client, "/v1/streams/log", after=last) as reader:
            assert json.loads((await reader.next()).data) == {"n": "missed"}


async def test_entries_written_while_it_is_followed_come_once_and_in_order(
    svc: TestedService, raw: Redis
) -> None:
    async def write() -> None:
        for number in range(600):
            await raw.xadd("log", {"n": number})

    async with asyncio.timeout(60), listening(svc.client, "/v1/streams/log?after=0-0") as reader:
        writing = asyncio.create_task(write())
        seen = [json.loads((await reader.next()).data)["n"] for _ in range(600)]
        await writing
    assert seen == [str(number) for number in range(600)]


async def test_pages_of_a_stream(svc: TestedService, raw: Redis) -> None:
    for number in range(5):
        await raw.xadd("log", {"n": number}, id=f"{number + 1}-0")
    page = (await svc.client.get("/v1/streams/log?limit=2&after=1-0")).json()
    assert page == {"entries": [{"id": "2-0", "fields": {"n": "1"}}, {"id": "3-0", "fields": {"n": "2"}}]}
    assert (await svc.client.get("/v1/streams/none")).json() == {"entries": []}
    await svc.client.post("/v1/streams/short?maxlen=1", json={"a": 1})
    assert await raw.xlen("short") == 1


async def test_bad_input(svc: TestedService, raw: Redis) -> None:
    await raw.set("plain", "1")
    events = {"Accept": "text/event-stream"}
    assert (await svc.client.get("/v1/streams/plain")).status_code == 409
    assert (await svc.client.post("/v1/streams/plain", json={"a": 1})).status_code == 409
    assert (
        await svc.client.get("/v1/streams/s", headers={**events, "Last-Event-ID": "x"})
    ).status_code == 400
    too_big = f"{2**64}-0"
    assert (
        await svc.client.get("/v1/streams/s", headers={**events, "Last-Event-ID": too_big})
    ).status_code == 400
    for body in (b"[]", b"{}", b'{"a":[]}', b'{"a":null}', b"x", b'{"a":NaN}'):
        assert (await svc.client.post("/v1/streams/s", content=body)).status_code == 400, body
    assert await raw.exists("s") == 0


async def test_streams_survive_the_store(own_redis: OwnRedis) -> None:
    store = own_redis()
    async with serving(service, REDIS_URL=store.url) as svc, asyncio.timeout(60):
        await svc.client.put("/v1/records/a", content=b"1")
        async with (
            listening(svc.client, "/v1/records/a") as record,
            listening(svc.client, "/v1/channels/c") as channel,
            listening(svc.client, "/v1/streams/s?after=0-0") as stream,
        ):
            await record.next()
            await channel.next()
            await svc.client.post("/v1/streams/s", json={"n": 1})
            await stream.next()
            store.kill()
            await asyncio.to_thread(store.start)
            assert (await channel.next()).event == "gap"
            async with Redis.from_url(store.url) as raw:
                await raw.set("a", "2")
                await raw.xadd("s", {"n": 2})
                while await raw.publish("c", "hello") == 0:
                    await asyncio.sleep(0.01)
            assert json.loads((await record.next()).data)["value"] == "2"
            assert json.loads((await stream.next()).data) == {"n": "2"}
            while (seen := await channel.next()).event != "message":
                pass
            assert seen.data == "hello"


async def test_a_slow_reader_is_cut_off_and_others_are_not(svc: TestedService, raw: Redis) -> None:
    address = urlsplit(svc.url)
    with socket.create_connection((address.hostname, address.port)) as slow:
        slow.sendall(b"GET /v1/channels/busy HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
        async with asyncio.timeout(60), listening(svc.client, "/v1/channels/busy") as reader:
            await reader.next()
            while svc.context.streams < 2:
                await asyncio.sleep(0.01)
            payload = "x" * 100_000
            for _ in range(300):
                await raw.publish("busy", payload)
                assert (await reader.next()).data == payload
        slow.settimeout(30)
        received = await asyncio.to_thread(_read_all, slow)
        assert b"event: cut-off" in received[-200:]


def _read_all(sock: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"0\r\n\r\n"):
        piece = sock.recv(2**20)
        if not piece:
            break
        data += piece
    return data


async def test_the_protocol_of_upstash(svc: TestedService, raw: Redis) -> None:
    async with asyncio.timeout(60):
        for method in ("GET", "POST"):
            async with listening(svc.client, "/subscribe/a,b/c", method=method) as reader:
                assert await reader.next() == Seen("message", "subscribe,a,b/c,1")
                await raw.publish("a,b/c", '{"x":1}')
                assert await reader.next() == Seen("message", 'message,a,b/c,{"x":1}')
        async with listening(svc.client, "/psubscribe/n*") as reader:
            assert await reader.next() == Seen("message", "psubscribe,n*,1")
            await raw.publish("news", "hi")
            assert await reader.next() == Seen("message", "pmessage,n*,news,hi")


async def test_monitor(svc: TestedService, raw: Redis) -> None:
    async with asyncio.timeout(60), listening(svc.client, "/monitor", method="POST") as reader:
        assert await reader.next() == Seen("message", "OK")
        await raw.set("watched", "1")
        while '"SET" "watched" "1"' not in (await reader.next()).data:
            pass


LINES = 3000


@asynccontextmanager
async def _one_piece(url: str, sent: asyncio.Event) -> AsyncIterator[str]:
    """The address of a relay to a server: the OK of MONITOR comes in one piece with many lines."""
    target = urlsplit(url)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(target.hostname, target.port)
        asked = bytearray()

        async def ask() -> None:
            while data := await reader.read(65536):
                asked.extend(data)
                server_writer.write(data)
            server_writer.close()

        async def answer() -> None:
            held = b""
            while data := await server_reader.read(65536):
                held += data
                if b"MONITOR" in asked:
                    if held.count(b'"ECHO"') < LINES:
                        continue
                    sent.set()
                writer.write(held)
                held = b""
            writer.close()

        await asyncio.gather(ask(), answer(), return_exceptions=True)

    async with await asyncio.start_server(relay, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield target._replace(netloc=f"127.0.0.1:{port}").geturl()


async def test_monitor_of_a_busy_server(redis_url: str, raw: Redis) -> None:
    async def read(svc: TestedService) -> None:
        async with listening(svc.client, "/monitor") as reader:
            assert (await reader.next()).data == "OK"
            for _ in range(LINES):
                while '"ECHO" "busy"' not in (await reader.next()).data:
                    pass

    sent = asyncio.Event()
    async with (
        asyncio.timeout(60),
        _one_piece(redis_url, sent) as url,
        serving(service, REDIS_URL=url) as svc,
    ):
        reading = asyncio.create_task(read(svc))
        while not sent.is_set():
            pipeline = raw.pipeline(transaction=False)
            for _ in range(LINES):
                pipeline.echo("busy")
            await pipeline.execute()
        await reading


async def test_a_watch_that_begins_while_the_server_is_busy(own_redis: OwnRedis) -> None:
    """A server that answers BUSY has not said that there is nothing."""
    store = own_redis(options=["--busy-reply-threshold", "10"])
    async with (
        serving(service, REDIS_URL=store.url, STORE_TIMEOUT="20") as svc,
        Redis.from_url(store.url) as raw,
        Redis.from_url(store.url) as loop,
        asyncio.timeout(60),
    ):
        await raw.set("a", "1")
        async with listening(svc.client, "/v1/records/b") as other:  # so that the connections are there
            await other.next()
            running: asyncio.Future[Any] = asyncio.ensure_future(loop.eval("while true do end", 0))
            with contextlib.suppress(ResponseError):
                while True:  # until it answers BUSY
                    await raw.get("a")
            watch = asyncio.create_task(_first_state(svc, "/v1/records/a"))
            while not await _was_refused(svc, "a"):
                await asyncio.sleep(0.01)
            await raw.execute_command("SCRIPT", "KILL")  # type: ignore[no-untyped-call]
            await asyncio.gather(running, return_exceptions=True)
            assert json.loads(await watch)["value"] == "1"


async def _first_state(svc: TestedService, path: str) -> str:
    async with listening(svc.client, path) as reader:
        return (await reader.next()).data


async def _was_refused(svc: TestedService, key: str) -> bool:
    topic = svc.context.state.watcher._records.get(key.encode())
    return topic is not None and topic.trouble is not None


async def test_too_many_subscriptions(redis_url: str) -> None:
    async with (
        serving(service, REDIS_URL=redis_url, REDIS_MAX_SUBSCRIPTIONS="1") as svc,
        asyncio.timeout(60),
        listening(svc.client, "/v1/channels/a") as reader,
        listening(svc.client, "/v1/channels/a") as second,
    ):
        await reader.next()
        await second.next()
        for path in ("/v1/channels/b", "/psubscribe/a"):
            answer = await svc.client.get(path, headers={"Accept": "text/event-stream"})
            assert answer.status_code == 429
        async with (
            listening(svc.client, "/v1/records/a") as record,
            listening(svc.client, "/v1/records/a") as another,
        ):
            await record.next()
            await another.next()
            answer = await svc.client.get("/v1/streams/b", headers={"Accept": "text/event-stream"})
            assert answer.status_code == 429


@pytest.mark.parametrize("path", ["/v1/channels/a", "/v1/records/a", "/v1/streams/a", "/subscribe/a"])
async def test_a_stream_of_a_store_that_is_down_is_refused(path: str) -> None:
    async with serving(service, REDIS_URL="redis://127.0.0.1:1") as svc:
        answer = await svc.client.get(path, headers={"Accept": "text/event-stream"})
        assert answer.status_code == 503


async def test_shutdown_ends_streams(redis_url: str) -> None:
    async with asyncio.timeout(60):
        serving_ = serving(service, REDIS_URL=redis_url)
        svc = await serving_.__aenter__()
        async with listening(svc.client, "/v1/records/a") as reader:
            await reader.next()
            svc.context.closing.set()
            assert (await reader.next()).event == "goodbye"
        await serving_.__aexit__(None, None, None)
