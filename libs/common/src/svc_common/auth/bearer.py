"""The ``Authorization: Bearer`` header (RFC 6750)."""

from __future__ import annotations

from ..problems import Unauthorized


def bearer(authorization: str | None) -> str | None:
    """The credential of an ``Authorization: Bearer …`` header; None without one.

    Raises Unauthorized for another scheme or an empty token.
    """
    if authorization is None:
        return None
    scheme, _, credential = authorization.partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or not credential:
        raise Unauthorized("Send the token as Authorization: Bearer TOKEN.")
    return credential
