"""Watching records and following streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from svc_common import Conflict, Problem, StoreUnavailable, TooManyRequests

from ..replies import Reply, ServerError
from .listener import Listener
from .node import Node
from .records import Record, WrongType, companion_key, record_from
from .topology import Topology
from .tracker import Ask, Topic, Tracker

State: TypeAlias = Record | WrongType | None
"""What is at a key: a record, something else, or nothing."""

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a stream: its id and its fields, in order."""

    id: str
    fields: tuple[tuple[bytes, bytes], ...]


class RecordTopic(Topic):
    """A watched record."""

    def __init__(self, key: bytes) -> None:
        super().__init__((key, companion_key(key)))
        self.listeners: set[Listener[State]] = set()
        self.state: State = None

    async def refresh(self, ask: Ask) -> None:
        """Read the record."""
        values, kind = await ask([(b"MGET", *self.keys), (b"TYPE", self.keys[0])])
        for reply in (values, kind):
            if isinstance(reply, ServerError):
                raise _problem(reply)
        state = _state(values, kind)
        before, self.state = self.state, state
        if self.ready.is_set() and tag_of_state(state) != tag_of_state(before):
            size = len(state.value) if isinstance(state, Record) else 0
            for listener in self.listeners:
                listener.put(state, size)


class StreamTopic(Topic):
    """A followed stream. ``last`` is the id up to which listeners have been told."""

    def __init__(self, key: bytes) -> None:
        super().__init__((key,))
        self.listeners: set[Listener[Entry | Problem]] = set()
        self.last = "0-0"
        self.problem: Problem | None = None

    async def refresh(self, ask: Ask) -> None:
        """Read what is new."""
        if not self.ready.is_set():
            (newest,) = await ask([(b"XREVRANGE", self.keys[0], b"+", b"-", b"COUNT", b"1")])
            self.problem = _wrong_type(newest)
            found = [] if self.problem else entries_from(newest)
            if found:
                self.last = found[-1].id
            return
        while True:
            (reply,) = await ask([range_command(self.keys[0], self.last, _PAGE)])
            self.problem = _wrong_type(reply)
            if self.problem is not None:
                self._tell_all(self.problem)
                return
            entries = entries_from(reply)
            for entry in entries:
                self._tell_all(entry)
            if entries:
                self.last = entries[-1].id
            if len(entries) < _PAGE:
                return

    def _tell_all(self, item: Entry | Problem) -> None:
        size = sum(len(name) + len(value) for name, value in item.fields) if isinstance(item, Entry) else 0
        for listener in self.listeners:
            listener.put(item, size)


class Watcher:
    """The watched keys of a process; one topic for each, however many listen to it."""

    def __init__(self, topology: Topology, *, timeout: float, most: int) -> None:
        self._topology = topology
        self._timeout = timeout
        self._most = most
        self._trackers: dict[Node, Tracker] = {}
        self._records: dict[bytes, RecordTopic] = {}
        self._streams: dict[bytes, StreamTopic] = {}

    @asynccontextmanager
    async def record(self, key: str) -> AsyncIterator[tuple[State, Listener[State]]]:
        """What is at a key now, and a listener for every later state. Raises StoreUnavailable."""
        name = key.encode()
        tracker = await self._tracker(name)
        if name not in self._records:
            self._make_room()
            self._records[name] = RecordTopic(name)
            tracker.add(self._records[name])
        topic = self._records[name]
        listener: Listener[State] = Listener()
        topic.listeners.add(listener)
        try:
            await self._until_ready(topic)
            yield topic.state, listener
        finally:
            topic.listeners.discard(listener)
            if not topic.listeners and self._records.pop(name, None) is not None:
                _stop(topic)

    @asynccontextmanager
    async def stream(self, key: str) -> AsyncIterator[tuple[str, Listener[Entry | Problem]]]:
        """The last id of a stream, and a listener for the entries behind it.

        A problem in the listener's place of an entry ends the stream. Raises StoreUnavailable and Conflict.
        """
        name = key.encode()
        tracker = await self._tracker(name)
        if name not in self._streams:
            self._make_room()
            self._streams[name] = StreamTopic(name)
            tracker.add(self._streams[name])
        topic = self._streams[name]
        listener: Listener[Entry | Problem] = Listener()
        topic.listeners.add(listener)
        try:
            await self._until_ready(topic)
            if topic.problem is not None:
                raise topic.problem
            yield topic.last, listener
        finally:
            topic.listeners.discard(listener)
            if not topic.listeners and self._streams.pop(name, None) is not None:
                _stop(topic)

    async def close(self) -> None:
        """Give the connections up."""
        for tracker in self._trackers.values():
            await tracker.close()

    def _make_room(self) -> None:
        if len(self._records) + len(self._streams) >= self._most:
            raise TooManyRequests("Too many different keys are watched.")

    async def _tracker(self, key: bytes) -> Tracker:
        node = await self._topology.node_of(key)
        if node not in self._trackers:
            self._trackers[node] = Tracker(node, self._homes)
        return self._trackers[node]

    async def _homes(self, topics: Sequence[Topic]) -> list[Tracker]:
        # Servers of a cluster that are asked for a key tell when they do not hold it any more
        await self._topology.request([(b"EXISTS", topics[0].keys[0])])
        return [await self._tracker(topic.keys[0]) for topic in topics]

    async def _until_ready(self, topic: Topic) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await topic.ready.wait()
        except TimeoutError:
            raise topic.trouble or StoreUnavailable("redis") from None


def _stop(topic: Topic) -> None:
    if topic.tracker is not None:
        topic.tracker.remove(topic)


def tag_of_state(state: State) -> str:
    """The event id of a state: the record's tag, or a word."""
    if isinstance(state, Record):
        return state.tag
    return "missing" if state is None else "other"


def range_command(key: bytes, after: str, count: int) -> tuple[bytes, ...]:
    """The command that reads up to ``count`` entries behind an id."""
    return (b"XRANGE", key, f"({after}".encode(), b"+", b"COUNT", str(count).encode())


def entries_from(reply: Reply) -> list[Entry]:
    """The reply of XRANGE; raises WrongType for a key that holds no stream."""
    if isinstance(reply, ServerError):
        raise _problem(reply)
    assert isinstance(reply, list)
    entries = []
    for item in reply:
        assert isinstance(item, list)
        number, fields = item
        assert isinstance(number, bytes)
        assert isinstance(fields, list)
        words = [word for word in fields if isinstance(word, bytes)]
        entries.append(Entry(number.decode(), tuple(zip(words[::2], words[1::2], strict=True))))
    return entries


def _wrong_type(reply: Reply) -> Conflict | None:
    """The problem of a key that holds no stream. Raises StoreUnavailable for other errors."""
    if not isinstance(reply, ServerError):
        return None
    problem = _problem(reply)
    if isinstance(problem, Conflict):
        return problem
    raise problem


def _problem(error: ServerError) -> Conflict | StoreUnavailable:
    if error.code == "WRONGTYPE":
        return Conflict("The key holds another kind of value, not a stream.")
    return StoreUnavailable("redis", f"The store redis refuses the command now ({error.code}).")


def _state(values: Reply, kind: Reply) -> State:
    if isinstance(values, list) and isinstance(values[0], bytes):
        return record_from(values[0], values[1])
    if not isinstance(kind, bytes) or kind in (b"none", b"string"):
        return None
    return WrongType(kind.decode())
