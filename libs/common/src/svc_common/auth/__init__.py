"""Who calls, and what they may do. Deny by default.

An Authenticator turns the credential of a request into a Principal: static tokens from ``AUTH_TOKENS``,
signed access tokens and personal access tokens from an issuer, or all of them at once.
"""

from __future__ import annotations

from typing import Protocol

from ..settings import ServiceSettings, SettingsError
from .access import ANYONE, Access, Principal
from .bearer import bearer
from .cookies import access_cookie
from .issuer import Issuer, RemoteIssuer
from .signed import PersonalTokens, SignedTokens, is_personal, refused
from .tokens import StaticTokens, parse_tokens

__all__ = ["ANYONE", "Access", "Authenticator", "Issuer", "Principal", "bearer", "build_authenticator"]


class Authenticator(Protocol):
    """Recognises callers."""

    @property
    def cookie(self) -> str | None:
        """The cookie that may hold a credential; None where cookies do not count."""
        ...

    async def authenticate(self, credential: str | None) -> Principal | None:
        """Who sent the credential; None where none was sent. Raises Unauthorized for a wrong one."""
        ...


class _OpenHouse:
    cookie: str | None = None

    async def authenticate(self, credential: str | None) -> Principal | None:
        return ANYONE


class _Tokens:
    """Static tokens, tokens of an issuer, or both."""

    def __init__(
        self,
        static: StaticTokens | None,
        signed: SignedTokens | None,
        personal: PersonalTokens | None,
        cookie: str | None,
    ) -> None:
        self._static = static
        self._signed = signed
        self._personal = personal
        self.cookie = cookie

    async def authenticate(self, credential: str | None) -> Principal | None:
        if credential is None:
            return None
        if self._static is not None:
            principal = self._static.principal(credential)
            if principal is not None:
                return principal
        if self._personal is not None and is_personal(credential):
            return await self._personal.principal(credential)
        if self._signed is not None:
            return await self._signed.principal(credential)
        raise refused("The token is not known.")


def build_authenticator(
    settings: ServiceSettings, service_name: str = "", issuer: Issuer | None = None
) -> Authenticator:
    """The authenticator that the settings ask for; SettingsError when they do not describe one.

    ``service_name`` decides which scopes count (``redis-svc`` takes ``redis:read``). ``issuer`` is for the
    service that makes the tokens itself; others ask the one that the settings name.
    """
    modes = settings.auth_modes
    if "none" in modes:
        return _OpenHouse()
    static = signed = personal = cookie = None
    if "token" in modes:
        try:
            static = StaticTokens(parse_tokens(settings.auth_tokens.get_secret_value()))
        except ValueError as error:
            raise SettingsError([str(error)]) from None
    if "jwt" in modes:
        service = service_name.removesuffix("-svc")
        issuer = issuer or RemoteIssuer(
            settings.auth_jwks_url, settings.auth_accounts_url, timeout=settings.store_timeout
        )
        signed = SignedTokens(
            issuer,
            service=service,
            name=settings.auth_issuer,
            audience=settings.auth_audience,
            algorithms=settings.auth_algorithms,
        )
        personal = PersonalTokens(issuer, service=service)
        cookie = access_cookie(development=settings.auth_development)
    return _Tokens(static, signed, personal, cookie)
