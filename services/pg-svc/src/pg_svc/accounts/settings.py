"""Settings of the accounts. They are on when there is a signing key and AUTH_MODE takes ``jwt``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from svc_common import CommaList, ServiceSettings
from svc_common.auth.access import is_scope


def _scopes(values: tuple[str, ...]) -> tuple[str, ...]:
    if not all(map(is_scope, values)):
        raise ValueError("takes scopes such as *:read,redis:write")
    return values


class AccountSettings(ServiceSettings):
    """What the accounts can be told."""

    auth_signing_key_files: CommaList = Field(
        (),
        description="Private keys (PEM, Ed25519 or P-256) of the access tokens. The first signs, all are "
        "published. With one, and `jwt` in AUTH_MODE, the accounts below `/auth` are on.",
    )
    signup: Literal["open", "invite", "closed"] = Field("closed", description="Who may make an account.")
    signup_scopes: Annotated[CommaList, AfterValidator(_scopes)] = Field(
        (), description="Scopes of a new account, such as `*:read,redis:write`."
    )
    access_ttl: int = Field(300, ge=10, le=3600, description="Seconds that an access token is valid.")
    session_idle: int = Field(
        14 * 86400, ge=60, description="Seconds after which a session that was not renewed ends."
    )
    session_ttl: int = Field(90 * 86400, ge=60, description="Seconds after which every session ends.")
    password_min_length: int = Field(10, ge=8, le=64, description="Least characters of a password.")
    password_threads: int = Field(2, ge=1, le=64, description="Passwords hashed at once.")
    password_memory: int = Field(65536, ge=8192, description="KiB that hashing a password takes (argon2id).")
    password_passes: int = Field(3, ge=1, le=20, description="Passes over that memory.")
    auth_roles: CommaList = Field(
        (), description="Database roles that accounts may have; such a token's requests run as its role."
    )

    @property
    def issues_tokens(self) -> bool:
        """Whether the accounts are on."""
        return bool(self.auth_signing_key_files) and "jwt" in self.auth_modes
