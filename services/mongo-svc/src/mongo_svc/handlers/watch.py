"""A collection or a document as a stream of events: what there is, then every change.

Events: ``document`` (a document of the present state), ``ready`` (that was all of it), ``changed``,
``removed``, ``expired`` (the ``Last-Event-ID`` is too old; the present state follows) and ``dropped`` (the
collection is gone). The data has the document's ``id``, and the document itself while it is there. The id of
an event is where to go on: a client that comes back with it gets the changes since then, and no snapshot.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from svc_common import Event

from ..listing import NAMED, both
from ..rendering import relaxed
from ..state import State
from ..store import Change, Expired, Query, Stream
from .base import MongoHandler
from .query import rendered


async def watch(
    handler: MongoHandler, collection: str, query: dict[str, Any], name: str | None = None
) -> None:
    """Answer with the events of the documents that a filter finds; with ``name``, of that document alone."""
    match = None
    if name is not None:
        query = {"name": name}
        match = {"$or": [{"fullDocument.name": name}, {"operationType": {"$nin": ["insert", "replace"]}}]}
    last_event_id = handler.request.headers.get("Last-Event-ID") or None
    # Opened before the first byte of the answer, which can still be a refusal then
    stream, expired = await _open(handler.state, collection, match, last_event_id)
    wanted = Query(collection, both(query, NAMED), [("_id", 1)])
    fresh = expired or last_event_id is None
    try:
        await handler.stream_events(_events(handler.state, stream, wanted, name, fresh, expired))
    finally:
        await stream.close()


async def _events(
    state: State, stream: Stream, wanted: Query, name: str | None, fresh: bool, expired: bool
) -> AsyncIterator[Event]:
    if expired:
        yield Event("{}", event="expired")
    known: set[Any] | None = None if name is None else set()
    if fresh:
        count = 0
        most = state.settings.watch_snapshot
        async for stored in _first(state, wanted, most + 1):
            count += 1
            if count <= most:
                if known is not None:
                    known.add(stored["_id"])
                yield _document_event("document", stored, None)
        yield _event("ready", {"documents": min(count, most), "truncated": count > most}, stream.token)
    elif known is not None:
        known.update([stored["_id"] async for stored in _first(state, wanted, 1)])
    async for change in stream.changes():
        event = None if change is None else await _change_event(state, wanted, change, known)
        if event is not None:
            yield event


async def _first(state: State, wanted: Query, most: int) -> AsyncIterator[dict[str, Any]]:
    async with aclosing(state.queries.stream(wanted)) as batches:
        async for batch in batches:
            for stored in batch:
                yield stored
                most -= 1
                if most == 0:
                    return


async def _open(
    state: State, collection: str, match: dict[str, Any] | None, after: str | None
) -> tuple[Stream, bool]:
    try:
        return await state.watching.open(collection, match, after), False
    except Expired:
        return await state.watching.open(collection, match), True


async def _change_event(state: State, wanted: Query, change: Change, known: set[Any] | None) -> Event | None:
    """The event of a change; None where it is about another document than the one that is watched."""
    if change.id is None:
        return _event("dropped", {}, change.token)
    if known is not None and change.id not in known and change.document is None:
        return None
    # MongoDB tells what was written, and the filter is its business, too
    only = Query(wanted.collection, both({"_id": change.id}, wanted.filter))
    found = await state.queries.page(only, 1) if change.kind != "delete" else []
    if found:
        if known is not None:
            known.add(change.id)
        return _document_event("changed", found[0], change.token)
    if known is not None:
        if change.id not in known:
            return None
        known.discard(change.id)
    return _event("removed", {"id": change.id}, change.token)


def _document_event(kind: str, stored: dict[str, Any], token: str | None) -> Event:
    return _event(kind, {"id": stored["_id"], **rendered(stored)}, token)


def _event(kind: str, data: dict[str, Any], token: str | None) -> Event:
    if "id" in data:
        data["id"] = str(data["id"])
    return Event(relaxed(data).decode(), event=kind, id=token)
