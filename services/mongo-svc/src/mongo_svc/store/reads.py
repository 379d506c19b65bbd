"""Documents by name, many in one call.

Motor hands every call to a thread, and a call costs 0.27 ms of CPU time whatever it asks for; one that asks
for sixteen names costs 0.36 ms. So names that are asked for while ``LANES`` calls are under way wait, and go
together when one of those has come back. Nothing is remembered: MongoDB is asked for each name after the
request for it has come, in the way that the request wants it read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import bson
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from svc_common import StoreUnavailable

from .connection import BUSY, PLAIN_DATES, Connection, Stored, readable_errors
from .errors import STORE
from .queries import Reading

LANES = 2
PATIENCE = 0.05
"""Seconds after which a call that has not come back holds nobody else up."""

MOST_NAMES = 32
MOST_BYTES = 2**20
"""About how much the documents of a call are together; large documents are asked for one by one."""

_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
_decode = partial(bson.decode, codec_options=PLAIN_DATES)

_Answer: TypeAlias = "Stored | Exception | None"
_Find: TypeAlias = "Callable[[Sequence[str]], Awaitable[Found]]"


class NamedReads:
    """Finds documents by name."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._queues: dict[tuple[str, Reading], Queue] = {}

    async def read(self, collection: str, name: str, reading: Reading) -> Stored | None:
        """The stored document with this name, None where there is none. Dates in it are naive and in UTC.

        Who asks for the same name at the same time may get the same object, which must not be changed.
        """
        if reading.concern == "linearizable":  # means something for one document only
            return await self._find_one(collection, name, reading)
        key = (collection, reading)
        queue = self._queues.get(key)
        if queue is None:
            find = partial(self._find, collection, reading)
            queue = self._queues[key] = Queue(find, lambda: self._queues.pop(key))
        try:
            async with asyncio.timeout(self._connection.timeout):
                answer = await queue.ask(name)
                if isinstance(answer, _AskAlone):
                    return await self._find_one(collection, name, reading)
        except TimeoutError:
            raise StoreUnavailable(
                STORE, BUSY if self._connection.busy else self._connection.trouble
            ) from None
        if isinstance(answer, Exception):
            raise answer.with_traceback(None)
        return answer

    async def _find_one(self, collection: str, name: str, reading: Reading) -> Stored | None:
        target = self._connection.database.get_collection(collection, PLAIN_DATES)
        async with self._connection.call("find"):
            found: Stored | None = await reading.apply(target).find_one({"name": name})
        return found

    async def _find(self, collection: str, reading: Reading, names: Sequence[str]) -> Found:
        target = reading.apply(self._connection.database.get_collection(collection, _RAW))
        raw: list[Any]
        async with self._connection.call("find"):
            if len(names) == 1:
                one = await target.find_one({"name": names[0]})
                raw = [] if one is None else [one]
            else:
                # Names are unique where this service writes; elsewhere there may be any number of each
                raw = [each async for each in target.find({"name": {"$in": names}}, limit=2 * len(names))]
        found = Found(size=sum(len(each.raw) for each in raw))
        for each in raw:
            if len(names) == 1:
                with readable_errors():
                    found.documents[names[0]] = _decode(each.raw)
                continue
            with suppress(BSONError):  # who asked for that one asks again, and gets its error
                document = _decode(each.raw)
                if isinstance(document["name"], str):  # MongoDB looks into arrays, too
                    found.documents.setdefault(document["name"], document)
        return found


@dataclass(slots=True)
class Found:
    """Documents by name, and how many bytes they were together."""

    documents: dict[str, Stored] = field(default_factory=dict)
    size: int = 0


class _AskAlone(Exception):
    """A call with several names has not told whether there is this one."""


@dataclass(slots=True)
class _Waiter:
    name: str
    future: asyncio.Future[_Answer]

    def give(self, answer: _Answer) -> None:
        # Errors are values here: a future that nobody waits for any more would complain about an exception
        if not self.future.done():
            self.future.set_result(answer)


class Queue:
    """Those who wait for documents of one collection, all read in one way."""

    def __init__(self, find: _Find, forget: Callable[[], object]) -> None:
        self._find = find
        self._forget = forget
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Waiter] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        self._next: asyncio.Handle | None = None
        self._most = MOST_NAMES

    def ask(self, name: str) -> asyncio.Future[_Answer]:
        """The answer for a name, when it comes; the future may be cancelled."""
        waiter = _Waiter(name, self._loop.create_future())
        self._waiting.append(waiter)
        if self._next is None:
            self._plan()
        return waiter.future

    def _plan(self) -> None:
        if self._next is not None:
            self._next.cancel()
        if self._is_free():  # not at once: what else comes in this turn of the loop goes along
            self._next = self._loop.call_soon(self._send)
        else:
            self._next = self._loop.call_later(PATIENCE, self._send)

    def _is_free(self) -> bool:
        return len(self._calls) < LANES or self._most == 1

    def _send(self) -> None:
        self._next = None
        waiters: list[_Waiter] = []
        names: dict[str, None] = {}
        while self._waiting and len(names) < self._most:
            waiter = self._waiting.popleft()
            if not waiter.future.done():
                waiters.append(waiter)
                names[waiter.name] = None
        if waiters:
            task = self._loop.create_task(self._call(waiters, list(names)))
            self._calls.add(task)
            task.add_done_callback(self._came_back)
        self._go_on()

    async def _call(self, waiters: list[_Waiter], names: list[str]) -> None:
        try:
            found = await self._find(names)
        except Exception as error:
            for waiter in waiters:
                waiter.give(error)
            return
        if found.documents:
            self._most = max(1, min(MOST_NAMES, MOST_BYTES * len(found.documents) // found.size))
        # MongoDB compares names as the collection's collation says: a name that is missing among many may
        # have an answer still. One alone is what MongoDB says it is.
        missing = None if len(names) == 1 else _AskAlone()
        for waiter in waiters:
            waiter.give(found.documents.get(waiter.name, missing))

    def _came_back(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._go_on()

    def _go_on(self) -> None:
        if self._waiting:
            self._plan()
        elif not self._calls:
            self._forget()
