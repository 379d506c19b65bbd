"""Signed access tokens (RFC 7519, claims as in RFC 9068) and personal access tokens."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import jwt

from ..problems import Unauthorized
from .access import Principal, granted, scopes_in
from .fresh import Fresh
from .issuer import PERSONAL_PREFIX, Issuer
from .keys import Keys

LEEWAY = 5
"""Seconds that clocks may differ."""

REVOCATION_RENEW, REVOCATION_MOST = 2.0, 4.25
"""Seconds after which the revoked sessions are fetched anew, and that they may be old at most.

With the quarter of a second for which the accounts share an answer: 4.5, and promised are 5."""

_REMEMBERED = 1024


def refused(detail: str) -> Unauthorized:
    """A credential that does not count, with the challenge of RFC 6750."""
    return Unauthorized(detail, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


class SignedTokens:
    """Verifies access tokens for one service."""

    def __init__(
        self, issuer: Issuer, *, service: str, name: str, audience: str, algorithms: Sequence[str]
    ) -> None:
        self._service = service
        self._name = name
        self._audience = audience
        self._algorithms = list(algorithms)
        self._keys = Keys(issuer, algorithms)
        self._revoked = Fresh(issuer.revoked, renew_after=REVOCATION_RENEW, most=REVOCATION_MOST)

    async def principal(self, token: str) -> Principal:
        """Who the token was made for. Raises Unauthorized, or Unavailable when that cannot be known."""
        claims = await self._verified(token)
        sid = claims.get("sid")
        if sid is not None and str(sid) in await self._revoked.get():
            raise refused("The session has ended.")
        return principal_of(claims, self._service)

    async def _verified(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise refused("The token is not valid.") from None
        # The key decides about the algorithm: a token that names another one is refused, "none" included
        key = await self._keys.find(str(header.get("kid", "")))
        if key is None or header.get("alg") != key.algorithm_name or "crit" in header:
            raise refused("The token is not valid.")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=self._algorithms,
                audience=self._audience,
                issuer=self._name,
                leeway=LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise refused("The token has expired.") from None
        except jwt.InvalidTokenError:
            raise refused("The token is not valid.") from None
        return claims


class PersonalTokens:
    """Verifies personal access tokens with the issuer, and remembers its answer for a moment."""

    def __init__(self, issuer: Issuer, *, service: str) -> None:
        self._issuer = issuer
        self._service = service
        self._known: OrderedDict[bytes, Fresh[Mapping[str, Any] | None]] = OrderedDict()

    async def principal(self, token: str) -> Principal:
        """Who the token belongs to. Raises Unauthorized, or Unavailable when that cannot be known."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        entry = self._known.get(digest)
        if entry is None:
            entry = self._known[digest] = Fresh(
                lambda: self._issuer.personal(token), renew_after=REVOCATION_RENEW, most=REVOCATION_MOST
            )
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(digest)
        claims = await entry.get()
        if claims is None:
            raise refused("The token is not valid.")
        return principal_of(claims, self._service)


def is_personal(credential: str) -> bool:
    """Whether a credential has the form of a personal access token."""
    return credential.startswith(PERSONAL_PREFIX)


def principal_of(claims: Mapping[str, Any], service: str) -> Principal:
    """The caller that claims describe, as one service sees it."""
    name = claims.get("name") or claims.get("sub")
    return Principal(str(name), granted(scopes_in(claims), service), claims)
