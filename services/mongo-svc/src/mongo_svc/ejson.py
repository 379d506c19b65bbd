"""MongoDB Extended JSON v2, canonical and relaxed, as values of the driver.

Source: the MongoDB specification "Extended JSON" (2.1). This module and ``rendering`` know the driver's value
types; no other module outside the store does. A ``$``-key that names no type stays what it is: in a query it
is an operator.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn

from bson import Binary, Code, DatetimeMS, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from svc_common import BadRequest

from .content import parse_content

_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(2**63), 2**63)
_UINT32 = range(2**32)

_INTEGER = re.compile(r"-?[0-9]{1,20}")
_DATE = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?)(Z|[+-][0-9]{2}(?::?[0-9]{2})?)"
)
_REGEX_OPTIONS = frozenset("ilmsux")


def parse_ejson(body: bytes) -> Any:
    """A body in Extended JSON as a value of the driver; BadRequest or Unprocessable as ``parse_content``."""
    return from_ejson(parse_content(body))


def from_ejson(value: Any) -> Any:
    """A parsed JSON value, with Extended JSON's type wrappers as values of the driver.

    BadRequest for a wrapper that holds what it must not.
    """
    if isinstance(value, list):
        return [from_ejson(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value and next(iter(value))[:1] == "$":
        for key, read in _READERS.items():
            if key in value:
                return read(value)
    return {key: from_ejson(item) for key, item in value.items()}


def from_milliseconds(milliseconds: int) -> datetime | DatetimeMS:
    """A BSON date; outside of the years 1 to 9999 as the driver's own type."""
    try:
        return datetime.fromtimestamp(milliseconds // 1000, UTC).replace(
            microsecond=milliseconds % 1000 * 1000
        )
    except (ValueError, OverflowError, OSError):
        return DatetimeMS(milliseconds)


def _oid(wrapper: dict[str, Any]) -> ObjectId:
    text = _only(wrapper, "$oid", str)
    if not re.fullmatch(r"[0-9a-fA-F]{24}", text):
        _refuse("$oid")
    return ObjectId(text)


def _int32(wrapper: dict[str, Any]) -> int:
    return _whole(_only(wrapper, "$numberInt", str), _INT32, "$numberInt")


def _int64(wrapper: dict[str, Any]) -> Int64:
    return Int64(_whole(_only(wrapper, "$numberLong", str), _INT64, "$numberLong"))


def _double(wrapper: dict[str, Any]) -> float:
    text = _only(wrapper, "$numberDouble", str)
    if text not in ("Infinity", "-Infinity", "NaN") and not re.fullmatch(
        r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text
    ):
        _refuse("$numberDouble")
    return float(text)


def _decimal(wrapper: dict[str, Any]) -> Decimal128:
    text = _only(wrapper, "$numberDecimal", str)
    try:
        return Decimal128(text)
    except (ValueError, ArithmeticError):
        _refuse("$numberDecimal")


def _binary(wrapper: dict[str, Any]) -> Binary:
    inner = wrapper["$binary"]
    if isinstance(inner, dict) and len(wrapper) == 1 and set(inner) == {"base64", "subType"}:
        text, subtype = inner["base64"], inner["subType"]
    elif set(wrapper) == {"$binary", "$type"}:  # the form of Extended JSON v1
        text, subtype = inner, wrapper["$type"]
    else:
        _refuse("$binary")
    if not isinstance(text, str) or not isinstance(subtype, str):
        _refuse("$binary")
    if not re.fullmatch(r"[0-9a-fA-F]{1,2}", subtype):
        _refuse("$binary")
    try:
        return Binary(base64.b64decode(text, validate=True), int(subtype, 16))
    except (binascii.Error, ValueError):
        _refuse("$binary")


def _uuid(wrapper: dict[str, Any]) -> Binary:
    try:
        return Binary.from_uuid(uuid.UUID(_only(wrapper, "$uuid", str)))
    except ValueError:
        _refuse("$uuid")


def _date(wrapper: dict[str, Any]) -> datetime | DatetimeMS:
    if len(wrapper) != 1:
        _refuse("$date")
    value = wrapper["$date"]
    if isinstance(value, dict) and set(value) == {"$numberLong"}:
        return from_milliseconds(int(_int64(value)))
    if isinstance(value, int) and not isinstance(value, bool):
        return from_milliseconds(value)
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        _refuse("$date")
    day, clock, zone = match.groups()
    whole, _, fraction = clock.partition(".")
    try:
        moment = datetime.fromisoformat(f"{day}T{whole}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        _refuse("$date")
    return moment.replace(microsecond=int(f"{fraction:0<3}"[:3]) * 1000)


def _timestamp(wrapper: dict[str, Any]) -> Timestamp:
    inner = _only(wrapper, "$timestamp", dict)
    if set(inner) != {"t", "i"} or not all(type(part) is int and part in _UINT32 for part in inner.values()):
        _refuse("$timestamp")
    return Timestamp(inner["t"], inner["i"])


def _regex(wrapper: dict[str, Any]) -> Regex[str]:
    inner = _only(wrapper, "$regularExpression", dict)
    if set(inner) != {"pattern", "options"} or not all(isinstance(part, str) for part in inner.values()):
        _refuse("$regularExpression")
    if "\0" in inner["pattern"] or not set(inner["options"]) <= _REGEX_OPTIONS:
        _refuse("$regularExpression")
    return Regex(inner["pattern"], inner["options"])


def _code(wrapper: dict[str, Any]) -> Code:
    code, scope = wrapper["$code"], wrapper.get("$scope")
    if not isinstance(code, str) or not set(wrapper) <= {"$code", "$scope"}:
        _refuse("$code")
    if "$scope" in wrapper and not isinstance(scope, dict):
        _refuse("$scope")
    return Code(code) if scope is None else Code(code, from_ejson(scope))


def _symbol(wrapper: dict[str, Any]) -> str:
    text: str = _only(wrapper, "$symbol", str)
    return text  # the driver writes no symbols; MongoDB itself treats the deprecated type as a string


def _undefined(wrapper: dict[str, Any]) -> None:
    if wrapper != {"$undefined": True}:
        _refuse("$undefined")


def _minimum(wrapper: dict[str, Any]) -> MinKey:
    if wrapper != {"$minKey": 1}:
        _refuse("$minKey")
    return MinKey()


def _maximum(wrapper: dict[str, Any]) -> MaxKey:
    if wrapper != {"$maxKey": 1}:
        _refuse("$maxKey")
    return MaxKey()


_READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "$oid": _oid,
    "$date": _date,
    "$numberLong": _int64,
    "$numberInt": _int32,
    "$numberDouble": _double,
    "$numberDecimal": _decimal,
    "$binary": _binary,
    "$uuid": _uuid,
    "$timestamp": _timestamp,
    "$regularExpression": _regex,
    "$code": _code,
    "$symbol": _symbol,
    "$undefined": _undefined,
    "$minKey": _minimum,
    "$maxKey": _maximum,
}


def _only(wrapper: dict[str, Any], key: str, kind: type) -> Any:
    if len(wrapper) != 1 or not isinstance(wrapper[key], kind):
        _refuse(key)
    return wrapper[key]


def _whole(text: str, bounds: range, key: str) -> int:
    if not _INTEGER.fullmatch(text) or int(text) not in bounds:
        _refuse(key)
    return int(text)


def _refuse(key: str) -> NoReturn:
    raise BadRequest(f"{key} does not hold what Extended JSON says it holds.")
