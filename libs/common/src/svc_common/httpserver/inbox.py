"""What has arrived on a connection and is not used yet."""

from __future__ import annotations

from tornado.httputil import HTTPInputError

from .body import ChunkedBody, FixedBody
from .head import HeadTooLarge, holds_bare_linefeed


class Inbox:
    """Bytes in the order they came. What comes when nothing is left over is not copied."""

    __slots__ = ("_data", "_searched", "_start")

    def __init__(self) -> None:
        self._data: bytes | bytearray = b""
        self._start = 0  # what lies before is used
        self._searched = 0  # where the search for the end of the head goes on

    def __len__(self) -> int:
        return len(self._data) - self._start

    def add(self, data: bytes) -> None:
        """Bytes have arrived."""
        start = self._start
        if start == len(self._data):
            self._data, self._start = data, 0
            return
        if isinstance(self._data, bytearray):
            del self._data[:start]
        else:
            self._data = bytearray(memoryview(self._data)[start:])
        self._searched -= start
        self._start = 0
        self._data += data

    def clear(self) -> None:
        """Drop what is left, and the memory of what is used."""
        self._data, self._start, self._searched = b"", 0, 0

    def take_all(self) -> bytes:
        """What is left."""
        data = bytes(self._data[self._start :])
        self.clear()
        return data

    @property
    def head_begun(self) -> bool:
        """Whether a part of a head has been looked at already."""
        return self._searched > 0

    def take_head(self, most_bytes: int, most_lines: int) -> bytes | None:
        """The head of a request, its empty line included; None while it is not complete.

        Raises HeadTooLarge; HTTPInputError for a head that would never be seen to end.
        """
        data, start = self._data, self._start
        if data.startswith(b"\r\n", start):  # one empty line may come before (RFC 9112, section 2.2)
            start += 2
        end = data.find(b"\r\n\r\n", max(start, self._searched - 3), start + most_bytes)
        if end < 0:
            if len(data) - start >= most_bytes:
                raise HeadTooLarge
            if holds_bare_linefeed(data, max(start, self._searched - 1)):
                raise HTTPInputError("a line of the head ends in LF without CR")
            self._searched = len(data)
            return None
        end += 4
        self._start, self._searched = end, 0
        head = bytes(data) if start == 0 and end == len(data) else bytes(data[start:end])
        if head.count(b"\n") > most_lines:
            raise HeadTooLarge
        return head

    def take_body(self, body: FixedBody | ChunkedBody, most: int) -> bytes:
        """The next piece of a body, at most ``most`` bytes; empty while nothing of it is there."""
        piece, self._start = body.take(self._data, self._start, most)
        return piece
