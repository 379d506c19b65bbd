"""Named documents: ``{name, content, revision, created, updated}``, one name each in a collection."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, TypeVar

import stamina
from bson import DBRef, ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from svc_common import Conflict

from .connection import Collection, Connection, Stored
from .queries import DEFAULT, Reading
from .reads import NamedReads

NAME_INDEX = "name_1"

_INDEX_TRUST_SECONDS = 30.0
_TRIES = 60  # of a change that other writers keep getting ahead of, each after a short random wait


ResultT = TypeVar("ResultT")


class _LostRace(Exception):
    """Another writer changed the document between reading and writing it."""


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document. ``tag`` changes with every write, and differs after a delete and a new start."""

    id: object
    name: str
    content: Any
    revision: int
    tag: str
    stored_revision: Any = None
    """What MongoDB has in its place: another program may have stored a fraction, a text or nothing."""

    @classmethod
    def from_stored(cls, stored: Stored) -> Document:
        """The document in the form that MongoDB keeps."""
        key, stored_revision = stored["_id"], stored.get("revision")
        revision = 0
        if isinstance(stored_revision, (int, float)) and math.isfinite(stored_revision):
            revision = int(stored_revision)
        if not isinstance(key, ObjectId):  # of somebody else's making, and perhaps nothing for a header
            key = blake2b(repr(key).encode(), digest_size=12).hexdigest()
        return cls(
            id=stored["_id"],
            name=stored["name"],
            content=stored.get("content"),
            revision=revision,
            tag=f"{revision}-{key}",
            stored_revision=stored_revision,
        )


Allow = Callable[[str | None], None]
"""Raises unless a write over the revision with this tag (None for nothing) is allowed."""


class Documents:
    """The named documents of a database. Everything raises StoreUnavailable when MongoDB is not there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._reads = NamedReads(connection)
        self._indexed: dict[str, float] = {}

    def _collection(self, collection: str) -> Collection:
        return self._connection.database.get_collection(collection)

    async def read(self, collection: str, name: str, reading: Reading = DEFAULT) -> Document | None:
        """The document, None where there is none. Its content must not be changed."""
        stored = await self._reads.read(collection, name, reading)
        return None if stored is None else Document.from_stored(stored)

    async def store(self, collection: str, name: str, content: Any) -> Document:
        """Store or replace, whatever is there."""
        await self.ensure_index(collection)

        async def upsert() -> Document:
            now = present()
            try:
                async with self._connection.call("update"):
                    stored = await self._collection(collection).find_one_and_update(
                        {"name": name},
                        {
                            "$set": {"content": content, "updated": now},
                            "$inc": {"revision": 1},
                            "$setOnInsert": {"created": now},
                        },
                        {"name": 1, "revision": 1},
                        upsert=True,
                        return_document=ReturnDocument.AFTER,
                    )
            except Conflict as problem:
                # Two writers created it at once and one was second; now there is something to replace
                if isinstance(problem.__cause__, DuplicateKeyError) and _is_name(problem.__cause__):
                    raise _LostRace from problem
                raise
            return Document.from_stored(stored)

        return await _until_won(upsert)

    async def change(self, collection: str, name: str, compute: Callable[[Document | None], Any]) -> Document:
        """Read the document, let ``compute`` make its new content, and write only if nobody else did.

        ``compute`` may raise to refuse. When another writer gets ahead it is called again with the newer
        document; Conflict when that happens too often.
        """
        await self.ensure_index(collection)

        async def attempt() -> Document:
            before = await self._before(collection, name)
            content = compute(before)
            if before is None:
                return await self._create(collection, name, content)
            return await self._replace(collection, before, content)

        return await _until_won(attempt)

    async def delete(self, collection: str, name: str, allow: Allow | None = None) -> bool:
        """Delete; returns whether there was something. ``allow`` may refuse the revision that is there."""
        if allow is None:
            async with self._connection.call("delete"):
                result = await self._collection(collection).delete_one({"name": name})
            return result.deleted_count > 0

        async def attempt() -> bool:
            before = await self._before(collection, name)
            allow(None if before is None else before.tag)
            if before is None:
                return False
            async with self._connection.call("delete"):
                result = await self._collection(collection).delete_one(_same_revision(before))
            if not result.deleted_count:
                raise _LostRace
            return True

        return await _until_won(attempt)

    async def create(self, collection: str, name: str, content: Any) -> Document:
        """Store what must not be there yet; Conflict when it is."""
        await self.ensure_index(collection)
        try:
            return await self._create(collection, name, content)
        except _LostRace:
            raise Conflict(f"There is a document {name} already.") from None

    async def ensure_index(self, collection: str) -> None:
        """Make sure that names are unique in a collection, which this creates if need be.

        Somebody may drop the collection behind our back, so what was seen is trusted for a while only.
        """
        now = time.monotonic()
        if self._indexed.get(collection, 0.0) > now:
            return
        async with self._connection.call("create_index"):
            # Sparse: documents without a name may live in the same collection
            await self._collection(collection).create_index("name", name=NAME_INDEX, unique=True, sparse=True)
        self._indexed[collection] = now + _INDEX_TRUST_SECONDS

    async def _before(self, collection: str, name: str) -> Document | None:
        """The document that is to be written over."""
        async with self._connection.call("find"):
            stored = await self._collection(collection).find_one({"name": name})
        if stored is None:
            return None
        return Document.from_stored({**stored, "content": without_references(stored.get("content"))})

    async def _create(self, collection: str, name: str, content: Any) -> Document:
        now = present()
        stored: Stored = {"name": name, "content": content, "revision": 1, "created": now, "updated": now}
        try:
            async with self._connection.call("insert"):
                await self._collection(collection).insert_one(stored)
        except Conflict as problem:
            if isinstance(problem.__cause__, DuplicateKeyError) and _is_name(problem.__cause__):
                raise _LostRace from problem
            raise
        return Document.from_stored(stored)

    async def _replace(self, collection: str, before: Document, content: Any) -> Document:
        async with self._connection.call("update"):
            stored = await self._collection(collection).find_one_and_update(
                _same_revision(before),
                {"$set": {"content": content, "updated": present(), "revision": before.revision + 1}},
                {"name": 1, "revision": 1},
                return_document=ReturnDocument.AFTER,
            )
        if stored is None:
            raise _LostRace
        return Document.from_stored(stored)


def present() -> datetime:
    """Now, as precise as MongoDB keeps it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _same_revision(document: Document) -> Stored:
    return {"_id": document.id, "name": document.name, "revision": {"$eq": document.stored_revision}}


def without_references(value: Any) -> Any:
    """A content in which objects with ``$ref`` and ``$id`` are objects again, as every other one is.

    The driver makes something of its own of them, which a patch could not look into.
    """
    if isinstance(value, DBRef):
        value = value.as_doc()
    if isinstance(value, dict):
        return {key: without_references(item) for key, item in value.items()}
    return [without_references(item) for item in value] if isinstance(value, list) else value


def _is_name(error: DuplicateKeyError) -> bool:
    return dict((error.details or {}).get("keyPattern") or {"name": 1}) == {"name": 1}


async def _until_won(attempt: Callable[[], Awaitable[ResultT]]) -> ResultT:
    try:
        return await attempt()
    except _LostRace:
        pass
    retry = stamina.retry(
        on=_LostRace, attempts=_TRIES, timeout=None, wait_initial=0.002, wait_max=0.1, wait_jitter=0.05
    )

    async def again() -> ResultT:
        return await attempt()

    try:
        return await retry(again)()
    except _LostRace:
        raise Conflict("Too many others write this document at once; try again.") from None
