"""Static bearer tokens from ``AUTH_TOKENS``."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from .access import Access, Principal


@dataclass(frozen=True, slots=True)
class _Token:
    principal: Principal
    digest: bytes


class StaticTokens:
    """Recognises the tokens it was given.

    Secrets are kept as digests, and every one of them is compared in constant time on each call, so the
    time of an answer says nothing about which token was nearly right.
    """

    def __init__(self, tokens: Iterable[tuple[str, Access, str]]) -> None:
        self._tokens = [_Token(Principal(name, scope), _digest(secret)) for name, scope, secret in tokens]

    def principal(self, secret: str) -> Principal | None:
        """Who the secret belongs to; None for nobody."""
        digest = _digest(secret)
        found = None
        for token in self._tokens:
            if hmac.compare_digest(token.digest, digest):
                found = token.principal
        return found


def parse_tokens(text: str) -> list[tuple[str, Access, str]]:
    """Read ``name:scope:secret,…``; ValueError says which entry is wrong without showing its secret."""
    tokens: list[tuple[str, Access, str]] = []
    for number, entry in enumerate((part.strip() for part in text.split(",") if part.strip()), start=1):
        pieces = entry.split(":", 2)
        if len(pieces) != 3 or not all(pieces):
            raise ValueError(f"AUTH_TOKENS: entry {number} is not of the form name:scope:secret")
        name, scope, secret = pieces
        try:
            access = Access.scope(scope)
        except ValueError:
            raise ValueError(
                f"AUTH_TOKENS: entry {number} has an unknown scope; scopes are read, write and admin"
            ) from None
        if any(name == other for other, _, _ in tokens):
            raise ValueError(f"AUTH_TOKENS: entry {number} repeats a name")
        tokens.append((name, access, secret))
    if not tokens:
        raise ValueError("AUTH_TOKENS: no entry; give name:scope:secret,…")
    return tokens


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
