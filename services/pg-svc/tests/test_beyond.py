"""What pg-svc adds to the protocol: streams of rows, filters in a body, entity tags."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx
import orjson
import psutil
import psycopg2
import pytest

from pg_svc.app import service
from svc_common.testing import ServiceProcess, TestedService, serving

from .conftest import until_ready

if TYPE_CHECKING:
    from .library import Library

NDJSON = {"Accept": "application/x-ndjson"}


@pytest.fixture
async def svc(library: Library) -> AsyncIterator[TestedService]:
    """The service on the library."""
    async with serving(
        service,
        DATABASE_URL=library.url,
        MIGRATE="never",
        PGRST_DB_SCHEMAS="library",
        PGRST_DB_ANON_ROLE="pgsvc_anon",
    ) as running:
        await until_ready(running)
        yield running


async def test_rows_as_lines(svc: TestedService) -> None:
    answer = await svc.client.get("/rest/books?select=id,reviews(stars)&order=id&id=lt.3", headers=NDJSON)
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert [orjson.loads(line) for line in answer.text.splitlines()] == [
        {"id": 1, "reviews": [{"stars": 5}, {"stars": 4}]},
        {"id": 2, "reviews": [{"stars": 1}]},
    ]
    assert (await svc.client.get("/rest/books?id=eq.99", headers=NDJSON)).text == ""
    failed = await svc.client.get("/rest/books?nope=eq.1", headers=NDJSON)
    assert (failed.status_code, failed.json()["code"]) == (400, "42703")
    no_text = await svc.client.get("/rest/books?title=eq.%00", headers=NDJSON)
    assert (no_text.status_code, no_text.json()["code"]) == (400, "22021")
    denied = await svc.client.get("/rest/diary", headers=NDJSON)
    assert denied.status_code == 401


@pytest.mark.parametrize(("most_rows", "width"), [(300_000, 100), (300, 400_000)])
def test_memory_stays_flat_while_rows_are_streamed(library: Library, most_rows: int, width: int) -> None:
    library.sql(
        "CREATE OR REPLACE VIEW library.many AS "
        f"SELECT i AS id, repeat('x', {width}) AS text FROM generate_series(1, {most_rows}) i"
    )
    library.sql("GRANT SELECT ON library.many TO pgsvc_anon")
    with ServiceProcess(
        "pg_svc",
        DATABASE_URL=library.url,
        MIGRATE="never",
        PGRST_DB_SCHEMAS="library",
        PGRST_DB_ANON_ROLE="pgsvc_anon",
    ) as process:
        memory = psutil.Process(process.process.pid).memory_info
        before, rows, seen, end = memory().rss, 0, [0], threading.Event()

        def watch() -> None:
            while not end.wait(0.01):
                seen.append(memory().rss)

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            with httpx.stream(
                "GET", f"{process.url}/rest/many", headers=NDJSON, timeout=60, trust_env=False
            ) as answer:
                for chunk in answer.iter_bytes(1 << 20):
                    rows += chunk.count(b"\n")
        finally:
            end.set()
            watching.join()
        assert rows == most_rows
        assert max(seen) - before < 48 * 2**20


async def test_filters_in_the_body(svc: TestedService) -> None:
    listed = ",".join(str(number) for number in range(3, 20000))
    answer = await svc.client.request(
        "QUERY", "/rest/books?select=id", content=f"id=in.({listed})&order=id.desc"
    )
    assert answer.json() == [{"id": 4}, {"id": 3}]
    assert (await svc.client.request("QUERY", "/rest/books", content="id=nope.1")).status_code == 400
    assert (await svc.client.request("QUERY", "/rest/rpc/add", content="a=1")).status_code == 405


async def test_entity_tags(svc: TestedService) -> None:
    first = await svc.client.get("/rest/books?id=eq.1")
    same = {"If-None-Match": first.headers["ETag"]}
    again = await svc.client.get("/rest/books?id=eq.1", headers=same)
    assert (again.status_code, again.content) == (304, b"")
    assert (await svc.client.get("/rest/books?id=eq.2", headers=same)).status_code == 200


async def test_a_limited_write_leaves_a_row_that_another_took_meanwhile(
    svc: TestedService, library: Library
) -> None:
    library.sql("CREATE TABLE library.waiting (id int PRIMARY KEY, taken_by text NOT NULL)")
    library.sql(
        "INSERT INTO library.waiting VALUES (1, ''); GRANT SELECT, UPDATE ON library.waiting TO pgsvc_anon"
    )
    library.sql("NOTIFY pgrst, 'reload schema'")
    async with asyncio.timeout(30):
        while (await svc.client.get("/rest/waiting")).status_code == 404:
            await asyncio.sleep(0.05)
    with contextlib.closing(psycopg2.connect(library.url)) as first, first.cursor() as cursor:
        cursor.execute("UPDATE library.waiting SET taken_by = 'me'")
        second = asyncio.create_task(
            svc.client.patch(
                "/rest/waiting?taken_by=eq.&order=id&limit=1",
                json={"taken_by": "you"},
                headers={"Prefer": "return=representation"},
            )
        )
        async with asyncio.timeout(30):  # it has found the row, and waits for what becomes of it
            while library.sql("SELECT count(*) FROM pg_locks WHERE NOT granted") == "0":
                await asyncio.sleep(0.05)
        first.commit()
        assert (await second).json() == []
    assert (await svc.client.get("/rest/waiting")).json() == [{"id": 1, "taken_by": "me"}]
