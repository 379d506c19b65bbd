"""What the database reports, as errors of the protocol: SQLSTATE → status, and RAISE's special forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from pg_svc.errors import ApiError, connection_lost, is_final_status, is_header, sendable

_CLASS_STATUS = {
    "08": 503,  # connection
    "09": 500,  # triggered action
    "0L": 403,  # invalid grantor
    "0P": 403,  # invalid role
    "25": 500,  # transaction state
    "28": 403,  # authorization
    "2D": 500,  # transaction termination
    "38": 500,  # external routine
    "39": 500,
    "3B": 500,  # savepoint
    "40": 500,  # rollback
    "53": 503,  # resources
    "54": 500,  # too complex
    "55": 500,  # state
    "57": 500,  # operator intervention
    "58": 500,  # system
    "F0": 500,
    "HV": 500,
    "P0": 500,  # PL/pgSQL
    "XX": 500,
}
_STATUS = {
    "23503": 409,  # foreign key
    "23505": 409,  # unique
    "25006": 405,  # write in a read-only transaction
    "42883": 404,  # undefined function
    "42P01": 404,  # undefined table
    "42P17": 500,  # infinite recursion
    "53400": 500,
    "57P01": 503,  # the server shuts down
    "57P02": 503,  # it crashed
    "57P03": 503,  # it starts up
    "P0001": 400,  # RAISE
}


@dataclass(frozen=True, slots=True)
class ServerError:
    """An error as the server words it."""

    code: str
    message: str
    details: str | None
    hint: str | None


def error_of(error: ServerError, *, authenticated: bool) -> ApiError:
    """The protocol's error for a server's error. ``authenticated``: the request carried a valid token."""
    if error.code == "PGRST":
        return _raised(error)
    status = status_of(error, authenticated=authenticated)
    headers: list[tuple[str, str]] = []
    reason = None
    if status == 401:
        headers.append(("WWW-Authenticate", "Bearer"))
    if status == 503:
        headers.append(("Retry-After", "1"))
    if error.code.startswith("PT") and error.code[2:].isdecimal():
        reason = error.message
    return ApiError(status, error.code, error.message, error.details, error.hint, headers, reason)


def status_of(error: ServerError, *, authenticated: bool) -> int:
    """The status for a SQLSTATE, by the protocol's table."""
    code, message = error.code, error.message
    if code == "42501":  # insufficient privilege
        return 403 if authenticated else 401
    if code == "21000":
        return 400 if message.endswith("requires a WHERE clause") else 500
    if code == "22023":
        return 401 if message.startswith("role") and message.endswith("does not exist") else 400
    if code == "42883" and message.startswith("function xmlagg("):
        return 406
    if code.startswith("PT"):
        return int(code[2:]) if code[2:].isdecimal() and is_final_status(int(code[2:])) else 500
    return _STATUS.get(code) or _CLASS_STATUS.get(code[:2], 400)


def _raised(error: ServerError) -> ApiError:
    """``RAISE SQLSTATE 'PGRST'``: the message and the detail are JSON and describe the whole answer."""
    try:
        return _described(error.message, error.details)
    except _BadRaise as bad:
        return ApiError(
            500,
            "PGRST121",
            "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error",
            bad.details,
            bad.hint,
        )


class _BadRaise(Exception):
    def __init__(self, details: str, hint: str) -> None:
        self.details = details
        self.hint = hint


_DETAIL_HINT = (
    "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'."
)


def _described(message: str, detail: str | None) -> ApiError:
    said = _object(message)
    if (
        said is None
        or not isinstance(said.get("code"), str)
        or not isinstance(said.get("message"), str)
        or not _are_texts(said.get("details"), said.get("hint"))
    ):
        raise _BadRaise(
            f"Invalid JSON value for MESSAGE: '{message}'",
            "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: "
            "'details', 'hint'.",
        )
    if detail is None:
        raise _BadRaise("DETAIL is missing in the RAISE statement", _DETAIL_HINT)
    shape = _object(detail)
    if (
        shape is None
        or not isinstance(shape.get("status"), int)
        or not isinstance(shape.get("headers"), dict)
        or not all(
            isinstance(value, str) and is_header(name, value) for name, value in shape["headers"].items()
        )
        or not is_final_status(shape["status"])
        or not _are_texts(shape.get("status_text"))
    ):
        raise _BadRaise(f"Invalid JSON value for DETAIL: '{detail}'", _DETAIL_HINT)
    return ApiError(
        shape["status"],
        said["code"],
        said["message"],
        said.get("details"),
        said.get("hint"),
        sendable(shape["headers"].items()),
        shape.get("status_text"),
    )


def _are_texts(*values: Any) -> bool:
    return all(value is None or isinstance(value, str) for value in values)


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def lost(text: str) -> ApiError:
    """The connection broke; the driver's own words may hold an address, so only their first line is kept."""
    first = text.strip().splitlines()[0] if text.strip() else None
    return connection_lost(first)
