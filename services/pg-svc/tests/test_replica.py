"""Several servers: a replica answers reads, and a failover is ridden through."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import orjson
import pytest

from pg_svc.app import service
from svc_common.testing import TestedService, serving
from svc_common.testing.events import listening

from .conftest import until_ready

if TYPE_CHECKING:
    from devstack.pytest_plugin import OwnPostgres
    from devstack.stores import Postgres

SCHEMA = """
    CREATE TABLE items (id integer PRIMARY KEY, word text);
    CREATE FUNCTION is_replica() RETURNS boolean STABLE LANGUAGE sql AS 'SELECT pg_is_in_recovery()';
    CREATE FUNCTION where_writes_go() RETURNS boolean LANGUAGE sql AS 'SELECT pg_is_in_recovery()';
    CREATE FUNCTION strictly() RETURNS boolean STABLE LANGUAGE sql
      SET default_transaction_isolation = serializable AS 'SELECT pg_is_in_recovery()';
    CREATE FUNCTION doze() RETURNS void STABLE LANGUAGE sql AS 'SELECT pg_sleep(300)';
    CREATE VIEW lines AS SELECT n AS id, pg_is_in_recovery() AS replica FROM generate_series(1, 3) n;
    CREATE ROLE strict;
    ALTER ROLE strict SET default_transaction_isolation = serializable;
    CREATE VIEW isolation AS SELECT current_setting('transaction_isolation') AS level;
    GRANT SELECT ON lines, isolation TO strict;
