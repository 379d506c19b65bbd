"""What a route asks for, and who a caller is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import Any

_SCOPE = re.compile(r"(?P<service>\*|[a-z][a-z0-9-]*):(?P<access>read|write|admin)")
_NO_CLAIMS: Mapping[str, Any] = MappingProxyType({})


class Access(IntEnum):
    """What a request needs. Scopes are ordered: whoever may write may read."""

    PUBLIC = 0
    KNOWN = 1
    """Any caller that is recognised, whatever its scopes."""
    READ = 2
    WRITE = 3
    ADMIN = 4

    @classmethod
    def scope(cls, name: str) -> Access:
        """The scope called ``read``, ``write`` or ``admin``; ValueError for any other name."""
        if name not in ("read", "write", "admin"):
            raise ValueError(f"{name!r} is not a scope; scopes are read, write and admin")
        return cls[name.upper()]


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller that was recognised: a name for the logs, what it may do here, what its token says."""

    name: str
    scope: Access
    claims: Mapping[str, Any] = field(default_factory=lambda: _NO_CLAIMS, hash=False)

    def may(self, access: Access) -> bool:
        """Whether the caller's scope covers the access."""
        return self.scope >= access


ANYONE = Principal("anyone", Access.ADMIN)
"""Every caller of a service with ``AUTH_MODE=none``."""


def is_scope(text: str) -> bool:
    """Whether a text is ``service:access``, such as ``redis:write`` or ``*:read``."""
    return _SCOPE.fullmatch(text) is not None


def granted(scopes: Iterable[str], service: str) -> Access:
    """What scopes such as ``redis:write`` and ``*:read`` allow on one service; KNOWN for nothing."""
    found = Access.KNOWN
    for scope in scopes:
        match = _SCOPE.fullmatch(scope)
        if match and match["service"] in ("*", service):
            found = max(found, Access.scope(match["access"]))
    return found


def covers(scopes: Iterable[str], wanted: str) -> bool:
    """Whether scopes allow all that another scope allows; ``*:read`` is covered by ``*`` alone."""
    match = _SCOPE.fullmatch(wanted)
    return match is not None and granted(scopes, match["service"]) >= Access.scope(match["access"])


def scopes_in(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The scopes of a token's ``scope`` claim: words separated by spaces (RFC 9068), or a list."""
    value = claims.get("scope", ())
    words = value.split() if isinstance(value, str) else value
    return tuple(word for word in words if isinstance(word, str)) if isinstance(words, (list, tuple)) else ()
