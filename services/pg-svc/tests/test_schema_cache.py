"""Reading the catalog: all of it of one moment, beside the loop, and not for every doubt."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from devstack.stores.postgres import run_sql
from pg_svc.app import service
from pg_svc.handlers import root
from pg_svc.handlers.rest import RestHandler
from pg_svc.schema import catalog
from pg_svc.store import database, introspect
from pg_svc.store.connection import Session
from svc_common.testing import serving

from .conftest import until_ready


async def test_what_takes_long_is_done_in_threads(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[str, list[threading.Thread]] = {}

    def noted(module: Any, name: str) -> None:
        function = getattr(module, name)

        def run(*given: Any, **named: Any) -> Any:
            threads.setdefault(name, []).append(threading.current_thread())
            return function(*given, **named)

        monkeypatch.setattr(module, name, run)

    noted(introspect, "build_schema")
    noted(root, "swagger")
    noted(root, "openapi3")
    noted(RestHandler, "planned")
    async with serving(service, DATABASE_URL=postgres_database) as svc:
        await until_ready(svc)
        assert (await svc.client.get("/rest/")).status_code == 200
        newer = {"Accept": "application/vnd.oai.openapi+json"}
        assert (await svc.client.get("/rest/", headers=newer)).status_code == 200
        listed = ",".join(map(str, range(1000)))
        assert (await svc.client.get(f"/rest/todos?id=in.({listed})")).json() == []
        asked = await svc.client.request("QUERY", "/rest/todos", content=f"id=in.({listed})")
        assert asked.json() == []
        assert threading.main_thread() not in {thread for found in threads.values() for thread in found}
        assert len({threads[name][-1] for name in ("swagger", "openapi3", "planned")}) == 1
        assert set(threads) == {"build_schema", "swagger", "openapi3", "planned"}
        assert (await svc.client.get("/rest/todos?id=eq.1")).json() == []
        assert threads["planned"][-1] is threading.main_thread()
        refused = await svc.client.get("/rest/todos?select=" + "id," * 2000 + "id(")
        assert (refused.status_code, refused.json()["code"]) == (400, "PGRST100")


async def test_looking_at_the_catalog_is_not_asked_for_by_every_request(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, looks, seconds = introspect.read_fingerprint, 0, 0.1

    async def slow(session: Session) -> str:
        nonlocal looks
        looks += 1
        await asyncio.sleep(seconds)
        return await read(session)

    monkeypatch.setattr(database, "read_fingerprint", slow)
    async with serving(service, DATABASE_URL=postgres_database, SCHEMA_POLL="0") as svc:
        await until_ready(svc)
        clock = asyncio.get_running_loop().time
        start = clock()
        while looks < 3:
            assert (await svc.client.get("/rest/nothing")).status_code == 404
        assert clock() - start >= 2 * 9 * seconds


async def test_what_changes_while_it_is_read_is_read_again(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sql(
        postgres_database,
        "CREATE SCHEMA moved; CREATE DOMAIN moved.colour AS text; CREATE TABLE moved.a (c moved.colour)",
    )
    asked: list[str] = []
    run = Session.run

    async def disturbed(session: Session, sql: Any, *given: Any, **named: Any) -> Any:
        if sql == catalog.TABLES:
            asked.append(sql)
            if len(asked) == 1:  # the transaction has begun: it sees what is dropped now, half of it
                run_sql(postgres_database, "DROP SCHEMA moved CASCADE; CREATE SCHEMA moved")
        return await run(session, sql, *given, **named)

    monkeypatch.setattr(Session, "run", disturbed)
    session = await Session.connect(postgres_database, timeout=20)
    try:
        schema = await introspect.read_schema(session, ["moved"], ())
        assert schema.tables == {}
        assert len(asked) == 2
        assert schema.fingerprint == await introspect.read_fingerprint(session)
    finally:
        session.close()
