"""What the accounts do: sign up, log in, renew, log out; and the issuer that pg-svc itself asks."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pg_svc.accounts.attempts import Attempts
from pg_svc.accounts.database import AccountsDatabase
from pg_svc.accounts.keys import SigningKeys
from pg_svc.accounts.passwords import Passwords
from pg_svc.accounts.settings import AccountSettings
from pg_svc.accounts.users import User, Users
from svc_common import BadRequest, Forbidden, Unauthorized, Unprocessable
from svc_common.audit import audit
from svc_common.auth.access import covers, is_scope, scopes_in
from svc_common.auth.fresh import Fresh
from svc_common.auth.issuer import PERSONAL_PREFIX

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_LEEWAY = 10
_SHARED = 0.25
"""Seconds that an answer is shared; whoever asks allows for them (see ``svc_common.auth.signed``)."""


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from, for the list of sessions and for the counting of attempts."""

    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class Grant:
    """A session's tokens. They are shown to their owner, and to nobody else."""

    access: str
    refresh: str
    expires_in: int
    user: User
    session: str


class Accounts:
    """The accounts of a running service."""

    def __init__(self, settings: AccountSettings, database: AccountsDatabase, keys: SigningKeys) -> None:
        self.settings = settings
        self.users = Users(database)
        self.passwords = Passwords(settings)
        self.signing_keys = keys
        self._attempts = Attempts(database)
        self._revoked = Fresh(self._read_revoked, renew_after=_SHARED, most=_SHARED)
        self._database = database

    async def close(self) -> None:
        """Close the connections and end the threads."""
        self.passwords.close()
        await self._database.close()

    # -- sessions -----------------------------------------------------------------------------------

    async def sign_up(self, name: str, password: str, invite: str | None, client: Client) -> Grant:
        """A new account and its first session."""
        if self.settings.signup == "closed":
            audit("signup_refused", reason="closed", remote=client.address)
            raise Forbidden("New accounts are made by the administrators.")
        await self._attempts.count_address(client.address)
        if self.settings.signup == "invite" and (not invite or await self.users.invited(invite) is None):
            audit("signup_refused", reason="invite", remote=client.address)
            raise Forbidden("This invite does not count (any more).")
        hashed = await self.new_password(name, password)
        if self.settings.signup == "invite":
            user = await self.users.accept_invite(invite or "", name, hashed)
            if user is None:
                audit("signup_refused", reason="invite", remote=client.address)
                raise Forbidden("This invite does not count (any more).")
        else:
            user = await self.users.add(name, hashed, self.settings.signup_scopes)
        audit("signup", user=user.name, remote=client.address)
        grant = await self._open(user, client)
        if grant is None:
            raise Forbidden("This account has been changed already; log in.")
        return grant

    async def log_in(self, name: str, password: str, client: Client) -> Grant:
        """A new session. An unknown user, a wrong password and a disabled account look the same."""
        known = NAME.fullmatch(name) is not None
        if known:
            await self._attempts.count(name, client.address)
        else:
            await self._attempts.count_address(client.address)
        grant = None
        while grant is None:  # again where the account was changed while its password was being looked at
            user = await self.users.by_name(name) if known else None
            outcome = await self.passwords.verify(user.password if user else None, password)
            if user is None or not outcome.right or user.disabled:
                reason = "unknown user" if user is None else "disabled" if outcome.right else "wrong password"
                audit("login_failed", user=name if known else None, reason=reason, remote=client.address)
                raise Unauthorized("The name or the password is wrong.")
            if outcome.rehash is not None:
                user = await self.users.rehash(user, outcome.rehash)
            grant = await self._open(user, client) if user is not None else None
        await self._attempts.succeeded(name, client.address)
        audit("login", user=grant.user.name, remote=client.address)
        return grant

    async def renew(self, refresh: str, client: Client) -> Grant:
        """New tokens for a refresh token. One that was used before ends its session: it was stolen."""
        following = _secret("sfr_")
        found = await self.users.rotate(refresh, following, idle=self.settings.session_idle)
        if found is None:
            reused = await self.users.revoke_reused(refresh)
            if reused is not None:
                audit("refresh_reused", session=reused[0], user=reused[1], remote=client.address)
            else:
                audit("refresh_refused", remote=client.address)
            raise Unauthorized("The session has ended; log in again.")
        session, user = found
        return self._grant(user, session, following)

    async def log_out(self, session: str, user: str, client: Client) -> None:
        """End a session."""
        await self.users.end_session(session)
        audit("logout", user=user, session=session, remote=client.address)

    async def change_password(self, user: User, session: str, old: str, new: str, client: Client) -> None:
        """Another password; every other session of the account ends."""
        await self._attempts.count(user.name, client.address)
        if not (await self.passwords.verify(user.password, old)).right:
            audit("password_refused", user=user.name, remote=client.address)
            raise Forbidden("The present password is wrong.")
        await self._attempts.succeeded(user.name, client.address)
        hashed = await self.new_password(user.name, new)
        if not await self.users.set_password(user, hashed, session=session):
            audit("password_refused", user=user.name, remote=client.address)
            raise Forbidden("The password has been changed meanwhile.")
        audit("password_changed", user=user.name, remote=client.address)

    async def new_password(self, name: str, password: str) -> str:
        """The hash of a new password. Unprocessable for a name or a password that will not do."""
        if not NAME.fullmatch(name):
            raise Unprocessable(
                "A name is 1 to 64 letters, digits and . _ @ + -, and begins with none of these."
            )
        weakness = await self.passwords.weakness(password, name)
        if weakness is not None:
            raise Unprocessable(weakness)
        return await self.passwords.hash(password)

    async def _open(self, user: User, client: Client) -> Grant | None:
        refresh = _secret("sfr_")
        opened = await self.users.open_session(
            user,
            refresh,
            longest=self.settings.session_ttl,
            agent=client.agent,
            address=client.address,
        )
        return self._grant(opened[1], opened[0], refresh) if opened is not None else None

    def _grant(self, user: User, session: str, refresh: str) -> Grant:
        now, seconds = int(time.time()), self.settings.access_ttl
        claims = {
            "iss": self.settings.auth_issuer,
            "aud": self.settings.auth_audience,
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
            "jti": secrets.token_hex(8),
            "sid": session,
            **claims_of(user),
        }
        return Grant(self.signing_keys.sign(claims), refresh, seconds, user, session)

    # -- personal tokens ------------------------------------------------------------------------------

    def new_personal_token(self) -> str:
        """A new secret; it is shown once."""
        return _secret(PERSONAL_PREFIX)

    # -- the issuer, as svc_common asks for it --------------------------------------------------------

    async def keys(self) -> bytes:
        """The public keys."""
        return self.signing_keys.document

    async def revoked(self) -> frozenset[str]:
        """The sessions that ended within the life of an access token. Many may ask: they share an answer."""
        return await self._revoked.get()

    async def _read_revoked(self) -> frozenset[str]:
        return frozenset(await self.users.ended_within(self.settings.access_ttl + _LEEWAY))

    async def personal(self, token: str) -> Mapping[str, Any] | None:
        """What a personal token stands for."""
        found = await self.users.use_token(token)
        if found is None:
            audit("token_refused")
            return None
        user, name, scopes = found
        # Nobody gets more by a token than the account has by now
        return {**claims_of(user), "scope": " ".join(narrowed(scopes, user.scopes)), "token": name}


def claims_of(user: User) -> dict[str, Any]:
    """The claims that say who somebody is and what they may do."""
    claims: dict[str, Any] = {"sub": user.id, "name": user.name, "scope": " ".join(user.scopes)}
    if user.role:
        claims["role"] = user.role
    return claims


def narrowed(scopes: tuple[str, ...], granted: tuple[str, ...]) -> list[str]:
    """Of a token's scopes those that the account has itself."""
    return [scope for scope in scopes if covers(granted, scope)]


def beyond(claims: Mapping[str, Any], scopes: Iterable[str]) -> list[str]:
    """Of scopes those that a caller with these claims does not have, and so cannot give to anybody."""
    held = scopes_in(claims)
    return [scope for scope in scopes if not covers(held, scope)]


def checked_scopes(scopes: object) -> list[str]:
    """Scopes from a request. BadRequest for anything else."""
    if not isinstance(scopes, list) or len(scopes) > 64:
        raise BadRequest("scopes must be a list.")
    for scope in scopes:
        if not isinstance(scope, str) or not is_scope(scope):
            raise BadRequest("A scope is service:access, such as redis:write or *:read.")
    return sorted(set(scopes))


def _secret(prefix: str) -> str:
    return prefix + secrets.token_urlsafe(32)
