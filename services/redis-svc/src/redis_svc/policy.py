"""Which commands may be sent, by what the server says about them. Pure.

Connections to Redis are shared, so what holds or changes one is never let through; no setting can allow it.
What can take the server down, read its files or show other people's commands (the ACL category ``@admin``
and a few more) is refused unless a setting allows it. A script is one command to this policy: what it may
call is for the ACL of the user that the service logs in as.
"""

from __future__ import annotations

from collections.abc import Iterable

from svc_common import Access
from svc_common.sharedrates import RESERVED_PREFIX

from .command_table import CommandInfo, keys_of
from .replies import Command

COUNTERS = RESERVED_PREFIX.encode()
"""What the keys of the rate limits begin with. They are not for the API's callers, whom they limit."""

_MEANT_FOR_ONE = frozenset(("client|setinfo",))
_HARMLESS_CONNECTION = frozenset(("ping", "echo", "command"))
_TAKES_THE_CONNECTION = frozenset(
    ("monitor", "sync", "psync", "replconf", "client|no-evict", "cluster|syncslots", "script|debug")
)
_ALSO_REFUSED = frozenset(("migrate", "swapdb", "restore-asking"))
_WALKS_EVERY_KEY = frozenset(("scan", "keys", "clusterscan"))
_MOST_DECISIONS = 10_000
_INSTEAD = {
    "subscribe": "use /subscribe/CHANNEL",
    "psubscribe": "use /psubscribe/PATTERN",
    "monitor": "use /monitor",
    "multi": "use /multi-exec",
    "exec": "use /multi-exec",
}


class Policy:
    """``allow`` and ``deny`` are names (``config``, ``config|get``) or categories (``@dangerous``)."""

    def __init__(self, allow: Iterable[str] = (), deny: Iterable[str] = ()) -> None:
        self._allow = frozenset(word.lower() for word in allow)
        self._deny = frozenset(word.lower() for word in deny)
        self._decided: dict[tuple[CommandInfo, Access], str | None] = {}

    def refusal(self, info: CommandInfo, scope: Access) -> str | None:
        """The error for a caller with ``scope``; None when the command may be sent."""
        try:
            return self._decided[info, scope]
        except KeyError:
            if len(self._decided) > _MOST_DECISIONS:  # of command tables that are gone
                self._decided.clear()
            decision = self._decided[info, scope] = self._decide(info, scope)
            return decision

    def denial(self, info: CommandInfo) -> str | None:
        """The error where ``deny`` names the command; None where it does not."""
        if not _named(info, self._deny):
            return None
        return f"NOPERM {_shown(info)} is refused by REDIS_DENY_COMMANDS"

    def runs_alone(self, info: CommandInfo) -> bool:
        """Whether the command may be sent on a connection of its own, though not on one that is shared.

        The official clients introduce themselves with ``CLIENT SETINFO``.
        """
        return info.name in _MEANT_FOR_ONE and self.denial(info) is None

    def _decide(self, info: CommandInfo, scope: Access) -> str | None:
        name = _shown(info)
        if takes_connection(info):
            instead = _INSTEAD.get(info.name)
            return f"ERR {name} holds or changes its connection, and connections are shared here" + (
                f"; {instead}" if instead else ""
            )
        denial = self.denial(info)
        if denial is not None:
            return denial
        if "@admin" in info.categories or info.name in _ALSO_REFUSED:
            if not _named(info, self._allow):
                return f"NOPERM {name} is not allowed here; REDIS_ALLOW_COMMANDS can allow it"
            if scope < Access.ADMIN:
                return f"NOPERM {name} needs a token with the scope admin"
        if scope < Access.WRITE and not reads_only(info):
            return f"NOPERM {name} needs a token with the scope write"
        return None


def names_a_counter(info: CommandInfo, command: Command) -> bool:
    """Whether a command has a key of the rate limits; any argument counts where keys cannot be told."""
    for word in command:  # asked of every command of a pipeline: a plain loop takes 0.2 µs, any() 0.6 µs
        if word.startswith(COUNTERS):
            break
    else:
        return False
    keys = keys_of(info, command)
    return any(word.startswith(COUNTERS) for word in (command if keys is None else keys))


def takes_connection(info: CommandInfo) -> bool:
    """Whether the command holds or changes the connection it is sent on."""
    if info.name in _TAKES_THE_CONNECTION or "@transaction" in info.categories:
        return True
    if info.name.endswith("subscribe") and "pubsub" in info.flags:
        return True
    return (
        "@connection" in info.categories
        and "@admin" not in info.categories
        and info.name.partition("|")[0] not in _HARMLESS_CONNECTION
    )


def reads_only(info: CommandInfo) -> bool:
    """Whether a token with the scope read may send it."""
    if info.name in _WALKS_EVERY_KEY:
        return False
    return "readonly" in info.flags or info.name.partition("|")[0] in _HARMLESS_CONNECTION


def _shown(info: CommandInfo) -> str:
    return info.name.replace("|", " ").upper()


def _named(info: CommandInfo, words: frozenset[str]) -> bool:
    return info.name in words or info.name.partition("|")[0] in words or not words.isdisjoint(info.categories)
