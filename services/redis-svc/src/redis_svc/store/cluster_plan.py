"""Which part of a cluster a command belongs to, and how the replies of all parts become one. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from redis.crc import key_slot

from ..command_table import CommandInfo, keys_of
from ..replies import Command, Reply, ServerError

SLOTS = 16384
CROSS_SLOT = "CROSSSLOT Keys in request don't hash to the same slot"

_REDIRECT = re.compile(r"(MOVED|ASK) [0-9]+ (\S*):([0-9]{1,5})")
_COUNTED_KEYS = frozenset((b"EVAL", b"EVALSHA", b"EVAL_RO", b"EVALSHA_RO", b"FCALL", b"FCALL_RO"))


def slot_of(key: bytes) -> int:
    """The slot of a key."""
    return int(key_slot(key))


def known_keys(info: CommandInfo | None, command: Command) -> list[bytes] | None:
    """The keys of a command; None where the server must be asked (``COMMAND GETKEYS``)."""
    if info is None:
        return []
    if command[0].upper() in _COUNTED_KEYS:
        count = command[2] if len(command) > 2 else b"0"
        return list(command[3 : 3 + int(count)]) if count.isdigit() and len(count) < 8 else []
    return keys_of(info, command)


def goes_everywhere(info: CommandInfo | None) -> bool:
    """Whether the command concerns every primary of a cluster (FLUSHALL, DBSIZE, SCRIPT LOAD, KEYS …)."""
    return info is not None and info.tip("request_policy") in ("all_shards", "all_nodes")


def walks_everything(info: CommandInfo | None) -> bool:
    """Whether the command is a SCAN, which goes from one primary of a cluster to the next."""
    return info is not None and info.name == "scan"


def combined(info: CommandInfo, replies: Sequence[Reply]) -> Reply:
    """One reply out of the replies of all primaries, as the command's tips say."""
    error = next((reply for reply in replies if isinstance(reply, ServerError)), None)
    policy = info.tip("response_policy")
    if error is not None and policy != "one_succeeded":
        return error
    numbers = [reply for reply in replies if isinstance(reply, int)]
    if policy == "one_succeeded":
        return next((reply for reply in replies if not isinstance(reply, ServerError)), error)
    if policy == "agg_sum" and numbers:
        return sum(numbers)
    if policy in ("agg_min", "agg_max") and numbers:
        return min(numbers) if policy == "agg_min" else max(numbers)
    lists = [reply for reply in replies if isinstance(reply, list)]
    if policy == "agg_logical_and" and lists:
        return [min(column) for column in zip(*(_numbers(items) for items in lists), strict=True)]
    if not policy and len(lists) == len(replies):
        return [item for items in lists for item in items]
    return replies[0]


def redirect(reply: Reply) -> tuple[str, str, int] | None:
    """``MOVED 3999 10.0.0.1:6381`` → kind, host (empty: as before) and port; None for other replies."""
    found = _REDIRECT.fullmatch(reply.message) if isinstance(reply, ServerError) else None
    return None if found is None else (found[1], found[2].strip("[]"), int(found[3]))


def scan_position(cursor: bytes, nodes: int) -> tuple[int, bytes] | None:
    """A cursor over a whole cluster → which primary and its own cursor; None for what is no cursor."""
    if not cursor.isdigit():
        return None
    inner, number = divmod(int(cursor), nodes)
    return number, str(inner).encode()


def scan_cursor(number: int, inner: bytes, nodes: int) -> bytes:
    """The cursor over a whole cluster that stands for a primary's own; ``0`` at the end of the last one."""
    if inner == b"0":
        number += 1
        return b"0" if number == nodes else str(number).encode()
    return str(int(inner) * nodes + number).encode()


def _numbers(items: list[Reply]) -> list[int]:
    return [item for item in items if isinstance(item, int)]
