"""What GET on a collection asks for, read from the address."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from svc_common import BadRequest

from ..cursors import after
from ..listing import NAMED, both, read_fields, read_filter, read_sort, values_at
from ..rendering import shown_date
from ..store import DEFAULT, Query, Reading
from .base import MongoHandler


@dataclass(frozen=True)
class Asked:
    """A query of the native API and how much of it is wanted."""

    query: Query
    signature: str
    """What a cursor of this query is signed with."""


def asked(handler: MongoHandler, collection: str) -> Asked:
    """The query that the arguments ``filter``, ``sort`` and ``fields`` describe; BadRequest otherwise."""
    text, order = handler.query("filter"), handler.query("sort")
    sort = read_sort(order)
    query = Query(
        collection,
        both(read_filter(text), NAMED),
        sort,
        read_fields(handler.query("fields"), sort),
        reading(handler),
    )
    return Asked(query, "\n".join((collection, text or "", order or "")))


def next_page(handler: MongoHandler, wanted: Asked) -> Query:
    """The query from the cursor ``after`` on."""
    cursor = handler.query("after")
    if cursor is None:
        return wanted.query
    sort = list(wanted.query.sort)
    values = handler.state.cursors.decode(cursor, wanted.signature, len(sort))
    return replace(wanted.query, filter=both(wanted.query.filter, after(values, sort)))


def cursor_after(handler: MongoHandler, wanted: Asked, page: list[dict[str, Any]]) -> str:
    """The cursor behind a page; BadRequest where an array on it would come again on a later one."""
    sort = wanted.query.sort
    if len(sort) > 1:  # by _id alone there are none
        for stored in page:
            values_at(stored, sort)
    return handler.state.cursors.encode(values_at(page[-1], sort), wanted.signature)


def reading(handler: MongoHandler) -> Reading:
    """The arguments ``readPreference`` and ``readConcern``, as far as the settings allow them."""
    if not handler.request.query:
        return DEFAULT
    settings = handler.state.settings
    preference = handler.query("readPreference", "") or ""
    concern = handler.query("readConcern", "") or ""
    if preference and preference not in settings.read_preferences:
        raise BadRequest(f"readPreference is one of {', '.join(settings.read_preferences)}.")
    if concern and concern not in settings.read_concerns:
        raise BadRequest(f"readConcern is one of {', '.join(settings.read_concerns)}.")
    return Reading(preference, concern)


def rendered(stored: dict[str, Any]) -> dict[str, Any]:
    """A stored document as it is listed and exported."""
    try:
        return {
            "name": stored["name"],
            "content": stored["content"],
            "revision": stored["revision"],
            "created": shown_date(stored["created"]),
            "updated": shown_date(stored["updated"]),
        }
    except KeyError:  # only some fields were asked for, or another program has stored it
        pass
    item: dict[str, Any] = {key: stored[key] for key in ("name", "content", "revision") if key in stored}
    for key in ("created", "updated"):
        if key in stored:
            item[key] = shown_date(stored[key])
    return item
