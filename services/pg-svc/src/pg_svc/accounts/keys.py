"""Signing keys: Ed25519 or P-256 pairs from PEM files, with their ids (RFC 7638 thumbprints)."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jwt
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey
_THUMBPRINT_MEMBERS = {"OKP": ("crv", "kty", "x"), "EC": ("crv", "kty", "x", "y")}


class SigningKeys:
    """The first key signs; the public halves of all of them are published.

    To exchange a key: add the new one in second place, later move it to the first, and drop the old one when
    its tokens have expired.
    """

    def __init__(self, keys: Sequence[PrivateKey]) -> None:
        self._key = keys[0]
        public = [_public(key) for key in keys]
        self.kid: str = public[0]["kid"]
        self._algorithm: str = public[0]["alg"]
        self.document = orjson.dumps({"keys": public})

    @classmethod
    def load(cls, paths: Sequence[str]) -> SigningKeys:
        """Read the files. ValueError names the one that is of no use."""
        return cls([_load(path) for path in paths])

    def sign(self, claims: dict[str, Any]) -> str:
        """An access token (RFC 9068)."""
        headers = {"kid": self.kid, "typ": "at+jwt"}
        return jwt.encode(claims, self._key, algorithm=self._algorithm, headers=headers)


def create_key(path: Path) -> None:
    """Write a new Ed25519 key that only its owner can read. FileExistsError rather than lose an old one."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)


def _load(path: str) -> PrivateKey:
    try:
        key = load_pem_private_key(Path(path).read_bytes(), None)
    except OSError as error:
        raise ValueError(f"AUTH_SIGNING_KEY_FILES: cannot read {path}: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(
            f"AUTH_SIGNING_KEY_FILES: {path} is no private key in PEM, or it needs a password"
        ) from None
    if isinstance(key, Ed25519PrivateKey):
        return key
    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
        return key
    raise ValueError(f"AUTH_SIGNING_KEY_FILES: {path} is neither an Ed25519 nor a P-256 key")


def _public(key: PrivateKey) -> dict[str, Any]:
    if isinstance(key, Ed25519PrivateKey):
        algorithm, text = "EdDSA", OKPAlgorithm.to_jwk(key.public_key())
    else:
        algorithm, text = "ES256", ECAlgorithm.to_jwk(key.public_key())
    jwk: dict[str, Any] = json.loads(text)
    members = {name: jwk[name] for name in _THUMBPRINT_MEMBERS[jwk["kty"]]}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    kid = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return {**members, "alg": algorithm, "use": "sig", "kid": kid}
