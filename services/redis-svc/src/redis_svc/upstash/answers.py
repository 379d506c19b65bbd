"""From replies to answers: JSON, JSON with base64 strings, or RESP2 as it is on the wire."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Literal

import orjson

from ..replies import Reply, ReplyTooDeep, ServerError

Format = Literal["json", "base64", "resp2"]

_TOO_DEEP = (RecursionError, orjson.JSONEncodeError)


class FormatError(ValueError):
    """The headers ask for an answer that there is not; the text is for the client."""


def format_from(encoding: str | None, response_format: str | None) -> Format:
    """The format that ``Upstash-Encoding`` and ``Upstash-Response-Format`` ask for. Raises FormatError."""
    wanted = (response_format or "json").lower()
    if wanted not in ("json", "resp2"):
        raise FormatError("ERR Upstash-Response-Format is json or resp2")
    if not encoding:
        return "resp2" if wanted == "resp2" else "json"
    if encoding.lower() != "base64":
        raise FormatError("ERR Upstash-Encoding is base64")
    if wanted == "resp2":
        raise FormatError("ERR Upstash-Encoding does not go with the response format resp2")
    return "base64"


def content_type(form: Format) -> str:
    """The media type of an answer."""
    return "application/octet-stream" if form == "resp2" else "application/json"


def one(reply: Reply, form: Format) -> bytes:
    """The answer to one command: ``{"result": …}`` or ``{"error": …}``."""
    try:
        if form == "resp2":
            return b"".join(_resp2(reply))
        return orjson.dumps(_item(reply, form))
    except _TOO_DEEP as error:
        raise ReplyTooDeep from error


def batch(replies: Sequence[Reply], form: Format) -> bytes:
    """The answer to several commands, in order; in RESP2 one reply behind the other."""
    try:
        if form == "resp2":
            return b"".join(part for reply in replies for part in _resp2(reply))
        if form == "base64":
            return orjson.dumps([_item(reply, form) for reply in replies])
        return orjson.dumps(
            [
                # Most replies are bytes: not to call a function for them saves a third of the time
                {"result": reply.decode("utf-8", "replace")} if type(reply) is bytes else _item(reply, form)
                for reply in replies
            ]
        )
    except _TOO_DEEP as error:
        raise ReplyTooDeep from error


def _item(reply: Reply, form: Format) -> dict[str, Any]:
    if isinstance(reply, ServerError):
        return {"error": reply.message}
    if form == "base64":
        return {"result": "OK" if reply == b"OK" else _base64(reply)}
    return {"result": _text(reply)}


def _text(reply: Reply) -> Any:
    if isinstance(reply, bytes):
        return reply.decode("utf-8", "replace")
    if isinstance(reply, list):
        return [_text(item) for item in reply]
    if isinstance(reply, ServerError):
        return reply.message
    return reply


def _base64(reply: Reply) -> Any:
    if isinstance(reply, bytes):
        return b64encode(reply).decode()
    if isinstance(reply, list):
        return [_base64(item) for item in reply]
    if isinstance(reply, ServerError):
        return b64encode(reply.message.encode()).decode()
    return reply


def _resp2(reply: Reply) -> list[bytes]:
    if reply is None:
        return [b"$-1\r\n"]
    if isinstance(reply, bytes):
        # hiredis gives simple strings and bulk strings alike; OK is the only one that clients tell apart
        return [b"+OK\r\n"] if reply == b"OK" else [b"$%d\r\n" % len(reply), reply, b"\r\n"]
    if isinstance(reply, int):
        return [b":%d\r\n" % reply]
    if isinstance(reply, ServerError):
        # An error is one line, and the name of an unknown command may hold more
        line = reply.message.replace("\r", " ").replace("\n", " ")
        return [b"-", line.encode("utf-8", "replace"), b"\r\n"]
    parts = [b"*%d\r\n" % len(reply)]
    for item in reply:
        parts.extend(_resp2(item))
    return parts
