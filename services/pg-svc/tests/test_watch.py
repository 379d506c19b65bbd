"""Following rows: what there is, every change, and nothing that the listener may not see."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx
import jwt
import orjson
import pytest

from pg_svc.app import service
from svc_common.testing import TestedService, serving
from svc_common.testing.events import Reader, listening

from .conftest import until_ready

if TYPE_CHECKING:
    from .library import Library

SECRET = "a-shared-secret-that-is-long-enough!"


def _command(library: Library, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pg_svc", "watch", *arguments],
        env={"DATABASE_URL": library.url, "PGRST_DB_SCHEMAS": "library"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def watched(library: Library) -> Library:
    """The library with tables that may be followed, one of them with a name that needs quotes."""
    library.sql('CREATE TABLE library."a ""b"" 50%" (id integer PRIMARY KEY)')
    done = _command(library, "diary", "diary_pages", "library.authors", 'a "b" 50%')
    assert (done.returncode, done.stderr) == (0, "")
    return library


@pytest.fixture
async def svc(watched: Library) -> AsyncIterator[TestedService]:
    """The service on it."""
    async with serving(
        service,
        PGRST_DB_URI=watched.url_as("pgsvc_authenticator"),
        MIGRATE="never",
        PGRST_DB_SCHEMAS="library",
        PGRST_DB_ANON_ROLE="pgsvc_anon",
        PGRST_JWT_SECRET=SECRET,
        PGRST_DB_POOL="2",
        WATCH_ROWS="20",
        WATCH_LOG="8",
    ) as running:
        await until_ready(running)
        yield running


def _as(svc: TestedService, name: str, **claims: object) -> httpx.AsyncClient:
    token = jwt.encode({"role": "pgsvc_user", "sub": name, **claims}, SECRET)
    return httpx.AsyncClient(
        base_url=svc.url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=20
    )


async def _next(reader: Reader) -> tuple[str, object]:
    async with asyncio.timeout(30):
        seen = await reader.next()
    return seen.event, orjson.loads(seen.data)


async def test_changes_arrive_and_row_level_security_holds(svc: TestedService) -> None:
    async with _as(svc, "ann") as ann, _as(svc, "bob") as bob:
        path = "/rest/diary?select=id,entry,pages:diary_pages(text)&order=id&entry=not.eq.secret"
        async with listening(ann, path) as hers, listening(bob, path) as his:
            assert await _next(hers) == (
                "rows", [{"id": 1, "entry": "hers", "pages": [{"text": "her page"}]}]
            )  # fmt: skip
            assert await _next(his) == (
                "rows", [{"id": 2, "entry": "his", "pages": [{"text": "his page"}]}]
            )  # fmt: skip
            await ann.post("/rest/diary", json={"id": 7, "owner": "ann", "entry": "new"})
            assert await _next(hers) == ("changed", {"id": 7, "entry": "new", "pages": []})
            await ann.patch("/rest/diary?id=eq.7", json={"entry": "newer"})
            assert await _next(hers) == ("changed", {"id": 7, "entry": "newer", "pages": []})
            await ann.post("/rest/diary_pages", json={"id": 7, "diary_id": 7, "text": "a page"})
            assert await _next(hers) == (
                "changed",
                {"id": 7, "entry": "newer", "pages": [{"text": "a page"}]},
            )
            await ann.delete("/rest/diary_pages?id=eq.7")
            await _next(hers)
            await ann.patch("/rest/diary?id=eq.7", json={"entry": "secret"})  # the filter hides it
            assert await _next(hers) == ("removed", {"id": 7})
            await ann.delete("/rest/diary?id=eq.7")
            # Of all that, he heard nothing: what comes next is his own
            await bob.patch("/rest/diary?id=eq.2", json={"entry": "his own"})
            assert await _next(his) == (
                "changed", {"id": 2, "entry": "his own", "pages": [{"text": "his page"}]}
            )  # fmt: skip
            await bob.patch("/rest/diary?id=eq.2", json={"entry": "his"})


async def test_coming_back(svc: TestedService) -> None:
    path = "/rest/diary?order=id&id=neq.1"
    async with _as(svc, "ann") as ann:
        async with listening(ann, path) as reader:
            first = await reader.next()
            assert (first.event, orjson.loads(first.data)) == ("rows", [])
            await ann.post("/rest/diary", json={"id": 8, "owner": "ann", "entry": "x"})
            added = await reader.next()
            assert (added.event, added.id != first.id) == ("changed", True)
        for _ in range(2):  # nothing was missed, so nothing is repeated
            async with listening(ann, path, after=added.id) as reader:
                await ann.patch("/rest/diary?id=eq.8", json={"entry": "y"})
                changed = await reader.next()
                assert orjson.loads(changed.data) == {"id": 8, "owner": "ann", "entry": "y"}
                await ann.patch("/rest/diary?id=eq.8", json={"entry": "x"})
                added = await reader.next()
        await ann.delete("/rest/diary?id=eq.8")
        await ann.post("/rest/diary", json={"id": 9, "owner": "ann", "entry": "z"})
        async with listening(ann, path, after=added.id) as reader:  # what it has missed, and nothing else
            assert await _next(reader) == ("removed", {"id": 8})
            last = await reader.next()
            assert orjson.loads(last.data) == {"id": 9, "owner": "ann", "entry": "z"}
        async with listening(ann, path, after=first.id) as reader:  # to the middle of what it was told
            assert await _next(reader) == ("changed", {"id": 9, "owner": "ann", "entry": "z"})
        await ann.delete("/rest/diary?id=eq.9")


async def test_coming_back_while_the_old_connection_still_stands(svc: TestedService) -> None:
    async with _as(svc, "ann") as ann, listening(ann, "/rest/diary?select=id&order=id") as old:
        first = await old.next()
        async with listening(ann, "/rest/diary?select=id&order=id", after=first.id) as new:
            await ann.post("/rest/diary", json={"id": 8, "owner": "ann", "entry": "x"})
            assert await _next(new) == await _next(old) == ("changed", {"id": 8})
            await ann.delete("/rest/diary?id=eq.8")
            last_old, last_new = await old.next(), await new.next()
            assert last_old.data == last_new.data == '{"id":8}'
            assert last_old.id != last_new.id
        async with listening(ann, "/rest/diary?select=id&order=id", after=last_new.id) as new:
            await ann.post("/rest/diary", json={"id": 8, "owner": "ann", "entry": "x"})
            assert await _next(new) == ("changed", {"id": 8})
        await ann.delete("/rest/diary?id=eq.8")


async def test_an_id_that_is_not_known_any_more(svc: TestedService) -> None:
    path = "/rest/diary?select=id&order=id"
    async with _as(svc, "ann") as ann:
        async with listening(ann, path) as reader:
            first = await reader.next()
            for number in range(20, 30):  # more than WATCH_LOG
                await ann.post("/rest/diary", json={"id": number, "owner": "ann", "entry": "x"})
                last = await reader.next()
                assert orjson.loads(last.data) == {"id": number}
        for unknown in (first.id, "nonsense", f"{last.id}0", f"{last.id}.1"):
            async with listening(ann, path, after=unknown) as reader:
                event, problem = await _next(reader)
                assert event == "reset"
                assert isinstance(problem, dict)
                assert problem["code"] == "WATCH03"
                event, rows = await _next(reader)
                assert (event, rows) == ("rows", [{"id": n} for n in (1, *range(20, 30))])
        async with listening(ann, path, after=last.id) as reader:  # that one is
            await ann.delete("/rest/diary?id=gte.20")
            keys = [(await _next(reader)) for _ in range(10)]
            assert keys == [("removed", {"id": number}) for number in range(20, 30)]


async def test_nobody_continues_where_another_stopped(svc: TestedService) -> None:
    path = "/rest/diary?select=id"
    async with _as(svc, "ann") as ann, _as(svc, "bob") as bob, _as(svc, "ann", iat=1) as renewed:
        async with listening(ann, path) as reader:
            hers = await reader.next()
        async with listening(bob, path, after=hers.id) as reader:
            assert (await _next(reader))[0] == "reset"
            assert await _next(reader) == ("rows", [{"id": 2}])
        async with listening(ann, f"{path}&order=id", after=hers.id) as reader:
            assert (await _next(reader))[0] == "reset"  # another request
        async with listening(renewed, path, after=hers.id) as reader:  # a new token of the same account
            await ann.post("/rest/diary", json={"id": 8, "owner": "ann", "entry": "x"})
            assert await _next(reader) == ("changed", {"id": 8})
        await ann.delete("/rest/diary?id=eq.8")


async def test_a_token_that_ends_ends_the_stream(svc: TestedService) -> None:
    async with (
        _as(svc, "ann", exp=int(time.time()) - 22) as brief,
        _as(svc, "ann") as ann,
    ):  # 30 s are granted
        async with listening(brief, "/rest/diary") as reader:
            assert (await _next(reader))[0] == "rows"
            async with asyncio.timeout(60):
                while (await brief.get("/rest/diary")).status_code == 200:
                    await asyncio.sleep(0.1)
            await ann.post("/rest/diary", json={"id": 9, "owner": "ann", "entry": "x"})
            event, problem = await _next(reader)
            assert event == "error"
            assert isinstance(problem, dict)
            assert problem["code"] == "PGRST303"
            with pytest.raises(StopAsyncIteration):
                await reader.next()
        await ann.delete("/rest/diary?id=eq.9")


async def test_nothing_is_missed_while_the_listener_of_the_service_is_gone(
    svc: TestedService, watched: Library
) -> None:
    async with _as(svc, "ann") as ann, listening(ann, "/rest/diary?select=id") as reader:
        await _next(reader)
        watched.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'pg-svc schema' AND datname = current_database()"
        )
        watched.sql("INSERT INTO library.diary VALUES (11, 'ann', 'x')")
        assert await _next(reader) == ("changed", {"id": 11})
        watched.sql("DELETE FROM library.diary WHERE id = 11")
        assert await _next(reader) == ("removed", {"id": 11})


async def test_rows_are_followed_without_the_channel_of_reloads(watched: Library) -> None:
    async with serving(
        service,
        PGRST_DB_URI=watched.url_as("pgsvc_authenticator"),
        MIGRATE="never",
        PGRST_DB_SCHEMAS="library",
        PGRST_DB_ANON_ROLE="pgsvc_user",
        PGRST_DB_CHANNEL_ENABLED="false",
        SCHEMA_POLL="0",
    ) as svc:
        await until_ready(svc)
        async with listening(svc.client, "/rest/authors?select=id&id=gt.90") as reader:
            assert await _next(reader) == ("rows", [])
            watched.sql("INSERT INTO library.authors (id, name) VALUES (91, 'x')")
            assert await _next(reader) == ("changed", {"id": 91})
    watched.sql("DELETE FROM library.authors WHERE id = 91")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/rest/books", 406, "PGRST107"),  # nobody let it be followed
        ("/rest/no_table", 404, "PGRST205"),
        ("/rest/diary?select=entry", 400, "WATCH01"),
        ("/rest/diary?nope=eq.1", 400, "42703"),
        ("/rest/diary?id=eq.x", 400, "22P02"),
    ],
)
async def test_refusals(svc: TestedService, path: str, status: int, code: str) -> None:
    async with _as(svc, "ann") as ann:
        answer = await ann.get(path, headers={"Accept": "text/event-stream"})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    denied = await svc.client.get("/rest/diary", headers={"Accept": "text/event-stream"})
    assert (denied.status_code, denied.json()["code"]) == (401, "42501")


async def test_too_many_rows(svc: TestedService, watched: Library) -> None:
    watched.sql("INSERT INTO library.diary SELECT n, 'cat', 'x' FROM generate_series(100, 120) n")
    async with _as(svc, "cat") as cat:
        answer = await cat.get("/rest/diary", headers={"Accept": "text/event-stream"})
        assert (answer.status_code, answer.json()["code"]) == (400, "WATCH02")
        async with listening(cat, "/rest/diary?limit=3&order=id") as reader:
            assert (await _next(reader))[0] == "rows"
    watched.sql("DELETE FROM library.diary WHERE owner = 'cat'")


def test_the_command(watched: Library) -> None:
    count = "SELECT count(*) FROM pg_trigger WHERE tgname = 'storefronts_watch'"
    assert watched.sql(count).strip() == "4"
    missing = _command(watched, "diary", "no_such_table")
    assert missing.returncode == 1
    assert "no_such_table" in missing.stderr
    assert _command(watched, "--off", 'a "b" 50%').returncode == 0
    assert watched.sql(count).strip() == "3"
