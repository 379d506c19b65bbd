"""Prepared statements: what comes often is, and whatever becomes of it, answers stay right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import jwt
import pytest

from pg_svc.app import service
from pg_svc.sql.builder import Sql
from pg_svc.store.prepared import OFTEN, TEXTS, Bounded, Statements, Texts
from svc_common.testing import TestedService, serving

from .conftest import until_ready

if TYPE_CHECKING:
    from .library import Library

SECRET = "a-shared-secret-that-is-long-enough!"
_PREPARED = "/rest/rpc/prepared"


@pytest.fixture(scope="module", autouse=True)
def functions(library: Library) -> None:
    """Functions that look at the session and spoil it."""
    library.sql(
        """
        CREATE FUNCTION library.prepared() RETURNS integer LANGUAGE sql
          AS $$ SELECT count(*)::integer FROM pg_prepared_statements $$;
        CREATE FUNCTION library.forget() RETURNS void LANGUAGE plpgsql
          AS $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$;
        CREATE FUNCTION library.statements() RETURNS json LANGUAGE sql
          AS $$ SELECT json_agg(statement) FROM pg_prepared_statements $$;
        CREATE FUNCTION library.occupy(statement text) RETURNS void LANGUAGE plpgsql
          AS $$ BEGIN EXECUTE statement; END $$;
        """
    )


@asynccontextmanager
async def _one_session(library: Library, **more: str) -> AsyncIterator[TestedService]:
    async with serving(
        service,
        PGRST_DB_URI=library.url_as("pgsvc_authenticator"),
        MIGRATE="never",
        PGRST_DB_SCHEMAS="library",
        PGRST_DB_ANON_ROLE="pgsvc_anon",
        PGRST_JWT_SECRET=SECRET,
        PGRST_DB_POOL="1",
        SCHEMA_POLL="0",
        PGRST_DB_AGGREGATES_ENABLED="true",
        **more,
    ) as running:
        await until_ready(running)
        yield running


@pytest.fixture
async def svc(library: Library) -> AsyncIterator[TestedService]:
    """The service with a single session."""
    async with _one_session(library) as running:
        yield running


async def _title(svc: TestedService, key: int) -> str:
    answer = await svc.client.get(f"/rest/books?id=eq.{key}&select=title")
    assert answer.status_code == 200, answer.text
    return str(answer.json()[0]["title"])


async def _often(svc: TestedService) -> None:
    for _ in range(OFTEN + 2):
        assert await _title(svc, 1) == "Engines"


async def _count(svc: TestedService) -> int:
    return int((await svc.client.post(_PREPARED)).text)


async def test_what_comes_often_is_prepared_whatever_its_values(svc: TestedService) -> None:
    assert await _count(svc) == 0
    titles = [await _title(svc, 1 + number % 3) for number in range(3 * OFTEN)]
    assert titles == ["Engines", "Gardens", "Rivers"] * OFTEN
    assert await _count(svc) == 2  # the settings, and one statement for three keys
    hostile = await svc.client.get("/rest/books", params={"title": "eq.'); DROP TABLE x; --\\"})
    assert hostile.json() == []


async def test_nothing_is_prepared_where_that_is_not_wanted(library: Library) -> None:
    async with _one_session(library, PGRST_DB_PREPARED_STATEMENTS="false") as svc:
        await _often(svc)
        assert await _count(svc) == 0


async def test_a_wrong_value_is_the_error_that_it_is_in_plain_text(svc: TestedService) -> None:
    first = await svc.client.get("/rest/books?id=eq.x&select=title")
    await _often(svc)
    again = await svc.client.get("/rest/books?id=eq.x&select=title")
    assert first.json()["code"] == "22P02"
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert await _title(svc, 2) == "Gardens"


async def test_the_server_forgets(svc: TestedService) -> None:
    await _often(svc)
    assert (await svc.client.post("/rest/rpc/forget")).status_code == 204
    assert await _title(svc, 2) == "Gardens"
    await _often(svc)
    assert await _count(svc) == 2


async def test_a_name_that_is_taken(svc: TestedService, library: Library) -> None:
    """As behind a pooler, where another client has prepared the same text on the server's session."""
    await _often(svc)
    messages = "; ".join((await svc.client.post("/rest/rpc/statements")).json())
    statements = {part for part in messages.split("; ") if part.startswith("PREPARE ")}
    assert len(statements) == 2
    async with _one_session(library) as other:
        for statement in statements:
            done = await other.client.post("/rest/rpc/occupy", json={"statement": statement})
            assert done.status_code == 204, done.text
        await _often(other)
        await _often(other)
        assert await _count(other) == 2


