"""Where a page ended: opaque signed cursors, and the filter for what comes after them.

A cursor holds the last document's values of the sort keys, so the next page is found by an index and stays
right while documents are inserted and deleted. It is signed together with the query it belongs to.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
from datetime import datetime
from typing import Any

import orjson
from bson import Binary, DatetimeMS, Decimal128, MaxKey, MinKey, ObjectId, Regex, Timestamp

from svc_common import BadRequest

from .ejson import from_ejson
from .listing import Sort
from .rendering import canonical

_DIGEST_BYTES = 16

# The order of types (MongoDB manual, "Comparison/Sort Order"). Comparisons in a filter keep within a type, so
# the types behind have to be asked for by name.
_TYPES: tuple[tuple[str, ...], ...] = (
    ("minKey",),
    ("null",),
    ("double", "int", "long", "decimal"),
    ("string", "symbol"),
    ("object",),
    ("array",),
    ("binData",),
    ("objectId",),
    ("bool",),
    ("date",),
    ("timestamp",),
    ("regex",),
    ("javascript", "javascriptWithScope"),
    ("maxKey",),
)
_NULL, _NUMBER = 1, 2


class Cursors:
    """Makes and reads cursors; ``secret`` signs them and must be the same in every replica."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def encode(self, values: list[Any], query: str) -> str:
        """The cursor after a document with these values, for pages of ``query``."""
        payload = canonical(values)
        return _text(self._sign(payload, query) + payload)

    def decode(self, cursor: str, query: str, count: int) -> list[Any]:
        """The values in a cursor; BadRequest for one that was not made here for this query."""
        try:
            data = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        except (UnicodeEncodeError, binascii.Error, ValueError):
            data = b""
        digest, payload = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        if not hmac.compare_digest(digest, self._sign(payload, query)):
            raise BadRequest("after is not a cursor of this query; begin again without it.")
        values: list[Any] = from_ejson(orjson.loads(payload))
        if len(values) != count:
            raise BadRequest("after is not a cursor of this query; begin again without it.")
        return values

    def _sign(self, payload: bytes, query: str) -> bytes:
        message = hashlib.sha256(query.encode()).digest() + payload
        return hmac.digest(self._secret, message, "sha256")[:_DIGEST_BYTES]


def after(values: list[Any], sort: Sort) -> dict[str, Any]:
    """A filter for the documents that come after the one with these values in this order."""
    choices: list[dict[str, Any]] = []
    same: list[dict[str, Any]] = []
    for value, (path, direction) in zip(values, sort, strict=True):
        behind = _behind(path, value, direction)
        choices.extend({"$and": [*same, choice]} if same else choice for choice in behind)
        same.append({path: {"$eq": value}})
    return choices[0] if len(choices) == 1 else {"$or": choices}


def _behind(path: str, value: Any, direction: int) -> list[dict[str, Any]]:
    """Filters that together find the values of a path behind ``value``."""
    rank = _rank(value)
    found: list[dict[str, Any]] = []
    if rank == _NUMBER and _is_nan(value):  # comes before every other number and compares with none
        if direction > 0:
            found.append({path: {"$gte": -math.inf}})
    elif rank != _NULL:
        found.append({path: {"$gt" if direction > 0 else "$lt": value}})
        if rank == _NUMBER and direction < 0:
            found.append({path: {"$eq": math.nan}})
    if path == "name":
        return found  # always a string
    if direction > 0:
        types = [name for names in _TYPES[rank + 1 :] for name in names]
    else:
        types = [name for number, names in enumerate(_TYPES[:rank]) if number != _NULL for name in names]
        if rank > _NULL:
            found.append({path: {"$eq": None}})  # matches the missing ones, too
        if rank >= _NULL:
            found.append({path: {"$eq": []}})  # before null; not left out, so that the page can be refused
    if types:
        found.append({path: {"$type": types}})
    return found


def _rank(value: Any) -> int:
    match value:
        case None:
            return _NULL
        case bool():
            return 8
        case int() | float() | Decimal128():
            return _NUMBER
        case datetime() | DatetimeMS():
            return 9
        case str():
            return 3
        case dict():
            return 4
        case Binary() | bytes():
            return 6
        case ObjectId():
            return 7
        case Timestamp():
            return 10
        case Regex():
            return 11
        case MinKey():
            return 0
        case MaxKey():
            return 13
    raise BadRequest("The order goes by a field of a type that has no pages.")


def _is_nan(value: Any) -> bool:
    return math.isnan(value.to_decimal() if isinstance(value, Decimal128) else value)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
