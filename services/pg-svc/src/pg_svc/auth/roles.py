"""Who a request runs as.

Two ways, never mixed:

* With ``PGRST_JWT_SECRET`` or ``PGRST_DB_ANON_ROLE`` database roles decide, as PostgREST has it: a token's
  role, or the anonymous role. The service itself lets every request through to them. With ``PGRST_DB_URI``
  and nothing about tokens of the service's own it is meant, too: the rest may come from the database.
* Without, the service's own tokens (``AUTH_MODE``, ``AUTH_TOKENS``) decide who may read and who may write,
  and every request runs as the login role, or as the role of its account where that is one of AUTH_ROLES.

``PGRST_DB_ANON_ROLE`` with ``AUTH_TOKENS`` and without a secret is the second way, as that role.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pg_svc.auth.jwt import TokenReader, bad_token, no_secret, parse_keys, token_required
from pg_svc.errors import ApiError
from pg_svc.settings import PgSettings
from svc_common import Principal, SettingsError
from svc_common.audit import audit


@dataclass(slots=True)
class Caller:
    """The role (None: the login role), the token's claims, and whether it is more than anybody's role."""

    role: str | None
    claims: dict[str, Any] = field(default_factory=dict)
    authenticated: bool = False


class Roles:
    """Finds the role of a request."""

    def __init__(self, settings: PgSettings) -> None:
        secret = settings.pgrst_jwt_secret.get_secret_value()
        self._anonymous = settings.pgrst_db_anon_role or None
        self._listed = frozenset(settings.auth_roles)
        own_tokens = "none" not in settings.auth_modes
        self.decide = bool(secret) or settings.roles_alone or (self._anonymous is not None and not own_tokens)
        self._reader: TokenReader | None = None
        if secret:
            try:
                self._reader = TokenReader(
                    parse_keys(secret, is_base64=settings.pgrst_jwt_secret_is_base64),
                    audience=settings.pgrst_jwt_aud,
                    role_path=settings.pgrst_jwt_role_claim_key,
                    cache_size=settings.pgrst_jwt_cache_max_entries,
                )
            except ValueError as error:
                raise SettingsError([str(error)]) from None

    def caller(self, authorization: str | None, principal: Principal | None) -> Caller:
        """The caller for an ``Authorization`` header. ``principal`` is whom the service itself recognised.

        Raises ApiError PGRST300 to PGRST303, and 42501 for a role that accounts may not have.
        """
        if not self.decide:
            claims = {"sub": principal.name, **principal.claims} if principal else {}
            role = claims.get("role", self._anonymous)
            if role is not None:
                claims["role"] = role
            if role != self._anonymous and not (isinstance(role, str) and role in self._listed):
                audit("role_refused", caller=claims["sub"], role=str(role)[:64])
                raise ApiError(403, "42501", "The role of this token is not one of AUTH_ROLES")
            return Caller(role, claims, principal is not None)
        token = _bearer(authorization)
        if token is None:
            if self._anonymous is None:
                raise token_required()
            return Caller(self._anonymous, {"role": self._anonymous})
        if self._reader is None:
            raise no_secret()
        if not token:
            raise bad_token("Empty JWT is sent in Authorization header")
        claims, role = self._reader.read(token)
        role = role if role is not None else self._anonymous
        if role is None:
            raise token_required()
        return Caller(role, {**claims, "role": role}, role != self._anonymous)


def _bearer(authorization: str | None) -> str | None:
    """The token of ``Bearer …``; None for no header and for another scheme."""
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
