"""Commands that wait for data: finding their time-out and cutting it to what is allowed. Pure."""

from __future__ import annotations

import math

from .replies import Command

_LAST_ARGUMENT = frozenset((b"BLPOP", b"BRPOP", b"BLMOVE", b"BRPOPLPUSH", b"BZPOPMIN", b"BZPOPMAX"))
_FIRST_ARGUMENT = frozenset((b"BLMPOP", b"BZMPOP"))
_BLOCK_OPTION = frozenset((b"XREAD", b"XREADGROUP"))
_OPTION_LENGTHS = {b"COUNT": 2, b"BLOCK": 2, b"NOACK": 1, b"GROUP": 3, b"CLAIM": 2}


def timeout_position(command: Command) -> int | None:
    """Where the command's time-out stands; None for a command that does not wait."""
    name = command[0].upper()
    if name in _LAST_ARGUMENT:
        return len(command) - 1 if len(command) > 1 else None
    if name in _FIRST_ARGUMENT:
        return 1 if len(command) > 1 else None
    if name in _BLOCK_OPTION:
        position = 1
        while position < len(command):
            option = command[position].upper()
            if option == b"BLOCK" and position + 1 < len(command):
                return position + 1
            if option not in _OPTION_LENGTHS:
                return None
            position += _OPTION_LENGTHS[option]
    return None


def capped(command: Command, seconds: float) -> Command:
    """The command with its time-out cut to ``seconds``; one that is no number stays for Redis to refuse."""
    position = timeout_position(command)
    if position is None:
        return command
    unit = 1000 if command[0].upper() in _BLOCK_OPTION else 1
    try:
        given = float(command[position])
    except ValueError:
        return command
    if not math.isfinite(given) or given < 0 or 0 < given <= seconds * unit:
        return command
    limit = str(int(seconds * unit)) if unit == 1000 else f"{seconds:g}"
    return [*command[:position], limit.encode(), *command[position + 1 :]]
