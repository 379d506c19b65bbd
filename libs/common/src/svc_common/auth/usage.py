"""The use of tokens in the audit log: the first request in each minute, by token and address.

A line for every request would drown the others, and the access log has those. One a minute still tells when a
token was in use, and a stolen one shows at once by its address.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

EVERY_SECONDS = 60.0
_REMEMBERED = 10_000


class TokenUse:
    """Remembers which tokens were written down lately. Whoever was first is forgotten first."""

    def __init__(self, *, every: float = EVERY_SECONDS) -> None:
        self._every = every
        self._told: OrderedDict[tuple[str, str, str | None], float] = OrderedDict()

    def is_first(self, name: str, token: str, address: str | None) -> bool:
        """Whether the use of a caller's token is to be written down now."""
        key, now = (name, token, address), time.monotonic()
        told = self._told.get(key)
        if told is not None and now - told < self._every:
            return False
        self._told[key] = now
        self._told.move_to_end(key)
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return True


def token_of(claims: Mapping[str, Any]) -> str:
    """Which token it is, without its secret: a personal token's name, a session's id, a token's own id."""
    return str(claims.get("token") or claims.get("sid") or claims.get("jti") or "")