async def test_what_cannot_be_prepared_stays_plain(svc: TestedService) -> None:
    # Each value is a parameter of its own, so what is selected is not what is grouped by
    path = "/rest/books?select=meta->>n,count()&meta->>n=not.is.null&order=meta->>n"
    answers = {(await svc.client.get(path)).text for _ in range(OFTEN + 3)}
    assert len(answers) == 1


async def test_the_schema_changes_under_a_prepared_statement(svc: TestedService, library: Library) -> None:
    path = "/rest/changing?id=eq.1"
    library.sql(
        "CREATE TABLE library.changing AS SELECT 1 AS id, 'a' AS word;"
        "GRANT SELECT ON library.changing TO pgsvc_anon; NOTIFY pgrst"
    )
    async with asyncio.timeout(30):
        while (await svc.client.get(path)).status_code == 404:
            await asyncio.sleep(0.02)
    for _ in range(OFTEN + 2):
        answer = await svc.client.get(path)
    assert answer.json() == [{"id": 1, "word": "a"}]
    library.sql("ALTER TABLE library.changing ADD more integer DEFAULT 5, ALTER id TYPE text")
    assert (await svc.client.get(path)).json() == [{"id": "1", "word": "a", "more": 5}]
    library.sql("ALTER TABLE library.changing DROP word")
    assert (await svc.client.get(path)).json() == [{"id": "1", "more": 5}]
    library.sql("DROP TABLE library.changing; CREATE VIEW library.changing AS SELECT 1 AS id")
    library.sql("GRANT SELECT ON library.changing TO pgsvc_anon")
    assert (await svc.client.get(path)).json() == [{"id": 1}]
    library.sql("DROP VIEW library.changing")
    assert (await svc.client.get(path)).status_code == 404


async def test_row_level_security_holds_in_a_statement_that_others_prepared(svc: TestedService) -> None:
    def token(name: str) -> dict[str, str]:
        claims = {"role": "pgsvc_user", "sub": name}
        return {"Authorization": f"Bearer {jwt.encode(claims, SECRET)}"}

    async def entries(headers: dict[str, str]) -> httpx.Response:
        return await svc.client.get("/rest/diary?select=entry", headers=headers)

    for _ in range(OFTEN + 2):
        assert (await entries(token("ann"))).json() == [{"entry": "hers"}]
    for _ in range(8):  # beyond the server's own threshold of a plan for any value
        assert (await entries(token("bob"))).json() == [{"entry": "his"}]
        assert (await entries(token("ann"))).json() == [{"entry": "hers"}]
        assert (await entries({})).status_code == 401


async def test_how_literals_are_read_is_nobody_elses_choice(svc: TestedService) -> None:
    """A session whose strings are read another way from now on is not lent again."""
    hostile = {"title": "eq.\\' OR true --"}
    for _ in range(OFTEN + 2):
        assert (await svc.client.get("/rest/books", params=hostile)).json() == []
    for name, value in (("standard_conforming_strings", "off"), ("client_encoding", "SJIS")):
        leaked = await svc.client.post("/rest/rpc/leak", json={"name": name, "value": value})
        assert leaked.json() == value
        assert (await svc.client.get("/rest/books", params=hostile)).json() == []
        assert (await svc.client.get("/rest/rpc/setting", params={"name": name})).json() != value


async def test_a_session_keeps_no_more_than_its_share(svc: TestedService) -> None:
    for number in range(TEXTS + 5):
        for _ in range(OFTEN + 1):
            answer = await svc.client.get(f"/rest/books?limit={number}&select=id")
            assert len(answer.json()) == min(number, 4)
    assert await _count(svc) == TEXTS


def test_the_oldest_goes() -> None:
    kept: Bounded[str, str] = Bounded(2)
    assert [kept.keep(key, key.upper()) for key in "abac"] == [None, None, None, "A"]
    assert kept == {"b": "B", "c": "C"}


def test_values_that_are_not_text_are_never_prepared() -> None:
    texts = Texts()
    statements = Statements(texts, lambda text, values: text.encode() + repr(values).encode())
    for value in ("1", b"1", ["1"], "1"):
        for _ in range(OFTEN + 1):
            batch = statements.batch(b"BEGIN", [Sql("SELECT f(%s)", (value,))])
            statements.succeeded(batch)
        assert batch.calls == (value == "1")
