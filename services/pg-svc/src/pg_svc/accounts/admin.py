"""``/auth/users`` and ``/auth/invites``: for administrators. And what services ask: keys, ended sessions."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from pg_svc.accounts.accounts import beyond, checked_scopes
from pg_svc.accounts.base import AccountHandler, known_id
from svc_common import BadRequest, Forbidden, NotFound
from svc_common.audit import audit

_MOST = 200


class AdminHandler(AccountHandler):
    """An address for administrators."""

    def may_give(self, scopes: Iterable[str]) -> None:
        """Forbidden for scopes that the caller does not have; a static token stands for the operator."""
        assert self.principal is not None
        claims = self.principal.claims
        more = beyond(claims, scopes) if claims else []
        if more:
            audit("scopes_denied", scopes=more, by=self.principal.name, remote=self.request.remote_ip)
            raise Forbidden(f"You may not give what you do not have: {', '.join(more)}.")


class UsersHandler(AdminHandler):
    """All accounts."""

    async def get(self) -> None:
        """A page of them, in the order of their names; ``?after=NAME`` gives the next."""
        limit = self.query_int("limit", 50, least=1, most=_MOST)
        after = self.query("after") or ""
        if "\x00" in after:
            raise BadRequest("after holds a NUL character.")
        users = await self.accounts.users.all(after, limit)
        self.write_json({"users": [user.document() for user in users]})


class UserHandler(AdminHandler):
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
        if not isinstance(fields.get("disabled", False), bool):
            raise BadRequest("disabled must be true or false.")
        if fields.get("role") is not None and fields["role"] not in self.accounts.settings.auth_roles:
            raise BadRequest("role must be one of AUTH_ROLES, or null.")
        if "scopes" in fields:
            fields["scopes"] = checked_scopes(fields["scopes"])
            self.may_give(scope for scope in fields["scopes"] if scope not in found.scopes)
        changed = await self.accounts.users.change(found.id, **fields)
        if changed is None:
            raise NotFound("There is no such account.")
        audit(
            "user_changed",
            user=changed.name,
            disabled=changed.disabled,
            scopes=changed.scopes,
            role=changed.role,
            by=self.principal.name if self.principal else None,
            remote=self.request.remote_ip,
        )
        self.write_json(changed.document())


class InvitesHandler(AdminHandler):
    """Invites."""

    async def post(self) -> None:
        """A code for one signup, shown once."""
        fields = self.fields()
        scopes = checked_scopes(fields.get("scopes", []))
        days = fields.get("days", 7)
        if type(days) is not int or not 1 <= days <= 365:
            raise BadRequest("days must be a whole number from 1 to 365.")
        self.may_give(scopes)
        code = "sfi_" + secrets.token_urlsafe(24)
        await self.accounts.users.add_invite(code, scopes, days)
        audit(
            "invite_made",
            scopes=scopes,
            by=self.principal.name if self.principal else None,
            remote=self.request.remote_ip,
        )
        self.write_json({"invite": code, "scopes": scopes, "days": days}, status=201)


class KeysHandler(AccountHandler):
    """The public keys (RFC 7517)."""

    limited = False  # a service that cannot ask lets nobody in

    async def get(self) -> None:
        """The set."""
        self.set_header("Content-Type", "application/jwk-set+json")
        self.set_header("Cache-Control", "public, max-age=60")
        self.write(self.accounts.signing_keys.document)


class RevokedHandler(AccountHandler):
    """Which sessions ended lately. Public: an id of a session that is over opens nothing."""

    limited = False  # as the keys

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
