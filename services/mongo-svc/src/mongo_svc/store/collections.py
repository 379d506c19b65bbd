"""Collections: which there are, and making them."""

from __future__ import annotations

from .connection import Connection


class Collections:
    """The collections of the documents' database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def names(self) -> list[str]:
        """The names of all collections, in order."""
        async with self._connection.call("list_collections"):
            return sorted(await self._connection.database.list_collection_names())
