"""Users, sessions and tokens as rows: every statement of the accounts but the counting of attempts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pg_svc.accounts.database import AccountsDatabase
from pg_svc.store.connection import Row


@dataclass(frozen=True, slots=True)
class User:
    """An account."""

    id: str
    name: str
    password: str
    scopes: tuple[str, ...]
    role: str | None
    disabled: bool
    created: datetime

    def document(self) -> dict[str, Any]:
        """What may be shown of it."""
        return {
            "id": self.id,
            "name": self.name,
            "scopes": list(self.scopes),
            "role": self.role,
            "disabled": self.disabled,
            "created": self.created.isoformat(),
        }


_USER = "u.id::text, u.name, u.password, u.scopes, u.role, u.disabled, u.created"
_CHANGEABLE = ("disabled", "scopes", "role")

# A statement of its own before the one that ends sessions: that one then sees the sessions of logins that
# held the lock until now, and later logins see what it changed.
_LOCK = "SELECT 1 FROM storefronts.users WHERE id = %(id)s::uuid FOR UPDATE; "


def _user(row: Row | None) -> User | None:
    if row is None:
        return None
    return User(row[0], row[1], row[2], tuple(row[3]), row[4], row[5], row[6])


def digest(secret: str) -> bytes:
    """What is stored of a random secret: it needs no slow hash, since it cannot be guessed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


