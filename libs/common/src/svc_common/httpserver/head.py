"""The head of a request: its line and headers, and what they say about the body (RFC 9112).

llhttp, without any of its lenient flags, checks every byte. What it leaves open and what two parsers could
read differently is refused here: another version than HTTP/1.0 or 1.1, more than one space in the line, more
than one Content-Length, Content-Length beside Transfer-Encoding, any coding but ``chunked``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from tornado.httputil import HTTPHeaders, HTTPInputError, RequestStartLine

from ..headers import Headers

CHUNKED = -1
"""``Head.length`` of a body that comes in chunks."""

# No fragment: it is not a part of a target (RFC 9112, section 3.2)
_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!\"$-~\x80-\xff]+) HTTP/1\.([01])")

_METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"CONNECT"))

_BARE_LINEFEED = re.compile(rb"(?<!\r)\n")

_LONGEST_LENGTH = 19  # digits; more than 2**63 bytes is nonsense


class HeadTooLarge(Exception):
    """The head of a request is over the server's limits."""


class Head(NamedTuple):
    """A request's head. ``length`` is the body's length in bytes, 0 for none, or CHUNKED."""

    start_line: RequestStartLine
    headers: Headers
    length: int
    keep_alive: bool


def parse_head(data: bytes) -> Head:
    """Parse the bytes from the request line to the empty line, both included.

    Raises HTTPInputError, whose text is for the log, when anything about them is not as it should be.
    """
    match = _REQUEST_LINE.fullmatch(data, 0, data.index(b"\r\n"))
    if match is None:
        raise HTTPInputError("Malformed HTTP request line")
    method, target, minor = match.groups()
    fields = _Fields()
    # llhttp knows the registered methods only, and others are not malformed: their heads are read as GET's
    text = data if method in _METHODS else b"GET" + data[len(method) :]
    try:
        # A parser costs 0.3 µs, much less than to find out whether the last one is fit for another head
        HttpRequestParser(fields).feed_data(text)
    except HttpParserUpgrade as upgrade:  # CONNECT, or an Upgrade header: the body is ours to find
        if upgrade.args[0] != len(text):
            raise HTTPInputError("The head ends before its empty line") from None
    except HttpParserError as error:
        raise _explained(data, minor, str(error)) from None
    if not fields.complete:
        raise HTTPInputError("The head does not end with its empty line")
    headers = fields.headers
    return Head(
        RequestStartLine(
            method.decode("ascii"), target.decode("latin1"), "HTTP/1.1" if minor == b"1" else "HTTP/1.0"
        ),
        headers,
        _body_length(headers, minor),
        _keep_alive(headers, method, minor),
    )


def holds_bare_linefeed(data: bytes | bytearray, start: int) -> bool:
    """Whether a line in ``data[start:]`` ends in LF without CR: such a head would never be seen to end."""
    return _BARE_LINEFEED.search(data, start) is not None


class _Fields:
    """Takes the headers from llhttp. It has no ``on_message_complete``: each callback costs time."""

    __slots__ = ("complete", "headers")

    def __init__(self) -> None:
        self.headers = Headers()
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """llhttp has checked the characters, so the checks of ``HTTPHeaders.add`` (1 µs) are left out."""
        self.headers.append(
            _name(name) if len(name) < 64 else _name.__wrapped__(name), value.decode("latin1").strip(" \t")
        )

    def on_headers_complete(self) -> None:
        """The empty line has come."""
        self.headers.combine()
        self.complete = True


@lru_cache(1000)
def _name(name: bytes) -> str:
    return "-".join([word.capitalize() for word in name.decode("latin1").split("-")])


def _body_length(headers: Headers, minor: bytes) -> int:
    fields = headers.one
    if "Transfer-Encoding" in fields:
        if "Content-Length" in fields:
            raise HTTPInputError("Message with both Transfer-Encoding and Content-Length")
        coding = fields["Transfer-Encoding"]
        if coding.lower() != "chunked":
            raise HTTPInputError(f"Unsupported Transfer-Encoding {coding}")
        if minor == b"0":
            raise HTTPInputError("Transfer-Encoding in an HTTP/1.0 request")
        return CHUNKED
    if "Content-Length" not in fields:
        return 0
    text = fields["Content-Length"]
    if "," in text:
        values = {value.strip(" \t") for value in text.split(",")}
        raise HTTPInputError(f"Multiple {'unequal ' if len(values) > 1 else ''}Content-Lengths: {text!r}")
    if not (text.isascii() and text.isdigit()):
        raise HTTPInputError(f"Only integer Content-Length is allowed: {text}")
    if len(text) > _LONGEST_LENGTH:
        raise HTTPInputError("Content-Length too long")
    return int(text)


def _keep_alive(headers: Headers, method: bytes, minor: bytes) -> bool:
    fields = headers.one
    if "Connection" not in fields:
        return minor == b"1"
    options = {option.strip(" \t") for option in fields["Connection"].lower().split(",")}
    if "close" in options:
        return False
    if minor == b"1":
        return True
    return "keep-alive" in options and ("Content-Length" in fields or method in (b"GET", b"HEAD"))


def _explained(data: bytes, minor: bytes, reason: str) -> HTTPInputError:
    """Tornado's words for what is wrong where Tornado refuses it as well, llhttp's otherwise."""
    try:
        _body_length(Headers(dict(HTTPHeaders.parse(data.partition(b"\r\n")[2].decode("latin1")))), minor)
    except HTTPInputError as error:
        return error
    return HTTPInputError(reason)
