"""Many documents at once: imports in batches, and guarded updates and deletes by filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from svc_common import Problem, StoreUnavailable

from .connection import Connection, Stored
from .documents import Documents, present
from .errors import STORE, UNSAFE, problem_for_code

Mode = Literal["insert", "upsert", "update"]
MODES: tuple[Mode, ...] = ("insert", "upsert", "update")


@dataclass(frozen=True, slots=True)
class Item:
    """A document to import. ``position`` is its number in the body, from 1."""

    position: int
    name: str | None
    content: Any


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an item was not stored."""

    position: int
    name: str | None
    problem: Problem


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch; what is neither stored nor failed was not tried."""

    inserted: int
    replaced: int
    failures: list[Failure]


class Bulk:
    """Writes many documents. ``timeout`` is the time limit of one batch in seconds."""

    def __init__(self, connection: Connection, documents: Documents, timeout: float) -> None:
        self._connection = connection
        self._documents = documents
        self._timeout = timeout

    async def write(self, collection: str, items: Sequence[Item], mode: Mode, *, ordered: bool) -> Outcome:
        """Import a batch. With ``ordered`` nothing is tried after the first failure."""
        await self._documents.ensure_index(collection)
        if mode == "insert":
            return await self._insert(collection, items, ordered)
        if mode == "update":
            return await self._update(collection, items, ordered)
        return await self._upsert(collection, items, ordered)

    async def change_all(self, collection: str, query: Stored, change: Stored) -> tuple[int, int]:
        """Apply an update to every document that a filter finds; how many it found and changed."""
        operations: Stored = {
            **change,
            "$set": {**change.get("$set", {}), "updated": present()},
            "$inc": {"revision": 1},
        }
        async with self._connection.call("update", self._timeout):
            result = await self._connection.database.get_collection(collection).update_many(query, operations)
        return result.matched_count, result.modified_count

    async def delete_all(self, collection: str, query: Stored) -> int:
        """Delete every document that a filter finds; how many there were."""
        async with self._connection.call("delete", self._timeout):
            result = await self._connection.database.get_collection(collection).delete_many(query)
        return result.deleted_count

    async def _insert(self, collection: str, items: Sequence[Item], ordered: bool) -> Outcome:
        now = present()
        stored: list[Stored] = []
        for item in items:
            key = ObjectId()
            name = str(key) if item.name is None else item.name
            stored.append(
                {
                    "_id": key,
                    "name": name,
                    "content": item.content,
                    "revision": 1,
                    "created": now,
                    "updated": now,
                }
            )
        target = self._connection.database.get_collection(collection)
        failures: list[Failure] = []
        inserted = len(items)
        async with self._connection.call("insert", self._timeout):
            try:
                await target.insert_many(stored, ordered=ordered)
            except BulkWriteError as error:
                inserted, failures = error.details["nInserted"], _failures(error, items)
        return Outcome(inserted, 0, failures)

    async def _upsert(self, collection: str, items: Sequence[Item], ordered: bool) -> Outcome:
        now = present()
        operations = [
            UpdateOne(
                {"name": item.name},
                {
                    "$set": {"content": item.content, "updated": now},
                    "$inc": {"revision": 1},
                    "$setOnInsert": {"created": now},
                },
                upsert=True,
            )
            for item in items
        ]
        return await self._apply(collection, items, operations, ordered)

    async def _update(self, collection: str, items: Sequence[Item], ordered: bool) -> Outcome:
        names = [item.name for item in items]
        target = self._connection.database.get_collection(collection)
        async with self._connection.call("find", self._timeout):
            found = await target.find({"name": {"$in": names}}, {"name": 1, "_id": 0}).to_list(None)
        known = {stored["name"] for stored in found if isinstance(stored["name"], str)}  # not an array of it
        missing = [
            Failure(item.position, item.name, Problem(f"Missing document: {item.name}", status=404))
            for item in items
            if item.name not in known
        ]
        if missing and ordered:
            items = [item for item in items if item.position < missing[0].position]
            missing = missing[:1]
        kept = [item for item in items if item.name in known]
        now = present()
        operations = [
            UpdateOne(
                {"name": item.name},
                {"$set": {"content": item.content, "updated": now}, "$inc": {"revision": 1}},
            )
            for item in kept
        ]
        outcome = await self._apply(collection, kept, operations, ordered)
        return Outcome(outcome.inserted, outcome.replaced, [*outcome.failures, *missing])

    async def _apply(
        self, collection: str, items: Sequence[Item], operations: list[UpdateOne], ordered: bool
    ) -> Outcome:
        if not operations:
            return Outcome(0, 0, [])
        target = self._connection.database.get_collection(collection)
        async with self._connection.call("bulk_write", self._timeout):
            try:
                result = await target.bulk_write(operations, ordered=ordered)
            except BulkWriteError as error:
                details = error.details
                return Outcome(details["nUpserted"], details["nMatched"], _failures(error, items))
        return Outcome(result.upserted_count, result.matched_count, [])


def _failures(error: BulkWriteError, items: Sequence[Item]) -> list[Failure]:
    """The failures in a bulk error.

    Raises a problem when the write concern failed: then nothing is acknowledged, failures or not.
    """
    details = error.details
    if details["writeConcernErrors"]:
        raise StoreUnavailable(STORE, UNSAFE) from error
    failures = []
    for entry in details["writeErrors"]:
        item = items[entry["index"]]
        problem = problem_for_code(entry.get("code"), None, info=entry.get("errInfo"))
        problem = problem or Problem("MongoDB does not take this document.", status=422)
        if problem.status_code == 409 and dict(entry.get("keyPattern") or {"name": 1}) == {"name": 1}:
            problem.detail = f"There is a document {item.name} already."
        failures.append(Failure(item.position, item.name, problem))
    return failures