class Users:
    """The accounts' tables."""

    def __init__(self, database: AccountsDatabase) -> None:
        self._database = database

    # -- users --------------------------------------------------------------------------------------

    async def add(self, name: str, password: str, scopes: Sequence[str]) -> User:
        """A new user. Conflict where the name is taken."""
        row = await self._database.one(
            "user_add",
            "INSERT INTO storefronts.users AS u (name, password, scopes) VALUES (%s, %s, %s) "  # noqa: S608
            f"RETURNING {_USER}",
            name,
            password,
            list(scopes),
        )
        user = _user(row)
        assert user is not None
        return user

    async def by_name(self, name: str) -> User | None:
        """The user of a name, however it is capitalised."""
        sql = f"SELECT {_USER} FROM storefronts.users u WHERE lower(u.name) = lower(%s)"  # noqa: S608
        return _user(await self._database.one("user_get", sql, name))

    async def by_id(self, user_id: str) -> User | None:
        """The user of an id."""
        sql = f"SELECT {_USER} FROM storefronts.users u WHERE u.id = %s::uuid"  # noqa: S608
        return _user(await self._database.one("user_get", sql, user_id))

    async def all(self, after: str, limit: int) -> list[User]:
        """Users in the order of their names."""
        sql = (
            f"SELECT {_USER} FROM storefronts.users u WHERE lower(u.name) > lower(%s) "  # noqa: S608
            "ORDER BY lower(u.name) LIMIT %s"
        )
        rows = await self._database.run("user_list", sql, after, limit)
        return [user for row in rows if (user := _user(row)) is not None]

    async def rehash(self, user: User, password: str) -> User | None:
        """Keep another hash of the same password. None where the password has been changed meanwhile."""
        row = await self._database.one(
            "user_rehash",
            "UPDATE storefronts.users u SET password = %s "  # noqa: S608
            f"WHERE u.id = %s::uuid AND u.password = %s RETURNING {_USER}",
            password,
            user.id,
            user.password,
        )
        return _user(row)

    async def set_password(self, user: User, password: str, *, session: str) -> bool:
        """Keep another password, and end every other session. False where it has been changed meanwhile."""
        return bool(
            await self._database.named(
                "user_password",
                _LOCK + "WITH changed AS (UPDATE storefronts.users SET password = %(new)s "  # noqa: S608
                "WHERE id = %(id)s::uuid AND password = %(old)s RETURNING id), "
                "ended AS (UPDATE storefronts.sessions SET revoked = clock_timestamp() "
                "WHERE user_id IN (SELECT id FROM changed) AND revoked IS NULL AND id <> %(session)s::uuid) "
                "SELECT 1 FROM changed",
                {"id": user.id, "old": user.password, "new": password, "session": session},
            )
        )

    async def change(self, user_id: str, **changes: Any) -> User | None:
        """Change ``disabled``, ``scopes`` or ``role``; its sessions end in the same moment.

        What is not named stays as it is in the database, whoever else is changing it.
        """
        columns = ", ".join(f"{name} = %({name})s" for name in _CHANGEABLE if name in changes)
        rows = await self._database.named(
            "user_change",
            _LOCK + "WITH ended AS (UPDATE storefronts.sessions SET revoked = clock_timestamp() "  # noqa: S608
            "WHERE user_id = %(id)s::uuid AND revoked IS NULL) "
            f"UPDATE storefronts.users u SET {columns} WHERE u.id = %(id)s::uuid RETURNING {_USER}",
            {"id": user_id, **changes},
        )
        return _user(rows[0] if rows else None)

    # -- sessions -----------------------------------------------------------------------------------

    async def open_session(
        self, user: User, refresh: str, *, longest: int, agent: str, address: str
    ) -> tuple[str, User] | None:
        """A new session with its first refresh token; its id, and the user as it is now.

        None for a user who was disabled, or whose password was changed, since it was read: the row stays
        locked until the session is there, so that whoever ends a user's sessions ends this one, too. Old
        sessions are cleared away.
        """
        row = await self._database.one(
            "session_open",
            "WITH old AS (DELETE FROM storefronts.sessions WHERE expires < now() - interval '90 days'), "  # noqa: S608
            f"owner AS (SELECT {_USER} FROM storefronts.users u "
            "WHERE u.id = %s::uuid AND u.password = %s AND NOT u.disabled FOR SHARE), "
            "s AS (INSERT INTO storefronts.sessions (user_id, expires, agent, address) "
            "SELECT id::uuid, now() + make_interval(secs => %s), %s, %s FROM owner RETURNING id), "
            "r AS (INSERT INTO storefronts.refresh_tokens (digest, session_id) SELECT %s, id FROM s) "
            "SELECT s.id::text, owner.* FROM s, owner",
            user.id,
            user.password,
            longest,
            agent,
            address,
            digest(refresh),
        )
        owner = _user(row[1:] if row else None)
        return (str(row[0]), owner) if row and owner else None

    async def rotate(self, old: str, new: str, *, idle: int) -> tuple[str, User] | None:
        """Exchange a refresh token; the session and its user. None where it does not count.

        A token counts once. Locking its row makes of two that come at the same time one winner.
        """
        row = await self._database.one(
            "session_rotate",
            "WITH taken AS (UPDATE storefronts.refresh_tokens r SET used = now() "  # noqa: S608
            "FROM storefronts.sessions s, storefronts.users u "
            "WHERE r.digest = %s AND r.used IS NULL AND r.created > now() - make_interval(secs => %s) "
            "AND s.id = r.session_id AND s.revoked IS NULL AND s.expires > now() "
            "AND u.id = s.user_id AND NOT u.disabled RETURNING r.session_id), "
            "touched AS (UPDATE storefronts.sessions SET used = now() "
            "WHERE id IN (SELECT session_id FROM taken)), "
            "made AS (INSERT INTO storefronts.refresh_tokens (digest, session_id) "
            "SELECT %s, session_id FROM taken) "
            f"SELECT s.id::text, {_USER} FROM taken JOIN storefronts.sessions s ON s.id = taken.session_id "
            "JOIN storefronts.users u ON u.id = s.user_id",
            digest(old),
            idle,
            digest(new),
        )
        user = _user(row[1:] if row else None)
        return (str(row[0]), user) if row and user else None

    async def revoke_reused(self, refresh: str) -> tuple[str, str] | None:
        """End the session whose used refresh token has come back; the session and its user's name."""
        row = await self._database.one(
            "session_reused",
            "UPDATE storefronts.sessions s SET revoked = coalesce(s.revoked, now()) "
            "FROM storefronts.refresh_tokens r, storefronts.users u "
            "WHERE r.digest = %s AND r.used IS NOT NULL AND s.id = r.session_id AND u.id = s.user_id "
            "RETURNING s.id::text, u.name",
            digest(refresh),
        )
        return (row[0], row[1]) if row else None

    async def session_of(self, refresh: str) -> tuple[str, str] | None:
        """The session that a refresh token belongs to, and its user's name."""
        row = await self._database.one(
            "session_get",
            "SELECT s.id::text, u.name FROM storefronts.refresh_tokens r "
            "JOIN storefronts.sessions s ON s.id = r.session_id "
            "JOIN storefronts.users u ON u.id = s.user_id WHERE r.digest = %s",
            digest(refresh),
        )
        return (row[0], row[1]) if row else None

    async def sessions(self, user_id: str, *, idle: int) -> list[dict[str, Any]]:
        """A user's sessions that can go on, the one used last first."""
        rows = await self._database.run(
            "session_list",
            "SELECT id::text, created, used, expires, agent, address FROM storefronts.sessions "
            "WHERE user_id = %s::uuid AND revoked IS NULL AND expires > now() "
            "AND used > now() - make_interval(secs => %s) ORDER BY used DESC LIMIT 200",
            user_id,
            idle,
        )
        names = ("id", "created", "used", "expires", "agent", "address")
        return [dict(zip(names, map(_shown, row), strict=True)) for row in rows]

    async def end_session(self, session_id: str, user_id: str | None = None) -> bool:
        """End one session, of this user where one is named; whether there was one to end."""
        return bool(
            await self._database.run(
                "session_end",
                "UPDATE storefronts.sessions SET revoked = now() WHERE id = %s::uuid AND revoked IS NULL "
                "AND (%s::uuid IS NULL OR user_id = %s::uuid) RETURNING 1",
                session_id,
                user_id,
                user_id,
            )
        )

    async def end_sessions(self, user_id: str, *, but: str | None = None) -> int:
        """End a user's sessions, but perhaps one; how many there were."""
        rows = await self._database.run(
            "session_end",
            "UPDATE storefronts.sessions SET revoked = now() WHERE user_id = %s::uuid AND revoked IS NULL "
            "AND id IS DISTINCT FROM %s::uuid RETURNING 1",
            user_id,
            but,
        )
        return len(rows)

    async def is_open(self, session_id: str) -> bool:
        """Whether a session has neither ended nor its user been disabled."""
        row = await self._database.one(
            "session_get",
            "SELECT 1 FROM storefronts.sessions s JOIN storefronts.users u ON u.id = s.user_id "
            "WHERE s.id = %s::uuid AND s.revoked IS NULL AND s.expires > now() AND NOT u.disabled",
            session_id,
        )
        return row is not None

    async def ended_within(self, seconds: int) -> list[str]:
        """The sessions that were ended in the last seconds."""
        rows = await self._database.run(
            "session_revoked",
            "SELECT id::text FROM storefronts.sessions WHERE revoked > now() - make_interval(secs => %s)",
            seconds,
        )
        return [row[0] for row in rows]

    # -- personal tokens and invites ------------------------------------------------------------------

    async def add_token(
        self, user_id: str, name: str, secret: str, scopes: Sequence[str], days: int | None
    ) -> dict[str, Any]:
        """A new personal token, without its secret."""
        row = await self._database.one(
            "token_add",
            "INSERT INTO storefronts.personal_tokens AS t (user_id, name, digest, scopes, expires) "  # noqa: S608
            f"VALUES (%s::uuid, %s, %s, %s, now() + make_interval(days => %s)) RETURNING {_PERSONAL}",
            user_id,
            name,
            digest(secret),
            list(scopes),
            days,
        )
        assert row is not None
        return _token(row)

    async def tokens(self, user_id: str) -> list[dict[str, Any]]:
        """A user's personal tokens, the newest first."""
        sql = (
            f"SELECT {_PERSONAL} FROM storefronts.personal_tokens t "  # noqa: S608
            "WHERE user_id = %s::uuid ORDER BY created DESC LIMIT 200"
        )
        return [_token(row) for row in await self._database.run("token_list", sql, user_id)]

    async def remove_token(self, user_id: str, token_id: str) -> bool:
        """Remove one of a user's personal tokens; whether there was one."""
        sql = "DELETE FROM storefronts.personal_tokens WHERE user_id = %s::uuid AND id = %s::uuid RETURNING 1"
        return bool(await self._database.run("token_remove", sql, user_id, token_id))

    async def use_token(self, secret: str) -> tuple[User, str, tuple[str, ...]] | None:
        """The user, the name and the scopes of a personal token; None for one that does not count."""
        row = await self._database.one(
            "token_use",
            "UPDATE storefronts.personal_tokens t SET used = now() FROM storefronts.users u "  # noqa: S608
            "WHERE t.digest = %s AND (t.expires IS NULL OR t.expires > now()) AND u.id = t.user_id "
            f"AND NOT u.disabled RETURNING t.name, t.scopes, {_USER}",
            digest(secret),
        )
        user = _user(row[2:] if row else None)
        return (user, str(row[0]), tuple(row[1])) if row and user else None

    async def add_invite(self, code: str, scopes: Sequence[str], days: int) -> None:
        """A code for one signup."""
        await self._database.run(
            "invite_add",
            "WITH old AS (DELETE FROM storefronts.invites WHERE expires < now()) "
            "INSERT INTO storefronts.invites (digest, scopes, expires) "
            "VALUES (%s, %s, now() + make_interval(days => %s))",
            digest(code),
            list(scopes),
            days,
        )

    async def invited(self, code: str) -> tuple[str, ...] | None:
        """The scopes of an invite that counts."""
        sql = "SELECT scopes FROM storefronts.invites WHERE digest = %s AND expires > now()"
        row = await self._database.one("invite_get", sql, digest(code))
        return tuple(row[0]) if row else None

    async def accept_invite(self, code: str, name: str, password: str) -> User | None:
        """Use an invite up for a new user, both at once; None where it does not count any more."""
        row = await self._database.one(
            "invite_accept",
            "WITH used AS (DELETE FROM storefronts.invites WHERE digest = %s AND expires > now() "  # noqa: S608
            "RETURNING scopes) INSERT INTO storefronts.users AS u (name, password, scopes) "
            f"SELECT %s, %s, scopes FROM used RETURNING {_USER}",
            digest(code),
            name,
            password,
        )
        return _user(row)


_PERSONAL = "t.id::text, t.name, t.scopes, t.created, t.expires, t.used"


def _token(row: Row) -> dict[str, Any]:
    return dict(zip(("id", "name", "scopes", "created", "expires", "used"), map(_shown, row), strict=True))


def _shown(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
