"""What every address of the protocol has in common: who calls, errors in the protocol's shape, answers."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from types import TracebackType
from typing import Any

from tornado.httputil import HTTPServerRequest

from pg_svc.auth.roles import Caller, Roles
from pg_svc.configuration import Configuration
from pg_svc.errors import ApiError, unsupported_method
from pg_svc.plan.action import Action, Limits, plan_action
from pg_svc.plan.memo import PlanMemo
from pg_svc.plan.shape import shape_of, takes_values, with_values
from pg_svc.render import Answer
from pg_svc.request.api import FUNCTION, TABLE, Address, ApiRequest, check_method, parse_request
from pg_svc.schema.model import Name, Schema
from pg_svc.settings import PgSettings
from pg_svc.sql.builder import Sql
from pg_svc.sql.settings import (
    RequestContext,
    Settings,
    pre_request_statement,
    search_path,
    settings_statement,
)
from pg_svc.store.database import Database
from svc_common import Access, Route, ServiceContext, ServiceHandler
from svc_common.auth.admission import audit_refusal, audit_use
from svc_common.auth.cookies import CREDENTIALS

PREFIX = "/rest"
_METHODS = "GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD"
_SAFE_HEADERS = ("Accept", "Accept-Language", "Content-Language")
_EXPOSED = (
    "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, "
    "Transfer-Encoding, Range-Unit"
)
_BODILESS = (204, 304)
_VARY = "Accept, Prefer, Range"
_STEPS = ("jwt", "parse", "plan", "transaction")


@dataclass(frozen=True)
class RestState:
    """What the handlers use."""

    configuration: Configuration
    database: Database
    memo: PlanMemo = field(default_factory=PlanMemo, init=False)

    @cached_property
    def app_settings(self) -> tuple[tuple[str, str], ...]:
        """Database settings that every transaction gets."""
        return tuple(self.configuration.environment.app_settings.items())

    @property
    def settings(self) -> PgSettings:
        """The settings that count now."""
        return self.configuration.settings

    @property
    def roles(self) -> Roles:
        """Who a request runs as, now."""
        return self.configuration.roles

    @property
    def limits(self) -> Limits:
        """What the configuration allows."""
        settings = self.settings
        return Limits(
            settings.pgrst_db_max_rows,
            settings.pgrst_db_aggregates_enabled,
            settings.pgrst_db_plan_enabled,
            settings.pgrst_url_use_legacy_target_names,
            settings.pgrst_client_error_verbosity == "verbose",
        )


class ProtocolHandler(ServiceHandler[RestState]):
    """An address below ``/rest``."""

    cancel_on_disconnect = True  # a write that is cut off is rolled back whole
    kind = FUNCTION
    notices: tuple[tuple[str, str], ...] = ()
    """Headers of any answer but an error."""

    def initialize(self, route: Route | None = None) -> None:
        """Start the clock."""
        super().initialize(route)
        self._timings: dict[str, float] | None = None
        self._lowered: dict[str, str] | None = None
        if self.state.settings.pgrst_server_timing_enabled:
            self._timings = {}
            self._clock = time.perf_counter()

    def set_default_headers(self) -> None:
        """Headers of every answer, under the origins that count now."""
        self.context.cors = self.state.configuration.in_force.cors
        super().set_default_headers()

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

    def stamp(self, name: str) -> None:
        """Note how long a step took, for Server-Timing."""
        if self._timings is None:
            return
        now = time.perf_counter()
        self._timings[name] = (now - self._clock) * 1000
        self._clock = now

    # -- answering ----------------------------------------------------------------------------------

    def send(self, answer: Answer, last: str = "response") -> None:
        """Send an answer. ``last`` is the step that Server-Timing ends with."""
        self.set_status(answer.status)
        told = (*answer.headers, *self.notices) if answer.status < 400 else answer.headers
        if answer.own:
            headers = self._headers  # the values need none of add_header's checks: 8 µs for four headers
            for name, value in told:
                headers[name] = _as_sent(value)
        else:
            for name, _ in told:
                self.clear_header(name)
            for name, value in told:
                self.add_header(name, _as_sent(value))
        self.stamp(last)
        self._common_headers()
        if answer.status < 400 and (
            answer.own or not any(name.lower() == "vary" for name, _ in answer.headers)
        ):
            self.add_vary(_VARY)
        if answer.status in _BODILESS or 100 <= answer.status < 200:
            return
        if self.request.method == "HEAD" and not answer.body:
            self.flush()  # now: the answer to GET was not made, so that its length is not known
            return
        self.write(answer.body)

    def _common_headers(self) -> None:
        settings = self.state.settings
        if self.context.cors.enabled:
            self.set_header("Access-Control-Expose-Headers", _EXPOSED)
        if self._timings:
            self.set_header(
                "Server-Timing",
                ", ".join(f"{name};dur={taken:.1f}" for name, taken in self._timings.items()),
            )
        trace = settings.pgrst_server_trace_header
        if trace and trace in self.request.headers:
            self.set_header(trace, self.request.headers[trace])

    def send_problem(self, error: ApiError) -> None:
        """Send an error of the protocol."""
        headers = [
            ("Content-Type", "application/json; charset=utf-8"),
            ("Proxy-Status", f"PostgREST; error={error.code}"),
            *error.headers,
        ]
        verbose = self.state.settings.pgrst_client_error_verbosity == "verbose"
        told = self._timings or ()
        failed = next((step for step in _STEPS if step not in told), _STEPS[-1])
        self.send(Answer(error.status, headers, error.body(verbose)), failed)
        if error.reason and error.reason.isascii() and error.reason.isprintable():
            self.set_status(error.status, error.reason)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Errors that the bootstrap raised, in the protocol's shape."""
        error = kwargs["exc_info"][1] if kwargs.get("exc_info") else None
        if status_code == 499:
            return
        if not isinstance(error, ApiError):
            error = self._foreign(status_code, kwargs.get("exc_info"))
        self.send_problem(error)
        self.finish()

    def _foreign(self, status_code: int, exc_info: tuple[Any, ...] | None) -> ApiError:
        if status_code == 405:
            try:
                check_method(self.request.method or "", self.kind)
            except ApiError as error:
                return error
            return unsupported_method(self.request.method or "")
        problem = self.problem(status_code, exc_info)
        return ApiError(
            problem.status_code,
            f"HTTP{problem.status_code}",
            problem.detail or problem.title or "",
            headers=tuple(problem.headers.items()),
        )

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """An ApiError has a status of its own."""
        error = kwargs["exc_info"][1] if kwargs.get("exc_info") else None
        super().send_error(error.status if isinstance(error, ApiError) else status_code, **kwargs)

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """An ApiError is an answer."""
        if not isinstance(value, ApiError):
            super().log_exception(typ, value, tb)

    def preflight(self) -> None:
        """Answer a browser that asks what it may send (the Fetch standard's CORS preflight)."""
        if self.context.cors.enabled:
            asked = self.request.headers.get("Access-Control-Request-Headers", "")
            names = [name.strip() for name in asked.split(",") if name.strip()]
            self.set_header("Access-Control-Allow-Methods", _METHODS)
            self.set_header(
                "Access-Control-Allow-Headers", ", ".join(["Authorization", *names, *_SAFE_HEADERS])
            )
            self.set_header("Access-Control-Max-Age", "86400")

    def _is_preflight(self) -> bool:
        headers = self.request.headers
        return "Origin" in headers and "Access-Control-Request-Method" in headers


def _as_sent(value: str) -> str:
    """Headers are sent as Latin-1; names of the database are UTF-8."""
    return value if value.isascii() else value.encode().decode("latin-1")


def _name(text: str) -> Name:
    schema, _, name = text.rpartition(".")
    return Name(schema, name)


def _cookies(header: str) -> dict[str, str]:
    """What functions see of the cookies: not the login, which a function could keep."""
    try:
        cookies = SimpleCookie(header)
        return {name: morsel.value for name, morsel in cookies.items() if name not in CREDENTIALS}
    except CookieError:
        return {}
