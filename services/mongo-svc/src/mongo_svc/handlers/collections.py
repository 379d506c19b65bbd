"""``/v1/`` and ``/v1/{collection}``: what there is."""

from __future__ import annotations

from ..names import is_private
from .base import MongoHandler


class CollectionsHandler(MongoHandler):
    """The names of the collections."""

    async def get(self) -> None:
        self.negotiate("application/json")
        names = await self.state.collections.names()
        self.write_json({"collections": [name for name in names if not is_private(name)]})
