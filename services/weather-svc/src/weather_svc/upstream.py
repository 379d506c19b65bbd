"""Requests to weather services: bounded in time and size, redirects not followed, TLS verified.

The client reads no proxy settings, and certificates are checked against the system's store (``SSL_CERT_FILE``
and ``SSL_CERT_DIR`` move it, as for every OpenSSL program). Hosts come from settings alone: what a user
types becomes a query argument or a path segment, percent-encoded, never a host.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.iostream import UnsatisfiableReadError
from tornado.simple_httpclient import HTTPTimeoutError, SimpleAsyncHTTPClient

from svc_common import get_logger, observe_store

log = get_logger("weather_svc.upstream")

_MAX_CONNECTIONS = 100
_MAX_HEADER_BYTES = 32 * 2**10
_TRY_AGAIN = frozenset((500, 502, 503, 504))


class UpstreamError(Exception):
    """An upstream did not give an answer that can be used; the text is fit for a client's eyes.

    ``timed_out``: it did not answer in time. ``transient``: the same request may work at once.
    ``retry_after``: it asked to be left alone for so many seconds. ``outage``: the upstream is in trouble,
    not just this request. ``status`` is the HTTP status that it answered with, 0 where it did not.
    """

    def __init__(
        self,
        reason: str,
        *,
        timed_out: bool = False,
        transient: bool = False,
        outage: bool = True,
        retry_after: float | None = None,
        status: int = 0,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.timed_out = timed_out
        self.transient = transient
        self.outage = outage
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """What to ask: an address without its query, and the query's arguments."""

    url: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def full_url(self) -> str:
        """The address with its query."""
        return f"{self.url}?{urlencode(self.arguments)}" if self.arguments else self.url


@dataclass(frozen=True, slots=True)
class UpstreamAnswer:
    """What came back. ``body`` is empty when ``not_modified``."""

    body: bytes
    not_modified: bool
    simulated: bool
    last_modified: str
    expires: datetime | None


class Upstream:
    """The HTTP client for all upstreams."""

    def __init__(self, *, timeout: float, max_bytes: int, user_agent: str) -> None:
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._tls = ssl.create_default_context()
        self._client: AsyncHTTPClient = SimpleAsyncHTTPClient(
            force_instance=True,
            max_clients=_MAX_CONNECTIONS,
            max_body_size=max_bytes,
            max_header_size=_MAX_HEADER_BYTES,
            defaults={"user_agent": user_agent},
        )

    def close(self) -> None:
        """Let go of the client."""
        self._client.close()

    async def fetch(self, name: str, request: UpstreamRequest, *, modified_since: str = "") -> UpstreamAnswer:
        """Ask once. ``name`` is the upstream's, for messages and metrics. Raises UpstreamError."""
        with observe_store(name, "fetch"):
            return await self._fetch(name, request, modified_since)

    async def _fetch(self, name: str, request: UpstreamRequest, modified_since: str) -> UpstreamAnswer:
        headers = {"Accept": "application/json", **request.headers}
        if modified_since:
            headers["If-Modified-Since"] = modified_since
        lines: list[str] = []  # of the answer's head: whether it had begun when it went wrong
        try:
            response = await self._client.fetch(
                HTTPRequest(
                    request.full_url,
                    headers=headers,
                    connect_timeout=self._timeout,
                    request_timeout=self._timeout,
                    follow_redirects=False,
                    decompress_response=True,
                    ssl_options=self._tls,
                    header_callback=lines.append,
                ),
                raise_error=False,
            )
        except HTTPTimeoutError:
            raise UpstreamError(f"{name} did not answer in time.", timed_out=True) from None
        except UnsatisfiableReadError as error:  # a head over the size cap
            raise _broken(name, error, begun=True) from error
        except (HTTPClientError, OSError) as error:
            raise _broken(name, error, begun=bool(lines)) from error
        if response.code == 599:
            error_599 = response.error
            if isinstance(error_599, HTTPTimeoutError):
                raise UpstreamError(f"{name} did not answer in time.", timed_out=True)
            raise _broken(name, error_599, begun=bool(lines)) from error_599
        if response.code == 304 and modified_since:
            return _answer(b"", response.headers, not_modified=True)
        if response.code not in (200, 203):
            raise UpstreamError(
                f"{name} answered with status {response.code}.",
                transient=response.code in _TRY_AGAIN,
                outage=response.code >= 500 or response.code == 429,
                status=response.code,
                retry_after=_retry_after(response.headers.get("Retry-After"), response.code),
            )
        if response.code == 203:  # MET Norway's way to say that a version of its API will go away
            log.warning("upstream_deprecated", upstream=name)
        return _answer(response.body, response.headers, not_modified=False)


def _broken(name: str, error: BaseException | None, *, begun: bool) -> UpstreamError:
    if isinstance(error, ssl.SSLError):
        return UpstreamError(f"{name} could not prove who it is (TLS).")
    if begun:  # cut short, malformed or over the size cap: asking again would only cost more
        return UpstreamError(f"{name} sent an answer that is cut off, malformed or too large.")
    return UpstreamError(f"{name} could not be reached.", transient=True)


def _answer(body: bytes, headers: Mapping[str, str], *, not_modified: bool) -> UpstreamAnswer:
    return UpstreamAnswer(
        body=body,
        not_modified=not_modified,
        simulated=headers.get("X-Simulated", "").lower() == "true",
        last_modified=headers.get("Last-Modified", ""),
        expires=_date(headers.get("Expires")),
    )


def _date(value: str | None) -> datetime | None:
    if not value:
        return None
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _retry_after(value: str | None, status: int) -> float | None:
    """Seconds from a ``Retry-After`` in either of its forms; a minute for a 429 that does not say."""
    if value and value.isascii() and value.isdigit() and len(value) < 8:
        return float(value)
    when = _date(value)
    if when is not None:
        return max(0.0, (when - datetime.now(UTC)).total_seconds())
    return 60.0 if status == 429 else None
