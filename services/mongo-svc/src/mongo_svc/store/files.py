"""Files of any length in GridFS: each collection has a bucket of its own name."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorGridFSBucket

from svc_common import Problem

from .connection import Connection

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
        self._turn = asyncio.Lock()  # an upload may be given up while a piece is on its way
        self._stream: Any = files.bucket(collection).open_upload_stream_with_id(
            self.id, name, metadata={"contentType": content_type}
        )

    async def write(self, data: bytes) -> None:
        """Add a piece; returns when there is room for the next."""
        async with self._turn, self._files.connection.call("upload", self._files.timeout):
            await self._stream.write(data)

    async def finish(self, before: Sequence[ObjectId]) -> str:
        """The file is complete: it takes the place of those that were there ``before``. Returns its tag.

        Of two uploads that end at once neither deletes the other; the younger is seen, and the next upload or
        deletion takes both away.
        """
        async with self._files.connection.call("upload", self._files.timeout):
            await self._stream.close()
        await self._files.delete(self._collection, before)
        return str(self.id)

    async def abort(self) -> None:
        """Remove what was written."""
        async with self._turn, self._files.connection.call("upload", self._files.timeout):
            await self._stream.abort()


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

    def bucket(self, collection: str) -> AsyncIOMotorGridFSBucket:
        """The bucket of a collection."""
        return AsyncIOMotorGridFSBucket(self.connection.database, bucket_name=collection)

    async def find(self, collection: str, name: str) -> StoredFile | None:
        """The newest file of a name, None where there is none."""
        files = self.connection.database.get_collection(f"{collection}.files")
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
            source: Any = await self.bucket(collection).open_download_stream(file.id)
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
        files = self.connection.database.get_collection(f"{collection}.files")
        async with self.connection.call("find"):
            found = await files.find({"filename": name}, {"_id": 1}).sort(_NEWEST_FIRST).to_list(None)
        return [stored["_id"] for stored in found]

    async def delete(self, collection: str, keys: Sequence[ObjectId]) -> None:
        """Delete files."""
        files = self.connection.database.get_collection(f"{collection}.files")
        chunks = self.connection.database.get_collection(f"{collection}.chunks")
        if not keys:
            return
        async with self.connection.call("delete", self.timeout):
            await files.delete_many({"_id": {"$in": keys}})
        async with self.connection.call("delete", self.timeout):
            await chunks.delete_many({"files_id": {"$in": keys}})
