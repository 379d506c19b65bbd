"""Collections: which there are, what they are like, and what is computed from them."""

from __future__ import annotations

from typing import Any

from svc_common import BadRequest, Conflict, NotFound

from .connection import Connection, Stored
from .documents import NAME_INDEX

_CANNOT_CREATE = 67
_KEPT_INDEXES = frozenset(("_id_", NAME_INDEX))


class Collections:
    """The collections of the documents' database. ``timeout`` is for slow commands, in seconds."""

    def __init__(self, connection: Connection, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout

    async def names(self) -> list[str]:
        """The names of all collections, in order."""
        async with self._connection.call("list_collections"):
            return sorted(await self._connection.database.list_collection_names())

    async def create(self, collection: str, options: Stored) -> None:
        """Create a collection; Conflict when it is there."""
        if await self._info(collection) is not None:
            raise Conflict(f"There is a collection {collection} already.")
        async with self._connection.call("create", self._timeout):
            await self._connection.database.command({"create": collection, **options})

    async def validator(self, collection: str) -> Stored | None:
        """A collection's validator; empty for none, None where there is no such collection."""
        info = await self._info(collection)
        if info is None:
            return None
        validator: Stored = info.get("options", {}).get("validator") or {}
        return validator

    async def set_validator(self, collection: str, validator: Stored) -> None:
        """Set what documents must fit from now on; creates the collection if need be."""
        command = "create" if await self._info(collection) is None else "collMod"
        async with self._connection.call(command, self._timeout):
            await self._connection.database.command({command: collection, "validator": validator})

    async def indexes(self, collection: str) -> dict[str, Stored]:
        """The indexes by name."""
        async with self._connection.call("list_indexes"):
            found = await self._connection.database.get_collection(collection).index_information()
        return {name: dict(index) for name, index in found.items()}

    async def create_index(self, collection: str, keys: list[tuple[str, Any]], options: Stored) -> str:
        """Create an index; returns its name. BadRequest for a kind that the server lacks."""
        try:
            async with self._connection.call("create_index", self._timeout):
                return await self._connection.database.get_collection(collection).create_index(
                    keys, **options
                )
        except BadRequest as problem:
            if problem.extra.get("code") == _CANNOT_CREATE and any(kind == "text" for _, kind in keys):
                problem.detail = "This server has no text indexes, or the collection has one already."
            raise

    async def drop_index(self, collection: str, name: str) -> None:
        """Drop an index; NotFound when it is not there, BadRequest for those that documents need."""
        if name in _KEPT_INDEXES:
            raise BadRequest(f"The index {name} keeps the documents in order.")
        if name not in await self.indexes(collection):
            raise NotFound(f"Missing index: {name}")
        async with self._connection.call("drop_index", self._timeout):
            await self._connection.database.get_collection(collection).drop_index(name)

    async def stats(self, collection: str) -> Stored:
        """MongoDB's ``collStats``, and whether the collection is capped."""
        info = await self._info(collection) or {}
        async with self._connection.call("stats", self._timeout):
            stats = await self._connection.database.command({"collStats": collection})
        return {**stats, "capped": bool(info.get("options", {}).get("capped"))}

    async def _info(self, collection: str) -> Stored | None:
        async with self._connection.call("list_collections"):
            cursor = await self._connection.database.list_collections(filter={"name": collection})
            found = await cursor.to_list(1)
        return dict(found[0]) if found else None
