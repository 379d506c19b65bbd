"""What a route asks for, and who a caller is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Access(IntEnum):
    """What a request needs. Scopes are ordered: whoever may write may read."""

    PUBLIC = 0
    READ = 1
    WRITE = 2
    ADMIN = 3

    @classmethod
    def scope(cls, name: str) -> Access:
        """The scope called ``read``, ``write`` or ``admin``; ValueError for any other name."""
        try:
            found = cls[name.upper()]
        except KeyError:
            found = cls.PUBLIC
        if found is cls.PUBLIC:
            raise ValueError(f"{name!r} is not a scope; scopes are read, write and admin")
        return found


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller that was recognised: a name for the logs and what it may do."""

    name: str
    scope: Access

    def may(self, access: Access) -> bool:
        """Whether the caller's scope covers the access."""
        return self.scope >= access


ANYONE = Principal("anyone", Access.ADMIN)
"""Every caller of a service with ``AUTH_MODE=none``."""
