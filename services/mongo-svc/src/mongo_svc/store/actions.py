"""The ten actions of the Data API, on any database and collection of a connection."""

from __future__ import annotations

from typing import Any

from .connection import Collection, Connection, Stored


class Actions:
    """Runs actions. ``timeout`` is the time limit of one in seconds."""

    def __init__(self, connection: Connection, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._milliseconds = int(timeout * 1000)

    def _at(self, database: str, collection: str) -> Collection:
        return self._connection.named(database).get_collection(collection)

    async def find(
        self,
        database: str,
        collection: str,
        query: Stored,
        *,
        projection: Stored | None = None,
        sort: Stored | None = None,
        limit: int,
        skip: int = 0,
    ) -> list[Stored]:
        """The documents that a filter finds."""
        cursor = self._at(database, collection).find(query, projection or None)
        if sort:
            cursor = cursor.sort(list(sort.items()))
        cursor = cursor.skip(skip).limit(limit).max_time_ms(self._milliseconds)
        async with self._connection.call("find", self._timeout):
            found: list[Stored] = await cursor.to_list(limit)
        return found

    async def aggregate(
        self, database: str, collection: str, pipeline: list[Any], limit: int
    ) -> list[Stored]:
        """What a pipeline makes, at most ``limit`` documents."""
        cursor = self._at(database, collection).aggregate(pipeline, maxTimeMS=self._milliseconds)
        async with self._connection.call("aggregate", self._timeout):
            try:
                return await cursor.to_list(limit)
            finally:
                await cursor.close()

    async def insert_one(self, database: str, collection: str, document: Stored) -> Any:
        """Insert a document; returns its ``_id``."""
        async with self._connection.call("insert", self._timeout):
            return (await self._at(database, collection).insert_one(document)).inserted_id

    async def insert_many(self, database: str, collection: str, documents: list[Stored]) -> list[Any]:
        """Insert documents in order, up to the first that fails; returns each ``_id``."""
        async with self._connection.call("insert", self._timeout):
            return (await self._at(database, collection).insert_many(documents)).inserted_ids

    async def update(
        self, database: str, collection: str, query: Stored, update: Any, *, many: bool, upsert: bool
    ) -> Stored:
        """Update one document or all that a filter finds."""
        target = self._at(database, collection)
        async with self._connection.call("update", self._timeout):
            operation = target.update_many if many else target.update_one
            result = await operation(query, update, upsert=upsert)
        return _counts(result)

    async def replace(
        self, database: str, collection: str, query: Stored, replacement: Stored, *, upsert: bool
    ) -> Stored:
        """Replace one document."""
        async with self._connection.call("update", self._timeout):
            result = await self._at(database, collection).replace_one(query, replacement, upsert=upsert)
        return _counts(result)

    async def delete(self, database: str, collection: str, query: Stored, *, many: bool) -> int:
        """Delete one document or all that a filter finds; how many there were."""
        target = self._at(database, collection)
        async with self._connection.call("delete", self._timeout):
            result = await (target.delete_many(query) if many else target.delete_one(query))
        return result.deleted_count


def _counts(result: Any) -> Stored:
    counts: Stored = {"matchedCount": result.matched_count, "modifiedCount": result.modified_count}
    if result.upserted_id is not None:
        counts["matchedCount"] = 0
        counts["upsertedId"] = result.upserted_id
    return counts
