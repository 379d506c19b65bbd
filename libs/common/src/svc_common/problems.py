"""Problem details for HTTP APIs (RFC 9457) and the exceptions that become them.

Raise one anywhere below a handler; the handler answers ``application/problem+json``. ``detail`` is shown
to the client, so it must never carry a driver's text or somebody else's data.
"""

from __future__ import annotations

import http
from collections.abc import Mapping
from typing import Any

from tornado.web import HTTPError

CONTENT_TYPE = "application/problem+json"


class Problem(HTTPError):
    """An answer that is an error. ``extra`` adds members to the problem document."""

    status = 500
    title: str | None = None

    def __init__(
        self,
        detail: str = "",
        *,
        status: int | None = None,
        title: str | None = None,
        type: str = "about:blank",
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status or self.status)
        self.detail = detail
        self.title = title or self.title or phrase(self.status_code)
        self.type = type
        self.headers: dict[str, str] = dict(headers or {})
        self.extra: dict[str, Any] = dict(extra or {})

    def __str__(self) -> str:
        return f"{self.status_code} {self.title}: {self.detail}"

    def document(self, *, instance: str, request_id: str) -> dict[str, Any]:
        """The members of the problem, in the order people read them."""
        members: dict[str, Any] = {"type": self.type, "title": self.title, "status": self.status_code}
        if self.detail:
            members["detail"] = self.detail
        members["instance"] = instance
        members["request_id"] = request_id
        members.update(self.extra)
        return members


class BadRequest(Problem):
    """400: the request cannot be understood."""

    status = 400


class Unauthorized(Problem):
    """401: credentials are missing or wrong."""

    status = 401

    def __init__(self, detail: str = "", **kwargs: Any) -> None:
        super().__init__(detail, **kwargs)
        self.headers.setdefault("WWW-Authenticate", "Bearer")


class Forbidden(Problem):
    """403: the caller is known, and may not do this."""

    status = 403


class NotFound(Problem):
    """404: there is nothing at this address."""

    status = 404


class MethodNotAllowed(Problem):
    """405: this address does not take the method."""

    status = 405


class NotAcceptable(Problem):
    """406: none of the media types that the client accepts can be made."""

    status = 406


class Conflict(Problem):
    """409: the request contradicts what is stored."""

    status = 409


class PreconditionFailed(Problem):
    """412: If-Match or If-None-Match does not hold."""

    status = 412


class PayloadTooLarge(Problem):
    """413: the body is larger than is taken."""

    status = 413


class UnsupportedMediaType(Problem):
    """415: the body is of a kind that is not taken."""

    status = 415


class Unprocessable(Problem):
    """422: understood, but it cannot be done with this content."""

    status = 422


class PreconditionRequired(Problem):
    """428: this request is too dangerous without a condition."""

    status = 428


class TooManyRequests(Problem):
    """429: slow down."""

    status = 429


class BadGateway(Problem):
    """502: the upstream answered nonsense or an error."""

    status = 502


class Unavailable(Problem):
    """503 with ``Retry-After``: not now, but soon."""

    status = 503

    def __init__(self, detail: str = "", *, retry_after: int = 1, **kwargs: Any) -> None:
        super().__init__(detail, **kwargs)
        self.headers.setdefault("Retry-After", str(retry_after))


class StoreUnavailable(Unavailable):
    """503: the store does not answer. ``store`` names it for people: ``redis``, ``mongodb`` …"""

    def __init__(self, store: str, detail: str = "", **kwargs: Any) -> None:
        super().__init__(detail or f"The store {store} does not answer; try again soon.", **kwargs)
        self.store = store


class GatewayTimeout(Problem):
    """504: the upstream did not answer in time."""

    status = 504


def phrase(status: int) -> str:
    """The standard reason phrase of a status."""
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def problem_of(error: BaseException | None, status: int) -> Problem:
    """The problem that an exception stands for; nothing of a foreign exception's text is kept."""
    if isinstance(error, Problem):
        return error
    if status == 405:
        return MethodNotAllowed("This address does not take the method.")
    if status == 404:
        return NotFound("There is nothing at this address.")
    if status == 400:
        # Tornado's own refusals of arguments and bodies; their text may repeat the input
        return BadRequest("The request could not be understood.")
    if status == 500:
        return Problem("The service failed to answer. The request_id finds the cause in its log.", status=500)
    return Problem(status=status)
