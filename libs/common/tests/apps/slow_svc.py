"""A service for the tests of the runtime: slow answers, an endless stream, a start that can fail."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import Field

from svc_common import PUBLIC, READ, Event, Route, Service, ServiceHandler, ServiceSettings


class SlowSettings(ServiceSettings):
    fail: str = Field("", description="Fail at start with this text.")
    farewell: str = Field("", description="A file to write at the end of the lifespan.")


class Slow(ServiceHandler[None]):
    async def get(self, milliseconds: str) -> None:
        await asyncio.sleep(int(milliseconds) / 1000)
        self.write_json({"pid": os.getpid()})


class Ticks(ServiceHandler[None]):
    async def get(self) -> None:
        await self.stream_events(self._ticks())

    async def _ticks(self) -> AsyncIterator[Event]:
        yield Event("first")
        await asyncio.Event().wait()


@asynccontextmanager
async def lifespan(settings: SlowSettings) -> AsyncIterator[None]:
    if settings.fail:
        raise RuntimeError(settings.fail)
    yield
    if settings.farewell:
        Path(settings.farewell).write_text("bye")


service = Service(
    "slow-svc",
    SlowSettings,
    routes=[Route("/v1/slow/{milliseconds}", Slow, READ), Route("/v1/ticks", Ticks, PUBLIC)],
    lifespan=lifespan,
)

if __name__ == "__main__":
    service.run()
