"""What the server itself says about its commands (the reply of ``COMMAND``). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .replies import Command, Reply


@dataclass(frozen=True, slots=True, eq=False)
class CommandInfo:
    """One command (``get``) or subcommand (``config|get``), with Redis's own flags and ACL categories."""

    name: str
    flags: frozenset[str]
    categories: frozenset[str]
    first_key: int = 0
    last_key: int = 0
    step: int = 0
    tips: frozenset[str] = frozenset()
    subcommands: dict[bytes, CommandInfo] = field(default_factory=dict)

    @property
    def quick(self) -> bool:
        """Whether its time does not grow with the data."""
        return "fast" in self.flags

    def tip(self, name: str) -> str:
        """The value of a tip such as ``request_policy``; empty where the server gives none."""
        for tip in self.tips:
            key, _, value = tip.partition(":")
            if key == name:
                return value
        return ""


class CommandTable:
    """Finds what is known about a command."""

    def __init__(self, commands: Sequence[CommandInfo]) -> None:
        self._commands = {info.name.encode(): info for info in commands}

    def __len__(self) -> int:
        return len(self._commands)

    def find(self, command: Command) -> CommandInfo | None:
        """The command, or the subcommand it names; None for one that the server does not have."""
        info = self._commands.get(command[0].lower())
        if info is not None and info.subcommands and len(command) > 1:
            return info.subcommands.get(command[1].lower(), info)
        return info

    def names(self) -> list[str]:
        """Every command and subcommand, in alphabetical order."""
        found = []
        for info in self._commands.values():
            found.append(info.name)
            found.extend(sub.name for sub in info.subcommands.values())
        return sorted(found)


def parse_command_table(reply: Reply) -> CommandTable:
    """Read the reply of ``COMMAND``: name, arity, flags, key positions, categories, tips, …, subcommands."""
    assert isinstance(reply, list)
    return CommandTable([_info(entry) for entry in reply])


def unknown_command(command: Command) -> str:
    """What Redis says to a command that it does not have."""
    shown = "".join(f"'{text[:128].decode('utf-8', 'replace')}' " for text in command[1:20])
    name = command[0][:128].decode("utf-8", "replace")
    return f"ERR unknown command '{name}', with args beginning with: {shown}"


def keys_of(info: CommandInfo, command: Command) -> list[bytes] | None:
    """The keys in a command; None where only the server can tell."""
    if "movablekeys" in info.flags:
        return None
    if not info.first_key:
        return []
    last = info.last_key if info.last_key >= 0 else len(command) + info.last_key
    return list(command[info.first_key : last + 1 : info.step or 1])


def _info(entry: Reply) -> CommandInfo:
    assert isinstance(entry, list)
    name, _, flags, first, last, step, categories, *rest = entry
    assert isinstance(name, bytes)
    assert isinstance(first, int)
    assert isinstance(last, int)
    assert isinstance(step, int)
    tips = rest[0] if rest else []
    inner = rest[2] if len(rest) > 2 else []
    assert isinstance(inner, list)
    subcommands = [_info(sub) for sub in inner]
    return CommandInfo(
        name.decode().lower(),
        _words(flags),
        _words(categories),
        first,
        last,
        step,
        _words(tips),
        {sub.name.partition("|")[2].encode(): sub for sub in subcommands},
    )


def _words(reply: Reply) -> frozenset[str]:
    assert isinstance(reply, list)
    return frozenset(word.decode().lower() for word in reply if isinstance(word, bytes))
