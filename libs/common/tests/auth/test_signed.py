"""Signed tokens: what is verified, and what is refused."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from token_issuer import Issuer, as_bearer, b64, shelf

from svc_common.auth.signed import REVOCATION_MOST
from svc_common.testing import TestedService, serving


async def status(svc: TestedService, token: str, path: str = "/shelf") -> int:
    return (await svc.client.get(path, headers=as_bearer(token))).status_code


async def test_a_good_token_names_its_caller(svc: TestedService, issuer: Issuer) -> None:
    answer = await svc.client.get("/shelf", headers=as_bearer(issuer.token()))
    assert answer.status_code == 200
    assert answer.json()["name"] == "ada"
    assert answer.json()["claims"]["sub"] == "42"


async def test_a_static_token_still_counts(svc: TestedService) -> None:
    assert (await svc.client.get("/shelf", headers=as_bearer("s3cret"))).json()["name"] == "laptop"
    assert await status(svc, "s3cre") == 401
    assert (await svc.client.get("/shelf")).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": int(time.time()) + 600},
        {"aud": "somebody-else"},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"sub": None},
        {"iat": int(time.time()) + 600},
    ],
    ids=lambda changes: "-".join(f"{name}={value}"[:16] for name, value in changes.items()),
)
async def test_claims_that_do_not_hold(svc: TestedService, issuer: Issuer, changes: dict[str, Any]) -> None:
    answer = await svc.client.get("/shelf", headers=as_bearer(issuer.token(**changes)))
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


async def test_an_expired_token_is_told_so(svc: TestedService, issuer: Issuer) -> None:
    answer = await svc.client.get("/shelf", headers=as_bearer(issuer.token(exp=int(time.time()) - 60)))
    assert answer.json()["detail"] == "The token has expired."


async def test_alg_none_and_key_confusion(svc: TestedService, issuer: Issuer) -> None:
    issuer.keys["rsa"] = rsa.generate_private_key(65537, 2048)
    jwk = issuer.jwks()["keys"][0]
    secrets = [json.dumps(jwk).encode(), jwk["x"].encode()]
    for key in issuer.keys.values():
        for encoding, format in (
            (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            (Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        ):
            secrets.append(key.public_key().public_bytes(encoding, format))
    forged = [
        issuer.forged({"alg": "none", "kid": "k1"}),
        issuer.forged({"alg": "None", "kid": "k1"}),
        issuer.forged({"alg": "none"}),
        issuer.forged({"kid": "k1"}),
    ]
    for kid in ("k1", "rsa"):
        forged += [issuer.forged({"alg": "HS256", "kid": kid}, secret) for secret in secrets]
        # an algorithm of the right family over a signature of the wrong one
        forged += [issuer.forged({"alg": "EdDSA", "kid": kid}, secret) for secret in secrets]
    for token in forged:
        assert await status(svc, token) == 401, token


async def test_a_right_signature_under_another_algorithms_name(svc: TestedService, issuer: Issuer) -> None:
    head, claims, signature = issuer.token().split(".")
    assert await status(svc, f"{head}.{claims}.{signature}") == 200
    key = issuer.keys["k1"]
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    for algorithm in ("ES256", "Ed25519", "eddsa", None):
        header = {"kid": "k1", **({"alg": algorithm} if algorithm else {})}
        signed = f"{b64(json.dumps(header).encode())}.{claims}"
        assert await status(svc, f"{signed}.{b64(key.sign(signed.encode()))}") == 401, algorithm


async def test_a_tampered_token(svc: TestedService, issuer: Issuer) -> None:
    head, _, signature = issuer.token().split(".")
    _, claims, _ = issuer.token(scope="*:admin").split(".")
    for token in (
        f"{head}.{claims}.{signature}",
        f"{head}.{claims}.",
        f"{head}.{claims}",
        "a.b.c",
        "..",
        issuer.token() + "x",
        f"{b64(b'[' * 9000)}.{claims}.{signature}",
        f"{head}.{b64(b'[' * 9000)}.{signature}",
    ):
        assert await status(svc, token) == 401, token


async def test_a_token_may_not_bring_its_own_key(svc: TestedService, issuer: Issuer) -> None:
    stranger = Issuer(keys={"k1": ed25519.Ed25519PrivateKey.generate()})
    assert await status(svc, stranger.token()) == 401


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_algorithms_are_pinned(issuer: Issuer) -> None:
    issuer.keys = {
        "ed": ed25519.Ed25519PrivateKey.generate(),
        "ec": ec.generate_private_key(ec.SECP256R1()),
        "rsa": rsa.generate_private_key(65537, 2048),
        "short": rsa.generate_private_key(65537, 1024),  # noqa: S505  # it has to be refused
    }
    for allowed, accepted in (("EdDSA", {"ed"}), ("ES256,RS256", {"ec", "rsa"})):
        async with serving(
            shelf, AUTH_MODE="jwt", AUTH_ACCOUNTS_URL=issuer.url, AUTH_ALGORITHMS=allowed
        ) as svc:
            let_in = {kid for kid in issuer.keys if await status(svc, issuer.token(kid)) == 200}
            assert let_in == accepted


@pytest.mark.parametrize(
    "bad",
    [
        {"kty": "OKP", "crv": "Ed25519"},
        {"kty": "OKP", "crv": "Ed25519", "x": 5},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "OKP", "crv": ["Ed25519"], "x": "AA"},
        {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43},
        {"kty": "EC", "crv": "P-256"},
        {"kty": "RSA", "n": "", "e": ""},
        {"kty": "RSA"},
        {"kty": "oct", "k": "AA"},
        {},
        None,
    ],
    ids=repr,
)
async def test_a_key_that_is_of_no_use_takes_no_other_with_it(
    issuer: Issuer, tmp_path: Path, bad: dict[str, Any] | None
) -> None:
    path = tmp_path / "keys.json"
    entry = {"kid": "bad", **bad} if bad is not None else None
    path.write_text(json.dumps({"keys": [entry, *issuer.jwks()["keys"]]}))
    async with serving(
        shelf, AUTH_MODE="jwt", AUTH_JWKS_URL=path.as_uri(), AUTH_ALGORITHMS="EdDSA,ES256,RS256"
    ) as svc:
        assert await status(svc, issuer.token()) == 200
        assert await status(svc, issuer.forged({"alg": "EdDSA", "kid": "bad"}, b"")) == 401


async def test_rotation(svc: TestedService, issuer: Issuer) -> None:
    assert await status(svc, issuer.token()) == 200
    assert issuer.asked.count("jwks.json") == 1
    assert await status(svc, issuer.token()) == 200
    assert issuer.asked.count("jwks.json") == 1
    issuer.keys["k2"] = ed25519.Ed25519PrivateKey.generate()
    deadline = time.monotonic() + 30
    while await status(svc, issuer.token("k2")) != 200:  # an unknown key id asks once, every few seconds
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    asked, since = issuer.asked.count("jwks.json"), time.monotonic()
    assert await status(svc, issuer.token()) == 200
    stranger = Issuer(keys={f"k{number}": ed25519.Ed25519PrivateKey.generate() for number in range(20)})
    answers = await asyncio.gather(*(status(svc, stranger.token(kid)) for kid in stranger.keys))
    assert set(answers) == {401}
    assert issuer.asked.count("jwks.json") <= asked + 1 + (time.monotonic() - since) // 5


async def test_scopes_count_for_the_service_that_they_name(svc: TestedService, issuer: Issuer) -> None:
    async def put(scope: Any) -> int:
        headers = as_bearer(issuer.token(scope=scope))
        return (await svc.client.put("/shelf", content=b"x", headers=headers)).status_code

    assert [await put(scope) for scope in ("shelf:write", "*:admin", ["shelf:admin"])] == [200, 200, 200]
    for scope in ("shelf:read", "*:read", "redis:admin", "write", "shelf:*", "", None, 7, {"shelf": "write"}):
        assert await put(scope) == 403, scope
    nobody_special = issuer.token(scope="redis:admin")
    assert await status(svc, nobody_special) == 403
    assert await status(svc, nobody_special, "/whoami") == 200
    assert (await svc.client.get("/whoami")).status_code == 401


async def test_a_revoked_session_is_refused_within_five_seconds(svc: TestedService, issuer: Issuer) -> None:
    token, other = issuer.token(), issuer.token(sid="s2")
    assert await status(svc, token) == 200
    issuer.revoked.append("s1")
    ended = sent = time.monotonic()
    while (last := await status(svc, token)) == 200:
        assert sent - ended < 5
        await asyncio.sleep(0.05)
        sent = time.monotonic()
    assert last == 401
    assert await status(svc, other) == 200


async def test_a_session_revoked_while_nobody_asked_is_refused_at_once(
    svc: TestedService, issuer: Issuer
) -> None:
    assert await status(svc, issuer.token()) == 200
    issuer.revoked.append("s1")
    asked = len(issuer.asked)
    await asyncio.sleep(REVOCATION_MOST + 0.1)
    assert len(issuer.asked) == asked  # a service that serves nobody asks nothing
    assert await status(svc, issuer.token()) == 401


async def test_nobody_gets_in_while_the_issuer_is_away(svc: TestedService, issuer: Issuer) -> None:
    issuer.broken = True
    answer = await svc.client.get("/shelf", headers=as_bearer(issuer.token()))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert await status(svc, "s3cret") == 200
    issuer.broken = False
    assert await status(svc, issuer.token()) == 200


async def test_keys_from_a_file(issuer: Issuer, tmp_path: Path) -> None:
    path = tmp_path / "the keys.json"
    path.write_text(json.dumps(issuer.jwks()))
    async with serving(shelf, AUTH_MODE="jwt", AUTH_JWKS_URL=path.as_uri()) as svc:
        assert await status(svc, issuer.token()) == 200
        assert await status(svc, "sfp_" + "a" * 43) == 401
    path.unlink()
    async with serving(shelf, AUTH_MODE="jwt", AUTH_JWKS_URL=path.as_uri()) as svc:
        assert await status(svc, issuer.token()) == 503


async def test_refusals_are_in_the_audit_log(
    svc: TestedService, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    token = issuer.token(exp=1)
    await svc.client.get("/shelf", headers=as_bearer(token))
    await svc.client.put("/shelf", content=b"", headers=as_bearer(issuer.token(scope="*:read")))
    lines = [record.getMessage() for record in caplog.records if "audit=True" in record.getMessage()]
    assert any("credential_refused" in line and "expired" in line for line in lines)
    assert any("scope_refused" in line and "caller='ada'" in line for line in lines)
    assert token not in caplog.text
