"""What every address of the protocol has in common: who calls, what is asked, what runs before it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tornado.httputil import HTTPServerRequest, parse_cookie

from pg_svc.auth.roles import Caller, Roles
from pg_svc.errors import ApiError
from pg_svc.handlers.answering import AnsweringHandler
from pg_svc.plan.action import Action, plan_action
from pg_svc.plan.shape import shape_of, takes_values, with_values
from pg_svc.request.api import TABLE, Address, ApiRequest, parse_request
from pg_svc.schema.model import Name, Schema
from pg_svc.sql.builder import Sql
from pg_svc.sql.settings import (
    RequestContext,
    Settings,
    pre_request_statement,
    search_path,
    settings_statement,
)
from svc_common import Access, ServiceContext
from svc_common.auth.admission import audit_refusal, audit_use
from svc_common.auth.cookies import CREDENTIALS

PREFIX = "/rest"

_Made = TypeVar("_Made")

# One at a time: the interpreter does not do two at once, and the loop's own threads are for others
_ASIDE = ThreadPoolExecutor(1, "aside")


class ProtocolHandler(AnsweringHandler):
    """An address below ``/rest``."""

    cancel_on_disconnect = True  # a write that is cut off is rolled back whole
    _lowered: dict[str, str] | None = None

    # -- who calls ----------------------------------------------------------------------------------

    def access(self) -> Access:
        """Database roles decide where they are configured; otherwise the route does."""
        if self.state.roles.decide:
            return Access.PUBLIC
        if self.request.method == "OPTIONS" and not self._is_preflight():
            return Access.READ  # it tells what there is
        return super().access()

    @classmethod
    async def refusal(cls, context: ServiceContext, request: HTTPServerRequest) -> Exception | None:
        """A caller without a role that may ask at all is not known either."""
        roles: Roles = context.state.roles
        if not roles.decide:
            return await super().refusal(context, request)
        try:
            roles.caller(request.headers.get("Authorization"), None)
        except ApiError as error:
            return error
        return None

    def caller(self) -> Caller:
        """The role that the request runs as."""
        try:
            caller = self.state.roles.caller(self.request.headers.get("Authorization"), self.principal)
        except ApiError as error:
            if error.status == 401:
                audit_refusal(self, "credential_refused", error.message)
            raise
        if caller.authenticated and self.principal is None:  # a role's own token, which nobody else has seen
            audit_use(self, str(caller.claims.get("sub") or caller.role), caller.claims)
        return caller

    async def aside(self, function: Callable[[], _Made]) -> _Made:
        """Do what takes long without making other requests wait."""
        return await asyncio.get_running_loop().run_in_executor(_ASIDE, function)

    # -- understanding and telling ------------------------------------------------------------------

    def understand(
        self, address: Address, *, accept: str | None = None, query: str | None = None
    ) -> ApiRequest:
        """The request, parsed. ``accept`` takes the header's place, ``query`` that of its own query."""
        settings, headers = self.state.settings, self.lowered_headers()
        if accept is not None:
            headers = {**headers, "accept": accept}
        return parse_request(
            self.request.method or "",
            address,
            self.request.query if query is None else query,
            headers,
            self.request.body,
            exposed=settings.pgrst_db_schemas,
            tx_allowed=settings.pgrst_db_tx_end.endswith("allow-override"),
        )

    def planned(self, address: Address, schema: Schema) -> tuple[ApiRequest, Action]:
        """The request, and what to do for it; remembered, where it is a short read."""
        method, query, state = self.request.method or "", self.request.query, self.state
        memo, headers = state.memo, self.lowered_headers()
        key = memo.key(method, address, query, headers)
        found = memo.find(schema, key)
        if found is not None:
            self.stamp("parse")
            return found
        if key is not None and address.kind == TABLE:
            shape, values = shape_of(query)
            if values:
                shaped = self._shaped(address, schema, shape, values)
                if shaped is not None:
                    return shaped
        request = self.understand(address)
        self.stamp("parse")
        action = plan_action(schema, request, state.limits)
        memo.keep(schema, key, request, action)
        return request, action

    def _shaped(
        self, address: Address, schema: Schema, shape: str, values: dict[str, str]
    ) -> tuple[ApiRequest, Action] | None:
        """What there is to do for all queries of a shape, with the values of this one; None if it errs."""
        memo = self.state.memo
        key = memo.key(self.request.method or "", address, shape, self.lowered_headers())
        found = memo.find(schema, key)
        if found is None:
            try:
                request = self.understand(address, query=shape)
                action = plan_action(schema, request, self.state.limits)
            except ApiError:
                return None  # in the request's own words
            if not takes_values(action, values):
                return None
            found = request, action
            memo.keep(schema, key, *found)
        self.stamp("parse")
        request, action = found
        return request, with_values(action, values)

    def lowered_headers(self) -> dict[str, str]:
        """The request's headers under lower-case names; what is not ASCII is read as UTF-8."""
        if self._lowered is None:
            lowered: dict[str, str] = {}
            for name, value in self.request.headers.get_all():
                text = value if value.isascii() else value.encode("latin-1").decode("utf-8", "replace")
                name = name.lower()
                lowered[name] = f"{lowered[name]},{text}" if name in lowered else text
            self._lowered = lowered
        return self._lowered

    def prologue(
        self,
        caller: Caller,
        schema_name: str,
        schema: Schema,
        *,
        timezone: str | None = None,
        function_settings: Iterable[tuple[str, str]] = (),
    ) -> tuple[Sql, ...]:
        """What runs before a request's own statement, in its transaction."""
        state, headers, cookies = self.state, self.lowered_headers(), {}
        settings = state.settings
        if "cookie" in headers:
            cookies = _cookies(headers["cookie"])
            headers = {name: value for name, value in headers.items() if name != "cookie"}
        context = RequestContext(
            method=self.request.method or "",
            path=self.request.path[len(settings.base_path) + len(PREFIX) :] or "/",
            headers=headers,
            cookies=cookies,
            claims=caller.claims,
            role=caller.role,
        )
        applied = Settings(
            search_path=search_path(schema_name, tuple(settings.pgrst_db_extra_search_path)),
            role=schema.role_settings.get(caller.role or "", ()),
            timezone=timezone,
            function=function_settings,
            application=state.app_settings,
        )
        statements = [settings_statement(context, applied)]
        if settings.pgrst_db_pre_request:
            statements.append(pre_request_statement(_name(settings.pgrst_db_pre_request)))
        return tuple(statements)

    def _is_preflight(self) -> bool:
        headers = self.request.headers
        return "Origin" in headers and "Access-Control-Request-Method" in headers


def _name(text: str) -> Name:
    schema, _, name = text.rpartition(".")
    return Name(schema, name)


def _cookies(header: str) -> dict[str, str]:
    """What functions see of the cookies: not the login, which a function could keep."""
    return {name: given for name, given in parse_cookie(header).items() if name and name not in CREDENTIALS}
