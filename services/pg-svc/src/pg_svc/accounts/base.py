"""What the accounts' handlers share: who calls, what was sent, cookies, pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from pg_svc.accounts.accounts import Accounts, Client, Grant
from pg_svc.accounts.state import AccountState
from pg_svc.accounts.users import User
from svc_common import BadRequest, Forbidden, NotFound, Problem, ServiceHandler, Unauthorized, media_type
from svc_common.audit import audit
from svc_common.auth.cookies import (
    DEVELOPMENT_REFRESH_COOKIE,
    REFRESH_COOKIE,
    access_cookie,
    cookie,
)
from svc_common.ratelimit import caller_key

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_FORM = "application/x-www-form-urlencoded"
_TEMPLATES = Path(__file__).parent / "templates"
_LONGEST_AGENT = 200


class AccountHandler(ServiceHandler[AccountState]):
    """An address below ``/auth``."""

    page: str | None = None
    """The template that shows what went wrong with a form."""

    async def prepare(self) -> None:
        """Admit the request; a page of another origin may not log anybody in or out."""
        await super().prepare()
        self.accounts  # noqa: B018  # 404 where they are off
        # A token in a header counts only where it was verified: public addresses look at none
        own_token = self.principal is not None and "Authorization" in self.request.headers
        safe = self.request.method in ("GET", "HEAD", "OPTIONS") or own_token
        if not safe and self._check_cross_origin(self.check_trusted_origin) is not None:
            audit("cross_site_refused", route=self.request.path, remote=self.request.remote_ip)
            raise Forbidden("A page of another origin may not do this in your name.")

    @property
    def accounts(self) -> Accounts:
        """The accounts. NotFound where they are off."""
        if self.state.accounts is None:
            raise NotFound("The accounts are off: AUTH_SIGNING_KEY_FILES and AUTH_MODE=jwt turn them on.")
        return self.state.accounts

    # -- who calls ----------------------------------------------------------------------------------

    @property
    def client(self) -> Client:
        """Where the request comes from."""
        agent = self.request.headers.get("User-Agent", "")[:_LONGEST_AGENT]
        address = caller_key(None, self.request.remote_ip).removeprefix("address:")
        return Client(address, "".join(letter for letter in agent if letter.isprintable()))

    @property
    def session(self) -> str | None:
        """The session of the access token; None for a personal token."""
        sid = self.principal.claims.get("sid") if self.principal is not None else None
        return str(sid) if sid is not None else None

    async def user(self, *, with_session: bool = False) -> User:
        """The account that calls, as it is now. Forbidden for a caller without account.

        ``with_session``: what changes the account itself needs a login, a personal token will not do.
        """
        subject = self.principal.claims.get("sub") if self.principal is not None else None
        user = await self.accounts.users.by_id(str(subject)) if is_uuid(subject) else None
        if user is None or (with_session and self.session is None):
            raise Forbidden("This needs a login to an account.")
        ended = self.session is not None and not await self.accounts.users.is_open(self.session)
        if user.disabled or ended:
            raise Unauthorized("The session has ended.")
        return user

    # -- what was sent ------------------------------------------------------------------------------

    @property
    def by_form(self) -> bool:
        """Whether a page's form was sent."""
        return media_type(self.request.headers.get("Content-Type")) == _FORM

    def fields(self) -> dict[str, Any]:
        """The members of the body: a form's or a JSON object's. BadRequest for anything else."""
        if self.by_form:
            return {**self.read_form()}
        if not self.request.body:
            return {}
        value = self.read_json()
        if not isinstance(value, dict):
            raise BadRequest("Send a JSON object.")
        return value

    def text(self, fields: dict[str, Any], name: str) -> str:
        """A text among them. BadRequest for none, and for what only looks like one."""
        value = fields.get(name)
        if not isinstance(value, str) or not value or "\x00" in value:
            raise BadRequest(f"{name} must be a text.")
        return value

    # -- cookies ------------------------------------------------------------------------------------

    @property
    def development(self) -> bool:
        """Whether cookies travel over plain http."""
        return self.context.settings.auth_development

    @property
    def refresh_cookie(self) -> str | None:
        """The refresh token in the browser's cookie."""
        return cookie(self.request, self._refresh_name)

    @property
    def _refresh_name(self) -> str:
        return DEVELOPMENT_REFRESH_COOKIE if self.development else REFRESH_COOKIE

    def grant(self, grant: Grant, *, browser: bool, status: int = 200) -> None:
        """Hand the tokens over: in cookies to a browser, in the body to a program, never in both."""
        document: dict[str, Any] = {
            "token_type": "Bearer",
            "expires_in": grant.expires_in,
            "scope": " ".join(grant.user.scopes),
            "user": {"id": grant.user.id, "name": grant.user.name},
        }
        if browser:
            self._put(access_cookie(development=self.development), grant.access, grant.expires_in)
            self._put(self._refresh_name, grant.refresh, self.accounts.settings.session_idle)
            if self.by_form:
                self.redirect_to("/auth/sessions")
                return
        else:
            document |= {"access_token": grant.access, "refresh_token": grant.refresh}
        self.write_json(document, status=status)

    def forget(self) -> None:
        """Take the cookies away."""
        for name in (access_cookie(development=self.development), self._refresh_name):
            self.clear_cookie(name, path="/", httponly=True, secure=not self.development, samesite="Lax")

    def _put(self, name: str, value: str, seconds: int) -> None:
        self.set_cookie(
            name,
            value,
            max_age=seconds,
            path="/",
            httponly=True,
            secure=not self.development,
            samesite="Lax",
        )

    # -- pages --------------------------------------------------------------------------------------

    def wants_page(self) -> bool:
        """Whether a browser asks for a page."""
        return "text/html" in self.request.headers.get("Accept", "")

    def redirect_to(self, path: str) -> None:
        """Send a browser to another page of ours."""
        self.set_status(303)
        self.set_header("Location", self.context.settings.base_path + path)

    def show(self, template: str, **values: Any) -> None:
        """Answer with a page."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", PAGE_POLICY)
        self.set_header("Referrer-Policy", "same-origin")
        values = {"error": None, "can_continue": False, "signup": self.accounts.settings.signup, **values}
        self.write(
            self.render_string(
                template, base=self.context.settings.base_path, development=self.development, **values
            )
        )

    def get_template_path(self) -> str:
        """Where the pages are."""
        return str(_TEMPLATES)

    def set_default_headers(self) -> None:
        """Nothing of this may be kept by anybody."""
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """A problem; for a browser the page that it came from, or the login."""
        problem = self.problem(status_code, kwargs.get("exc_info"))
        if status_code == 401 and self.wants_page() and not self.by_form:
            self.redirect_to("/auth/login")
            self.finish()
        elif (
            self.page is not None and self.by_form and self.state.accounts is not None and status_code != 405
        ):
            for name, value in problem.headers.items():
                self.set_header(name, value)
            self.show(self.page, error=_sentence(problem))
            self.finish()
        else:
            super().write_error(status_code, **kwargs)


def _sentence(problem: Problem) -> str:
    return problem.detail or problem.title or "This did not work."


def is_uuid(value: object) -> bool:
    """Whether a value is an id of ours, written as we write it."""
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False


def known_id(value: str) -> str:
    """An id from an address. NotFound for what cannot be one."""
    if not is_uuid(value):
        raise NotFound("There is nothing with this id.")
    return value
