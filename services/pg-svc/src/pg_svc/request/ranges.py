"""Which rows are asked for and which came: ``limit``, ``offset``, ``Range``, ``Content-Range``."""

from __future__ import annotations

import re

from pg_svc.errors import bad_range
from pg_svc.request.types import RowRange

_RANGE = re.compile(r"([0-9]{1,18})-([0-9]{0,18})")


def top_range(query: RowRange, header: str | None) -> RowRange:
    """The rows that both the query string and a ``Range`` header ask for. Raises ApiError (PGRST103)."""
    if query.limit is not None and query.limit < 0:
        raise bad_range("Limit should be greater than or equal to zero.")
    asked = _parse(header)
    if query.limit == 0:
        return RowRange(query.offset, 0)
    offset = max(query.offset, asked.offset)
    ends = [rows.offset + rows.limit for rows in (query, asked) if rows.limit is not None]
    if not ends:
        return RowRange(offset)
    if min(ends) <= offset:
        raise bad_range("Limit should be greater than or equal to zero.")
    return RowRange(offset, min(ends) - offset)


def _parse(header: str | None) -> RowRange:
    match = _RANGE.fullmatch(header) if header else None
    if match is None:
        return RowRange()
    first = int(match[1])
    if not match[2]:
        return RowRange(first)
    if int(match[2]) < first:
        raise bad_range(
            "The lower boundary must be lower than or equal to the upper boundary in the Range header."
        )
    return RowRange(first, int(match[2]) - first + 1)


def content_range(first: int, last: int, total: int | None) -> str:
    """``0-9/100``; ``*`` for rows that there are not and for a total that nobody counted."""
    rows = f"{first}-{last}" if total != 0 and first <= last else "*"
    return f"{rows}/{'*' if total is None else total}"


def range_status(first: int, rows: int, total: int | None) -> int:
    """200 for everything, 206 for a part, 416 for rows beyond the end."""
    if total is None:
        return 200
    if first > total:
        return 416
    return 206 if rows < total else 200


def out_of_bounds(first: int, total: int | None, *, verbose: bool = True) -> bytes:
    """The body of a 416."""
    problem = bad_range(f"An offset of {first} was requested, but there are only {total or 0} rows.")
    return problem.body(verbose)
