"""``REDIS_URL``: where Redis is and how to reach it. Pure; nothing connects here."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

Kind = Literal["single", "sentinel", "cluster"]

_SCHEMES: dict[str, tuple[Kind, bool]] = {
    "redis": ("single", False),
    "rediss": ("single", True),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
_OPTIONS = frozenset(("ssl_ca_certs", "ssl_cert_reqs", "sentinel_username", "sentinel_password"))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server: a host and a port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Login:
    """What a new connection says first, and whether it speaks TLS."""

    username: str = ""
    password: str = field(default="", repr=False)
    db: int = 0
    tls: bool = False
    ca_certs: str = ""
    verify: bool = True

    @cached_property
    def ssl_context(self) -> ssl.SSLContext | None:
        """The TLS context; None for plain TCP. OSError when the file of authorities cannot be read."""
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.ca_certs or None)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@dataclass(frozen=True)
class Address:
    """A parsed ``REDIS_URL``. ``endpoints`` are servers, sentinels or the first known cluster nodes."""

    kind: Kind
    endpoints: tuple[Endpoint, ...]
    login: Login
    service: str = ""
    sentinel_login: Login = field(default_factory=Login)


def parse_address(url: str) -> Address:
    """Read a ``REDIS_URL``; ValueError says what is wrong with it, without its password."""
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    userinfo, _, hosts = parts.netloc.rpartition("@")
    user, _, password = userinfo.partition(":")
    username, password = unquote(user), unquote(password)
    if parts.scheme == "unix":
        login = Login(username, password, _db(options.pop("db", "0")))
        _refuse_unknown(options)
        if not parts.path:
            raise ValueError("unix:// needs the path of a socket")
        return Address("single", (Endpoint(path=unquote(parts.path)),), login)
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"the scheme must be unix or one of {', '.join(_SCHEMES)}")
    kind, tls = _SCHEMES[parts.scheme]
    path = [unquote(piece) for piece in parts.path.split("/") if piece]
    database = options.pop("db", "")
    _refuse_unknown(options)
    service = ""
    if kind == "sentinel":
        if not path:
            raise ValueError("redis+sentinel:// needs the name of the service: …/SERVICE")
        service = path.pop(0)
    if len(path) > 1:
        raise ValueError("the path holds more than a database number")
    number = _db(path[0] if path else database or "0")
    if kind == "cluster" and number:
        raise ValueError("a cluster has database 0 only")
    endpoints = tuple(_endpoint(host, 26379 if kind == "sentinel" else 6379) for host in hosts.split(","))
    if kind == "single" and len(endpoints) > 1:
        raise ValueError("several hosts need redis+sentinel:// or redis+cluster://")
    ca_certs, verify = options.get("ssl_ca_certs", ""), options.get("ssl_cert_reqs", "required") != "none"
    return Address(
        kind,
        endpoints,
        Login(username, password, number, tls, ca_certs, verify),
        service,
        Login(
            options.get("sentinel_username", ""),
            options.get("sentinel_password", ""),
            tls=tls,
            ca_certs=ca_certs,
            verify=verify,
        ),
    )


def _endpoint(text: str, default_port: int) -> Endpoint:
    parts = urlsplit(f"//{text}")
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"{text.rpartition(':')[2]!r} is not a port") from None
    if port == 0:
        raise ValueError("0 is not a port")
    return Endpoint(parts.hostname or "localhost", port or default_port)


def _db(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise ValueError(f"{text!r} is not a database number")
    return int(text)


def _refuse_unknown(options: dict[str, str]) -> None:
    unknown = sorted(set(options) - _OPTIONS)
    if unknown:
        raise ValueError(f"unknown option {', '.join(unknown)}; known are db, {', '.join(sorted(_OPTIONS))}")
