"""An issuer of tokens and a service that trusts it, for the tests of authentication."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from tornado.httputil import HTTPServerRequest

from svc_common import (
    KNOWN,
    PUBLIC,
    READ,
    READ_WRITE,
    Route,
    Service,
    ServiceHandler,
    ServiceSettings,
    StoreUnavailable,
    Unauthorized,
)

Private = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PERSONAL = "sfp_" + "a" * 43


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def public_jwk(key: Private, kid: str) -> dict[str, Any]:
    algorithm: Any
    if isinstance(key, ed25519.Ed25519PrivateKey):
        algorithm = jwt.algorithms.OKPAlgorithm
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm = jwt.algorithms.ECAlgorithm
    else:
        algorithm = jwt.algorithms.RSAAlgorithm
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig"}


def name_of_algorithm(key: Private) -> str:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "EdDSA"
    return "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256"


@dataclass
class Issuer:
    """What the test's issuer knows, and what it was asked."""

    keys: dict[str, Private] = field(default_factory=lambda: {"k1": ed25519.Ed25519PrivateKey.generate()})
    revoked: list[str] = field(default_factory=list)
    personal: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    broken: bool = False
    url: str = ""

    def jwks(self) -> dict[str, Any]:
        return {"keys": [public_jwk(key, kid) for kid, key in self.keys.items()]}

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Claims of a good token; a change to None leaves the claim out."""
        now = int(time.time())
        claims = {
            "iss": "storefronts",
            "aud": "storefronts",
            "sub": "42",
            "name": "ada",
            "sid": "s1",
            "iat": now,
            "exp": now + 60,
            "scope": "shelf:write *:read",
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, kid: str = "k1", **changes: Any) -> str:
        key = self.keys[kid]
        return jwt.encode(
            self.claims(**changes),
            key,
            algorithm=name_of_algorithm(key),
            headers={"kid": kid, "typ": "at+jwt"},
        )

    def forged(self, header: dict[str, Any], secret: bytes | None = None, **changes: Any) -> str:
        """A token put together by hand, with an HMAC signature or none."""
        signed = ".".join(b64(json.dumps(part).encode()) for part in (header, self.claims(**changes)))
        signature = b"" if secret is None else hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{b64(signature)}"


class IssuerHandler(ServiceHandler[Issuer]):
    async def get(self, what: str) -> None:
        self.state.asked.append(what)
        if self.state.broken:
            raise StoreUnavailable("issuer")
        if what == "me":
            claims = self.state.personal.get(self.request.headers["Authorization"].removeprefix("Bearer "))
            if claims is None:
                raise Unauthorized("Unknown.")
            self.write_json(claims)
        elif what == "revoked":
            self.write_json({"sessions": self.state.revoked})
        else:
            self.write_json(self.state.jwks())


class ShelfHandler(ServiceHandler[None]):
    async def get(self) -> None:
        assert self.principal is not None
        self.write_json({"name": self.principal.name, "claims": dict(self.principal.claims)})

    async def put(self) -> None:
        self.write_json({"stored": len(self.request.body)})


class KeyedHandler(ShelfHandler):
    """Takes its credential from a place of its own."""

    @classmethod
    def credential(cls, request: HTTPServerRequest) -> str | None:
        return request.headers.get("X-Key")


class CommandHandler(ServiceHandler[None]):
    """Commands in addresses: what they may do is decided by the caller's scope, not by the method."""

    async def get(self) -> None:
        assert self.principal is not None
        self.write_json({"may_write": self.principal.may(READ_WRITE["PUT"])})


class OpenHandler(ServiceHandler[None]):
    async def get(self) -> None:
        self.write_json({})


shelf = Service(
    "shelf-svc",
    ServiceSettings,
    routes=[
        Route("/shelf", ShelfHandler, READ_WRITE),
        Route("/keyed", KeyedHandler, READ_WRITE),
        Route("/command", CommandHandler, READ),
        Route("/whoami", ShelfHandler, {"GET": KNOWN, "PUT": KNOWN}),
        Route("/open", OpenHandler, PUBLIC),
    ],
)


def as_bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
