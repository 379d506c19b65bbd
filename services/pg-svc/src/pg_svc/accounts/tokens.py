"""``/auth/tokens``: personal access tokens. A token is shown once; its digest is all that is kept."""

from __future__ import annotations

from pg_svc.accounts.accounts import checked_scopes
from pg_svc.accounts.base import AccountHandler, known_id
from svc_common import BadRequest, Forbidden, NotFound
from svc_common.audit import audit
from svc_common.auth.access import covers

_MOST_DAYS = 3650
_LONGEST_NAME = 100


class TokensHandler(AccountHandler):
    """The account's personal tokens."""

    async def get(self) -> None:
        """List them, without their secrets."""
        user = await self.user()
        self.write_json({"tokens": await self.accounts.users.tokens(user.id)})

    async def post(self) -> None:
        """Make one, with scopes that the account has."""
        user = await self.user(with_session=True)
        fields = self.fields()
        name = self.text(fields, "name")
        if len(name) > _LONGEST_NAME or not name.isprintable():
            raise BadRequest(f"name has at most {_LONGEST_NAME} printable characters.")
        scopes = checked_scopes(fields.get("scopes"))
        days = fields.get("days", 90)
        if days is not None and (type(days) is not int or not 1 <= days <= _MOST_DAYS):
            raise BadRequest(f"days must be a whole number up to {_MOST_DAYS}, or null for no end.")
        beyond = [scope for scope in scopes if not covers(user.scopes, scope)]
        if beyond:
            audit("token_denied", user=user.name, scopes=beyond, remote=self.request.remote_ip)
            raise Forbidden(f"The account itself may not {', '.join(beyond)}.")
        secret = self.accounts.new_personal_token()
        token = await self.accounts.users.add_token(user.id, name, secret, scopes, days)
        audit("token_made", user=user.name, token=name, scopes=scopes, remote=self.request.remote_ip)
        self.write_json({**token, "token": secret}, status=201)


class TokenHandler(AccountHandler):
    """One personal token."""

    async def delete(self, token: str) -> None:
        """Take it back."""
        user = await self.user(with_session=True)
        if not await self.accounts.users.remove_token(user.id, known_id(token)):
            raise NotFound("There is no such token.")
        audit("token_removed", user=user.name, remote=self.request.remote_ip)
        self.no_content()
