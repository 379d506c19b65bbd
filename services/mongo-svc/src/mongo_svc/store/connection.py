"""The connection to MongoDB: its pool, its time-outs, and what becomes of the driver's errors."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeAlias

# Motor runs the driver in threads and fixes their number when it is imported. The pool bounds the calls at
# once; threads beyond those it allows are never started.
os.environ.setdefault("MOTOR_MAX_WORKERS", "160")

import pymongo
from bson.codec_options import CodecOptions, DatetimeConversion
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo.errors import ConfigurationError, InvalidURI
from pymongo.write_concern import WriteConcern

from svc_common import StoreUnavailable, observe_store

from .errors import STORE, UNTRUSTED, is_untrusted, problem_for

Stored: TypeAlias = dict[str, Any]
Collection: TypeAlias = AsyncIOMotorCollection[Stored]
Database: TypeAlias = AsyncIOMotorDatabase[Stored]
Client: TypeAlias = AsyncIOMotorClient[Stored]

PLAIN_DATES: CodecOptions[Stored] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
"""Dates in UTC without saying so, which takes half the time to read and to show."""

BUSY = "Every connection to MongoDB is busy; try again soon."


class Connection:
    """One MongoDB, and the database of the native documents in it.

    ``timeout`` is in seconds: for the wait for a free place in the pool, for a server to be there, and for a
    call that does not say otherwise; ``longest`` is for any answer on a connection. ``w`` and ``journal`` are
    the write concern. Opening does not wait for the server. Raises ValueError for a connection string that
    the driver does not take.
    """

    def __init__(
        self,
        uri: str,
        database: str,
        *,
        pool_size: int,
        timeout: float,
        longest: float,
        w: int | str = "majority",
        journal: bool = True,
    ) -> None:
        self.timeout = timeout
        self._places = asyncio.Semaphore(pool_size)
        milliseconds = int(timeout * 1000)
        try:
            self.client: Client = AsyncIOMotorClient(
                uri,
                serverSelectionTimeoutMS=milliseconds,
                connectTimeoutMS=milliseconds,
                waitQueueTimeoutMS=milliseconds,
                socketTimeoutMS=int(longest * 1000),
                # A server that is back is noticed at the next heartbeat
                heartbeatFrequencyMS=1000,
                tz_aware=True,
                datetime_conversion="DATETIME_AUTO",
                uuidRepresentation="unspecified",
                appname="storefronts-mongo-svc",
            )
        except (InvalidURI, ConfigurationError, ValueError):
            raise ValueError("the MongoDB connection string cannot be read") from None
        self.write_concern = WriteConcern(w=w, j=journal)
        self.database: Database = self.named(database)

    def named(self, database: str) -> Database:
        """Another database of the same MongoDB, with the same write concern."""
        return self.client.get_database(database, write_concern=self.write_concern)

    def call(self, operation: str, timeout: float | None = None) -> Call:
        """``async with connection.call("find"):`` around one call to MongoDB.

        Inside, problems come out instead of the driver's errors. Entering raises StoreUnavailable when no
        place in the pool is free in time. A call that may take long gets a ``timeout``, which MongoDB should
        be told, too; it still waits no longer for a server to be there than every other call.
        """
        return Call(self, self._places, operation, timeout)

    @property
    def trouble(self) -> str:
        """Why no server can be used, where that is more than that none answers; else empty."""
        servers = self.client.delegate.topology_description.server_descriptions().values()
        return UNTRUSTED if any(is_untrusted(server.error) for server in servers) else ""

    @property
    def busy(self) -> bool:
        """Whether every place in the pool is taken."""
        return self._places.locked()

    async def ping(self) -> None:
        """Return when MongoDB answers and takes writes; raise otherwise."""
        async with self.call("ping"):
            await self.client.admin.command("ping")

    def close(self) -> None:
        """Close every connection."""
        self.client.close()


class Call:
    """One call to MongoDB: a place in the pool, a deadline, metrics and readable errors."""

    __slots__ = ("_clock", "_connection", "_driver", "_long", "_operation", "_places", "_timeout")

    def __init__(
        self, connection: Connection, places: asyncio.Semaphore, operation: str, long: float | None
    ) -> None:
        self._connection = connection
        self._places = places
        self._operation = operation
        self._timeout = connection.timeout
        self._long = long

    async def __aenter__(self) -> None:
        self._clock = asyncio.timeout(self._timeout)
        await self._clock.__aenter__()
        try:
            await self._places.acquire()
        except asyncio.CancelledError:
            await self._stop_clock(BUSY)
            raise
        # The driver has the same deadline, so that its threads do not go on for nobody; while it waits for a
        # server it looks at it only every half second, which is why there is a clock of our own
        now = asyncio.get_running_loop().time()
        left = None
        if self._long is None:
            left = max((self._clock.when() or 0.0) - now, 0.001)
        else:
            # MongoDB is to notice first: it knows what it is doing, and stops doing it
            self._clock.reschedule(now + self._long + self._timeout)
        self._driver = _observed(self._operation, left)
        self._driver.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._places.release()
        try:
            self._driver.__exit__(kind, error, traceback)
        finally:
            if isinstance(error, asyncio.CancelledError):
                await self._stop_clock(self._connection.trouble)
            else:
                await self._clock.__aexit__(None, None, None)

    async def _stop_clock(self, detail: str) -> None:
        """End a cancelled call: StoreUnavailable when it was its own clock that cancelled it."""
        error = asyncio.CancelledError()
        try:
            await self._clock.__aexit__(asyncio.CancelledError, error, None)
        except TimeoutError:
            raise StoreUnavailable(STORE, detail) from None


@contextmanager
def readable_errors() -> Iterator[None]:
    """Problems instead of the driver's errors."""
    try:
        yield
    except Exception as error:
        problem = problem_for(error)
        if problem is None:
            raise
        raise problem from error


@contextmanager
def _observed(operation: str, timeout: float | None) -> Iterator[None]:
    with readable_errors(), observe_store(STORE, operation), pymongo.timeout(timeout):
        yield
