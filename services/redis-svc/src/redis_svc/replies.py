"""What goes to Redis and what comes back (RESP2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from svc_common import BadGateway, StoreUnavailable

Command: TypeAlias = Sequence[bytes]
"""A command's name and arguments."""

Reply: TypeAlias = "bytes | int | list[Reply] | ServerError | None"
"""Strings are bytes; errors inside of arrays are values."""


class ServerError(Exception):
    """What Redis answered instead of a result, code first: ``WRONGTYPE Operation against a key …``."""

    @property
    def message(self) -> str:
        """The error as Redis wrote it."""
        return str(self)

    @property
    def code(self) -> str:
        """Its first word: ``ERR``, ``WRONGTYPE``, ``MOVED`` …"""
        return str(self).partition(" ")[0]


class ConnectionLost(Exception):
    """The connection ended before the reply came; nobody knows whether the command was carried out."""


class ReplyUnclear(BadGateway):
    """502: what the server sent cannot be told apart into replies; its connection is given up."""


class ReplyTooLarge(BadGateway):
    """502: what Redis answers to one request goes over the limit of ``REDIS_MAX_REPLY_BYTES``."""


class ReplyTooDeep(BadGateway):
    """502: a script answered lists in lists in lists … deeper than an answer can hold."""

    def __init__(self) -> None:
        super().__init__("The reply of Redis is nested too deeply to be passed on.")


_NOT_NOW = frozenset(
    [
        "BUSY",
        "CLUSTERDOWN",
        "LOADING",
        "MASTERDOWN",
        "MISCONF",
        "NOAUTH",
        "NOPERM",
        "NOREPLICAS",
        "OOM",
        "READONLY",
        "TRYAGAIN",
    ]
)
"""Codes of errors that are the state of the server and not the fault of the command."""


def raised(reply: Reply) -> Reply:
    """The reply, raised where it is an error: as StoreUnavailable when the server cannot serve now."""
    if not isinstance(reply, ServerError):
        return reply
    if reply.code in _NOT_NOW:
        raise StoreUnavailable("redis", f"The store redis refuses the command now ({reply.code}).") from reply
    raise reply
