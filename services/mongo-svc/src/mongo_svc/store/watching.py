"""Changes as they happen: MongoDB's change streams. Needs a replica set or a sharded cluster."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from pymongo.errors import OperationFailure

from svc_common import Unavailable

from .connection import Connection, Stored, readable_errors

AWAIT_MILLISECONDS = 1000

_TOKEN = re.compile(r"[A-Za-z0-9+/=_-]{8,2000}")
_LOST = frozenset((9, 260, 280, 286, 40573, 40576, 40615, 40647, 40649, 50811))
_WRITES = frozenset(("insert", "update", "replace", "delete"))


class Expired(Exception):
    """A resume token that MongoDB cannot go on from: too old, or none of its own."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change: which document it was, and where to go on after it. ``id`` is None when all are gone."""

    token: str
    id: Any
    kind: str
    document: Stored | None


class Watching:
    """Opens change streams; each takes a thread and a connection, so there are at most ``most`` at once."""

    def __init__(self, connection: Connection, most: int) -> None:
        self._connection = connection
        self._most = most
        self._open = 0

    async def open(self, collection: str, match: Stored | None = None, after: str | None = None) -> Stream:
        """Open a stream of a collection's changes. Expired when ``after`` is no token to go on from."""
        if self._open >= self._most:
            raise Unavailable("Too many streams of changes at once; try again later.", retry_after=10)
        if after is not None and not _TOKEN.fullmatch(after):
            raise Expired
        stream = self._connection.database.get_collection(collection).watch(
            [{"$match": match}] if match else [],
            full_document="updateLookup",
            resume_after={"_data": after} if after is not None else None,
            max_await_time_ms=AWAIT_MILLISECONDS,
        )
        self._open += 1
        opened = Stream(self, stream)
        try:
            with readable_errors():
                await opened.start()
        except BaseException:
            await opened.close()
            raise
        return opened

    def closed(self) -> None:
        """A stream has ended."""
        self._open -= 1


class Stream:
    """An open change stream."""

    def __init__(self, watching: Watching, stream: Any) -> None:
        self._watching = watching
        self._stream = stream
        self._first: Stored | None = None

    async def start(self) -> None:
        """Ask MongoDB for the first time, which shows whether it takes the token."""
        try:
            self._first = await self._stream.try_next()
        except OperationFailure as error:
            if error.code in _LOST:
                raise Expired from error
            raise

    @property
    def token(self) -> str | None:
        """Where the stream is now."""
        token = self._stream.resume_token
        return None if token is None else token["_data"]

    async def changes(self) -> AsyncIterator[Change | None]:
        """Each change; None now and then when there is none, so that a listener can look after itself."""
        change, self._first = self._first, None
        while True:
            if change is not None:
                kind = change["operationType"]
                if kind not in _WRITES:  # drop, rename, invalidate: MongoDB ends the stream after it
                    yield Change(change["_id"]["_data"], None, kind, None)
                    return
                document = change.get("fullDocument")
                yield Change(change["_id"]["_data"], change["documentKey"]["_id"], kind, document)
            else:
                yield None
            try:
                with readable_errors():
                    change = await self._stream.try_next()
            except StopAsyncIteration:
                return

    async def close(self) -> None:
        """Close it."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            self._watching.closed()
            await stream.close()
