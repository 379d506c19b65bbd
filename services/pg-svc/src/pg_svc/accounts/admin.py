"""``/auth/users`` and ``/auth/invites``: for administrators. And what services ask: keys, ended sessions."""

from __future__ import annotations

import secrets

from pg_svc.accounts.accounts import checked_scopes
from pg_svc.accounts.base import AccountHandler, known_id
from svc_common import BadRequest, NotFound
from svc_common.audit import audit

_MOST = 200


class UsersHandler(AccountHandler):
    """All accounts."""

    async def get(self) -> None:
        """A page of them, in the order of their names; ``?after=NAME`` gives the next."""
        limit = self.query_int("limit", 50, least=1, most=_MOST)
        after = self.query("after") or ""
        if "\x00" in after:
            raise BadRequest("after holds a NUL character.")
        users = await self.accounts.users.all(after, limit)
        self.write_json({"users": [user.document() for user in users]})


class UserHandler(AccountHandler):
    """One account."""

    async def get(self, user: str) -> None:
        """Show it."""
        found = await self.accounts.users.by_id(known_id(user))
        if found is None:
            raise NotFound("There is no such account.")
        self.write_json(found.document())

    async def patch(self, user: str) -> None:
        """Disable or enable it, set its scopes or its database role. Its sessions end."""
        found = await self.accounts.users.by_id(known_id(user))
        if found is None:
            raise NotFound("There is no such account.")
        fields = self.fields()
        unknown = set(fields) - {"disabled", "scopes", "role"}
        if unknown or not fields:
            raise BadRequest("Send disabled, scopes or role.")
        disabled, role = fields.get("disabled", found.disabled), fields.get("role", found.role)
        if not isinstance(disabled, bool):
            raise BadRequest("disabled must be true or false.")
        if role is not None and role not in self.accounts.settings.auth_roles:
            raise BadRequest("role must be one of AUTH_ROLES, or null.")
        scopes = checked_scopes(fields["scopes"]) if "scopes" in fields else list(found.scopes)
        changed = await self.accounts.users.change(found.id, disabled=disabled, scopes=scopes, role=role)
        if changed is None:
            raise NotFound("There is no such account.")
        audit(
            "user_changed",
            user=changed.name,
            disabled=disabled,
            scopes=scopes,
            role=role,
            by=self.principal.name if self.principal else None,
            remote=self.request.remote_ip,
        )
        self.write_json(changed.document())


class InvitesHandler(AccountHandler):
    """Invites."""

    async def post(self) -> None:
        """A code for one signup, shown once."""
        fields = self.fields()
        scopes = checked_scopes(fields.get("scopes", []))
        days = fields.get("days", 7)
        if type(days) is not int or not 1 <= days <= 365:
            raise BadRequest("days must be a whole number from 1 to 365.")
        code = "sfi_" + secrets.token_urlsafe(24)
        await self.accounts.users.add_invite(code, scopes, days)
        audit("invite_made", scopes=scopes, by=self.principal.name if self.principal else None)
        self.write_json({"invite": code, "scopes": scopes, "days": days}, status=201)


class KeysHandler(AccountHandler):
    """The public keys (RFC 7517)."""

    async def get(self) -> None:
        """The set."""
        self.set_header("Content-Type", "application/jwk-set+json")
        self.set_header("Cache-Control", "public, max-age=60")
        self.write(self.accounts.signing_keys.document)


class RevokedHandler(AccountHandler):
    """Which sessions ended lately. Public: an id of a session that is over opens nothing."""

    async def get(self) -> None:
        """The list that services keep at hand."""
        self.write_json({"sessions": sorted(await self.accounts.revoked())})


class StyleHandler(AccountHandler):
    """The pages' style sheet."""

    async def get(self) -> None:
        """The sheet."""
        self.set_header("Content-Type", "text/css; charset=utf-8")
        self.set_header("Cache-Control", "public, max-age=3600")
        self.write(self.render_string("style.css"))
