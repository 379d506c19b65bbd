"""What happens to an account while a login, a change or an invite is under way; and a store that says no."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg2
import pytest

from devstack.stores.postgres import run_sql
from svc_common.testing import TestedService

from .conftest import PASSWORD, Start, admin_token, bearer, log_in, sign_up

OTHER = "entirely different words"
BLOCKED = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name = 'pg-svc accounts' AND wait_event_type = 'Lock'"
)
OPEN = (
    "SELECT count(*) FROM storefronts.sessions s JOIN storefronts.users u ON u.id = s.user_id "
    "WHERE u.name = 'ada' AND s.revoked IS NULL"
)


@contextmanager
def transaction(url: str) -> Iterator[Any]:
    """A cursor whose statements nobody else sees until the block ends."""
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


async def until_blocked(url: str, request: asyncio.Task[httpx.Response]) -> None:
    """Wait until a statement of the accounts waits for a lock, or the request did not have to."""
    async with asyncio.timeout(30):
        while not request.done() and await asyncio.to_thread(run_sql, url, BLOCKED) == "0":
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("change", ["disabled = true", "password = 'another'"])
async def test_a_login_that_is_overtaken(svc: TestedService, postgres_database: str, change: str) -> None:
    await sign_up(svc)
    run_sql(postgres_database, "DELETE FROM storefronts.sessions")
    with transaction(postgres_database) as cursor:
        cursor.execute(f"UPDATE storefronts.users SET {change}")
        login = asyncio.create_task(log_in(svc))  # it still sees the account as it was
        await until_blocked(postgres_database, login)
    assert (await login).status_code == 401
    assert run_sql(postgres_database, OPEN) == "0"


async def test_a_login_has_the_scopes_of_its_moment(svc: TestedService, postgres_database: str) -> None:
    await sign_up(svc)
    with transaction(postgres_database) as cursor:
        cursor.execute("UPDATE storefronts.users SET scopes = '{redis:read}'")
        login = asyncio.create_task(log_in(svc))
        await until_blocked(postgres_database, login)
    answer = await login
    assert (answer.status_code, answer.json()["scope"]) == (200, "redis:read")


@pytest.mark.parametrize("by", ["admin", "owner"])
async def test_a_login_that_comes_first_ends_too(svc: TestedService, postgres_database: str, by: str) -> None:
    ada = await sign_up(svc)
    if by == "admin":
        root = bearer(await admin_token(svc))
        address = f"/auth/users/{ada['user']['id']}"
        request = svc.client.patch(address, json={"scopes": []}, headers=root)
    else:
        body = {"current": PASSWORD, "new": OTHER}
        request = svc.client.post("/auth/password", json=body, headers=bearer(ada["access_token"]))
    with transaction(postgres_database) as cursor:
        # what a login does that has looked at the password already
        cursor.execute("SELECT id FROM storefronts.users WHERE name = 'ada' FOR SHARE")
        cursor.execute(
            "INSERT INTO storefronts.sessions (user_id, expires, agent, address) "
            "SELECT id, now() + interval '1 day', 'late', '' FROM storefronts.users WHERE name = 'ada'"
        )
        change = asyncio.create_task(request)
        await until_blocked(postgres_database, change)
    assert (await change).is_success
    assert run_sql(postgres_database, f"{OPEN} AND s.agent = 'late'") == "0"


async def test_a_hash_of_an_old_password_does_not_come_back(start: Start, postgres_database: str) -> None:
    async with start() as svc:
        await sign_up(svc)
        await sign_up(svc, "bob", OTHER)
    async with start(PASSWORD_PASSES="2") as svc:  # every login hashes anew
        with transaction(postgres_database) as cursor:
            cursor.execute(
                "UPDATE storefronts.users SET password = "
                "(SELECT password FROM storefronts.users WHERE name = 'bob') WHERE name = 'ada'"
            )
            login = asyncio.create_task(log_in(svc))
            await until_blocked(postgres_database, login)
        assert (await login).status_code == 401
        assert (await log_in(svc)).status_code == 401
        assert (await log_in(svc, password=OTHER)).status_code == 200


async def test_logins_that_hash_anew_at_the_same_time(start: Start) -> None:
    async with start() as svc:
        await sign_up(svc)
    async with start(PASSWORD_PASSES="2") as svc:
        answers = await asyncio.gather(*(log_in(svc) for _ in range(4)))
        assert [answer.status_code for answer in answers] == [200] * 4


async def test_of_two_changes_of_a_password_one_counts(svc: TestedService, postgres_database: str) -> None:
    here = bearer((await sign_up(svc))["access_token"])
    passwords = [OTHER, f"{OTHER} again"]
    changes = [
        svc.client.post("/auth/password", json={"current": PASSWORD, "new": new}, headers=here)
        for new in passwords
    ]
    statuses = [answer.status_code for answer in await asyncio.gather(*changes)]
    assert sorted(statuses) == [204, 403]
    assert [(await log_in(svc, password=new)).status_code == 200 for new in passwords] == [
        status == 204 for status in statuses
    ]


async def test_a_change_takes_no_other_back(svc: TestedService, postgres_database: str) -> None:
    ada = await sign_up(svc)
    root = bearer(await admin_token(svc))
    with transaction(postgres_database) as cursor:
        cursor.execute("UPDATE storefronts.users SET disabled = true WHERE name = 'ada'")
        change = asyncio.create_task(
            svc.client.patch(f"/auth/users/{ada['user']['id']}", json={"scopes": ["pg:read"]}, headers=root)
        )
        await until_blocked(postgres_database, change)
    answer = await change
    assert (answer.json()["disabled"], answer.json()["scopes"]) == (True, ["pg:read"])


async def test_a_server_that_takes_no_writes(svc: TestedService, postgres_database: str) -> None:
    await sign_up(svc)
    name = run_sql(postgres_database, "SELECT current_database()")
    others = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'pg-svc accounts'"
    )
    run_sql(postgres_database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    run_sql(postgres_database, others)
    async with asyncio.timeout(30):
        while (answer := await log_in(svc)).status_code == 200:  # a connection that has not heard of it
            await asyncio.sleep(0.02)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    run_sql(
        postgres_database,
        f"BEGIN READ WRITE; ALTER DATABASE {name} RESET default_transaction_read_only; COMMIT",
    )
    # the connection to that server is not used again: another may take writes by now
    assert (await log_in(svc)).status_code == 200


async def test_a_statement_that_is_stopped(svc: TestedService, postgres_database: str) -> None:
    await sign_up(svc)
    with transaction(postgres_database) as cursor:
        cursor.execute("LOCK TABLE storefronts.attempts")
        login = asyncio.create_task(log_in(svc))
        await until_blocked(postgres_database, login)
        await asyncio.to_thread(
            run_sql, postgres_database, BLOCKED.replace("count(*)", "count(pg_cancel_backend(pid))")
        )
        answer = await login
    assert answer.status_code == 503
    assert (await log_in(svc)).status_code == 200
