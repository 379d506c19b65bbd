"""Reading event streams (server-sent events) as a client does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx


@dataclass(frozen=True)
class Seen:
    """An event as its reader sees it."""

    event: str
    data: str
    id: str | None = None


class Reader:
    """The events of an open stream, one by one."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self) -> Seen:
        """The next event; StopAsyncIteration at the end of the stream."""
        event, data, number = "message", [], None
        while True:
            line = await anext(self._lines)
            name, _, value = line.partition(": ")
            if name == "data" or line == "data:":
                data.append(value)
            elif name == "event":
                event = value
            elif name == "id":
                number = value
            elif not line and data:
                return Seen(event, "\n".join(data), number)


@asynccontextmanager
async def listening(
    client: httpx.AsyncClient, path: str, *, method: str = "GET", after: str | None = None
) -> AsyncIterator[Reader]:
    """An open event stream."""
    headers = {"Accept": "text/event-stream"}
    if after is not None:
        headers["Last-Event-ID"] = after
    async with client.stream(method, path, headers=headers, timeout=20) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        yield Reader(response)
