"""Records: plain string values that any Redis client can read, with a content type beside them.

The value is the string at the key itself. A content type other than the default is kept at a companion key,
together with the SHA-1 of the value it belongs to: when another client overwrites the value, the companion no
longer fits and is ignored. What must be atomic is one script; the tag that conditions compare is computed in
it and here alike.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import count

from redis.crc import key_slot

from svc_common import Conflict, PreconditionFailed, observe_store

from ..policy import COUNTERS
from ..replies import Reply, raised
from .cluster_plan import SLOTS
from .scripts import Script
from .topology import Topology

DEFAULT_TYPE = "application/octet-stream"

COMPANION_PREFIX = b"storefronts:type:"

_SCAN_ROUNDS = 64
_ONE_LINE = re.compile(rb"[\x20-\x7e\x80-\xff]+")
_GLOB_SPECIAL = b"\\*?[]^-"

# KEYS: value, companion. ARGV: what is compared, condition, and for a write value, type, ttl in ms.
# Conditions: "" none, "absent", "present", or a space-separated list of tags.
_GUARD = """
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'string' then return 'type' end
local condition = ARGV[1]
if condition == 'absent' then
  if kind ~= 'none' then return 'refused' end
elseif condition ~= '' then
  if kind == 'none' then return 'refused' end
  if condition ~= 'present' then
    local tag = redis.sha1hex(redis.call('GET', KEYS[1]))
    local companion = redis.call('GET', KEYS[2])
    if companion and string.sub(companion, 1, 40) == tag then
      tag = tag .. string.sub(redis.sha1hex(string.sub(companion, 42)), 1, 8)
    end
    if not string.find(' ' .. condition .. ' ', ' ' .. tag .. ' ', 1, true) then return 'refused' end
  end
end
"""
_WRITE = Script(
    _GUARD
    + """
if ARGV[4] == '' then redis.call('SET', KEYS[1], ARGV[2])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[4]) end
if ARGV[3] == '' then redis.call('DEL', KEYS[2])
else
  local companion = redis.sha1hex(ARGV[2]) .. ' ' .. ARGV[3]
  if ARGV[4] == '' then redis.call('SET', KEYS[2], companion)
  else redis.call('SET', KEYS[2], companion, 'PX', ARGV[4]) end
end
return 'stored'
"""
)
_DELETE = Script(
    _GUARD
    + """
redis.call('DEL', KEYS[2])
if redis.call('DEL', KEYS[1]) == 0 then return 'missing' end
return 'deleted'
"""
)


@dataclass(frozen=True, slots=True)
class Record:
    """A stored value. ``tag`` is its entity tag, without quotes."""

    value: bytes
    content_type: str
    tag: str


class WrongType(Conflict):
    """409: the key holds something other than a plain value."""

    def __init__(self, kind: str = "") -> None:
        super().__init__(
            f"The key holds {f'a {kind}' if kind else 'another kind of value'}, not a record. "
            "The commands of its own kind reach it."
        )


class RecordStore:
    """Reads and writes records."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology

    async def read(self, key: str) -> Record | None:
        """The record at a key; None where there is nothing. Raises WrongType for another kind of value."""
        name = key.encode()
        with observe_store("redis", "mget"):
            (reply,) = await self._topology.request([(b"MGET", name, companion_key(name))])
        reply = raised(reply)
        assert isinstance(reply, list)
        value, companion = reply
        if isinstance(value, bytes):
            return record_from(value, companion)
        with observe_store("redis", "type"):  # MGET says nothing about keys of other kinds
            (kind,) = await self._topology.request([(b"TYPE", name)])
        if kind in (b"none", b"string"):  # "string": written this very moment, so it was missing before
            return None
        assert isinstance(kind, bytes)
        raise WrongType(kind.decode())

    async def write(
        self, key: str, value: bytes, *, content_type: str = "", ttl: int | None = None, condition: str = ""
    ) -> None:
        """Store a record; ``ttl`` in seconds. Raises PreconditionFailed or WrongType.

        ``condition`` is empty, ``absent``, ``present`` or a space-separated list of tags.
        """
        name = key.encode()
        kept = "" if content_type == DEFAULT_TYPE else content_type
        milliseconds = b"" if ttl is None else str(ttl * 1000).encode()
        arguments = (condition.encode(), value, kept.encode(), milliseconds)
        with observe_store("redis", "write_record"):
            outcome = await _WRITE.run(self._topology, (name, companion_key(name)), arguments)
        _check(outcome)

    async def delete(self, key: str, *, condition: str = "") -> bool:
        """Delete a record; False where there was none. Raises PreconditionFailed or WrongType."""
        name = key.encode()
        with observe_store("redis", "delete_record"):
            outcome = await _DELETE.run(self._topology, (name, companion_key(name)), (condition.encode(),))
        _check(outcome)
        return outcome == b"deleted"

    async def list(self, prefix: str, cursor: str, limit: int) -> tuple[list[str], str | None]:
        """About ``limit`` keys with a prefix, and the cursor of the next page (None at the end).

        SCAN's promises hold: a key that is there all the time is listed at least once. ValueError for a
        cursor that is not one.
        """
        nodes = await self._topology.primaries()
        index, position = _read_cursor(cursor, len(nodes))
        keys: list[str] = []
        pattern = _escape_glob(prefix.encode()) + b"*"
        for _ in range(_SCAN_ROUNDS):
            page = str(max(10, limit - len(keys))).encode()
            command = (b"SCAN", position, b"MATCH", pattern, b"COUNT", page, b"TYPE", b"string")
            with observe_store("redis", "scan"):
                (reply,) = await nodes[index].request([command])
            reply = raised(reply)
            assert isinstance(reply, list)
            position, found = _scan_reply(reply)
            keys.extend(found)
            if position == b"0":
                index += 1
                if index == len(nodes):
                    return keys, None
            if len(keys) >= limit:
                break
        return keys, f"{index}-{position.decode()}" if len(nodes) > 1 else position.decode()


