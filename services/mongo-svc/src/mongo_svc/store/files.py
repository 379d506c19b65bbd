"""Files of any length in GridFS: each collection has a bucket of its own name.

Source: the MongoDB specification "GridFS". Files are written chunk by chunk: the driver's own upload keeps
48 MB of each file in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from bson import Int64, ObjectId
from motor.motor_asyncio import AsyncIOMotorGridFSBucket

from svc_common import Problem

from .connection import Collection, Connection
from .documents import present

_CHUNK_BYTES = 255 * 1024
"""What the specification proposes."""

_CHUNKS_AT_ONCE = 16
_NEWEST_FIRST = [("uploadDate", -1), ("_id", -1)]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is there. ``tag`` changes with every upload."""

    id: ObjectId
    name: str
    length: int
    content_type: str

    @property
    def tag(self) -> str:
        """The entity tag."""
        return str(self.id)


class Upload:
    """A file on its way in; nobody sees it before ``finish``."""

    def __init__(self, files: Files, collection: str, name: str, content_type: str) -> None:
        self.id = ObjectId()
        self._files = files
        self._collection = collection
        self._name = name
        self._content_type = content_type
        self._turn = asyncio.Lock()  # an upload may be given up while a piece is on its way
        self._waiting = bytearray()
        self._sent = 0  # bytes, in whole chunks

    async def write(self, data: bytes) -> None:
        """Add a piece; returns when there is room for the next."""
        self._waiting += data
        if len(self._waiting) >= _CHUNKS_AT_ONCE * _CHUNK_BYTES:
            async with self._turn, self._files.connection.call("upload", self._files.timeout):
                await self._send(len(self._waiting) // _CHUNK_BYTES * _CHUNK_BYTES)

    async def finish(self, before: Sequence[ObjectId]) -> str:
        """The file is complete: it takes the place of those that were there ``before``. Returns its tag.

        Of two uploads that end at once neither deletes the other; the younger is seen, and the next upload or
        deletion takes both away.
        """
        async with self._files.connection.call("upload", self._files.timeout):
            length = self._sent + len(self._waiting)
            await self._send(len(self._waiting))
            await self._files.descriptions(self._collection).insert_one(
                {
                    "_id": self.id,
                    "length": Int64(length),
                    "chunkSize": _CHUNK_BYTES,
                    "uploadDate": present(),
                    "filename": self._name,
                    "metadata": {"contentType": self._content_type},
                }
            )
        await self._files.delete(self._collection, before)
        return str(self.id)

    async def abort(self) -> None:
        """Remove what was written."""
        async with self._turn:
            self._waiting.clear()
            await self._files.delete(self._collection, [self.id])

    async def _send(self, count: int) -> None:
        """Send bytes on; all but the last ones of a file fill chunks."""
        if not self._sent:
            await self._files.ensure_indexes(self._collection)
        if count:
            first = self._sent // _CHUNK_BYTES
            chunks = [
                {
                    "files_id": self.id,
                    "n": first + number,
                    "data": bytes(self._waiting[at : at + _CHUNK_BYTES]),
                }
                for number, at in enumerate(range(0, count, _CHUNK_BYTES))
            ]
            await self._files.chunks(self._collection).insert_many(chunks)
            del self._waiting[:count]
            self._sent += count


class Files:
    """The files of a database. ``timeout`` is for each piece, in seconds."""

    def __init__(self, connection: Connection, timeout: float) -> None:
        self.connection = connection
        self.timeout = timeout
        self._tasks: set[asyncio.Future[None]] = set()

    def abandon(self, upload: Upload) -> None:
        """Remove what was written of an upload, in the background."""
        task = asyncio.ensure_future(self._abort(upload))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _abort(self, upload: Upload) -> None:
        with contextlib.suppress(Problem):  # without a store the pieces stay, and nobody sees them
            await upload.abort()

    def descriptions(self, collection: str) -> Collection:
        """Where a collection's files are described."""
        return self.connection.database.get_collection(f"{collection}.files")

    def chunks(self, collection: str) -> Collection:
        """Where their bytes are."""
        return self.connection.database.get_collection(f"{collection}.chunks")

    async def ensure_indexes(self, collection: str) -> None:
        """Create the indexes of the specification before the first file; part of an upload's call."""
        if await self.descriptions(collection).find_one({}, {"_id": 1}) is None:
            await self.descriptions(collection).create_index([("filename", 1), ("uploadDate", 1)])
            await self.chunks(collection).create_index([("files_id", 1), ("n", 1)], unique=True)

    async def find(self, collection: str, name: str) -> StoredFile | None:
        """The newest file of a name, None where there is none."""
        files = self.descriptions(collection)
        async with self.connection.call("find"):
            stored = await files.find_one({"filename": name}, sort=_NEWEST_FIRST)
        if stored is None:
            return None
        kind = (stored.get("metadata") or {}).get("contentType")
        return StoredFile(
            stored["_id"],
            name,
            stored["length"],
            kind if isinstance(kind, str) else "application/octet-stream",
        )

    async def read(self, collection: str, file: StoredFile, first: int, last: int) -> AsyncIterator[bytes]:
        """The bytes from ``first`` to ``last``, piece by piece."""
        async with self.connection.call("download", self.timeout):
            bucket = AsyncIOMotorGridFSBucket(self.connection.database, bucket_name=collection)
            source: Any = await bucket.open_download_stream(file.id)
        source.seek(first)
        left = last - first + 1
        while left > 0:
            async with self.connection.call("download", self.timeout):
                data: bytes = await source.read(min(left, source.chunk_size))
            if not data:
                return
            left -= len(data)
            yield data

    async def all(self, collection: str, name: str) -> list[ObjectId]:
        """The keys of all files of a name, the newest first."""
        files = self.descriptions(collection)
        async with self.connection.call("find"):
            found = await files.find({"filename": name}, {"_id": 1}).sort(_NEWEST_FIRST).to_list(None)
        return [stored["_id"] for stored in found]

    async def delete(self, collection: str, keys: Sequence[ObjectId]) -> None:
        """Delete files."""
        if not keys:
            return
        async with self.connection.call("delete", self.timeout):
            await self.descriptions(collection).delete_many({"_id": {"$in": keys}})
        async with self.connection.call("delete", self.timeout):
            await self.chunks(collection).delete_many({"files_id": {"$in": keys}})
