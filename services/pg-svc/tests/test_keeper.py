"""The connection that keeps the schema up to date: what it hears, and what becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest

from pg_svc.app import service
from pg_svc.store import database
from svc_common.testing import ServiceProcess, serving

from .conftest import until_ready
from .test_auth import token

if TYPE_CHECKING:
    from pathlib import Path

    from .library import Library

FIRST, SECOND = "the-first-secret-that-is-long-enough", "the-second-secret-that-is-long-enough"


def _environment(library: Library, **more: str) -> dict[str, str]:
    return {
        "PGRST_DB_URI": library.url_as("pgsvc_authenticator"),
        "MIGRATE": "never",
        "PGRST_DB_SCHEMAS": "library",
        "PGRST_DB_ANON_ROLE": "pgsvc_anon",
        **more,
    }


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await holds():
            await asyncio.sleep(0.02)


class Relay:
    """Passes connections on to a server, until it is frozen: then those that there are stand still."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    def freeze(self) -> None:
        """Let nothing through any more, but on new connections."""
        self._flowing.clear()
        self._flowing = asyncio.Event()
        self._flowing.set()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Relay]:
        server = await asyncio.start_server(self._serve, "127.0.0.1")
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        flowing = self._flowing
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        for source, target in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pass(source, target, flowing))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _pass(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event
    ) -> None:
        try:
            while data := await reader.read(65536):
                await flowing.wait()
                writer.write(data)
        except OSError:
            pass  # the other end is gone
        finally:
            writer.close()


async def test_a_connection_that_nothing_comes_through_is_given_up(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_LONGEST_LOOK", 0.5)
    parts = urlsplit(library.url)
    async with Relay(parts.port or 5432).listening() as relay:
        url = urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{relay.port}"))
        environment = _environment(library, PGRST_DB_URI=url, SCHEMA_POLL="0.1")
        async with serving(service, **environment) as svc:
            await until_ready(svc)
            relay.freeze()
            library.sql("CREATE TABLE library.thawed (id int); GRANT SELECT ON library.thawed TO pgsvc_anon")

            async def is_there() -> bool:
                return (await svc.client.get("/rest/thawed")).status_code == 200

            await _until(is_there)
    library.sql("DROP TABLE library.thawed")


async def test_a_configuration_that_fails_leaves_the_connection_alone(library: Library) -> None:
    environment = _environment(library, PGRST_DB_CHANNEL="failing", PGRST_DB_PRE_CONFIG="public.configure")
    library.sql("CREATE FUNCTION public.configure() RETURNS void LANGUAGE sql AS 'SELECT'")

    def backend() -> str:
        return library.sql(
            "SELECT pid FROM pg_stat_activity "
            "WHERE application_name = 'pg-svc schema' AND datname = current_database()"
        )

    async with serving(service, **environment, SCHEMA_POLL="0") as svc:
        await until_ready(svc)
        before = backend()

        async def description() -> object:
            document = (await svc.client.get("/rest/")).json()
            return document["definitions"]["notes"].get("description")

        async def describe(comment: str) -> None:
            library.sql(f"COMMENT ON TABLE library.notes IS '{comment}'; NOTIFY failing, 'reload schema'")
            async with asyncio.timeout(30):
                while await description() != comment:
                    await asyncio.sleep(0.02)

        library.sql("DROP FUNCTION public.configure(); NOTIFY failing, 'reload config'")
        await describe("once")
        await describe("again")
        assert backend() == before


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_signals(library: Library, tmp_path: Path, workers: str) -> None:
    """SIGUSR1 reads the schema again and SIGUSR2 the configuration, in each worker."""
    secret = tmp_path / "secret"
    secret.write_text(FIRST)
    environment = _environment(
        library,
        PGRST_JWT_SECRET=f"@{secret}",
        PGRST_DB_CONFIG="false",
        PGRST_DB_CHANNEL_ENABLED="false",
        SCHEMA_POLL="0",
        WORKERS=workers,
    )
    with ServiceProcess("pg_svc", **environment) as process:

        async def answers(path: str, key: str, status: int) -> bool:
            """Whether new connections, which come to either worker, are all answered so."""
            for _ in range(12):
                async with httpx.AsyncClient(base_url=process.url, trust_env=False, timeout=30) as client:
                    answer = await client.get(path, headers=token(key, role="pgsvc_user"))
                if answer.status_code != status:
                    return False
            return True

        await _until(lambda: answers("/rest/genres", FIRST, 200))
        library.sql("CREATE VIEW library.signalled AS SELECT 1 AS id")
        library.sql("GRANT SELECT ON library.signalled TO pgsvc_user")
        process.process.send_signal(signal.SIGUSR1)
        await _until(lambda: answers("/rest/signalled", FIRST, 200))
        secret.write_text(SECOND)
        process.process.send_signal(signal.SIGUSR2)
        await _until(lambda: answers("/rest/genres", SECOND, 200))
        await _until(lambda: answers("/rest/genres", FIRST, 401))
        library.sql("DROP VIEW library.signalled")
        assert process.stop() == 0
        assert "worker_died" not in process.log
