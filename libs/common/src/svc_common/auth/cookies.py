"""Credentials in cookies: which cookie counts, and for whose requests.

A browser sends cookies whoever made it ask, so a cookie counts only for requests that come from a page of
the same origin (Fetch metadata, else Origin: the algorithm of Tornado's ``cross_origin_protection``). It is
checked after the credential is known, since a request with a token of its own may come from anywhere.
"""

from __future__ import annotations

from dataclasses import replace

from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

from ..problems import Forbidden
from .access import Access, Principal

ACCESS_COOKIE = "__Host-access"
DEVELOPMENT_ACCESS_COOKIE = "dev-access"
"""``__Host-`` needs ``Secure``, which not every browser takes from plain http."""
REFRESH_COOKIE = "__Host-refresh"
DEVELOPMENT_REFRESH_COOKIE = "dev-refresh"
CREDENTIALS = frozenset(
    (ACCESS_COOKIE, DEVELOPMENT_ACCESS_COOKIE, REFRESH_COOKIE, DEVELOPMENT_REFRESH_COOKIE)
)
"""Cookies that nobody but the verification itself may see."""

_SAFE = ("GET", "HEAD", "OPTIONS")


def access_cookie(*, development: bool) -> str:
    """The name of the cookie that holds the access token."""
    return DEVELOPMENT_ACCESS_COOKIE if development else ACCESS_COOKIE


def cookie(request: HTTPServerRequest, name: str) -> str | None:
    """A cookie's value; None where it is missing or empty."""
    morsel = request.cookies.get(name)
    return morsel.value or None if morsel is not None else None


def same_site_only(handler: RequestHandler, principal: Principal) -> Principal:
    """What a caller known by a cookie may do with this request.

    From a page of another origin: nothing that writes (Forbidden), and no more than reading where a safe
    method could write, as commands in an address can.
    """
    request = handler.request
    if handler._check_cross_origin(handler.check_trusted_origin) is None:
        return principal
    if request.method not in _SAFE or request.headers.get("Upgrade") is not None:
        raise Forbidden("A page of another origin may not do this in your name.")
    return replace(principal, scope=min(principal.scope, Access.READ))
