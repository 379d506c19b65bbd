"""``POST /v1/-/batch``: operations that are done together or not at all."""

from __future__ import annotations

from ..batch import read_operations
from ..content import parse_content
from .base import MongoHandler


class BatchHandler(MongoHandler):
    """One transaction."""

    async def post(self) -> None:
        self.read_json()  # for its checks of the media type
        operations = read_operations(parse_content(self.request.body))
        for collection in {operation.collection for operation in operations}:
            self.check_collection(collection)
        tags = await self.state.transactions.run(operations)
        self.write_json({"results": [{"etag": None if tag is None else f'"{tag}"'} for tag in tags]})
