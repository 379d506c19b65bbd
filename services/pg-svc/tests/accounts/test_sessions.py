"""Signing up, logging in, renewing, logging out."""

from __future__ import annotations

import asyncio
import time

import jwt
import pytest

from devstack.stores.postgres import run_sql
from pg_svc.accounts.passwords import _estimated
from svc_common.testing import TestedService

from .conftest import PASSWORD, Start, bearer, log_in, sign_up


async def test_from_signup_to_logout(svc: TestedService) -> None:
    tokens = await sign_up(svc)
    me = await svc.client.get("/auth/me", headers=bearer(tokens["access_token"]))
    assert (me.status_code, me.json()["name"], me.json()["scopes"]) == (200, "ada", ["*:read"])
    assert (await svc.client.get("/rest/todos", headers=bearer(tokens["access_token"]))).status_code == 200
    written = await svc.client.post("/rest/todos", json={"task": "a"}, headers=bearer(tokens["access_token"]))
    assert written.status_code == 403
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == tokens["expires_in"] == 300
    again = await log_in(svc, "ADA")  # however it is capitalised
    assert again.status_code == 200
    out = await svc.client.post("/auth/logout", headers=bearer(tokens["access_token"]))
    assert out.status_code == 204
    assert (await svc.client.get("/auth/me", headers=bearer(tokens["access_token"]))).status_code == 401
    refused = await svc.client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert refused.status_code == 401
    assert (await svc.client.get("/auth/me", headers=bearer(again.json()["access_token"]))).status_code == 200


async def test_a_logout_with_what_is_left_of_a_session(svc: TestedService) -> None:
    for headers in ({}, bearer("a.b.c")):  # the access token is gone, or has expired
        tokens = await sign_up(svc, f"ada{len(headers)}")
        left = {"refresh_token": tokens["refresh_token"]}
        assert (await svc.client.post("/auth/logout", json=left, headers=headers)).status_code == 204
        assert (await svc.client.post("/auth/refresh", json=left)).status_code == 401
        me = await svc.client.get("/auth/me", headers=bearer(tokens["access_token"]))
        assert me.status_code == 401


async def test_a_logout_with_a_cookie_that_opens_nothing(svc: TestedService) -> None:
    left = {"Cookie": "__Host-access=a.b.c; __Host-refresh=sfr_unknown"}
    answer = await svc.client.post("/auth/logout", headers=left)
    assert answer.status_code == 204
    gone = answer.headers.get_list("set-cookie")
    assert len(gone) == 2
    assert all("expires=" in line.lower() for line in gone)
    for nonsense in (5, "", None, ["sfr_"]):
        answer = await svc.client.post("/auth/logout", json={"refresh_token": nonsense})
        assert answer.status_code == 400


async def test_an_access_token_ends_with_its_session_on_every_address(svc: TestedService) -> None:
    token = (await sign_up(svc))["access_token"]
    assert (await svc.client.get("/rest/todos", headers=bearer(token))).status_code == 200
    await svc.client.post("/auth/logout", headers=bearer(token))
    ended = sent = time.monotonic()
    while (await svc.client.get("/rest/todos", headers=bearer(token))).status_code != 401:
        assert sent - ended < 5
        await asyncio.sleep(0.1)
        sent = time.monotonic()


async def test_a_refresh_token_counts_once(
    svc: TestedService, postgres_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    first = await sign_up(svc)
    other = (await log_in(svc)).json()
    second = await svc.client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert second.status_code == 200
    assert second.json()["refresh_token"] != first["refresh_token"]
    # the old one comes back: it was stolen, by whichever of the two who hold it
    replayed = await svc.client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert replayed.status_code == 401
    assert "refresh_reused" in caplog.text
    for token in (first["access_token"], second.json()["access_token"]):
        assert (await svc.client.get("/auth/me", headers=bearer(token))).status_code == 401
    latest = await svc.client.post("/auth/refresh", json={"refresh_token": second.json()["refresh_token"]})
    assert latest.status_code == 401
    # another login of the same account goes on
    assert (await svc.client.get("/auth/me", headers=bearer(other["access_token"]))).status_code == 200
    for secret in (first["refresh_token"], first["access_token"], PASSWORD):
        assert secret not in caplog.text


async def test_of_two_renewals_at_once_one_wins(svc: TestedService) -> None:
    tokens = await sign_up(svc)
    answers = await asyncio.gather(
        *(svc.client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}) for _ in range(6))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401, 401]


