"""The same endpoints as FastAPI, uvicorn and redis-py's documentation start them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from redis.asyncio import Redis

redis = Redis.from_url(os.environ["REDIS_URL"])
listeners: dict[str, set[Callable[[bytes], None]]] = {}


async def relay() -> None:
    """One subscription for everyone who listens here."""
    async with redis.pubsub() as subscription:
        await subscription.psubscribe("*")
        async for message in subscription.listen():
            if message["type"] == "pmessage":
                for tell in listeners.get(message["channel"].decode(), ()):
                    tell(message["data"])


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Relay messages."""
    task = asyncio.create_task(relay())
    yield
    task.cancel()


app = FastAPI(lifespan=lifespan)


@app.get("/v1/records/{key}")
async def read(key: str) -> Response:
    """The value of a key."""
    value = await redis.get(key)
    if value is None:
        raise HTTPException(404)
    return Response(value, media_type="application/octet-stream")


@app.post("/pipeline")
async def pipeline(request: Request) -> list[dict[str, Any]]:
    """Several commands at once."""
    batch = redis.pipeline(transaction=False)
    for command in await request.json():
        batch.execute_command(*command)
    replies = await batch.execute(raise_on_error=False)
    return [
        {"result": reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply}
        for reply in replies
    ]


@app.get("/v1/channels/{channel}")
async def listen(channel: str) -> StreamingResponse:
    """Every message from now on, as an event stream."""

    async def events() -> AsyncIterator[bytes]:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        here = listeners.setdefault(channel, set())
        here.add(queue.put_nowait)
        try:
            yield b"event: subscribed\ndata: {}\n\n"
            while True:
                yield b"event: message\ndata: %b\n\n" % await queue.get()
        finally:
            here.discard(queue.put_nowait)

    return StreamingResponse(events(), media_type="text/event-stream")


@app.post("/v1/channels/{channel}")
async def publish(channel: str, request: Request) -> dict[str, int]:
    """Publish the body."""
    return {"receivers": await redis.publish(channel, await request.body())}
