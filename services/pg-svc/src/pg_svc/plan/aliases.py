"""Names for the places of a query that have none of their own."""

from __future__ import annotations

from hashlib import sha256

LONGEST = 63
"""Bytes of a name that PostgreSQL tells apart; it cuts the rest off, where the numbers are."""


def alias_of(*parts: str | int) -> str:
    """``clients_projects_1``; a long one ends in a digest of the whole."""
    name = "_".join(map(str, parts))
    encoded = name.encode()
    if len(encoded) <= LONGEST:
        return name
    digest = sha256(encoded).hexdigest()[:16]
    return encoded[: LONGEST - 17].decode(errors="ignore") + "_" + digest
