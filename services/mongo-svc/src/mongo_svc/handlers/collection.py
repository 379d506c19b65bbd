"""``/v1/{collection}``: pages and exports of documents, imports, and changes to many at once."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import urlencode

import orjson
from tornado.web import stream_request_body

from svc_common import (
    BadRequest,
    PayloadTooLarge,
    PreconditionRequired,
    Problem,
    UnsupportedMediaType,
    media_type,
)

from ..content import parse_content
from ..ejson import parse_ejson
from ..imports import MOST_ITEM_BYTES, read_item
from ..listing import NAMED, both, read_filter
from ..options import read_options
from ..patches import MERGE_PATCH, merge_update
from ..rendering import relaxed
from ..splitting import Items, Lines, Splitter
from ..store import MODES
from .base import MongoHandler
from .importing import Import
from .query import asked, cursor_after, next_page, rendered
from .watch import watch

NDJSON = "application/x-ndjson"
JSON = "application/json"

_BLANKS = b" \t\r\n"


@stream_request_body
class CollectionHandler(MongoHandler):
    """The documents of a collection."""

    unlimited_body = True

    async def prepare(self) -> None:
        """Admit the request and get ready for its body."""
        self._body = bytearray()
        self._kind = ""
        self._undecided = self.request.method == "POST"
        self._import: Import | None = None
        self._problem: Problem | None = None
        await super().prepare()
        if self._undecided:
            self._kind = media_type(self.request.headers.get("Content-Type")) or JSON
            if self._kind not in (JSON, NDJSON):
                raise UnsupportedMediaType(f"Send documents as {JSON} or {NDJSON}.")
            self._mode, self._ordered = self._import_options()

    async def data_received(self, chunk: bytes) -> None:
        """Take a piece of the body; the next one is read from the socket when this returns."""
        if self._problem is not None or self._finished:
            return
        try:
            if self._import is None:
                self._body += chunk
                self._decide()
                if len(self._body) > self.context.settings.max_body_bytes:
                    most = self.context.settings.max_body_bytes
                    raise PayloadTooLarge(f"The body is over the limit of {most} bytes.")
            if self._import is not None:
                data = bytes(self._body) or chunk
                self._body.clear()
                await self._import.feed(data)
        except Problem as problem:
            self._body.clear()
            self._problem = problem  # the rest of the body is read and dropped, then this is the answer

    # -- reading ------------------------------------------------------------------------------------

    async def get(self, collection: str) -> None:
        if self.wants_events():
            await watch(self, collection, read_filter(self.query("filter")))
            return
        kind = self.negotiate(JSON, NDJSON)
        if kind == NDJSON:
            await self._export(collection)
        else:
            await self._page(collection)

    async def _page(self, collection: str) -> None:
        limit = self.query_int("limit", 100, least=1, most=self.state.settings.page_limit)
        counting = self.query("count", "none")
        if counting not in ("none", "exact", "estimated"):
            raise BadRequest("count is exact, estimated or none.")
        wanted = asked(self, collection)
        found = await self.state.queries.page(next_page(self, wanted), limit + 1)
        documents = relaxed([rendered(stored) for stored in found[:limit]])
        answer: dict[str, Any] = {"documents": orjson.Fragment(documents), "next": None}
        if len(found) > limit:
            answer["next"] = cursor_after(self, wanted, found[:limit])
            self.set_header("Link", f'<{self._next_address(answer["next"])}>; rel="next"')
        if counting == "exact":
            answer["count"] = await self.state.queries.count(wanted.query)
        elif counting == "estimated":
            if self.query("filter") is not None:
                raise BadRequest("Only a whole collection can be estimated; ask for count=exact.")
            answer["count"] = await self.state.queries.estimate(collection)
        self.write_json(answer)

    async def _export(self, collection: str) -> None:
        query = next_page(self, asked(self, collection))
        self._clear_deadline()
        self.cancel_on_disconnect = True
        self.set_header("Content-Type", NDJSON)
        async for batch in self.state.queries.stream(query):
            self.write(b"".join(relaxed(rendered(stored)) + b"\n" for stored in batch))
            await self.flush()

    # -- writing ------------------------------------------------------------------------------------

    async def post(self, collection: str) -> None:
        if self._problem is not None:
            raise self._problem
        self._decide()
        if self._import is None:
            await self._create(collection)
            return
        summary = await self._import.end()
        self._tell(summary)

    async def put(self, collection: str) -> None:
        if self._problem is not None:
            raise self._problem
        options = read_options(parse_ejson(bytes(self._body) or b"{}"))
        await self.state.collections.create(collection, options)
        await self.state.documents.ensure_index(collection)
        self.set_header("Location", self.address(collection))
        self.set_status(201)

    async def patch(self, collection: str) -> None:
        query = self._guarded_filter()
        if media_type(self.request.headers.get("Content-Type")) != MERGE_PATCH:
            raise UnsupportedMediaType(
                f"Send the change of many documents as {MERGE_PATCH}.", headers={"Accept-Patch": MERGE_PATCH}
            )
        change = merge_update(parse_content(bytes(self._body)))
        matched, modified = await self.state.bulk.change_all(collection, query, change)
        self.write_json({"matched": matched, "modified": modified})

    async def delete(self, collection: str) -> None:
        query = self._guarded_filter()
        self.write_json({"deleted": await self.state.bulk.delete_all(collection, query)})

    async def _create(self, collection: str) -> None:
        name, content = read_item(bytes(self._body), named=False)
        name = secrets.token_hex(12) if name is None else name
        document = await self.state.documents.create(collection, name, content)
        self.set_header("ETag", f'"{document.tag}"')
        self.set_header("Location", self.address(collection, name))
        self.write_json({"name": name}, status=201)

    def _decide(self) -> None:
        """Begin an import, if that is what the body's beginning announces."""
        begin = self._body.lstrip(_BLANKS)[:1]
        if not self._undecided or (not begin and self._kind != NDJSON):
            return
        self._undecided = False
        splitter: Splitter
        if self._kind == NDJSON:
            splitter = Lines(MOST_ITEM_BYTES)
        elif begin == b"[":
            splitter = Items(MOST_ITEM_BYTES)
        else:
            return  # one document
        self._clear_deadline()
        self._import = Import(
            self.state.bulk,
            self.path_kwargs["collection"],
            splitter,
            self._mode,
            self._ordered,
            self._tell,
            self.state.settings.import_report,
        )

    def _tell(self, line: dict[str, Any]) -> None:
        if self._finished:  # the client has left
            return
        if not self._headers_written:
            self.set_header("Content-Type", NDJSON)
        self.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        # Not awaited: many clients read the answer only after they have sent everything, and what is told
        # is little enough to wait in the socket's buffer
        self.flush()

    def _import_options(self) -> tuple[Any, bool]:
        mode, ordered = self.query("mode", "insert"), self.query("ordered", "false")
        if mode not in MODES:
            raise BadRequest(f"mode is one of {', '.join(MODES)}.")
        if ordered not in ("true", "false"):
            raise BadRequest("ordered is true or false.")
        return mode, ordered == "true"

    def _guarded_filter(self) -> dict[str, Any]:
        if self._problem is not None:
            raise self._problem
        if self.query("filter") is None:
            raise BadRequest("Say which documents: filter={} means all of them.")
        if self.request.headers.get("If-Match") != "*" and self.query("confirm") != "true":
            raise PreconditionRequired("To change many documents at once, send If-Match: * or confirm=true.")
        return both(read_filter(self.query("filter")), NAMED)

    def _next_address(self, cursor: str) -> str:
        arguments = [  # as they came, whatever the bytes are; Tornado reads names as Latin-1
            (name.encode("latin-1"), value)
            for name, values in self.request.query_arguments.items()
            for value in values[-1:]
            if name != "after"
        ]
        return f"{self.request.path}?" + urlencode([*arguments, (b"after", cursor.encode())])
