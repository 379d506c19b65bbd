"""The service as a whole: its addresses, its sample table, its start."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from devstack.stores.postgres import run_sql
from pg_svc.app import service
from pg_svc.store.migrate import packaged_migrations
from svc_common.testing import TestedService, serving
from svc_common.testing.contract import undocumented

from .conftest import until_ready

if TYPE_CHECKING:
    from .library import Library


def test_routes_and_document_agree() -> None:
    assert undocumented(service) == []


async def test_todos(svc: TestedService) -> None:
    client = svc.client
    assert (await client.get("/rest/todos")).json() == []
    created = await client.post(
        "/rest/todos", json={"task": "a"}, headers={"Prefer": "return=representation"}
    )
    assert created.status_code == 201
    (row,) = created.json()
    assert (row["id"], row["task"], row["done"]) == (1, "a", False)
    assert row["created"]
    assert (await client.post("/rest/todos", json=[{"task": "b"}, {"task": "c"}])).content == b""
    read = await client.get("/rest/todos?id=eq.2&select=task")
    assert (read.status_code, read.json()) == (200, [{"task": "b"}])
    assert (await client.patch("/rest/todos?id=eq.1", json={"done": True})).status_code == 204
    assert (await client.delete("/rest/todos?id=eq.2")).status_code == 204
    left = await client.get("/rest/todos?select=id,done&order=id")
    assert left.json() == [{"id": 1, "done": True}, {"id": 3, "done": False}]


async def test_migrations_run_once(postgres_database: str) -> None:
    for _ in range(2):
        async with serving(service, DATABASE_URL=postgres_database) as svc:
            await until_ready(svc)
    applied = run_sql(postgres_database, "SELECT number, name FROM storefronts.pg_svc_migrations ORDER BY 1")
    assert applied.split("\n") == [f"{one.number}|{one.name}" for one in packaged_migrations()]


async def test_replicas_that_start_together_do_not_race(postgres_database: str) -> None:
    async with (
        serving(service, DATABASE_URL=postgres_database) as one,
        serving(service, DATABASE_URL=postgres_database) as two,
        serving(service, DATABASE_URL=postgres_database) as three,
    ):
        for svc in (one, two, three):
            await until_ready(svc)
    applied = run_sql(postgres_database, "SELECT count(*) FROM storefronts.pg_svc_migrations")
    assert int(applied) == len(packaged_migrations())


async def test_migrate_never_changes_nothing(postgres_database: str) -> None:
    async with serving(service, DATABASE_URL=postgres_database, MIGRATE="never") as svc:
        await until_ready(svc)
        assert (await svc.client.get("/rest/todos")).status_code == 404
    assert run_sql(postgres_database, "SELECT to_regnamespace('storefronts') IS NULL") == "t"


async def test_migrations_that_may_not_be_applied_are_told_of(library: Library) -> None:
    async with serving(
        service, PGRST_DB_URI=library.url_as("pgsvc_authenticator"), PGRST_DB_ANON_ROLE="pgsvc_anon"
    ) as svc:
        async with asyncio.timeout(30):
            while "MIGRATE: the migrations cannot be applied" not in await _not_ready(svc):
                await asyncio.sleep(0.02)


async def _not_ready(svc: TestedService) -> str:
    answer = await svc.admin.get("/readyz?verbose")
    assert answer.status_code == 503
    return answer.text


async def test_own_tokens_decide_without_database_roles(postgres_database: str) -> None:
    async with serving(
        service,
        DATABASE_URL=postgres_database,
        AUTH_MODE="token",
        AUTH_TOKENS="viewer:read:r3ad,editor:write:wr1te",
    ) as svc:
        await until_ready(svc)
        viewer, editor = ({"Authorization": f"Bearer {secret}"} for secret in ("r3ad", "wr1te"))
        assert (await svc.client.get("/rest/todos")).status_code == 401
        assert (await svc.client.options("/rest/todos")).status_code == 401
        assert (await svc.client.get("/rest/todos", headers=viewer)).status_code == 200
        refused = await svc.client.post("/rest/todos", headers=viewer, json={"task": "a"})
        assert refused.status_code == 403
        assert sorted(refused.json()) == ["code", "details", "hint", "message"]
        assert (await svc.client.post("/rest/todos", headers=editor, json={"task": "a"})).status_code == 201
