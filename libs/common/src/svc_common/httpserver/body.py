"""The body of a request: where it ends, and the bytes without the chunks around them (RFC 9112, section 7).

Chunk extensions and trailers are refused, as Tornado does: nobody sends them, and each is one more place
where two parsers can disagree.
"""

from __future__ import annotations

import re

from tornado.httputil import HTTPInputError

_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")
_LONGEST_SIZE_LINE = 18  # 16 digits and CRLF


class FixedBody:
    """A body of ``length`` bytes."""

    __slots__ = ("_left", "done")

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0

    def take(self, data: bytes | bytearray, start: int, most: int) -> tuple[bytes, int]:
        """Up to ``most`` bytes of the body from ``data[start:]``, and where the rest of the data starts."""
        end = min(len(data), start + min(most, self._left))
        piece = bytes(data[start:end])
        self._left -= len(piece)
        self.done = self._left == 0
        return piece, end


class ChunkedBody:
    """A body in chunks, at most ``limit`` bytes of it."""

    __slots__ = ("_announced", "_last", "_left", "_limit", "_tail", "done")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._announced = 0  # bytes of all chunks so far
        self._left = 0  # bytes of this chunk that are still to come
        self._tail = False  # the line end behind a chunk is still to come
        self._last = False  # the chunk of length 0 has come
        self.done = False

    def take(self, data: bytes | bytearray, start: int, most: int) -> tuple[bytes, int]:
        """As ``FixedBody.take``. Small chunks are put together. HTTPInputError for a broken frame."""
        pieces, size = [], 0
        while size < most and not self.done:
            if self._left:
                piece = data[start : start + min(self._left, most - size)]
                if not piece:
                    break
                pieces.append(piece)
                size += len(piece)
                start += len(piece)
                self._left -= len(piece)
                self._tail = self._left == 0
            elif self._tail:
                if len(data) - start < 2:
                    break
                if data[start : start + 2] != b"\r\n":
                    raise HTTPInputError("improperly terminated chunk")
                start += 2
                self._tail = False
                self.done = self._last
            else:
                end = data.find(b"\r\n", start, start + _LONGEST_SIZE_LINE)
                if end < 0:
                    if len(data) - start >= _LONGEST_SIZE_LINE:
                        raise HTTPInputError("invalid chunk size")
                    break
                self._begin_chunk(data[start:end])
                start = end + 2
        return (bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)), start

    def _begin_chunk(self, line: bytes | bytearray) -> None:
        if not _SIZE.fullmatch(line):
            raise HTTPInputError("invalid chunk size")
        self._left = int(line, 16)
        self._announced += self._left
        if self._announced > self._limit:
            raise HTTPInputError("chunked body too large")
        self._last = self._tail = self._left == 0
