"""The WebSocket, with a real client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from redis_svc.app import service
from redis_svc.handlers.live import LiveHandler
from svc_common.testing import TestedService, serving

HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class Socket:
    """A WebSocket that speaks JSON."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self.connection = connection

    async def say(self, **message: object) -> None:
        await self.connection.write_message(json.dumps(message))

    async def hear(self) -> Any:
        message = await self.connection.read_message()
        assert message is not None, (self.connection.close_code, self.connection.close_reason)
        return json.loads(message)


@asynccontextmanager
async def _connected(svc: TestedService, query: str = "", **headers: str) -> AsyncIterator[Socket]:
    url = svc.url.replace("http", "ws", 1) + "/v1/live" + query
    connection = await websocket_connect(HTTPRequest(url, headers=headers))
    try:
        async with asyncio.timeout(60):
            yield Socket(connection)
    finally:
        connection.close()
        async with asyncio.timeout(30):
            while svc.context.streams:
                await asyncio.sleep(0.01)


async def test_everything_at_once(svc: TestedService, raw: Redis) -> None:
    async with _connected(svc) as socket:
        await socket.say(subscribe={"channel": "news"})
        assert await socket.hear() == {"subscribed": {"channel": "news"}}
        await socket.say(subscribe={"pattern": "n*"})
        assert await socket.hear() == {"subscribed": {"pattern": "n*"}}
        await socket.say(publish={"channel": "news", "message": "hi"})
        heard = [await socket.hear() for _ in range(3)]
        assert {"channel": "news", "message": "hi"} in heard
        assert {"pattern": "n*", "channel": "news", "message": "hi"} in heard
        assert {"published": {"channel": "news", "receivers": 2}} in heard

        await socket.say(unsubscribe={"pattern": "n*"})
        assert await socket.hear() == {"unsubscribed": {"pattern": "n*"}}
        await raw.publish("news", b"\xff")
        assert await socket.hear() == {"channel": "news", "message_base64": "/w=="}

        await socket.say(subscribe={"key": "k"})
        assert await socket.hear() == {"key": "k", "exists": False, "tag": "missing"}
        await raw.set("k", "1")
        assert (await socket.hear())["value"] == "1"

        await raw.xadd("s", {"n": 1}, id="1-0")
        await socket.say(subscribe={"stream": "s", "after": "0-0"})
        assert await socket.hear() == {"stream": "s", "id": "1-0", "fields": {"n": "1"}}
        await raw.xadd("s", {"n": 2}, id="2-0")
        assert (await socket.hear())["id"] == "2-0"


@pytest.mark.parametrize(
    "message",
    [
        *(
            "",
            "x",
            "[]",
            "{}",
            '{"subscribe":1}',
            '{"subscribe":{}}',
            '{"subscribe":{"key":"a","channel":"b"}}',
        ),
        *('{"other":{"key":"a"}}', '{"subscribe":{"stream":"s","after":"x"}}', '{"publish":{"channel":"a"}}'),
    ],
)
async def test_messages_that_make_no_sense(svc: TestedService, message: str) -> None:
    async with _connected(svc) as socket:
        await socket.connection.write_message(message)
        assert "error" in await socket.hear()
        await socket.say(subscribe={"channel": "still"})
        assert await socket.hear() == {"subscribed": {"channel": "still"}}


@pytest.mark.parametrize("kind", ["key", "stream"])
async def test_the_services_own_keys_are_not_watched(svc: TestedService, kind: str) -> None:
    async with _connected(svc) as socket:
        await socket.say(subscribe={kind: "storefronts:rate:a"})
        assert "belong to the service" in (await socket.hear())["error"]


async def test_a_key_that_holds_no_stream(svc: TestedService, raw: Redis) -> None:
    await raw.set("plain", "1")
    async with _connected(svc) as socket:
        await socket.say(subscribe={"stream": "plain"})
        assert "not a stream" in (await socket.hear())["error"]


async def test_who_may_connect(redis_url: str) -> None:
    async with serving(
        service,
        REDIS_URL=redis_url,
        AUTH_MODE="token",
        AUTH_TOKENS="r:read:reader,w:write:writer",
        CORS_ORIGINS="https://good.example",
    ) as svc:
        for query in ("", "?_token=wrong"):
            with pytest.raises(HTTPClientError) as refused:
                async with _connected(svc, query):
                    pass
            assert refused.value.code == 401
        with pytest.raises(HTTPClientError) as refused:
            async with _connected(svc, "?_token=reader", Origin="https://evil.example"):
                pass
        assert refused.value.code == 403
        async with _connected(svc, Authorization="Bearer reader", Origin="https://good.example") as socket:
            await socket.say(publish={"channel": "a", "message": "b"})
            assert "scope write" in (await socket.hear())["error"]
        async with _connected(svc, "?_token=writer") as socket:
            await socket.say(publish={"channel": "a", "message": "b"})
            assert await socket.hear() == {"published": {"channel": "a", "receivers": 0}}


@pytest.mark.parametrize("server", ["fast", "tornado"])
async def test_who_leaves_before_it_is_let_in_leaves_nothing(
    server: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, ended = asyncio.Event(), asyncio.Event()
    prepare, get = LiveHandler.prepare, LiveHandler.get

    async def slowly(self: LiveHandler) -> None:
        await prepare(self)
        asked.set()
        while not self._client_gone:
            await asyncio.sleep(0.01)

    async def to_the_end(self: LiveHandler, *args: Any, **kwargs: Any) -> None:
        try:
            await get(self, *args, **kwargs)
        finally:
            ended.set()

    monkeypatch.setattr(LiveHandler, "prepare", slowly)
    monkeypatch.setattr(LiveHandler, "get", to_the_end)
    async with serving(service, REDIS_URL=redis_url, HTTP_SERVER=server) as svc, asyncio.timeout(30):
        connecting = asyncio.create_task(svc.client.get("/v1/live", headers=HANDSHAKE))
        await asked.wait()
        connecting.cancel()
        await ended.wait()
        assert (svc.context.in_flight, svc.context.streams, svc.context.sockets) == (0, 0, 0)


async def test_a_slow_reader_is_cut_off_with_a_code(svc: TestedService, raw: Redis) -> None:
    async with _connected(svc) as socket:
        await socket.say(subscribe={"channel": "busy"})
        await socket.hear()
        for _ in range(60):
            await raw.publish("busy", "x" * 500_000)
        received = 0
        while await socket.connection.read_message() is not None:
            received += 1
        assert socket.connection.close_code == 4008
        assert received < 60


async def test_shutdown_says_goodbye(redis_url: str) -> None:
    serving_ = serving(service, REDIS_URL=redis_url)
    svc = await serving_.__aenter__()
    connection = await websocket_connect(svc.url.replace("http", "ws", 1) + "/v1/live")
    await serving_.__aexit__(None, None, None)
    async with asyncio.timeout(30):
        assert await connection.read_message() is None
    assert connection.close_code == 1001
    connection.close()
