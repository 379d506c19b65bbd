"""gzip for answers: Tornado's transform, kept away from event streams and honest about entity tags."""

from __future__ import annotations

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import GZipContentEncoding

from .conditional import GZIP_SUFFIX
from .negotiation import parse_accept


class Gzip(GZipContentEncoding):
    """Compresses text and JSON of a kilobyte or more."""

    CONTENT_TYPES = GZipContentEncoding.CONTENT_TYPES | {
        "application/geo+json",
        "application/problem+json",
        "application/x-ndjson",
        "application/openapi+json",
        "application/ejson",
    }

    def __init__(self, request: HTTPServerRequest) -> None:
        super().__init__(request)
        accepted = request.headers.get("Accept-Encoding", "")
        if self._gzipping and ";" in accepted:  # Tornado looks for the name alone, and "gzip;q=0" means no
            self._gzipping = any(
                quality > 0 for name, quality in parse_accept(accepted) if name in ("gzip", "x-gzip")
            )

    def _compressible_type(self, ctype: str) -> bool:
        # An event must reach its reader at once, and sharing a compressor between a secret and what
        # others write into the same stream would leak it by length.
        return ctype != "text/event-stream" and super()._compressible_type(ctype)

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Compress, and mark the tag of what was compressed: it is another representation."""
        result = super().transform_first_chunk(status_code, headers, chunk, finishing)
        if self._gzipping and (tag := headers.get("ETag", "")).endswith('"'):
            headers["ETag"] = f'{tag[:-1]}{GZIP_SUFFIX}"'
        return result
