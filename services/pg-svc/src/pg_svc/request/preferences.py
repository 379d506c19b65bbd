"""The ``Prefer`` header (RFC 7240)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_KNOWN = {
    "resolution": ("merge-duplicates", "ignore-duplicates"),
    "missing": ("default", "null"),
    "return": ("representation", "minimal", "headers-only"),
    "count": ("exact", "planned", "estimated"),
    "tx": ("commit", "rollback"),
    "handling": ("strict", "lenient"),
}


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the client prefers; None where it says nothing. ``invalid`` are those that nobody knows."""

    resolution: str | None = None
    missing: str | None = None
    representation: str | None = None
    count: str | None = None
    tx: str | None = None
    handling: str | None = None
    timezone: str | None = None
    max_affected: int | None = None
    invalid: tuple[str, ...] = ()

    @property
    def strict(self) -> bool:
        """Whether unknown preferences are errors."""
        return self.handling == "strict"

    @property
    def counts(self) -> bool:
        """Whether rows are counted, not only estimated."""
        return self.count in ("exact", "estimated")

    def applied(self, *names: str) -> str | None:
        """The value of ``Preference-Applied`` for those of ``names`` that were given; None for none."""
        values: dict[str, str | None] = {
            "resolution": self.resolution,
            "missing": self.missing,
            "return": self.representation,
            "count": self.count,
            "tx": self.tx,
            "handling": self.handling,
            "timezone": self.timezone,
            "max-affected": str(self.max_affected) if self.strict and self.max_affected is not None else None,
        }
        said = [f"{name}={given}" for name, given in values.items() if name in names and given is not None]
        return ", ".join(said) or None


def parse_preferences(headers: Sequence[str], *, tx_allowed: bool) -> Preferences:
    """Understand ``Prefer`` headers. The first of several values counts.

    ``tx_allowed``: the client may choose how its transaction ends. Whether a time zone is one is for the
    server to say.
    """
    given = [part.strip() for header in headers for part in header.split(",")]
    given = [part for part in given if part]
    found: dict[str, str] = {}
    invalid = []
    timezone: str | None = None
    max_affected: int | None = None
    for part in given:
        name, _, value = part.partition("=")
        if name in _KNOWN and value in _KNOWN[name]:
            found.setdefault(name, value)
        elif part.startswith("timezone="):
            timezone = value if timezone is None else timezone
        elif name == "max-affected":
            if max_affected is None and re.fullmatch(r"-?[0-9]{1,18}", value):
                max_affected = int(value)
        else:
            invalid.append(part)
    return Preferences(
        resolution=found.get("resolution"),
        missing=found.get("missing"),
        representation=found.get("return"),
        count=found.get("count"),
        tx=found.get("tx") if tx_allowed else None,
        handling=found.get("handling"),
        timezone=timezone,
        max_affected=max_affected,
        invalid=tuple(invalid),
    )
