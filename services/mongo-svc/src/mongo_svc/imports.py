"""What a line of an import must be, and what is told about those that failed."""

from __future__ import annotations

from typing import Any

from svc_common import BadRequest, Problem

from .content import parse_content
from .names import check_name

MOST_BATCH_ITEMS = 1000
MOST_BATCH_BYTES = 4 * 2**20
MOST_ITEM_BYTES = 2 * 16 * 2**20
"""JSON can be longer than the BSON made from it; MongoDB itself refuses what is over 16 MiB there."""


def read_item(text: bytes, *, named: bool) -> tuple[str | None, Any]:
    """``{"name": …, "content": …}`` as name and content; a missing name is None unless ``named``.

    Further members (an export has some) count for nothing. BadRequest or Unprocessable otherwise.
    """
    item = parse_content(text)
    if not isinstance(item, dict) or "content" not in item:
        raise BadRequest('An item is an object {"name": …, "content": …}.')
    name = item.get("name")
    if name is None and not named:
        return None, item["content"]
    if not isinstance(name, str):
        raise BadRequest("The name of an item is a string.")
    return check_name(name), item["content"]


def failure_line(position: int, name: str | None, problem: Problem) -> dict[str, Any]:
    """What is told about an item that failed."""
    line: dict[str, Any] = {"item": position}
    if name is not None:
        line["name"] = name
    return {
        **line,
        "status": problem.status_code,
        "detail": problem.detail or problem.title,
        **problem.extra,
    }
