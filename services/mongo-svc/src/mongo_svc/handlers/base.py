"""What the handlers of mongo-svc share."""

from __future__ import annotations

from urllib.parse import quote

from svc_common import ServiceHandler

from ..names import check_collection, check_name
from ..state import State


class MongoHandler(ServiceHandler[State]):
    """A handler with the open store as its state."""

    async def prepare(self) -> None:
        """Admit the request; BadRequest or Forbidden for names in its path that are not for this caller."""
        await super().prepare()
        if "collection" in self.path_kwargs:
            self.check_collection(self.path_kwargs["collection"])
        if "name" in self.path_kwargs:
            check_name(self.path_kwargs["name"])

    def check_collection(self, collection: str) -> None:
        """BadRequest for what names no collection, Forbidden for one that row rules keep from the caller."""
        check_collection(collection)
        self.state.guard(collection, self.principal)

    def address(self, *segments: str) -> str:
        """The path of something under ``/v1/``, base path included."""
        encoded = "/".join(quote(segment, safe="") for segment in segments)
        return f"{self.context.settings.base_path}/v1/{encoded}"
