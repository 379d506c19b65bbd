"""``/v1/{collection}/{name}``: one document."""

from __future__ import annotations

from typing import Any

from svc_common import NotFound, UnsupportedMediaType, media_type

from ..content import check_content, parse_content
from ..patches import read_patch
from ..rendering import relaxed
from ..store import Document
from .base import MongoHandler
from .query import reading
from .watch import watch


class DocumentHandler(MongoHandler):
    """Read, store, patch and delete a document; the conditions of RFC 9110 hold for each."""

    async def get(self, collection: str, name: str) -> None:
        if self.wants_events():
            await watch(self, collection, {}, name)
            return
        self.negotiate("application/json")
        document = await self.state.documents.read(collection, name, reading(self))
        if document is None:
            raise _missing(name)
        if self.not_modified(document.tag):
            return
        self.set_header("Content-Type", "application/json")
        self.write(relaxed(document.content))

    async def put(self, collection: str, name: str) -> None:
        self._only_json()
        content = parse_content(self.request.body)
        if self._is_conditional():

            def replace(before: Document | None) -> Any:
                self.require_match(_tag(before))
                return content

            document = await self.state.documents.change(collection, name, replace)
        else:
            document = await self.state.documents.store(collection, name, content)
        self._stored(document)

    async def post(self, collection: str, name: str) -> None:
        await self.put(collection, name)

    async def patch(self, collection: str, name: str) -> None:
        patch = read_patch(
            media_type(self.request.headers.get("Content-Type")), parse_content(self.request.body)
        )

        def apply(before: Document | None) -> Any:
            self.require_match(_tag(before))
            if before is None:
                raise _missing(name)
            content = patch(before.content)
            check_content(content)
            return content

        self._stored(await self.state.documents.change(collection, name, apply))

    async def delete(self, collection: str, name: str) -> None:
        allow = self.require_match if self._is_conditional() else None
        if not await self.state.documents.delete(collection, name, allow):
            raise _missing(name)
        self.no_content()

    def _stored(self, document: Document) -> None:
        self.set_header("ETag", f'"{document.tag}"')
        self.no_content()

    def _is_conditional(self) -> bool:
        return "If-Match" in self.request.headers or "If-None-Match" in self.request.headers

    def _only_json(self) -> None:
        kind = media_type(self.request.headers.get("Content-Type"))
        if kind and kind != "application/json" and not kind.endswith("+json"):
            raise UnsupportedMediaType("Send the body as application/json.")


def _missing(name: str) -> NotFound:
    return NotFound(f"Missing document: {name}")


def _tag(document: Document | None) -> str | None:
    return None if document is None else document.tag
