"""The live feeds that event streams and WebSockets share.

Each is a context that yields an iterator: entering it raises what there is to raise while an answer can
still be an error; the iterator then never ends by itself. It raises SlowReader when its reader is cut off.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from svc_common import Problem

from ..live import id_order, record_state
from ..store import Record, Store
from ..store.hub import GAP, Gap, Kind, Message
from ..store.listener import Listener
from ..store.watching import Entry, State, tag_of_state

_PAGE = 500


def state_as_json(state: State) -> dict[str, Any]:
    """A state as it is told to readers."""
    if isinstance(state, Record):
        return record_state(state.content_type, state.value)
    return record_state(None, None, other=state is not None)


@asynccontextmanager
async def record_states(store: Store, key: str, last_seen: str | None) -> AsyncIterator[AsyncIterator[State]]:
    """The present state of a key (unless ``last_seen`` is its tag), then every later one."""

    async def states() -> AsyncIterator[State]:
        if tag_of_state(state) != last_seen:
            yield state
        while True:
            yield await listener.get()

    async with store.watcher.record(key) as (state, listener):
        yield states()


@asynccontextmanager
async def messages(store: Store, kind: Kind, name: str) -> AsyncIterator[AsyncIterator[Message | Gap]]:
    """First GAP, since the subscription stands; then messages, and GAP again where some may be missing."""

    async def items() -> AsyncIterator[Message | Gap]:
        yield GAP
        while True:
            yield await listener.get()

    listener: Listener[Message | Gap] = Listener()
    async with store.hub.listen(kind, name.encode(), listener):
        yield items()


@asynccontextmanager
async def stream_entries(store: Store, key: str, after: str | None) -> AsyncIterator[AsyncIterator[Entry]]:
    """The entries of a stream behind ``after``, then new ones; only new ones where it is None.

    The iterator raises the Problem that ends the stream.
    """

    async def entries(reached: str) -> AsyncIterator[Entry]:
        # What is listened to from now on is behind ``last``; what is before is read here
        while id_order(reached) < id_order(last):
            page = await store.entries(key, reached, _PAGE)
            for entry in page:
                reached = entry.id
                yield entry
            if len(page) < _PAGE:
                break
        while True:
            item = await listener.get()
            if isinstance(item, Problem):
                raise item
            if id_order(item.id) > id_order(reached):  # the pages above may have reached further already
                reached = item.id
                yield item

    async with store.watcher.stream(key) as (last, listener):
        yield entries(last if after is None else after)
