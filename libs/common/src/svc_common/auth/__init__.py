"""Who calls, and what they may do. Deny by default.

An Authenticator turns the credential of a request into a Principal. Another kind of credential (signed
tokens, cookies) is another Authenticator; nothing else changes.
"""

from __future__ import annotations

from typing import Protocol

from ..problems import Unauthorized
from ..settings import ServiceSettings, SettingsError
from .access import ANYONE, Access, Principal
from .tokens import StaticTokens, parse_tokens

__all__ = ["ANYONE", "Access", "Authenticator", "Principal", "build_authenticator"]


class Authenticator(Protocol):
    """Recognises callers."""

    async def authenticate(self, credential: str | None) -> Principal | None:
        """Who sent the credential; None where none was sent. Raises Unauthorized for a wrong one."""
        ...


class _OpenHouse:
    async def authenticate(self, credential: str | None) -> Principal | None:
        return ANYONE


class _TokenAuthenticator:
    def __init__(self, tokens: StaticTokens) -> None:
        self._tokens = tokens

    async def authenticate(self, credential: str | None) -> Principal | None:
        if credential is None:
            return None
        principal = self._tokens.principal(credential)
        if principal is None:
            raise Unauthorized(
                "The token is not known.", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}
            )
        return principal


def build_authenticator(settings: ServiceSettings) -> Authenticator:
    """The authenticator that the settings ask for; SettingsError when they do not describe one."""
    if settings.auth_mode == "none":
        return _OpenHouse()
    try:
        return _TokenAuthenticator(StaticTokens(parse_tokens(settings.auth_tokens.get_secret_value())))
    except ValueError as error:
        raise SettingsError([str(error)]) from None


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
