"""Tokens and roles, and what row-level security makes of them; nothing leaks to the next request."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pg_svc.app import service
from pg_svc.settings import PgSettings
from svc_common import SettingsError, load_settings
from svc_common.testing import ServiceProcess, TestedService, serving

from .conftest import until_ready

if TYPE_CHECKING:
    from .library import Library

SECRET = "a-shared-secret-that-is-long-enough!"


def token(secret: Any = SECRET, algorithm: str = "HS256", **claims: Any) -> dict[str, str]:
    """An Authorization header."""
    return {"Authorization": "Bearer " + jwt.encode(claims, secret, algorithm)}


def _environment(library: Library, **more: str) -> dict[str, str]:
    return {
        "PGRST_DB_URI": library.url_as("pgsvc_authenticator"),
        "MIGRATE": "never",
        "PGRST_DB_SCHEMAS": "library",
        "PGRST_DB_ANON_ROLE": "pgsvc_anon",
        "PGRST_JWT_SECRET": SECRET,
        **more,
    }


@pytest.fixture
async def svc(library: Library) -> AsyncIterator[TestedService]:
    """The service on the library with one connection, so that requests follow each other on it."""
    async with serving(service, **_environment(library, PGRST_DB_POOL="1")) as running:
        await until_ready(running)
        yield running


async def _whoami(svc: TestedService, headers: dict[str, str] | None = None) -> Any:
    return (await svc.client.get("/rest/rpc/whoami", headers=headers)).json()


async def test_roles(svc: TestedService) -> None:
    assert await _whoami(svc) == "pgsvc_anon"
    assert await _whoami(svc, token(role="pgsvc_user")) == "pgsvc_user"
    assert await _whoami(svc, token(sub="nobody in particular")) == "pgsvc_anon"
    assert await _whoami(svc, {"Authorization": "Basic abc"}) == "pgsvc_anon"
    claims = await svc.client.get(
        "/rest/rpc/setting?name=request.jwt.claims", headers=token(role="pgsvc_user", sub="x", n=[1])
    )
    assert orjson.loads(claims.json()) == {"role": "pgsvc_user", "sub": "x", "n": [1]}


@pytest.mark.parametrize(
    ("header", "code", "message", "details"),
    [
        ("Bearer", "PGRST301", "Empty JWT is sent in Authorization header", None),
        ("Bearer a.b", "PGRST301", "Expected 3 parts in JWT; got 2", None),
        ("Bearer a.b.c", "PGRST301", "JWT cryptographic operation failed", None),
        (
            token("another-secret-that-is-long-enough-too", role="pgsvc_user")["Authorization"],
            "PGRST301",
            "No suitable key or wrong key type",
            "None of the keys was able to decode the JWT",
        ),
        (
            "Bearer " + jwt.encode({"role": "pgsvc_user"}, "", "none"),
            "PGRST301",
            "Wrong or unsupported encoding algorithm",
            "JWT is unsecured but expected 'alg' was not 'none'",
        ),
        (token(role="x", exp=1)["Authorization"], "PGRST303", "JWT expired", None),
        (token(nbf=int(time.time()) + 86400)["Authorization"], "PGRST303", "JWT not yet valid", None),
        (token(iat=int(time.time()) + 86400)["Authorization"], "PGRST303", "JWT issued at future", None),
    ],
)
async def test_bad_tokens(
    svc: TestedService, header: str, code: str, message: str, details: str | None
) -> None:
    answer = await svc.client.get("/rest/rpc/whoami", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json() == {"code": code, "message": message, "details": details, "hint": None}
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer error="invalid_token", error_description="{message}"'
    )


async def test_a_shared_secret_is_for_hs256(library: Library) -> None:
    secret = 2 * SECRET
    async with serving(service, **_environment(library, PGRST_JWT_SECRET=secret)) as svc:
        await until_ready(svc)
        assert await _whoami(svc, token(secret, role="pgsvc_user")) == "pgsvc_user"
        longer = await svc.client.get("/rest/rpc/whoami", headers=token(secret, "HS512", role="pgsvc_user"))
        assert longer.json()["details"] == "No suitable key was found to decode the JWT"


async def test_tokens_are_remembered(library: Library) -> None:
    async with serving(service, **_environment(library, PGRST_JWT_CACHE_MAX_ENTRIES="1")) as svc:
        await until_ready(svc)

        async def counted(name: str) -> float:
            text = (await svc.admin.get("/metrics")).text
            line = next(
                line for line in text.splitlines() if line.startswith(f"pgrst_jwt_cache_{name}_total ")
            )
            return float(line.split()[1])

        before = {name: await counted(name) for name in ("requests", "hits", "evictions")}
        for sub in ("a", "a", "b"):
            assert await _whoami(svc, token(role="pgsvc_user", sub=sub)) == "pgsvc_user"
        grown = {name: await counted(name) - value for name, value in before.items()}
        assert grown == {"requests": 3, "hits": 1, "evictions": 1}


async def test_a_role_that_is_not_there(svc: TestedService) -> None:
    answer = await svc.client.get("/rest/rpc/whoami", headers=token(role="nobody"))
    assert (answer.status_code, answer.json()["code"]) == (401, "22023")
    assert await _whoami(svc) == "pgsvc_anon"


async def test_privileges(svc: TestedService) -> None:
    anonymous = await svc.client.get("/rest/diary")
    assert (anonymous.status_code, anonymous.json()["code"]) == (401, "42501")
    denied = await svc.client.get("/rest/secrets", headers=token(role="pgsvc_user"))
    assert denied.status_code == 200
    roleless = await svc.client.get("/rest/diary", headers=token(sub="ann"))
    assert (roleless.status_code, roleless.headers["WWW-Authenticate"]) == (401, "Bearer")
    refused = await svc.client.patch(
        "/rest/author_names?id=eq.1", headers=token(role="pgsvc_user"), json={"name": "x"}
    )
    assert refused.status_code == 400


async def test_row_level_security(svc: TestedService) -> None:
    ann, bob = (token(role="pgsvc_user", sub=name) for name in ("ann", "bob"))
    client = svc.client
    assert (await client.get("/rest/diary?select=entry", headers=ann)).json() == [{"entry": "hers"}]
    assert (await client.get("/rest/diary?select=entry", headers=bob)).json() == [{"entry": "his"}]
    for headers, page in ((ann, "her page"), (bob, "his page")):
        embedded = await client.get("/rest/diary?select=diary_pages(text)", headers=headers)
        assert embedded.json() == [{"diary_pages": [{"text": page}]}]
        counted = await client.get("/rest/diary", headers={**headers, "Prefer": "count=exact"})
        assert counted.headers["Content-Range"] == "0-0/1"
    called = await client.get("/rest/rpc/my_entries?select=entry", headers=bob)
    assert called.json() == [{"entry": "his"}]
    represent = {"Prefer": "return=representation"}
    touched = await client.patch("/rest/diary", headers={**bob, **represent}, json={"entry": "mine"})
    assert [row["id"] for row in touched.json()] == [2]
    forged = await client.post(
        "/rest/diary", headers={**bob, **represent}, json={"id": 9, "owner": "ann", "entry": "x"}
    )
    assert (forged.status_code, forged.json()["code"]) == (403, "42501")
    gone = await client.delete("/rest/diary?id=eq.1", headers={**bob, **represent})
    assert gone.json() == []
    own = await client.post(
        "/rest/diary", headers={**bob, **represent}, json={"id": 10, "owner": "bob", "entry": "x"}
    )
    assert own.status_code == 201
    assert (await client.delete("/rest/diary?id=eq.10", headers=bob)).status_code == 204
    assert (await client.get("/rest/diary?select=entry", headers=ann)).json() == [{"entry": "hers"}]


async def test_nothing_leaks_to_the_next_request(svc: TestedService) -> None:
    user = token(role="pgsvc_user", sub="ann")
    for name, value in [
        ("app.secret", "ann's"),
        ("role", "pgsvc_user"),
        ("search_path", "hidden"),
        ("statement_timeout", "60000"),
        ("request.jwt.claims", '{"sub": "ann"}'),
    ]:
        leaked = await svc.client.post("/rest/rpc/leak", headers=user, json={"name": name, "value": value})
        assert leaked.status_code == 200
        seen = await svc.client.get(f"/rest/rpc/setting?name={name}")
        assert seen.json() not in (value, "1min"), name
        assert await _whoami(svc) == "pgsvc_anon"
    await svc.client.get("/rest/rpc/setting?name=timezone", headers={"Prefer": "timezone=Asia/Tokyo"})
    assert (await svc.client.get("/rest/rpc/setting?name=timezone")).json() == "UTC"
    # after an error, too
    assert (await svc.client.get("/rest/diary", headers=token(role="nobody"))).status_code == 401
    assert (await svc.client.get("/rest/rpc/fail?code=P0001&message=x", headers=user)).status_code == 400
    assert await _whoami(svc) == "pgsvc_anon"


async def test_anonymous_access_can_be_off(library: Library) -> None:
    environment = _environment(library)
    del environment["PGRST_DB_ANON_ROLE"]
    async with serving(service, **environment) as svc:
        await until_ready(svc)
        refused = await svc.client.get("/rest/books")
        assert (refused.status_code, refused.json()["code"]) == (401, "PGRST302")
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert await _whoami(svc, token(role="pgsvc_user")) == "pgsvc_user"
        assert (await svc.client.get("/rest/books", headers=token(sub="x"))).status_code == 401


async def test_the_role_may_be_anywhere_in_the_claims(library: Library) -> None:
    cases: list[tuple[str, dict[str, Any]]] = [
        (".postgrest.roles[1]", {"postgrest": {"roles": ["a", "pgsvc_user"]}}),
        ('."https://x.example/role"', {"https://x.example/role": "pgsvc_user"}),
        ('.roles[?(@ == "pgsvc_user")]', {"roles": ["a", "pgsvc_user"]}),
        ('.roles[?(@ ^== "pgsvc_u")]', {"roles": ["a", "pgsvc_user"]}),
        ('.roles[?(@ ==^ "_user")]', {"roles": ["a", "pgsvc_user"]}),
        ('.roles[?(@ *== "svc_us")]', {"roles": ["a", "pgsvc_user"]}),
        ('.roles[?(@ != "a")]', {"roles": ["a", "pgsvc_user"]}),
    ]
    for path, claims in cases:
        async with serving(service, **_environment(library, PGRST_JWT_ROLE_CLAIM_KEY=path)) as svc:
            await until_ready(svc)
            assert await _whoami(svc, token(**claims)) == "pgsvc_user", path


async def test_audience(library: Library) -> None:
    async with serving(service, **_environment(library, PGRST_JWT_AUD="here")) as svc:
        await until_ready(svc)
        for given in ("here", ["there", "here"], []):
            assert await _whoami(svc, token(role="pgsvc_user", aud=given)) == "pgsvc_user"
        assert await _whoami(svc, token(role="pgsvc_user")) == "pgsvc_user"
        refused = await svc.client.get("/rest/books", headers=token(aud="there"))
        assert refused.json()["message"] == "JWT not in audience"
        refused = await svc.client.get("/rest/books", headers=token(aud=5))
        assert refused.json()["code"] == "PGRST303"


async def test_asymmetric_keys(library: Library) -> None:
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ec_key = ec.generate_private_key(ec.SECP256R1())
    rsa_jwk = {**jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key.public_key(), as_dict=True), "kid": "r"}
    ec_jwk = {**jwt.algorithms.ECAlgorithm.to_jwk(ec_key.public_key(), as_dict=True), "kid": "e"}
    keys = orjson.dumps({"keys": [rsa_jwk, ec_jwk]}).decode()
    async with serving(service, **_environment(library, PGRST_JWT_SECRET=keys)) as svc:
        await until_ready(svc)
        assert await _whoami(svc, token(rsa_key, "RS256", role="pgsvc_user")) == "pgsvc_user"
        assert await _whoami(svc, token(ec_key, "ES256", role="pgsvc_user")) == "pgsvc_user"
        named = jwt.encode({"role": "pgsvc_user"}, ec_key, "ES256", headers={"kid": "e"})
        assert await _whoami(svc, {"Authorization": f"Bearer {named}"}) == "pgsvc_user"
        for confused in (
            token(role="pgsvc_user"),  # signed with a shared secret
            {"Authorization": "Bearer " + jwt.encode({}, ec_key, "ES256", headers={"kid": "r"})},
            {"Authorization": "Bearer " + jwt.encode({}, ec_key, "ES256", headers={"kid": "x"})},
        ):
            refused = await svc.client.get("/rest/rpc/whoami", headers=confused)
            assert refused.json()["details"] == "No suitable key was found to decode the JWT"


async def test_a_base64_secret(library: Library) -> None:
    encoded = base64.b64encode(SECRET.encode()).decode()
    environment = _environment(library, PGRST_JWT_SECRET=encoded, PGRST_JWT_SECRET_IS_BASE64="true")
    async with serving(service, **environment) as svc:
        await until_ready(svc)
        assert await _whoami(svc, token(role="pgsvc_user")) == "pgsvc_user"


def test_a_configuration_that_cannot_work() -> None:
    for environment, word in [
        ({"PGRST_JWT_SECRET": "short", "PGRST_DB_URI": "postgresql://x/y"}, "32 bytes"),
        ({"PGRST_DB_URI": "postgresql://x/y", "AUTH_MODE": "token"}, "AUTH_TOKENS"),
        ({"PGRST_JWT_SECRET": SECRET}, "DATABASE_URL"),
        (
            {"PGRST_JWT_SECRET": "@/nowhere/at/all", "PGRST_DB_URI": "postgresql://x/y"},
            "PGRST_JWT_SECRET: cannot read /nowhere/at/all: No such file",
        ),
        (
            {"PGRST_JWT_SECRET": "@/dev/../bin/sh", "PGRST_DB_URI": "postgresql://x/y"},
            "PGRST_JWT_SECRET: /dev/../bin/sh is not text",
        ),
        (
            {"PGRST_JWT_SECRET": SECRET, "PGRST_DB_URI": "postgres:/u:pass@h/x"},
            "DATABASE_URL: is no address",
        ),
        (
            {
                "PGRST_JWT_SECRET": SECRET,
                "PGRST_DB_URI": "postgresql://x/y",
                "DATABASE_REPLICA_URL": "nonsense",
            },
            "DATABASE_REPLICA_URL: is no address",
        ),
        (
            {
                "PGRST_JWT_SECRET": base64.b64encode(SECRET.encode()).decode() + "\n\n=x",
                "PGRST_JWT_SECRET_IS_BASE64": "true",
                "PGRST_DB_URI": "postgresql://x/y",
            },
            "base64",
        ),
        (
            {
                "PGRST_JWT_SECRET": SECRET,
                "PGRST_DB_URI": "postgresql://x/y",
                "PGRST_JWT_ROLE_CLAIM_KEY": "role",
            },
            "PGRST_JWT_ROLE_CLAIM_KEY",
        ),
    ]:
        with pytest.raises(AssertionError, match=word) as failed, ServiceProcess("pg_svc", **environment):
            pass
        assert "ended with 78" in str(failed.value)
        assert "pass@" not in str(failed.value)


def test_secure_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://x/y")
    with pytest.raises(SettingsError, match="AUTH_TOKENS"):
        load_settings(PgSettings)
