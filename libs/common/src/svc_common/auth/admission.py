"""Letting a request in: its credential, its caller, its scope; a line in the audit log when it stays out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tornado.httputil import HTTPServerRequest

from ..audit import audit
from ..problems import Forbidden, Problem, Unauthorized
from .access import Access, Principal
from .bearer import bearer
from .cookies import cookie, same_site_only

if TYPE_CHECKING:
    from ..context import ServiceContext
    from ..lifecycle import RequestLifecycle


async def admit(handler: RequestLifecycle, access: Access) -> Principal:
    """The caller of a request that needs ``access``. Raises Unauthorized or Forbidden."""
    context, request = handler.context, handler.request
    try:
        credential = handler.credential()
        by_cookie = False
        if credential is None and context.authenticator.cookie is not None:
            credential = cookie(request, context.authenticator.cookie)
            by_cookie = credential is not None
        principal = await context.authenticator.authenticate(credential)
        if principal is None:
            raise Unauthorized("This address needs a token: Authorization: Bearer TOKEN.")
    except Unauthorized as refusal:
        _refused(handler, "credential_refused", refusal.detail, None)
        raise
    if by_cookie:
        try:
            principal = same_site_only(handler, principal)
        except Forbidden as refusal:
            _refused(handler, "cross_site_refused", refusal.detail, principal)
            raise
    if not principal.may(access):
        reason = f"The token's scope does not cover {access.name.lower()}."
        _refused(handler, "scope_refused", reason, principal)
        raise Forbidden(reason)
    return principal


async def refusal_of(context: ServiceContext, request: HTTPServerRequest) -> Problem | None:
    """Why a request with a large body would not be let in, asked before its body is read.

    Who may do what is decided later, by ``admit``; here the caller only has to be known.
    """
    authenticator = context.authenticator
    try:
        credential = bearer(request.headers.get("Authorization"))
        if credential is None and authenticator.cookie is not None:
            credential = cookie(request, authenticator.cookie)
        if await authenticator.authenticate(credential) is None:
            return Unauthorized("This address needs a token: Authorization: Bearer TOKEN.")
    except Problem as problem:
        return problem
    return None


def _refused(handler: RequestLifecycle, event: str, reason: str, principal: Principal | None) -> None:
    audit(
        event,
        reason=reason,
        caller=principal.name if principal is not None else None,
        method=handler.request.method,
        route=handler.route.pattern if handler.route else None,
        remote=handler.request.remote_ip,
        request_id=handler.request_id,
    )
