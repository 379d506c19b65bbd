"""From a statement's row to an answer: status, headers and body; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from pg_svc.errors import (
    bad_guc_headers,
    bad_guc_status,
    is_final_status,
    is_header,
    merge_headers,
    sendable,
)
from pg_svc.plan.types import Output
from pg_svc.request.preferences import Preferences
from pg_svc.request.ranges import content_range, out_of_bounds, range_status
from pg_svc.request.types import RowRange

Headers = list[tuple[str, str]]


@dataclass(slots=True)  # not frozen: that takes 2 µs more for each of them
class Answer:
    """What goes to the client. ``own``: the headers are ours, each of them once."""

    status: int
    headers: Headers
    body: bytes = b""
    own: bool = False


@dataclass(slots=True)
class RowSet:
    """A statement's result."""

    total: int | None
    page: int
    body: bytes
    said_headers: str | None
    said_status: str | None
    inserted: int | None
    location: dict[str, str | None] | None

    @classmethod
    def of(cls, row: Sequence[Any]) -> RowSet:
        """From the one row of a statement; that of a write has two columns more."""
        location = inserted = None
        if len(row) == 5:
            total, page, body, headers, status = row
        else:
            total, page, location, body, headers, status, inserted = row
        return cls(
            total,
            page,
            _bytes(body),
            headers,
            status,
            inserted,
            orjson.loads(location) if location is not None else None,
        )


def _bytes(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, (bytes, memoryview)):
        return bytes(body)
    return str(body).encode()


def read_headers(output: Output, preferences: Preferences, *, location: str, profile: str | None) -> Headers:
    """Of GET and HEAD on a table, whatever the rows. ``location`` is the canonical address."""
    return [
        ("Content-Location", location),
        *_content(output, profile),
        *_applied(preferences, "count", "tx", "handling", "timezone"),
    ]


def read_answer(
    rows: RowSet, offset: int, headers: Headers, *, is_head: bool, verbose: bool = True
) -> Answer:
    """Of GET and HEAD on a table, with its ``read_headers``."""
    status = range_status(offset, rows.page, rows.total)
    shown = ("Content-Range", content_range(offset, offset + rows.page - 1, rows.total))
    body = out_of_bounds(offset, rows.total, verbose=verbose) if status == 416 else rows.body
    return _overridden(rows, Answer(status, [shown, *headers], b"" if is_head else body, own=True))


def insert_answer(
    rows: RowSet,
    output: Output,
    preferences: Preferences,
    *,
    table: str,
    has_target: bool,
    profile: str | None,
) -> Answer:
    """Of POST on a table. ``has_target``: there was something that duplicates could be told by."""
    merges = preferences.resolution == "merge-duplicates"
    status = 200 if merges and (rows.inserted is None or rows.inserted <= 0) else 201
    names = ["return", "count", "tx", "missing", "handling", "timezone"]
    if has_target:
        names.append("resolution")
    headers: Headers = []
    if rows.location:
        headers.append(("Location", _location(table, rows.location)))
    headers.append(("Content-Range", content_range(1, 0, rows.page if preferences.counts else None)))
    headers += _applied(preferences, *names)
    return _overridden(rows, _written(rows, output, preferences, status, status, headers, profile))


def update_answer(rows: RowSet, output: Output, preferences: Preferences, *, profile: str | None) -> Answer:
    """Of PATCH."""
    total = rows.page if preferences.counts else None
    headers: Headers = [
        ("Content-Range", content_range(0, rows.page - 1, total)),
        *_applied(preferences, "return", "count", "tx", "missing", "handling", "timezone", "max-affected"),
    ]
    return _overridden(rows, _written(rows, output, preferences, 200, 204, headers, profile))


def put_answer(rows: RowSet, output: Output, preferences: Preferences, *, profile: str | None) -> Answer:
    """Of PUT."""
    status = 201 if rows.inserted is not None and rows.inserted > 0 else 200
    headers: Headers = [*_applied(preferences, "return", "count", "tx", "handling", "timezone")]
    return _overridden(rows, _written(rows, output, preferences, status, 204, headers, profile))


