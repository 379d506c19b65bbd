"""Where tokens come from: public keys, revoked sessions and personal tokens, as a service needs them.

Why a list of revoked sessions: a signed token stays valid until it expires, so a service has to hear of a
logout some other way. The list holds the sessions revoked within the life of an access token only, which
keeps it short, and a service asks for it only while it serves signed tokens, at most every two seconds. A
service that cannot get it answers 503 to signed tokens rather than let a revoked one in.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import orjson
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.iostream import UnsatisfiableReadError

from ..logs import get_logger
from ..problems import Unavailable

PERSONAL_PREFIX = "sfp_"
"""What personal access tokens begin with."""

_LARGEST = 2**20
_FAILURES = (OSError, ValueError, UnsatisfiableReadError)
"""No connection, nobody of that name, an answer without end."""

_PERSONAL = re.compile(PERSONAL_PREFIX + r"[A-Za-z0-9_-]{43}")

log = get_logger("svc_common.auth")


class Issuer(Protocol):
    """Who makes the tokens. Every method raises Unavailable when there is no answer."""

    async def keys(self) -> bytes:
        """The public keys, as a JWK set (RFC 7517)."""
        ...

    async def revoked(self) -> frozenset[str]:
        """The sessions (``sid`` claims) whose access tokens are to be refused."""
        ...

    async def personal(self, token: str) -> Mapping[str, Any] | None:
        """The claims that a personal access token stands for; None for an unknown, old or revoked one."""
        ...


class RemoteIssuer:
    """The issuer over HTTP: ``accounts_url`` is pg-svc's ``…/auth``; another issuer may have keys alone."""

    def __init__(self, keys_url: str, accounts_url: str, *, timeout: float) -> None:
        self._accounts = accounts_url.rstrip("/")
        self._keys = keys_url or f"{self._accounts}/.well-known/jwks.json"
        self._timeout = timeout

    async def keys(self) -> bytes:
        """The public keys, from the network or from a ``file:`` address."""
        if self._keys.startswith("file:"):
            path = Path(unquote(urlsplit(self._keys).path))
            try:
                return await asyncio.to_thread(path.read_bytes)
            except OSError as error:
                raise self._unavailable("keys", error.strerror or "cannot be read") from None
        return await self._get(self._keys, "keys")

    async def revoked(self) -> frozenset[str]:
        """The revoked sessions; none for an issuer that has keys alone."""
        if not self._accounts:
            return frozenset()
        document = _document(await self._get(f"{self._accounts}/revoked", "revoked"))
        sessions = document.get("sessions")
        if not isinstance(sessions, list):
            raise self._unavailable("revoked", "not a list")
        return frozenset(map(str, sessions))

    async def personal(self, token: str) -> Mapping[str, Any] | None:
        """Ask the accounts who the token belongs to, with the token itself."""
        if not self._accounts or not _PERSONAL.fullmatch(token):
            return None
        try:
            answer = await self._fetch(f"{self._accounts}/me", {"Authorization": f"Bearer {token}"})
        except HTTPClientError as error:
            if error.code in (401, 403):
                return None
            raise self._unavailable("personal", f"status {error.code}") from None
        except _FAILURES as error:
            raise self._unavailable("personal", type(error).__name__) from None
        return _document(answer)

    async def _get(self, url: str, what: str) -> bytes:
        try:
            return await self._fetch(url, {})
        except HTTPClientError as error:
            raise self._unavailable(what, f"status {error.code}") from None
        except _FAILURES as error:
            raise self._unavailable(what, type(error).__name__) from None

    async def _fetch(self, url: str, headers: Mapping[str, str]) -> bytes:
        client = AsyncHTTPClient(force_instance=True, max_body_size=_LARGEST)
        try:
            answer = await client.fetch(
                HTTPRequest(
                    url,
                    headers={"Accept": "application/json", **headers},
                    connect_timeout=self._timeout,
                    request_timeout=self._timeout,
                    follow_redirects=False,
                )
            )
            return answer.body
        finally:
            client.close()

    def _unavailable(self, what: str, reason: str) -> Unavailable:
        log.warning("issuer_unavailable", what=what, reason=reason)
        return Unavailable("Tokens cannot be checked at present; try again soon.")


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise Unavailable("Tokens cannot be checked at present; try again soon.")
    return document
