"""``/v1/{collection}/-/files/{name}``: files, streamed both ways."""

from __future__ import annotations

import re

from tornado.web import stream_request_body

from svc_common import BadRequest, NotFound, Problem

from ..ranges import read_range
from ..store import StoredFile, Upload
from .base import MongoHandler

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,100}/[A-Za-z0-9!#$&^_.+-]{1,100}( *; *[ -~]{1,200})?")


@stream_request_body
class FileHandler(MongoHandler):
    """One file."""

    unlimited_body = True

    async def prepare(self) -> None:
        """Admit the request; an upload begins only when its conditions hold."""
        self._upload: Upload | None = None
        self._problem: Problem | None = None
        await super().prepare()
        if self.request.method != "PUT":
            return
        kind = self.request.headers.get("Content-Type", "application/octet-stream")
        if not _MEDIA_TYPE.fullmatch(kind):
            raise BadRequest("The Content-Type is not a media type.")
        collection, name = self.path_kwargs["collection"], self.path_kwargs["name"]
        stored = await self.state.files.find(collection, name)
        self.require_match(None if stored is None else stored.tag)
        self._clear_deadline()
        self._upload = Upload(self.state.files, collection, name, kind)

    async def data_received(self, chunk: bytes) -> None:
        """Store a piece; the next one is read from the socket when this returns."""
        if self._upload is None or self._problem is not None:
            return
        try:
            await self._upload.write(chunk)
        except Problem as problem:
            self._problem = problem

    async def put(self, collection: str, name: str) -> None:
        try:
            if self._problem is not None:
                raise self._problem
            before = await self.state.files.all(collection, name)
            self.require_match(str(before[0]) if before else None)  # somebody else may have been faster
        except BaseException:
            self._abandon()
            raise
        assert self._upload is not None
        upload, self._upload = self._upload, None
        self.set_header("ETag", f'"{await upload.finish(before)}"')
        self.no_content()

    def on_connection_close(self) -> None:
        """The client left: remove what it has sent so far."""
        super().on_connection_close()
        self._abandon()

    def _abandon(self) -> None:
        upload, self._upload = self._upload, None
        if upload is not None:
            self.state.files.abandon(upload)

    async def get(self, collection: str, name: str) -> None:
        file = await self._find(collection, name)
        if self.not_modified(file.tag):
            return
        self.cancel_on_disconnect = True
        self._clear_deadline()
        whole = self.request.headers.get("If-Range", f'"{file.tag}"') != f'"{file.tag}"'
        wanted = None if whole else read_range(self.request.headers.get("Range"), file.length)
        first, last = wanted or (0, file.length - 1)
        self.set_header("Content-Type", file.content_type)
        self.set_header("Content-Length", str(last - first + 1))
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Content-Encoding", "identity")  # compressed bytes would have other ranges
        self.set_header("Content-Security-Policy", "sandbox; default-src 'none'")
        if wanted is not None:
            self.set_status(206)
            self.set_header("Content-Range", f"bytes {first}-{last}/{file.length}")
        if self.request.method == "HEAD":
            return
        async for piece in self.state.files.read(collection, file, first, last):
            self.write(piece)
            await self.flush()

    async def delete(self, collection: str, name: str) -> None:
        file = await self._find(collection, name)
        self.require_match(file.tag)
        await self.state.files.delete(collection, await self.state.files.all(collection, name))
        self.no_content()

    async def _find(self, collection: str, name: str) -> StoredFile:
        file = await self.state.files.find(collection, name)
        if file is None:
            raise NotFound(f"Missing file: {name}")
        return file
