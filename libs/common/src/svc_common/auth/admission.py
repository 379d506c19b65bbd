"""Letting a request in: its credential, its caller, its scope; a line in the audit log when it stays out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tornado.httputil import HTTPServerRequest

from ..audit import audit
from ..problems import Forbidden, Problem, Unauthorized, Unavailable
from ..request import refusal_in
from .access import ANYONE, Access, Principal
from .cookies import cookie, same_site_only
from .usage import token_of

if TYPE_CHECKING:
    from ..context import ServiceContext
    from ..lifecycle import RequestLifecycle


async def admit(handler: RequestLifecycle, access: Access) -> Principal:
    """The caller of a request that needs ``access``. Raises Unauthorized or Forbidden."""
    context, request = handler.context, handler.request
    early = refusal_in(request)
    if early is not None:
        if not isinstance(early, Unavailable):  # who it is could not be known
            audit_refusal(handler, "credential_refused", str(early))
        raise early
    try:
        credential = handler.credential(request)
        by_cookie = False
        if credential is None and context.authenticator.cookie is not None:
            credential = cookie(request, context.authenticator.cookie)
            by_cookie = credential is not None
        principal = await context.authenticator.authenticate(credential)
        if principal is None:
            raise Unauthorized("This address needs a token: Authorization: Bearer TOKEN.")
    except Unauthorized as refusal:
        audit_refusal(handler, "credential_refused", refusal.detail)
        raise
    if by_cookie:
        try:
            principal = same_site_only(handler, principal)
        except Forbidden as refusal:
            audit_refusal(handler, "cross_site_refused", refusal.detail, principal)
            raise
    if not principal.may(access):
        reason = f"The token's scope does not cover {access.name.lower()}."
        audit_refusal(handler, "scope_refused", reason, principal)
        raise Forbidden(reason)
    if principal is not ANYONE:
        audit_use(handler, principal.name, principal.claims, by_cookie=by_cookie)
    return principal


async def refusal_of(
    context: ServiceContext,
    request: HTTPServerRequest,
    credential_of: Callable[[HTTPServerRequest], str | None],
) -> Problem | None:
    """Why a request with a large body would not be let in, asked before its body is read.

    Who may do what is decided later, by ``admit``; here the caller only has to be known.
    """
    authenticator = context.authenticator
    try:
        credential = credential_of(request)
        if credential is None and authenticator.cookie is not None:
            credential = cookie(request, authenticator.cookie)
        if await authenticator.authenticate(credential) is None:
            return Unauthorized("This address needs a token: Authorization: Bearer TOKEN.")
    except Problem as problem:
        return problem
    return None


def audit_use(
    handler: RequestLifecycle, name: str, claims: Mapping[str, Any], *, by_cookie: bool = False
) -> None:
    """Write down that a token was used, where that is the first time in a minute."""
    token, remote = token_of(claims), handler.request.remote_ip
    if handler.context.token_use.is_first(name, token, remote):
        audit(
            "token_used",
            caller=name,
            token=token or None,
            cookie=by_cookie or None,
            method=handler.request.method,
            route=handler.route.pattern if handler.route else None,
            remote=remote,
            request_id=handler.request_id,
        )


def audit_refusal(
    handler: RequestLifecycle, event: str, reason: str, principal: Principal | None = None
) -> None:
    """Write down that a request stayed out, and why."""
    audit(
        event,
        reason=reason,
        caller=principal.name if principal is not None else None,
        method=handler.request.method,
        route=handler.route.pattern if handler.route else None,
        remote=handler.request.remote_ip,
        request_id=handler.request_id,
    )
