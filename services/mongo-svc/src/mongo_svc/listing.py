"""How a collection is asked for: paths, sort order, fields, and where the next page begins.

A path means a field of the content, except for those of the stored document itself: ``name``, ``revision``,
``created``, ``updated`` and ``_id``. A field of the content with one of these names is ``content.name``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from svc_common import BadRequest, Problem

from .ejson import parse_ejson
from .filters import check_filter

OWN_FIELDS = frozenset(("_id", "name", "revision", "created", "updated", "content"))

MOST_SORT_KEYS = 8
MOST_FIELDS = 100

Sort = list[tuple[str, int]]

NAMED: dict[str, Any] = {"name": {"$type": "string"}}
"""What every native document has."""


def stored_path(path: str) -> str:
    """``price`` → ``content.price``; ``created`` → ``created``. BadRequest for what is no path."""
    if not path or "\0" in path or path.startswith(("$", ".")) or path.endswith(".") or ".." in path:
        raise BadRequest("A path has names separated by single dots, and does not begin with a dollar.")
    return path if path.partition(".")[0] in OWN_FIELDS else f"content.{path}"


def read_filter(text: str | None) -> dict[str, Any]:
    """The query argument ``filter``: MongoDB's query language in Extended JSON, over stored paths."""
    if text is None:
        return {}
    try:
        value = parse_ejson(text.encode("utf-8", "surrogatepass"))
    except Problem as problem:
        raise type(problem)(f"filter: {problem.detail}") from None
    return check_filter(value, stored_path)


def both(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """A filter for what passes two filters."""
    if not first or not second:
        return first or second
    return {"$and": [first, second]}


def read_sort(text: str | None) -> Sort:
    """``-created,name`` as paths and directions, with ``_id`` last so that the order is total."""
    keys: Sort = []
    for part in _names(text, MOST_SORT_KEYS, "sort"):
        direction = -1 if part.startswith("-") else 1
        path = stored_path(part.removeprefix("-"))
        if any(path == known for known, _ in keys):
            raise BadRequest("sort names a path twice.")
        keys.append((path, direction))
    if all(path != "_id" for path, _ in keys):
        keys.append(("_id", 1))
    return keys


def read_fields(text: str | None, sort: Sort) -> dict[str, int] | None:
    """``a,b.c`` as a projection; None for everything.

    The name, the revision and the fields that the order goes by are always there.
    """
    if text is None:
        return None
    paths = {stored_path(part) for part in _names(text, MOST_FIELDS, "fields")} | {path for path, _ in sort}
    # MongoDB refuses a path together with another that begins with it
    kept = {path for path in paths if not any(path.startswith(f"{other}.") for other in paths)}
    return dict.fromkeys(sorted(kept | {"name", "revision"}), 1)


def values_at(document: dict[str, Any], sort: Sequence[tuple[str, int]]) -> list[Any]:
    """The values of a document that the order goes by; None for missing ones.

    BadRequest where one is inside an array: MongoDB orders those by one of their elements.
    """
    values = []
    for path, _ in sort:
        value: Any = document
        for name in path.split("."):
            if isinstance(value, list):
                break
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, list):
            raise BadRequest("The order goes by a field that holds an array; such an order has no pages.")
        values.append(value)
    return values


def _names(text: str | None, most: int, what: str) -> list[str]:
    names = [part.strip() for part in (text or "").split(",") if part.strip()]
    if len(names) > most:
        raise BadRequest(f"{what} takes at most {most} paths.")
    return names