async def test_a_session_that_was_not_renewed_ends(svc: TestedService, postgres_database: str) -> None:
    tokens = await sign_up(svc)
    run_sql(postgres_database, "UPDATE storefronts.refresh_tokens SET created = now() - interval '15 days'")
    run_sql(postgres_database, "UPDATE storefronts.sessions SET used = now() - interval '15 days'")
    here = bearer((await log_in(svc)).json()["access_token"])
    listed = (await svc.client.get("/auth/sessions", headers=here)).json()["sessions"]
    assert [session["current"] for session in listed] == [True]
    answer = await svc.client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert answer.status_code == 401


async def test_sessions_are_listed_and_ended(svc: TestedService) -> None:
    here = bearer((await sign_up(svc))["access_token"])
    there = bearer((await log_in(svc)).json()["access_token"])
    third = bearer((await log_in(svc)).json()["access_token"])
    stranger = bearer((await sign_up(svc, "bob"))["access_token"])
    sessions = (await svc.client.get("/auth/sessions", headers=here)).json()["sessions"]
    assert len(sessions) == 3
    assert [session["current"] for session in sessions].count(True) == 1
    there_id = (await svc.client.get("/auth/me", headers=there)).json()["session"]
    assert (await svc.client.delete(f"/auth/sessions/{there_id}", headers=stranger)).status_code == 404
    assert (await svc.client.delete("/auth/sessions/nonsense", headers=here)).status_code == 404
    assert (await svc.client.delete(f"/auth/sessions/{there_id}", headers=here)).status_code == 204
    assert (await svc.client.get("/auth/me", headers=there)).status_code == 401
    assert (await svc.client.delete("/auth/sessions", headers=here)).status_code == 204
    assert (await svc.client.get("/auth/me", headers=third)).status_code == 401
    assert (await svc.client.get("/auth/me", headers=here)).status_code == 200
    assert (await svc.client.get("/auth/me", headers=stranger)).status_code == 200


async def test_another_password(svc: TestedService) -> None:
    here = bearer((await sign_up(svc))["access_token"])
    there = bearer((await log_in(svc)).json()["access_token"])

    async def change(current: str, new: str) -> int:
        body = {"current": current, "new": new}
        return (await svc.client.post("/auth/password", json=body, headers=here)).status_code

    assert await change("wrong", "entirely different words") == 403
    assert await change(PASSWORD, "short") == 422
    assert await change(PASSWORD, "entirely different words") == 204
    assert (await svc.client.get("/auth/me", headers=here)).status_code == 200
    assert (await svc.client.get("/auth/me", headers=there)).status_code == 401
    assert (await log_in(svc)).status_code == 401
    assert (await log_in(svc, password="entirely different words")).status_code == 200


@pytest.mark.parametrize(
    "password",
    ["short", "password123", "1234567890", "qwertyuiop", "ada_lovelace", "x" * 257, "aaaaaaaaaaaaaaa"],
)
async def test_weak_passwords(svc: TestedService, password: str) -> None:
    answer = await svc.client.post("/auth/signup", json={"name": "ada_lovelace", "password": password})
    assert answer.status_code == 422
    assert password not in answer.text


async def test_a_password_that_would_take_long_to_estimate(svc: TestedService) -> None:
    signs = "4@8({[<3691!|70$5+%2"
    assert len(_estimated(signs * 10)) < 20
    for ordinary in (PASSWORD, "12345678901-correct-horse-battery", "x" * 72, "Tr0ub4dor&3 " * 6):
        assert _estimated(ordinary) == ordinary
    await sign_up(svc, password=signs * 10)
    assert (await log_in(svc, password=signs * 10)).status_code == 200


async def test_a_changed_cost_rehashes_at_the_next_login(start: Start, postgres_database: str) -> None:
    async with start() as svc:
        await sign_up(svc)
    stored = "SELECT password FROM storefronts.users"
    async with start(PASSWORD_PASSES="2") as svc:
        assert (await log_in(svc, password="wrong")).status_code == 401
        assert "t=1" in str(run_sql(postgres_database, stored))
        assert (await log_in(svc)).status_code == 200
        assert "t=2" in str(run_sql(postgres_database, stored))
        assert (await log_in(svc)).status_code == 200


async def test_nothing_secret_is_stored(svc: TestedService, postgres_database: str) -> None:
    tokens = await sign_up(svc)
    made = await svc.client.post(
        "/auth/tokens", json={"name": "ci", "scopes": ["pg:read"]}, headers=bearer(tokens["access_token"])
    )
    for table in ("users", "sessions", "refresh_tokens", "personal_tokens"):
        rows = str(run_sql(postgres_database, f"SELECT t::text FROM storefronts.{table} t"))
        for secret in (PASSWORD, tokens["refresh_token"], tokens["access_token"], made.json()["token"]):
            assert secret not in rows
            assert secret.encode().hex() not in rows  # as a column of bytes is shown
