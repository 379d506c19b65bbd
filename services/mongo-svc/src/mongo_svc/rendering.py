"""Values of the driver as JSON: Extended JSON, canonical and relaxed, and the plain JSON of the Data API.

Sources: the MongoDB specification "Extended JSON" (2.1); for the plain form the Data API's answers, which
were made by Go's ``encoding/json`` from the Go driver's value types.
"""

from __future__ import annotations

import base64
import math
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson
from bson import (
    Binary,
    Code,
    DatetimeMS,
    DBRef,
    Decimal128,
    Int64,
    MaxKey,
    MinKey,
    ObjectId,
    Regex,
    Timestamp,
)

_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
_EPOCH = datetime(1970, 1, 1)
_YEAR_9999 = 253402300799999
_REGEX_FLAGS = ((2, "i"), (4, "l"), (8, "m"), (16, "s"), (32, "u"), (64, "x"))


def plain(value: Any) -> bytes:
    """The Data API's ``application/json``: easy to read, and not every type can be told from another."""
    return orjson.dumps(value, _plain, _OPTIONS)


def relaxed(value: Any) -> bytes:
    """Relaxed Extended JSON: plain JSON values are themselves, other types are wrapped."""
    encoded = orjson.dumps(value, _relaxed, _OPTIONS)
    if b"null" in encoded and _has_odd_float(value):  # which orjson writes as null
        return orjson.dumps(_wrap_odd_floats(value), _relaxed, _OPTIONS)
    return encoded


def canonical(value: Any) -> bytes:
    """Canonical Extended JSON: every number tells its type."""
    return orjson.dumps(_canonical(value))


def iso_date(value: datetime | DatetimeMS) -> str:
    """``2024-05-06T07:08:09.123Z``; milliseconds are left out when they are zero.

    Milliseconds since 1970 as a number for what is not in the years 1 to 9999.
    """
    if isinstance(value, DatetimeMS):
        milliseconds = int(value)
        try:
            value = _EPOCH + timedelta(milliseconds=milliseconds)
        except OverflowError:
            return str(milliseconds)
    return _iso(value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value)


def shown_date(value: Any) -> Any:
    """A date as ``iso_date``; what else somebody's program has stored in its place stays what it is."""
    if type(value) is datetime and value.tzinfo is None:
        return _iso(value)  # nearly all
    return iso_date(value) if isinstance(value, (datetime, DatetimeMS)) else value


@lru_cache(maxsize=4096)  # most documents have the same date twice, and many came in one import
def _iso(moment: datetime) -> str:
    return f"{moment.isoformat()[:23]}Z"  # what is behind the milliseconds, which are left out when zero


def _plain(value: Any) -> Any:
    match value:
        case ObjectId() | Decimal128():
            return str(value)
        case datetime() | DatetimeMS():
            return iso_date(value)
        case int():
            return int(value)
        case bytes():
            return {"Subtype": value.subtype if isinstance(value, Binary) else 0, "Data": _base64(value)}
        case Timestamp():
            return {"T": value.time, "I": value.inc}
        case Regex():
            return {"Pattern": value.pattern, "Options": _regex_options(value)}
        case Code():
            return str(value) if value.scope is None else {"Code": str(value), "Scope": value.scope}
        case str():
            return str(value)
        case DBRef():
            return dict(value.as_doc())
        case MinKey() | MaxKey():
            return {}
        case dict():
            return dict(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


def _relaxed(value: Any) -> Any:
    match value:
        case Int64():
            return int(value)
        case datetime() | DatetimeMS():
            milliseconds = _milliseconds(value)
            if 0 <= milliseconds <= _YEAR_9999:
                return {"$date": iso_date(value)}
            return {"$date": {"$numberLong": str(milliseconds)}}
    return _wrapped(value)


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if value is None or isinstance(value, bool) or type(value) is str:
        return value
    if isinstance(value, (datetime, DatetimeMS)):
        return {"$date": {"$numberLong": str(_milliseconds(value))}}
    if isinstance(value, int):
        small = not isinstance(value, Int64) and -(2**31) <= value < 2**31
        return {"$numberInt" if small else "$numberLong": str(int(value))}
    if isinstance(value, float):
        return {"$numberDouble": _double(value)}
    return {key: _canonical_inside(key, item) for key, item in _wrapped(value).items()}


def _canonical_inside(key: str, item: Any) -> Any:
    # Only these hold values of documents; the insides of the others are fixed by the specification
    return _canonical(item) if key in ("$scope", "$id") or not key.startswith("$") else item


def _wrapped(value: Any) -> dict[str, Any]:
    """The wrapper of a type that has one form, canonical and relaxed."""
    match value:
        case ObjectId():
            return {"$oid": str(value)}
        case Decimal128():
            return {"$numberDecimal": str(value)}
        case bytes():
            subtype = value.subtype if isinstance(value, Binary) else 0
            return {"$binary": {"base64": _base64(value), "subType": f"{subtype:02x}"}}
        case Timestamp():
            return {"$timestamp": {"t": value.time, "i": value.inc}}
        case Regex():
            return {"$regularExpression": {"pattern": value.pattern, "options": _regex_options(value)}}
        case Code():
            code = {"$code": str(value)}
            return code if value.scope is None else {**code, "$scope": value.scope}
        case MinKey():
            return {"$minKey": 1}
        case MaxKey():
            return {"$maxKey": 1}
        case DBRef():
            return dict(value.as_doc())
        case dict():
            return dict(value)
    raise TypeError(f"no Extended JSON for {type(value).__name__}")


def _milliseconds(value: datetime | DatetimeMS) -> int:
    return int(DatetimeMS(value)) if isinstance(value, datetime) else int(value)


def _double(value: float) -> str:
    if math.isfinite(value):
        return repr(value).replace("e", "E") if "e" in repr(value) else repr(value)
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _has_odd_float(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(_has_odd_float(item) for item in value.values())
    return isinstance(value, list) and any(_has_odd_float(item) for item in value)


def _wrap_odd_floats(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"$numberDouble": _double(value)}
    if isinstance(value, dict):
        return {key: _wrap_odd_floats(item) for key, item in value.items()}
    return [_wrap_odd_floats(item) for item in value] if isinstance(value, list) else value


def _regex_options(value: Regex[Any]) -> str:
    return "".join(letter for flag, letter in _REGEX_FLAGS if value.flags & flag)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