def delete_answer(rows: RowSet, output: Output, preferences: Preferences, *, profile: str | None) -> Answer:
    """Of DELETE."""
    headers: Headers = [
        ("Content-Range", content_range(1, 0, rows.page if preferences.counts else None)),
        *_applied(preferences, "return", "count", "tx", "handling", "timezone", "max-affected"),
    ]
    return _overridden(rows, _written(rows, output, preferences, 200, 204, headers, profile))


def call_answer(
    rows: RowSet,
    output: Output,
    asked: RowRange,
    preferences: Preferences,
    *,
    is_void: bool,
    profile: str | None,
    is_head: bool,
    verbose: bool = True,
) -> Answer:
    """Of a function's call."""
    status = range_status(asked.offset, rows.page, rows.total)
    headers: Headers = [
        ("Content-Range", content_range(asked.offset, asked.offset + rows.page - 1, rows.total)),
        *_applied(preferences, "count", "tx", "handling", "timezone", "max-affected"),
    ]
    if is_void:
        return _overridden(rows, Answer(204, headers))
    headers += _content(output, profile)
    body = out_of_bounds(asked.offset, rows.total, verbose=verbose) if status == 416 else rows.body
    return _overridden(rows, Answer(status, headers, b"" if is_head else body))


def plan_answer(lines: Sequence[Sequence[Any]], output: Output, *, profile: str | None) -> Answer:
    """Of a request for the execution plan."""
    text = "\n".join(line if isinstance(line, str) else orjson.dumps(line).decode() for (line, *_) in lines)
    return Answer(200, _content(output, profile), text.encode() + b"\n")


def _written(
    rows: RowSet,
    output: Output,
    preferences: Preferences,
    with_body: int,
    without_body: int,
    headers: Headers,
    profile: str | None,
) -> Answer:
    if preferences.representation == "representation":
        return Answer(with_body, [*headers, *_content(output, profile)], rows.body)
    return Answer(without_body, headers)


def _content(output: Output, profile: str | None) -> Headers:
    headers = [("Content-Type", output.content_type)]
    if profile is not None:
        headers.append(("Content-Profile", profile))
    return headers


def _applied(preferences: Preferences, *names: str) -> Headers:
    applied = preferences.applied(*names)
    return [("Preference-Applied", applied)] if applied is not None else []


def _location(table: str, key: dict[str, str | None]) -> str:
    pairs = (
        f"{quote(name, safe='')}={quote('is.null' if given is None else 'eq.' + given, safe='')}"
        for name, given in key.items()
    )
    return f"/{quote(table, safe='')}?" + "&".join(pairs)


def _overridden(rows: RowSet, answer: Answer) -> Answer:
    """The database has the last word: ``response.status`` and ``response.headers``."""
    if rows.said_status is None and rows.said_headers is None:
        return answer
    status = answer.status if rows.said_status is None else said_status(rows.said_status)
    headers = answer.headers
    if rows.said_headers is not None:
        headers = merge_headers(headers, said_headers(rows.said_headers))
    return Answer(status, headers, answer.body)


def said_status(text: str) -> int:
    """``response.status``. ApiError PGRST112 for what is no status."""
    digits = text[: len(text) - len(text.lstrip("0123456789"))]
    if not digits or not is_final_status(int(digits[:6])):
        raise bad_guc_status()
    return int(digits)


def said_headers(text: str) -> Headers:
    """``response.headers``: ``[{"name": "value"}, …]``. ApiError PGRST111 for anything else."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise bad_guc_headers() from None
    headers: Headers = []
    if not isinstance(document, list):
        raise bad_guc_headers()
    for entry in document:
        if not isinstance(entry, dict) or len(entry) != 1:
            raise bad_guc_headers()
        ((name, value),) = entry.items()
        if not isinstance(value, str) or not is_header(name, value):
            raise bad_guc_headers()
        headers.append((name, value))
    return sendable(headers)
