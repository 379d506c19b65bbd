"""Connections: what runs is stopped with its request, the pool has an end, time runs out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import psycopg2

from pg_svc.app import service
from svc_common.testing import TestedService, serving

from .conftest import until_ready

if TYPE_CHECKING:
    from devstack.pytest_plugin import OwnPostgres

    from .library import Library


def _environment(library: Library, **more: str) -> dict[str, str]:
    return {
        "DATABASE_URL": library.url,
        "MIGRATE": "never",
        "PGRST_DB_SCHEMAS": "library",
        "PGRST_DB_ANON_ROLE": "pgsvc_anon",
        **more,
    }


async def _until(condition: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.02)


def _sleeping(library: Library) -> int:
    """How many backends doze."""
    asleep = library.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    )
    return int(asleep)


def _waiting(library: Library) -> int:
    """How many requests wait for a lock."""
    waiting = "application_name = 'pg-svc' AND wait_event_type = 'Lock'"
    sql = f"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {waiting}"
    return int(library.sql(sql))


async def test_a_client_that_goes_away_takes_its_query_along(library: Library) -> None:
    async with serving(service, **_environment(library)) as svc:
        await until_ready(svc)
        for method in ("GET", "POST"):
            arguments = {"params": {"seconds": "300"}} if method == "GET" else {"json": {"seconds": 300}}
            async with httpx.AsyncClient(base_url=svc.url, timeout=60, trust_env=False) as leaving:
                asking = asyncio.create_task(leaving.request(method, "/rest/rpc/doze", **arguments))
                await _until(lambda: _sleeping(library) == 1)
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
            await _until(lambda: _sleeping(library) == 0)
        assert (await svc.client.get("/rest/rpc/whoami")).json() == "pgsvc_anon"


async def test_a_request_that_takes_too_long_is_stopped(library: Library) -> None:
    async with serving(service, **_environment(library, REQUEST_TIMEOUT="0.5")) as svc:
        await until_ready(svc)
        answer = await svc.client.get("/rest/rpc/doze?seconds=60")
        assert answer.status_code == 503
        assert sorted(answer.json()) == ["code", "details", "hint", "message"]
        await _until(lambda: _sleeping(library) == 0)


async def test_a_statement_timeout_of_the_server_is_an_error_of_its_own(library: Library) -> None:
    async with serving(service, **_environment(library, PGRST_DB_POOL="1")) as svc:
        await until_ready(svc)
        for _ in range(3):
            answer = await svc.client.get("/rest/rpc/impatient")
            assert (answer.status_code, answer.json()["code"]) == (500, "57014")
        assert (await svc.client.get("/rest/rpc/whoami")).status_code == 200


async def test_the_pool_has_an_end(library: Library) -> None:
    environment = _environment(library, PGRST_DB_POOL="2", PGRST_DB_POOL_ACQUISITION_TIMEOUT="0.5")
    async with serving(service, **environment) as svc:
        await until_ready(svc)
        with contextlib.closing(psycopg2.connect(library.url)) as other:
            other.cursor().execute("LOCK TABLE library.books")
            long = [asyncio.create_task(svc.client.get("/rest/books")) for _ in range(2)]
            await _until(lambda: _waiting(library) == 2)
            refused = await svc.client.get("/rest/rpc/whoami")
            assert (refused.status_code, refused.json()["code"]) == (504, "PGRST003")
        assert {answer.status_code for answer in await asyncio.gather(*long)} == {200}
        assert (await svc.client.get("/rest/books")).status_code == 200
        metrics = (await svc.admin.get("/metrics")).text
        assert "pgrst_db_pool_max 2.0" in metrics
        assert "pgrst_schema_cache_loads_total" in metrics


async def test_many_requests_share_few_connections(library: Library) -> None:
    async with serving(service, **_environment(library, PGRST_DB_POOL="3")) as svc:
        await until_ready(svc)
        answers = await asyncio.gather(*(svc.client.get(f"/rest/rpc/add?a={n}&b=1") for n in range(100)))
        assert [answer.json() for answer in answers] == [n + 1 for n in range(100)]
        connected = library.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'pg-svc'"
        )
        assert int(connected) <= 4  # the pool's three and the one that stops queries


async def test_backends_that_are_terminated_are_replaced(library: Library) -> None:
    async with serving(service, **_environment(library)) as svc:
        await until_ready(svc)
        assert (await svc.client.get("/rest/books")).status_code == 200
        library.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        async with asyncio.timeout(30):
            while (await svc.client.get("/rest/books")).status_code != 200:
                await asyncio.sleep(0.02)


async def _column_appears(svc: TestedService, path: str, status: int) -> None:
    async with asyncio.timeout(30):
        while (await svc.client.get(path)).status_code != status:
            await asyncio.sleep(0.02)


async def test_the_schema_is_read_again_when_told(library: Library) -> None:
    async with serving(service, **_environment(library, SCHEMA_POLL="0")) as svc:
        await until_ready(svc)
        assert (await svc.client.get("/rest/rpc/whoami")).status_code == 200
        library.sql("CREATE TABLE library.fresh (id int); GRANT SELECT ON library.fresh TO pgsvc_anon")
        library.sql("NOTIFY pgrst, 'reload schema'")
        await _column_appears(svc, "/rest/fresh", 200)
        library.sql("DROP TABLE library.fresh; NOTIFY pgrst")
        await _column_appears(svc, "/rest/fresh", 404)


async def test_the_schema_is_read_again_by_itself_while_requests_go_on(library: Library) -> None:
    async with serving(service, **_environment(library, SCHEMA_POLL="0.2")) as svc:
        await until_ready(svc)
        statuses: set[int] = set()
        done = asyncio.Event()

        async def ask() -> None:
            while not done.is_set():
                answer = await svc.client.get("/rest/books?select=id,reviews(id),authors!author_id(name)")
                statuses.add(answer.status_code)

        asking = [asyncio.create_task(ask()) for _ in range(4)]
        for number in range(3):
            library.sql(
                f"CREATE TABLE library.later{number} "
                "(id int PRIMARY KEY, book_id int REFERENCES library.books);"
                f"GRANT SELECT ON library.later{number} TO pgsvc_anon"
            )
            await _column_appears(svc, f"/rest/books?select=id,later{number}(id)", 200)
        done.set()
        await asyncio.gather(*asking)
        assert statuses == {200}


async def test_a_schema_that_is_missing_keeps_the_service_waiting(own_postgres: OwnPostgres) -> None:
    store = own_postgres()
    async with serving(
        service,
        DATABASE_URL=store.url,
        MIGRATE="never",
        PGRST_DB_SCHEMAS="api",
        PGRST_DB_ANON_ROLE="postgres",
    ) as svc:
        answer = await svc.client.get("/rest/things")
        assert (answer.status_code, answer.json()["code"]) == (503, "PGRST002")
        async with asyncio.timeout(30):
            while "the database has no schema api" not in (await svc.admin.get("/readyz?verbose")).text:
                await asyncio.sleep(0.02)
        store.sql("CREATE SCHEMA api; CREATE TABLE api.things (id int)")
        await until_ready(svc)
        assert (await svc.client.get("/rest/things")).json() == []
