"""``/auth``: signing up, logging in and out, sessions."""

from __future__ import annotations

from pg_svc.accounts.base import AccountHandler, known_id
from svc_common import BadRequest, NotFound, Unauthorized
from svc_common.audit import audit
from svc_common.auth.cookies import cookie


class SignupHandler(AccountHandler):
    """A new account."""

    page = "signup.html"

    async def get(self) -> None:
        """The page."""
        self.show("signup.html")

    async def post(self) -> None:
        """Make the account and log in."""
        fields = self.fields()
        invite = self.text(fields, "invite") if fields.get("invite") else None
        grant = await self.accounts.sign_up(
            self.text(fields, "name"), self.text(fields, "password"), invite, self.client
        )
        self.grant(grant, browser=self.by_form or fields.get("cookies") is True, status=201)


class LoginHandler(AccountHandler):
    """A new session."""

    page = "login.html"

    async def get(self) -> None:
        """The page."""
        self.show("login.html", can_continue=self.refresh_cookie is not None)

    async def post(self) -> None:
        """Log in. Cookies that came with the request play no part: a session's tokens are always new."""
        fields = self.fields()
        grant = await self.accounts.log_in(
            self.text(fields, "name"), self.text(fields, "password"), self.client
        )
        self.grant(grant, browser=self.by_form or fields.get("cookies") is True)


class RefreshHandler(AccountHandler):
    """New tokens for a refresh token."""

    page = "login.html"

    async def post(self) -> None:
        """Exchange it."""
        fields = self.fields()
        sent = self.text(fields, "refresh_token") if "refresh_token" in fields else None
        refresh = sent or self.refresh_cookie
        if refresh is None:
            raise BadRequest("refresh_token is missing.")
        try:
            grant = await self.accounts.renew(refresh, self.client)
        except Unauthorized as refusal:
            if sent is None:
                self.forget()
                refusal.headers.pop("WWW-Authenticate", None)
            raise
        self.grant(grant, browser=sent is None)


class LogoutHandler(AccountHandler):
    """The end of a session. It works with whatever is left of it: either token, sent or in a cookie."""

    page = "login.html"

    async def post(self) -> None:
        """End it."""
        fields = self.fields()
        sent = self.text(fields, "refresh_token") if "refresh_token" in fields else None
        session = await self._session(sent or self.refresh_cookie)
        if session is not None:
            await self.accounts.log_out(*session, self.client)
        self.forget()
        if self.by_form:
            self.redirect_to("/auth/login")
        else:
            self.no_content()

    async def _session(self, refresh: str | None) -> tuple[str, str] | None:
        # The refresh token first: the access token may have expired long ago
        session = await self.accounts.users.session_of(refresh) if refresh is not None else None
        if session is not None:
            return session
        authenticator = self.context.authenticator
        credential = self.credential(self.request)
        if credential is not None:
            principal = await authenticator.authenticate(credential)
        else:
            try:
                principal = await authenticator.authenticate(cookie(self.request, authenticator.cookie or ""))
            except Unauthorized:  # a browser gets rid of a cookie that opens nothing
                principal = None
        if principal is None:
            return None
        sid = principal.claims.get("sid")
        return (str(sid), principal.name) if sid is not None else None


class MeHandler(AccountHandler):
    """Who calls."""

    limited = False  # services ask here for personal tokens: their use must not use up the owner's quota

    async def get(self) -> None:
        """The account, and what this credential may do."""
        user = await self.user()
        assert self.principal is not None
        claims = self.principal.claims
        document = {**user.document(), "sub": user.id, "scope": claims.get("scope", "")}
        if self.session is not None:
            document["session"] = self.session
        if "token" in claims:
            document["token"] = claims["token"]  # a personal token's name
        self.write_json(document)


class PasswordHandler(AccountHandler):
    """Another password."""

    page = "password.html"

    async def get(self) -> None:
        """The page."""
        await self.user(with_session=True)
        self.show("password.html")

    async def post(self) -> None:
        """Change it; every other session ends."""
        user = await self.user(with_session=True)
        fields = self.fields()
        old, new = self.text(fields, "current"), self.text(fields, "new")
        await self.accounts.change_password(user, self.session or "", old, new, self.client)
        if self.by_form:
            self.redirect_to("/auth/sessions")
        else:
            self.no_content()


class SessionsHandler(AccountHandler):
    """The account's sessions."""

    async def get(self) -> None:
        """List them."""
        user = await self.user()
        sessions = await self.accounts.users.sessions(user.id, idle=self.accounts.settings.session_idle)
        for session in sessions:
            session["current"] = session["id"] == self.session
        self.add_vary("Accept")
        if self.wants_page():
            self.show("sessions.html", user=user, sessions=sessions)
        else:
            self.write_json({"sessions": sessions})

    async def delete(self) -> None:
        """End all but this one."""
        user = await self.user(with_session=True)
        ended = await self.accounts.users.end_sessions(user.id, but=self.session)
        audit("sessions_ended", user=user.name, number=ended, remote=self.request.remote_ip)
        self.no_content()


class SessionHandler(AccountHandler):
    """One session."""

    async def delete(self, session: str) -> None:
        """End it."""
        await end_session(self, session)
        self.no_content()


class EndSessionHandler(AccountHandler):
    """The same for a form, which cannot send DELETE."""

    async def post(self, session: str) -> None:
        """End it, and show the others."""
        await end_session(self, session)
        self.redirect_to("/auth/sessions")


async def end_session(handler: AccountHandler, session: str) -> None:
    """End one of the caller's sessions. NotFound for any other."""
    user = await handler.user(with_session=True)
    if not await handler.accounts.users.end_session(known_id(session), user.id):
        raise NotFound("There is no such session.")
    audit("session_ended", user=user.name, session=session, remote=handler.request.remote_ip)
