"""Public keys of an issuer: a JWK set, each key with the one algorithm that it may be used with."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from ..logs import get_logger
from ..problems import Unavailable
from .fresh import Fresh
from .issuer import Issuer

# No secret is shared with a service, so there is no HS256.
_KINDS = {("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256", ("RSA", None): "RS256"}
_RENEW_AFTER = 300.0
_MOST = 3600.0
_PAUSE = 5.0
_LEAST_RSA_BITS = 2048

log = get_logger("svc_common.auth")


def parse_keys(document: bytes, algorithms: Sequence[str]) -> dict[str, PyJWK]:
    """The keys of a JWK set by their ids; what cannot verify a signature of ours is left out.

    A key's algorithm is that of its kind, never what a token says. Raises ValueError for no JWK set.
    """
    try:
        entries = orjson.loads(document)["keys"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise ValueError("not a JWK set") from None
    if not isinstance(entries, list):
        raise ValueError("not a JWK set")
    found: dict[str, PyJWK] = {}
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or "d" in entry:
            continue
        curve = entry.get("crv")
        kind = _KINDS.get((str(entry.get("kty")), None if curve is None else str(curve)))
        if kind is None or kind not in algorithms or entry.get("alg", kind) != kind:
            continue
        try:
            key = PyJWK(entry, kind)
        except (PyJWTError, ValueError, TypeError):  # whatever is wrong with it, the others still count
            log.warning("key_refused", kid=str(entry.get("kid"))[:100])
            continue
        if kind == "RS256" and key.key.key_size < _LEAST_RSA_BITS:
            log.warning("key_refused", kid=str(entry.get("kid"))[:100], reason="too short")
            continue
        found[str(entry.get("kid", ""))] = key
    return found


class Keys:
    """The issuer's keys. An unknown key id asks the issuer once more, at most every few seconds."""

    def __init__(self, issuer: Issuer, algorithms: Sequence[str]) -> None:
        self._issuer = issuer
        self._algorithms = algorithms
        self._fresh = Fresh(self._load, renew_after=_RENEW_AFTER, most=_MOST)

    async def find(self, kid: str) -> PyJWK | None:
        """The key with an id; None for an unknown one. Raises Unavailable where no keys can be had."""
        key = (await self._fresh.get()).get(kid)
        if key is None and await self._renew():
            key = (await self._fresh.get()).get(kid)
        return key

    async def _renew(self) -> bool:
        try:
            return await self._fresh.renew(pause=_PAUSE)
        except Unavailable:
            return False  # the keys that are known still count; this one is not among them

    async def _load(self) -> dict[str, PyJWK]:
        try:
            return parse_keys(await self._issuer.keys(), self._algorithms)
        except ValueError:
            log.warning("issuer_unavailable", what="keys", reason="not a JWK set")
            raise Unavailable("Tokens cannot be checked at present; try again soon.") from None
