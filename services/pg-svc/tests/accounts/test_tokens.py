"""Personal access tokens and administration."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from devstack.stores.postgres import run_sql
from svc_common.testing import TestedService

from .conftest import PASSWORD, Start, admin_token, bearer, log_in, sign_up


async def make(svc: TestedService, access: str, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = await svc.client.post("/auth/tokens", json=body, headers=bearer(access))
    return answer.status_code, answer.json()


async def test_a_personal_token_from_birth_to_end(
    svc: TestedService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    access = (await sign_up(svc))["access_token"]
    status, made = await make(svc, access, name="ci", scopes=["pg:read"], days=1)
    assert status == 201
    secret = made["token"]
    assert secret.startswith("sfp_")
    assert (await svc.client.get("/rest/todos", headers=bearer(secret))).status_code == 200
    me = (await svc.client.get("/auth/me", headers=bearer(secret))).json()
    assert (me["name"], me["scope"], me["token"]) == ("ada", "pg:read", "ci")
    # it is shown once, it makes no further tokens, and it cannot change the account
    listed = (await svc.client.get("/auth/tokens", headers=bearer(access))).json()["tokens"]
    assert [token["name"] for token in listed] == ["ci"]
    assert "token" not in listed[0]
    assert listed[0]["used"] is not None
    assert (await make(svc, secret, name="more", scopes=[]))[0] == 403
    assert (await svc.client.delete("/auth/sessions", headers=bearer(secret))).status_code == 403
    gone = await svc.client.delete(f"/auth/tokens/{made['id']}", headers=bearer(access))
    assert gone.status_code == 204
    ended = sent = time.monotonic()
    while (await svc.client.get("/rest/todos", headers=bearer(secret))).status_code != 401:
        assert sent - ended < 5
        await asyncio.sleep(0.1)
        sent = time.monotonic()
    assert "token_made" in caplog.text
    assert "token_used" in caplog.text
    assert "token_refused" in caplog.text
    assert secret not in caplog.text


async def test_nobody_gives_more_than_they_have(svc: TestedService) -> None:
    access = (await sign_up(svc))["access_token"]
    for scopes in (["pg:write"], ["*:admin"], ["*:read", "redis:write"]):
        assert (await make(svc, access, name="x", scopes=scopes))[0] == 403
    wrongs: list[Any] = ["*:read", ["read"], [1], None, ["*:*"]]
    for scopes in wrongs:
        assert (await make(svc, access, name="x", scopes=scopes))[0] == 400
    for days in (0, -1, True, "1", 1.5, 10**9):
        assert (await make(svc, access, name="x", scopes=[], days=days))[0] == 400


async def test_a_token_expires_and_loses_what_its_account_loses(
    svc: TestedService, postgres_database: str
) -> None:
    access = (await sign_up(svc))["access_token"]
    old = (await make(svc, access, name="old", scopes=["pg:read"]))[1]["token"]
    lesser = (await make(svc, access, name="lesser", scopes=["pg:read"]))[1]["token"]
    run_sql(postgres_database, "UPDATE storefronts.personal_tokens SET expires = now() WHERE name = 'old'")
    assert (await svc.client.get("/rest/todos", headers=bearer(old))).status_code == 401
    run_sql(postgres_database, "UPDATE storefronts.users SET scopes = '{redis:read}'")
    assert (await svc.client.get("/rest/todos", headers=bearer(lesser))).status_code == 403


async def test_administration(svc: TestedService) -> None:
    root = bearer(await admin_token(svc))
    ada = await sign_up(svc)
    assert (await svc.client.get("/auth/users", headers=bearer(ada["access_token"]))).status_code == 403
    users = (await svc.client.get("/auth/users", headers=root)).json()["users"]
    assert [user["name"] for user in users] == ["ada", "root"]
    assert "password" not in users[0]
    page = await svc.client.get("/auth/users", params={"after": "ada", "limit": 1}, headers=root)
    assert [user["name"] for user in page.json()["users"]] == ["root"]
    address = f"/auth/users/{users[0]['id']}"
    changed = await svc.client.patch(address, json={"scopes": ["pg:write"]}, headers=root)
    assert changed.json()["scopes"] == ["pg:write"]
    # what was granted before ends, so that the change counts at once
    assert (await svc.client.get("/auth/me", headers=bearer(ada["access_token"]))).status_code == 401
    again = bearer((await log_in(svc)).json()["access_token"])
    assert (await svc.client.post("/rest/todos", json={"task": "a"}, headers=again)).status_code == 201
    assert (await svc.client.patch(address, json={"disabled": True}, headers=root)).status_code == 200
    assert (await svc.client.get("/auth/me", headers=again)).status_code == 401
    assert (await log_in(svc)).status_code == 401
    assert (await svc.client.patch(address, json={"disabled": False}, headers=root)).status_code == 200
    assert (await log_in(svc)).status_code == 200
    wrongs: list[dict[str, Any]] = [{}, {"name": "x"}, {"disabled": 1}, {"role": "postgres"}, {"scopes": "x"}]
    for wrong in wrongs:
        assert (await svc.client.patch(address, json=wrong, headers=root)).status_code == 400
    missing = "/auth/users/00000000-0000-0000-0000-000000000000"
    assert (await svc.client.patch(missing, json={"disabled": True}, headers=root)).status_code == 404


async def test_invites(start: Start) -> None:
    async with start(SIGNUP="invite") as svc:
        root = bearer(await admin_token(svc))
        made = await svc.client.post("/auth/invites", json={"scopes": ["redis:write"]}, headers=root)
        code = made.json()["invite"]

        async def sign_up_with(name: str, invite: str | None) -> int:
            body = {"name": name, "password": PASSWORD, "invite": invite}
            return (await svc.client.post("/auth/signup", json=body)).status_code

        assert await sign_up_with("ada", None) == 403
        assert await sign_up_with("ada", "sfi_wrong") == 403
        statuses = await asyncio.gather(*(sign_up_with(f"user{number}", code) for number in range(4)))
        assert sorted(statuses) == [201, 403, 403, 403]
    async with start(SIGNUP="closed") as svc:
        answer = await svc.client.post("/auth/signup", json={"name": "bob", "password": PASSWORD})
        assert answer.status_code == 403


async def test_administrators_give_what_they_have(
    start: Start, postgres_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with start(AUTH_MODE="token,jwt", AUTH_TOKENS="operator:admin:s3cret") as svc:
        bob = (await sign_up(svc, "bob"))["user"]["id"]
        ada = (await sign_up(svc))["user"]["id"]
        run_sql(postgres_database, "UPDATE storefronts.users SET scopes = '{pg:admin,redis:read}'")
        access = (await log_in(svc)).json()["access_token"]
        personal = (await make(svc, access, name="x", scopes=["pg:admin"]))[1]["token"]

        async def give(token: str, user: str, *scopes: str) -> int:
            body = {"scopes": scopes}
            answer = await svc.client.patch(f"/auth/users/{user}", json=body, headers=bearer(token))
            return answer.status_code

        async def invite(token: str, *scopes: str) -> int:
            body = {"scopes": scopes}
            return (await svc.client.post("/auth/invites", json=body, headers=bearer(token))).status_code

        for token in (access, personal):
            assert await give(token, ada, "*:admin") == 403
            assert await give(token, bob, "pg:admin", "redis:write") == 403
            assert await invite(token, "redis:admin") == 403
            assert await invite(token, "pg:write") == 201
        # a token narrower than its account gives no more than the token; what is there already may stay
        assert await invite(personal, "redis:read") == 403
        assert await give(personal, bob, "redis:read", "pg:write") == 200
        assert caplog.text.count("scopes_denied") == 7
        assert await give("s3cret", bob, "*:admin") == 200  # the operator's own


async def test_who_asks_for_services_uses_up_no_quota(start: Start) -> None:
    async with start(RATE_LIMIT="3/hour", TRUST_PROXY="true") as svc:

        async def ask(path: str, token: str = "", address: str = "192.0.2.1") -> int:
            headers = {"X-Forwarded-For": address, **(bearer(token) if token else {})}
            return (await svc.client.get(path, headers=headers)).status_code

        signed = (await sign_up(svc))["access_token"]
        personal = (await make(svc, signed, name="ci", scopes=["pg:read"]))[1]["token"]
        # guesses that a service passes on are counted as that service's ...
        guesses = [await ask("/auth/me", f"sfp_{number:043}") for number in range(5)]
        assert guesses == [401, 401, 401, 429, 429]
        # ... and it is still told what it needs to know
        for _ in range(5):
            assert await ask("/auth/revoked") == 200
            assert await ask("/auth/.well-known/jwks.json") == 200
            assert await ask("/auth/me", personal) == 200
        assert await ask("/auth/login") == 429
        assert [await ask("/rest/todos", personal) for _ in range(3)] == [200, 200, 429]
