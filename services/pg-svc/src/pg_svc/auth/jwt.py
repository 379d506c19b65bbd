"""Signed tokens (RFC 7519) and the database role that they stand for."""

from __future__ import annotations

import base64
import binascii
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import orjson
from prometheus_client import Counter

from pg_svc.auth.claims import parse_claim_path, role_in
from pg_svc.errors import ApiError

SKEW_SECONDS = 30
CACHE_REQUESTS = Counter("pgrst_jwt_cache_requests", "Tokens that were looked for among those remembered.")
CACHE_HITS = Counter("pgrst_jwt_cache_hits", "Tokens that were remembered.")
CACHE_EVICTIONS = Counter("pgrst_jwt_cache_evictions", "Tokens that were forgotten to make room.")

_LEAST_SECRET_BYTES = 32
_HMAC = ("HS256", "HS384", "HS512")
_BY_KEY_TYPE = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512", "ES256K"),
    "OKP": ("EdDSA",),
    "oct": _HMAC,
}


@dataclass(frozen=True, slots=True)
class Key:
    """A key, its id and the algorithms it may be used with."""

    key: Any
    algorithms: tuple[str, ...]
    id: str | None = None


def parse_keys(secret: str, *, is_base64: bool = False) -> list[Key]:
    """The keys in PGRST_JWT_SECRET: a JWK, a JWK set, or a shared secret. ValueError for anything else."""
    text = (_read(secret[1:]) if secret.startswith("@") else secret).strip("\r\n")
    if is_base64:
        return [_shared(_from_base64(text))]
    document = _json(text)
    if document is None:
        return [_shared(text.encode())]
    entries = document.get("keys", [document])
    if not isinstance(entries, list) or not entries:
        raise ValueError("PGRST_JWT_SECRET: the key set holds no key")
    return [_from_jwk(entry) for entry in entries]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"PGRST_JWT_SECRET: cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"PGRST_JWT_SECRET: {path} is not text in UTF-8") from None


def _json(text: str) -> dict[str, Any] | None:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _shared(secret: bytes) -> Key:
    if len(secret) < _LEAST_SECRET_BYTES:
        raise ValueError(f"PGRST_JWT_SECRET: a secret must have {_LEAST_SECRET_BYTES} bytes or more")
    return Key(secret, ("HS256",))


def _from_base64(text: str) -> bytes:
    plain = text.replace("_", "/").replace("-", "+").replace(".", "=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("PGRST_JWT_SECRET: it is not base64") from None


def _from_jwk(entry: Any) -> Key:
    try:
        parsed = jwt.PyJWK.from_dict(entry)
    except (jwt.PyJWTError, AttributeError, ValueError, TypeError):
        raise ValueError("PGRST_JWT_SECRET: a key of the set is not a JWK that can be used") from None
    named = entry.get("alg")
    algorithms = (named,) if isinstance(named, str) else _BY_KEY_TYPE.get(str(entry.get("kty")), ())
    return Key(parsed.key, algorithms, entry.get("kid"))


class TokenReader:
    """Verifies tokens. Those verified lately are remembered; their times are looked at each time."""

    def __init__(self, keys: Sequence[Key], *, audience: str, role_path: str, cache_size: int) -> None:
        self._keys = keys
        self._audience = audience
        self._role_path = parse_claim_path(role_path)
        self._cache: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._cache_size = cache_size

    def read(self, token: str) -> tuple[dict[str, Any], str | None]:
        """A token's claims and role. Raises ApiError PGRST301 or PGRST303."""
        claims = self._remembered(token) if self._cache_size else self._verified(token)
        _check_claims(claims, self._audience)
        return claims, role_in(claims, self._role_path)

    def _remembered(self, token: str) -> dict[str, Any]:
        CACHE_REQUESTS.inc()
        claims = self._cache.get(token)
        if claims is not None:
            CACHE_HITS.inc()
            self._cache.move_to_end(token)
            return claims
        claims = self._cache[token] = self._verified(token)
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
            CACHE_EVICTIONS.inc()
        return claims

    def _verified(self, token: str) -> dict[str, Any]:
        parts = token.split(".")
        if not token:
            raise bad_token("Empty JWT is sent in Authorization header")
        if len(parts) != 3:
            raise bad_token(f"Expected 3 parts in JWT; got {len(parts)}")
        try:
            header: Mapping[str, Any] = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise bad_token("JWT cryptographic operation failed") from None
        algorithm = str(header.get("alg"))
        if algorithm.lower() == "none":
            raise bad_token(
                "Wrong or unsupported encoding algorithm",
                "JWT is unsecured but expected 'alg' was not 'none'",
            )
        keys = [key for key in self._keys if algorithm in key.algorithms]
        if header.get("kid") is not None:  # it names the one key that counts
            keys = [key for key in keys if key.id == header["kid"]]
        if not keys:
            raise bad_token(
                "No suitable key or wrong key type", "No suitable key was found to decode the JWT"
            )
        for key in keys:
            try:
                payload = jwt.PyJWS().decode(token, key.key, algorithms=[algorithm])
            except jwt.PyJWTError:
                continue
            return _claims(payload)
        raise bad_token("No suitable key or wrong key type", "None of the keys was able to decode the JWT")


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        claims = orjson.loads(payload)
    except orjson.JSONDecodeError:
        claims = None
    if not isinstance(claims, dict):
        raise bad_claims("Parsing claims failed")
    return claims


def _check_claims(claims: Mapping[str, Any], audience: str) -> None:
    now = int(time.time())
    for name in ("exp", "nbf", "iat"):
        if claims.get(name) is not None and (
            isinstance(claims[name], bool) or not isinstance(claims[name], (int, float))
        ):
            raise bad_claims(f"The JWT '{name}' claim must be a number")
    if claims.get("exp") is not None and now - SKEW_SECONDS > claims["exp"]:
        raise bad_claims("JWT expired")
    if claims.get("nbf") is not None and now + SKEW_SECONDS < claims["nbf"]:
        raise bad_claims("JWT not yet valid")
    if claims.get("iat") is not None and now + SKEW_SECONDS < claims["iat"]:
        raise bad_claims("JWT issued at future")
    given = claims.get("aud")
    if given is None:
        return
    named = [given] if isinstance(given, str) else given
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise bad_claims("The JWT 'aud' claim must be a string or an array of strings")
    if audience and named and audience not in named:
        raise bad_claims("JWT not in audience")


def bad_token(message: str, details: str | None = None) -> ApiError:
    """The token cannot be decoded."""
    return ApiError(401, "PGRST301", message, details, headers=(_challenge(message),))


def bad_claims(message: str) -> ApiError:
    """The token says something that does not hold."""
    return ApiError(401, "PGRST303", message, headers=(_challenge(message),))


def token_required() -> ApiError:
    """There is no anonymous role."""
    return ApiError(
        401, "PGRST302", "Anonymous access is disabled", headers=(("WWW-Authenticate", "Bearer"),)
    )


def no_secret() -> ApiError:
    """A token came, and there is no key to verify it with."""
    return ApiError(500, "PGRST300", "Server lacks JWT secret")


def _challenge(message: str) -> tuple[str, str]:
    return ("WWW-Authenticate", f'Bearer error="invalid_token", error_description="{message}"')
