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
    start = time.monotonic()
    while (await svc.client.get("/rest/todos", headers=bearer(secret))).status_code != 401:
        assert time.monotonic() - start < 5
        await asyncio.sleep(0.1)
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
