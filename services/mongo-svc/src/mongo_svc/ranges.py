"""Byte ranges of a request (RFC 9110, section 14)."""

from __future__ import annotations

import re

from svc_common import Problem

_RANGE = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))")


class RangeNotSatisfiable(Problem):
    """416: the range begins behind the end."""

    status = 416


def read_range(header: str | None, length: int) -> tuple[int, int] | None:
    """The first and the last byte that are wanted of ``length``; None for all of them.

    What is not one range of bytes (another unit, several ranges, nonsense) means all, as the RFC allows.
    RangeNotSatisfiable for a range that holds no byte.
    """
    match = _RANGE.fullmatch((header or "").strip().replace(" ", ""))
    if match is None:
        return None
    begin, end, suffix = match.groups()
    if suffix is not None:
        first, last = max(length - int(suffix), 0), length - 1
        satisfiable = int(suffix) > 0 and length > 0
    else:
        first, last = int(begin), min(int(end), length - 1) if end else length - 1
        if end and int(end) < first:
            return None
        satisfiable = first < length
    if not satisfiable:
        raise RangeNotSatisfiable(
            "The file has no such bytes.", headers={"Content-Range": f"bytes */{length}"}
        )
    return first, last