@lru_cache(maxsize=4096)
def companion_key(key: bytes) -> bytes:
    """Where a key's content type is kept: in a cluster on the same server as the key."""
    start = key.find(b"{")
    end = key.find(b"}", start + 1)
    if start >= 0 and end > start + 1:
        tag = key[start + 1 : end]
    elif b"}" not in key:
        tag = key
    else:  # the key itself cannot be a hash tag; a number that falls into its slot can
        tag = _number_in_each_slot()[key_slot(key)]
    return COMPANION_PREFIX + b"{" + tag + b"}" + key


@cache
def _number_in_each_slot() -> dict[int, bytes]:
    """The least number that falls into each slot of a cluster."""
    found: dict[int, bytes] = {}
    for number in count():
        text = str(number).encode()
        found.setdefault(key_slot(text), text)
        if len(found) == SLOTS:
            break
    return found


def record_from(value: bytes, companion: Reply) -> Record:
    """A record from the two values of MGET."""
    digest = _sha1(value)
    if isinstance(companion, bytes) and companion[:40] == digest.encode():
        kind = companion[41:]
        # Any client can write there, and what is no line of text cannot be a header
        shown = kind.decode("latin-1") if _ONE_LINE.fullmatch(kind) else DEFAULT_TYPE
        return Record(value, shown, digest + _sha1(kind)[:8])
    return Record(value, DEFAULT_TYPE, digest)


def _sha1(data: bytes) -> str:
    # SHA-1 because Redis's scripts have nothing better; it only has to notice change
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def _check(outcome: Reply) -> None:
    outcome = raised(outcome)
    if outcome == b"type":
        raise WrongType
    if outcome == b"refused":
        raise PreconditionFailed("What is stored does not meet If-Match or If-None-Match.")


def _escape_glob(text: bytes) -> bytes:
    return b"".join(b"\\" + bytes((char,)) if char in _GLOB_SPECIAL else bytes((char,)) for char in text)


def _read_cursor(text: str, nodes: int) -> tuple[int, bytes]:
    index, dash, position = text.rpartition("-")
    if not position.isascii() or not position.isdigit() or int(position) >= 2**64:
        raise ValueError("not a cursor")
    number = int(index) if index.isascii() and index.isdigit() and len(index) < 6 else 0
    if (dash and not index.isdigit()) or number >= nodes:
        raise ValueError("not a cursor")
    return number, position.encode()


def _scan_reply(reply: list[Reply]) -> tuple[bytes, list[str]]:
    position, names = reply
    assert isinstance(position, bytes)
    assert isinstance(names, list)
    keys = []
    for name in names:
        assert isinstance(name, bytes)
        if name.startswith((COMPANION_PREFIX, COUNTERS)):
            continue
        try:
            keys.append(name.decode())
        except UnicodeDecodeError:
            continue  # an address cannot name it
    return position, keys