"""


def _environment(primary: Postgres, **more: str) -> dict[str, str]:
    return {"DATABASE_URL": primary.url, "MIGRATE": "never", "PGRST_DB_ANON_ROLE": "postgres", **more}


@pytest.fixture
def servers(own_postgres: OwnPostgres) -> tuple[Postgres, Postgres]:
    """A server and its streaming replica."""
    primary = own_postgres()
    primary.sql(SCHEMA)
    return primary, own_postgres(replica_of=primary)


async def _is_replica(svc: TestedService) -> bool:
    answer = await svc.client.get("/rest/rpc/is_replica")
    assert answer.status_code == 200, answer.text
    return bool(answer.json())


async def _words(svc: TestedService, expected: list[str]) -> None:
    async with asyncio.timeout(30):
        while [row["word"] for row in (await svc.client.get("/rest/items?order=id")).json()] != expected:
            await asyncio.sleep(0.02)


async def test_a_replica_answers_reads(servers: tuple[Postgres, Postgres]) -> None:
    primary, replica = servers
    async with serving(service, **_environment(primary, DATABASE_REPLICA_URL=replica.url)) as svc:
        await until_ready(svc)
        assert await _is_replica(svc)
        assert (await svc.client.post("/rest/rpc/where_writes_go")).json() is False
        lines = await svc.client.get("/rest/lines", headers={"Accept": "application/x-ndjson"})
        assert [orjson.loads(line)["replica"] for line in lines.text.splitlines()] == [True] * 3
        assert (await svc.client.post("/rest/items", json={"id": 1, "word": "one"})).status_code == 201
        await _words(svc, ["one"])


async def test_a_stream_has_the_isolation_of_its_role(servers: tuple[Postgres, Postgres]) -> None:
    primary, replica = servers
    more = {"DATABASE_REPLICA_URL": replica.url, "PGRST_DB_ANON_ROLE": "strict"}
    async with serving(service, **_environment(primary, **more)) as svc:
        await until_ready(svc)
        accept = {"Accept": "application/x-ndjson"}
        level = await svc.client.get("/rest/isolation", headers=accept)
        assert orjson.loads(level.text) == {"level": "serializable"}
        lines = await svc.client.get("/rest/lines", headers=accept)  # replicas cannot do that
        assert [orjson.loads(line)["replica"] for line in lines.text.splitlines()] == [False] * 3


async def test_the_primary_answers_reads_while_the_replica_is_away(
    servers: tuple[Postgres, Postgres],
) -> None:
    primary, replica = servers
    async with serving(service, **_environment(primary, DATABASE_REPLICA_URL=replica.url)) as svc:
        await until_ready(svc)
        assert await _is_replica(svc)
        await asyncio.to_thread(replica.stop)
        for _ in range(5):  # not one of them fails
            assert await _is_replica(svc) is False
        lines = await svc.client.get("/rest/lines", headers={"Accept": "application/x-ndjson"})
        assert lines.status_code == 200
        await asyncio.to_thread(replica.start)
        async with asyncio.timeout(30):
            while not await _is_replica(svc):
                await asyncio.sleep(0.02)


async def test_what_replicas_cannot_do_is_asked_of_the_primary(servers: tuple[Postgres, Postgres]) -> None:
    primary, replica = servers
    async with serving(service, **_environment(primary, DATABASE_REPLICA_URL=replica.url)) as svc:
        await until_ready(svc)
        assert await _is_replica(svc)
        answer = await svc.client.get("/rest/rpc/strictly")
        assert (answer.status_code, answer.json()) == (200, False)


async def test_a_replica_alone_is_served_and_followed_when_it_becomes_the_primary(
    servers: tuple[Postgres, Postgres],
) -> None:
    primary, replica = servers
    async with serving(service, **_environment(replica, SCHEMA_POLL="0.2")) as svc:
        await until_ready(svc)
        assert await _is_replica(svc)
        refused = await svc.client.post("/rest/items", json={"id": 1})
        assert (refused.status_code, refused.json()["code"]) == (400, "0A000")
        primary.kill()
        await asyncio.to_thread(replica.promote)
        replica.sql("CREATE SCHEMA storefronts")
        await _watch_command(replica)
        async with listening(svc.client, "/rest/items") as reader, asyncio.timeout(60):
            assert orjson.loads((await reader.next()).data) == []
            replica.sql("INSERT INTO items VALUES (1, 'one')")
            assert orjson.loads((await reader.next()).data) == {"id": 1, "word": "one"}


async def test_followed_rows_are_read_where_they_change(servers: tuple[Postgres, Postgres]) -> None:
    """The notification comes from the primary, and the replica may be far behind."""
    primary, replica = servers
    primary.sql(
        "CREATE SCHEMA storefronts; CREATE TABLE storefronts.there (); INSERT INTO items VALUES (1, 'one')"
    )
    environment = _environment(primary, DATABASE_REPLICA_URL=replica.url)
    await _watch_command(primary)
    async with serving(service, **environment) as svc:
        await until_ready(svc)
        await _words(svc, ["one"])
        await asyncio.to_thread(replica.sql, "SELECT pg_wal_replay_pause()")
        async with listening(svc.client, "/rest/items") as reader, asyncio.timeout(30):
            assert orjson.loads((await reader.next()).data) == [{"id": 1, "word": "one"}]
            await svc.client.post("/rest/items", json={"id": 2, "word": "two"})
            assert orjson.loads((await reader.next()).data) == {"id": 2, "word": "two"}
        assert (await svc.client.get("/rest/items?id=eq.2")).json() == []


async def _watch_command(primary: Postgres) -> None:
    from pg_svc.settings import PgSettings
    from pg_svc.watch.command import change_triggers
    from svc_common import load_settings

    settings = load_settings(PgSettings, auth_mode="none", database_url=primary.url)
    await change_triggers(settings, ["items"], watched=True)


async def test_a_failover_is_ridden_through(servers: tuple[Postgres, Postgres]) -> None:
    """Several hosts in the address: whichever takes writes now is the one."""
    primary, replica = servers
    hosts = f"127.0.0.1:{replica.port},127.0.0.1:{primary.port}"
    address = f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write"
    async with serving(service, **_environment(primary, DATABASE_URL=address)) as svc:
        await until_ready(svc)  # the first of the hosts is the wrong one
        assert (await svc.client.post("/rest/items", json={"id": 1, "word": "one"})).status_code == 201
        async with asyncio.timeout(30):
            while replica.sql("SELECT count(*) FROM items") != "1":
                await asyncio.sleep(0.02)
        primary.kill()
        refused = await svc.client.post("/rest/items", json={"id": 2, "word": "lost"})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        await asyncio.to_thread(replica.promote)
        async with asyncio.timeout(30):
            while (answer := await _write(svc)).status_code != 201:
                assert answer.status_code == 503, answer.text
                await asyncio.sleep(0.02)
        await _words(svc, ["one", "two"])
        await until_ready(svc)
        replica.sql("CREATE TABLE later (id integer); NOTIFY pgrst")
        async with asyncio.timeout(30):  # the schema is followed there, too
            while (await svc.client.get("/rest/later")).status_code != 200:
                await asyncio.sleep(0.02)


async def test_a_query_is_stopped_where_it_runs(servers: tuple[Postgres, Postgres]) -> None:
    """Not on the server that the address leads to by now, where another query may have its number."""
    primary, replica = servers
    hosts = f"127.0.0.1:{replica.port},127.0.0.1:{primary.port}"
    address = f"postgresql://postgres@{hosts}/postgres?target_session_attrs=standby"
    async with serving(service, **_environment(primary, DATABASE_URL=address)) as svc:
        await until_ready(svc)
        async with httpx.AsyncClient(base_url=svc.url, timeout=60, trust_env=False) as leaving:
            asking = asyncio.create_task(leaving.get("/rest/rpc/doze"))
            await _dozing(replica, "1")
            replica.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'pg-svc' AND wait_event <> 'PgSleep'"
            )
            await asyncio.to_thread(replica.promote)  # no standby is left
            await _dozing(replica, "1")
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        await _dozing(replica, "0")


async def _dozing(server: Postgres, expected: str) -> None:
    async with asyncio.timeout(30):
        while await asyncio.to_thread(server.sql, _DOZING) != expected:
            await asyncio.sleep(0.02)


_DOZING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"


async def _write(svc: TestedService) -> httpx.Response:
    return await svc.client.post("/rest/items", json={"id": 2, "word": "two"})
