"""The same two endpoints as FastAPI, uvicorn and redis-py's documentation start them."""

from __future__ import annotations

import os
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from redis.asyncio import Redis

app = FastAPI()
redis = Redis.from_url(os.environ["REDIS_URL"])


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
