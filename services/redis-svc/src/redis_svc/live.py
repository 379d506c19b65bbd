"""What a reader sees of records, channels and streams as they change: the shapes of the messages. Pure."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

import orjson

from svc_common import Event

_STREAM_ID = re.compile(r"[0-9]{1,20}(?:-[0-9]{1,20})?")


def text_or_base64(value: bytes, name: str = "value") -> dict[str, str]:
    """``{"value": text}``, or ``{"base64": …}`` for bytes that are not UTF-8."""
    try:
        return {name: value.decode()}
    except UnicodeDecodeError:
        return {"base64" if name == "value" else f"{name}_base64": b64encode(value).decode()}


def fields_as_text(fields: tuple[tuple[bytes, bytes], ...]) -> dict[str, str]:
    """A stream entry's fields as JSON can hold them; bytes that are not UTF-8 become U+FFFD."""
    return {name.decode("utf-8", "replace"): value.decode("utf-8", "replace") for name, value in fields}


def record_state(content_type: str | None, value: bytes | None, *, other: bool = False) -> dict[str, Any]:
    """The state of a watched key."""
    if value is None:
        return {"exists": other, **({"other": True} if other else {})}
    return {"exists": True, "content_type": content_type, **text_or_base64(value)}


def json_event(name: str, value: Any, *, id: str | None = None) -> Event:
    """An event whose data is JSON."""
    return Event(event=name, data=orjson.dumps(value).decode(), id=id)


def is_stream_id(text: str) -> bool:
    """Whether Redis takes the text as the id of a stream entry."""
    return _STREAM_ID.fullmatch(text) is not None and all(int(part) < 2**64 for part in text.split("-"))


def id_order(text: str) -> tuple[int, int]:
    """Stream ids in their order."""
    milliseconds, _, number = text.partition("-")
    return int(milliseconds), int(number or 0)
