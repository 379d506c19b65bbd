"""``/v1/{collection}/-/…``: a collection's schema, indexes and figures, and what is computed from it."""

from __future__ import annotations

from typing import Any

from svc_common import BadRequest, NotFound

from ..content import parse_content
from ..ejson import parse_ejson
from ..filters import check_pipeline
from ..indexes import read_index, shown_index
from ..rendering import relaxed
from ..schemas import from_validator, to_validator
from .base import MongoHandler
from .query import reading


class SchemaHandler(MongoHandler):
    """The JSON Schema that contents must fit."""

    async def get(self, collection: str) -> None:
        self.negotiate("application/json", "application/schema+json")
        validator = await self.state.collections.validator(collection)
        schema = from_validator(validator) if validator else None
        if schema is None:
            raise NotFound(f"The collection {collection} has no schema.")
        self.write_json(schema, content_type="application/schema+json")

    async def put(self, collection: str) -> None:
        self.read_json()  # for its checks of the media type
        schema = parse_content(self.request.body)
        await self.state.collections.set_validator(collection, to_validator(schema))
        await self.state.documents.ensure_index(collection)
        self.no_content()


class IndexesHandler(MongoHandler):
    """The indexes of a collection."""

    async def get(self, collection: str) -> None:
        self.negotiate("application/json")
        found = await self.state.collections.indexes(collection)
        self.set_header("Content-Type", "application/json")
        self.write(relaxed({"indexes": [shown_index(name, index) for name, index in sorted(found.items())]}))

    async def post(self, collection: str) -> None:
        self.read_json()
        keys, options = read_index(parse_ejson(self.request.body))
        await self.state.documents.ensure_index(collection)
        name = await self.state.collections.create_index(collection, keys, options)
        self.write_json({"name": name}, status=201)

    async def delete(self, collection: str) -> None:
        name = self.query("name")
        if not name:
            raise BadRequest("Say which index: name=…")
        await self.state.collections.drop_index(collection, name)
        self.no_content()


class StatsHandler(MongoHandler):
    """How large a collection is."""

    async def get(self, collection: str) -> None:
        self.negotiate("application/json")
        stats = await self.state.collections.stats(collection)
        shown: dict[str, Any] = {
            "documents": stats.get("count", 0),
            "bytes": stats.get("size", 0),
            "stored_bytes": stats.get("storageSize", 0),
            "indexes": stats.get("indexSizes", {}),
            "capped": stats.get("capped", False),
        }
        self.set_header("Content-Type", "application/json")
        self.write(relaxed(shown))


class AggregateHandler(MongoHandler):
    """What a pipeline computes. Its paths are those of the stored documents: ``content.price``."""

    cancel_on_disconnect = True

    async def post(self, collection: str) -> None:
        self.read_json()
        pipeline = check_pipeline(parse_ejson(self.request.body), self.check_collection)
        most = self.state.settings.page_limit
        found = await self.state.queries.aggregate(collection, pipeline, most, reading(self))
        self.set_header("Content-Type", "application/json")
        self.write(relaxed({"documents": found}))
