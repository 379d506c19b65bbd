"""Guessing passwords: counted for all instances together, over restarts, and never a lock-out for good."""

from __future__ import annotations

import asyncio
import math
import os
import time
from unittest import mock

import pytest

from devstack.stores.postgres import run_sql
from pg_svc.accounts.passwords import Passwords
from pg_svc.settings import PgSettings
from svc_common import load_settings
from svc_common.testing import TestedService

from .conftest import PASSWORD, Start, bearer, log_in, sign_up


async def test_brute_force_across_two_instances_and_a_restart(start: Start, postgres_database: str) -> None:
    async with start() as one, start() as two:
        await sign_up(one)
        began = time.monotonic()
        guesses = await asyncio.gather(
            *(log_in((one, two)[number % 2], password=f"guess {number}") for number in range(20))
        )
        statuses = [answer.status_code for answer in guesses]
        assert set(statuses) == {401, 429}
        # five are free; on a slow machine the next waits, of 1, 2, 4 ... seconds, end meanwhile
        assert 5 <= statuses.count(401) <= 5 + math.log2(time.monotonic() - began + 1)
        refused = next(answer for answer in guesses if answer.status_code == 429)
        assert int(refused.headers["Retry-After"]) >= 1
    # as if the guessing had gone on: the wait is long enough to outlast a restart on any machine
    guessed = "UPDATE storefronts.attempts SET failures = failures + 20, last = clock_timestamp()"
    run_sql(postgres_database, f"{guessed} WHERE key LIKE 'pair %' AND failures >= 5")
    async with start() as three:
        # the right password is not looked at either, or guessing would go on
        waiting = await log_in(three)
        assert waiting.status_code == 429
        assert 1 <= int(waiting.headers["Retry-After"]) <= 300
        # it ends by itself
        run_sql(postgres_database, "UPDATE storefronts.attempts SET last = last - interval '301 seconds'")
        assert (await log_in(three)).status_code == 200
        assert (await log_in(three, password="wrong")).status_code == 401


async def test_the_wait_grows_and_has_a_bound(svc: TestedService, postgres_database: str) -> None:
    left = "SELECT extract(epoch FROM last - clock_timestamp()) FROM storefronts.attempts"
    until = f"{left} WHERE key LIKE 'pair %'"
    for failures, wait in ((5, 1), (6, 2), (8, 8), (30, 300), (100_000, 300)):
        run_sql(postgres_database, "DELETE FROM storefronts.attempts")
        run_sql(  # an hour ahead, so that no wait is over before it is asked for
            postgres_database,
            "INSERT INTO storefronts.attempts VALUES "
            f"('pair 127.0.0.1 ada', {failures}, clock_timestamp() + interval '1 hour')",
        )
        before = float(run_sql(postgres_database, until))
        answer = await log_in(svc)
        after = float(run_sql(postgres_database, until))
        assert answer.status_code == 429
        assert after <= int(answer.headers["Retry-After"]) - wait <= before + 1


async def test_strangers_cannot_keep_the_owner_out(start: Start, postgres_database: str) -> None:
    async with start(TRUST_PROXY="true") as svc:

        async def log_in_from(address: str, password: str) -> int:
            body = {"name": "ada", "password": password}
            headers = {"X-Forwarded-For": address}
            return (await svc.client.post("/auth/login", json=body, headers=headers)).status_code

        body = {"name": "ada", "password": PASSWORD}
        await svc.client.post("/auth/signup", json=body, headers={"X-Forwarded-For": "192.0.2.1"})
        # many addresses, few guesses from each: the account as a whole slows down ...
        guesses = [await log_in_from(f"198.51.100.{number}", "wrong") for number in range(60)]
        assert 429 in guesses
        # as if the last had come just now
        now = "UPDATE storefronts.attempts SET last = clock_timestamp() + interval '1 hour'"
        run_sql(postgres_database, f"{now} WHERE key LIKE 'account %'")
        assert await log_in_from("203.0.113.9", PASSWORD) == 429
        # ... but not for the address that its owner has used before
        assert await log_in_from("192.0.2.1", PASSWORD) == 200


async def test_one_address_and_many_accounts(svc: TestedService, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    statuses = [(await log_in(svc, f"user{number}", "wrong")).status_code for number in range(40)]
    assert statuses[:30] == [401] * 30
    assert 429 in statuses[30:]
    assert caplog.text.count("attempt_refused") == statuses.count(429)
    assert "counted='address 127.0.0.1'" in caplog.text


async def test_unknown_users_and_wrong_passwords_look_the_same(svc: TestedService) -> None:
    tokens = await sign_up(svc)
    answers = [
        await log_in(svc, "ada", "wrong"),
        await log_in(svc, "nobody", "wrong"),
        await log_in(svc, "no such name!", "wrong"),
        await log_in(svc, "ada' OR '1'='1", "wrong"),
        await log_in(svc, "ada", "x" * 1000),
    ]
    shapes = {
        (
            answer.status_code,
            answer.json()["detail"],
            tuple(sorted(set(answer.headers) - {"x-request-id", "date"})),
        )
        for answer in answers
    }
    assert len(shapes) == 1
    assert answers[0].status_code == 401
    assert (await svc.client.get("/auth/me", headers=bearer(tokens["access_token"]))).status_code == 200


async def test_the_loop_goes_on_while_passwords_are_hashed(start: Start) -> None:
    async with start(PASSWORD_PASSES="6", PASSWORD_MEMORY="65536", PASSWORD_THREADS="1") as svc:
        logins = [asyncio.ensure_future(log_in(svc, f"user{number}", "wrong")) for number in range(2)]
        served = 0
        while not any(login.done() for login in logins):
            assert (await svc.client.get("/auth/.well-known/jwks.json")).status_code == 200
            served += not any(login.done() for login in logins)
        assert served  # the first hash was not waited for
        await asyncio.gather(*logins)
        assert [login.result().status_code for login in logins] == [401] * 2


async def test_an_unknown_user_takes_the_same_work(postgres_database: str) -> None:
    with mock.patch.dict(os.environ, {"DATABASE_URL": postgres_database, "AUTH_MODE": "none"}):
        passwords = Passwords(load_settings(PgSettings))
    try:
        stored = await passwords.hash(PASSWORD)

        async def work(known: str | None, password: str) -> float:
            """Seconds that the processor works: a busy machine makes no difference."""
            start = time.process_time()
            for _ in range(3):
                assert not (await passwords.verify(known, password)).right
            return time.process_time() - start

        wrong = await work(stored, "wrong")
        assert await work(None, "wrong") > wrong / 3
        assert await work(None, PASSWORD) > wrong / 3
        assert await work(stored, "x" * 1000) > wrong / 3
    finally:
        passwords.close()
