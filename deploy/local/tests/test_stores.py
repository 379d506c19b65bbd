"""The embedded stores: they start, stop, crash and come back with their data, on the same port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from pymongo import MongoClient, WriteConcern

from devstack import ports
from devstack.ports import free_port
from devstack.stores import Mongo, Postgres, Redis, Store, StoreError
from devstack.stores.children import kill_all
from devstack.stores.postgres import program


class Notes:
    """Write and read one short text through the store's own protocol."""

    def write(self, store: Store, text: str) -> None:
        if isinstance(store, Postgres):
            store.sql("CREATE TABLE IF NOT EXISTS notes (text text)")
            store.sql(f"INSERT INTO notes VALUES ('{text}')")
        elif isinstance(store, Redis):
            assert redis_command(store, "RPUSH", "notes", text).startswith(b":")
        else:
            with MongoClient[dict[str, str]](store.url) as client:
                notes = client["test"]["notes"].with_options(write_concern=WriteConcern("majority", j=True))
                notes.insert_one({"text": text})

    def read(self, store: Store) -> list[str]:
        if isinstance(store, Postgres):
            return store.sql("SELECT text FROM notes").split()
        if isinstance(store, Redis):
            lines = redis_command(store, "LRANGE", "notes", "0", "-1").decode().split("\r\n")
            return lines[2::2]
        with MongoClient[dict[str, str]](store.url) as client:
            return [note["text"] for note in client["test"]["notes"].find()]


def redis_command(store: Store, *arguments: str) -> bytes:
    with store._connect() as connection:
        connection.sendall((" ".join(arguments) + "\r\n").encode())
        return connection.recv(4096)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="devstack-test-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(params=[Postgres, Redis, Mongo], ids=lambda kind: kind.name)
def store(request: pytest.FixtureRequest, folder: Path) -> Iterator[Store]:
    kind: Callable[[Path], Store] = request.param
    store = kind(folder / "store")
    yield store
    store.discard()


def test_start_answers_at_its_address(store: Store) -> None:
    assert not store.probe()
    store.start()
    assert store.running
    assert store.probe()
    Notes().write(store, "one")
    assert Notes().read(store) == ["one"]


def test_start_twice_is_one_server(store: Store) -> None:
    store.start()
    first = store.pid
    store.start()
    assert store.pid == first


def test_stop_ends_every_process(store: Store) -> None:
    store.start()
    assert store.pid is not None
    family = [psutil.Process(store.pid), *psutil.Process(store.pid).children(recursive=True)]
    store.stop()
    assert not store.running
    assert not store.probe()
    assert not any(process.is_running() for process in family)


def test_kill_ends_every_process(store: Store) -> None:
    store.start()
    assert store.pid is not None
    family = [psutil.Process(store.pid), *psutil.Process(store.pid).children(recursive=True)]
    store.kill()
    assert not store.running
    assert not store.probe()
    assert not any(process.is_running() for process in family)


def test_killing_spares_no_process_because_another_ended_by_itself() -> None:
    wait = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with (
        subprocess.Popen(wait, stdin=subprocess.PIPE) as ends_by_itself,
        subprocess.Popen(wait, stdin=subprocess.PIPE) as stays,
    ):
        family = [psutil.Process(ends_by_itself.pid), psutil.Process(stays.pid)]
        ends_by_itself.communicate()
        kill_all(family)
        assert not any(process.is_running() for process in family)


def test_restart_keeps_port_and_data(store: Store) -> None:
    store.start()
    address = store.url
    Notes().write(store, "one")
    store.restart()
    assert store.url == address
    assert Notes().read(store) == ["one"]


def test_data_survive_kill(store: Store) -> None:
    store.start()
    address = store.url
    for number in range(3):
        Notes().write(store, f"round-{number}")
        store.kill()
        store.start()
    assert store.url == address
    assert Notes().read(store) == ["round-0", "round-1", "round-2"]


def test_another_object_on_the_directory_finds_the_data(store: Store) -> None:
    store.start()
    Notes().write(store, "one")
    store.stop()
    with type(store)(store.directory) as again:
        assert Notes().read(again) == ["one"]


def test_a_server_that_does_not_come_up_shows_its_log(store: Store, folder: Path) -> None:
    with Redis(folder / "other") as other:
        store.port = other.port
        store._port_is_ours_to_choose = False
        with pytest.raises(StoreError, match=rf"{store.name} ended with status [\s\S]*in use"):
            store.start()
    assert not store.running


@pytest.mark.parametrize("kind", [Postgres, Redis, Mongo])
def test_start_chooses_another_port_when_the_first_was_taken(
    store: Store, folder: Path, kind: Callable[[Path, int], Store]
) -> None:
    """Also where the stranger is of the same kind, and answers as the store itself would."""
    with kind(folder / "other", store.port):
        taken = store.port
        store.start()
        assert store.port != taken
        assert store.probe()


def test_discard_deletes_the_directory(store: Store) -> None:
    store.start()
    store.discard()
    assert not store.directory.exists()


def test_stores_end_with_their_parent(store: Store) -> None:
    code = (
        "import sys, pathlib, importlib\n"
        "kind = getattr(importlib.import_module('devstack.stores'), sys.argv[1])\n"
        "store = kind(pathlib.Path(sys.argv[2]))\n"
        "store.start()\n"
        "print(store.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, type(store).__name__, str(store.directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        server = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    server.wait(timeout=60)


# PostgreSQL only.


@pytest.fixture
def postgres_store(folder: Path) -> Iterator[Postgres]:
    store = Postgres(folder / "store")
    yield store
    store.discard()


def test_postgres_starts_though_its_old_number_belongs_to_another_process(postgres_store: Postgres) -> None:
    postgres_store.start()
    Notes().write(postgres_store, "one")
    postgres_store.kill()
    lock = postgres_store.data / "postmaster.pid"
    account = postgres_store.account()
    with subprocess.Popen(
        ["sleep", "60"], user=account.uid if account else None, cwd=postgres_store.data.anchor
    ) as stranger:
        lines = lock.read_text().split("\n")
        lock.write_text("\n".join([str(stranger.pid), *lines[1:]]))
        postgres_store.start()
        assert stranger.poll() is None
        stranger.kill()
    assert Notes().read(postgres_store) == ["one"]


def test_postgres_starts_though_sessions_outlived_the_server(postgres_store: Postgres) -> None:
    postgres_store.start()
    Notes().write(postgres_store, "one")
    pid = postgres_store.pid
    assert pid is not None
    sleeper = subprocess.Popen(
        [str(program("psql")), "-X", "-d", postgres_store.url, "-c", "SELECT pg_sleep(60)"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
    while postgres_store.sql(sleeping) != "1":
        assert sleeper.poll() is None
    os.kill(pid, signal.SIGSTOP)
    sessions = psutil.Process(pid).children()
    for session in sessions:
        session.suspend()
    os.kill(pid, signal.SIGKILL)
    assert postgres_store._process is not None
    postgres_store._process.wait()
    assert any(session.is_running() for session in sessions)
    postgres_store.start()
    assert not any(session.is_running() for session in sessions)
    assert Notes().read(postgres_store) == ["one"]
    sleeper.wait(60)


def test_postgres_refuses_a_second_server_on_the_same_data(postgres_store: Postgres) -> None:
    postgres_store.start()
    second = Postgres(postgres_store.directory)
    with pytest.raises(StoreError, match="already runs"):
        second.start()
    assert postgres_store.probe()


def test_postgres_begins_again_after_an_unfinished_initdb(postgres_store: Postgres) -> None:
    (postgres_store.directory / "data.new" / "base").mkdir(parents=True)
    postgres_store.start()
    assert postgres_store.sql("SELECT 1") == "1"
    assert not (postgres_store.directory / "data.new").exists()


def test_postgres_knows_unicode(postgres_store: Postgres) -> None:
    postgres_store.start()
    assert postgres_store.sql("SELECT upper('äöü ж'), 'ж' ~ '^[[:alpha:]]$'") == "ÄÖÜ Ж|t"
    assert postgres_store.sql("SHOW server_encoding") == "UTF8"


def test_postgres_sql_reports_what_the_server_said(postgres_store: Postgres) -> None:
    postgres_store.start()
    with pytest.raises(StoreError, match='relation "nothing" does not exist'):
        postgres_store.sql("SELECT * FROM nothing")


def test_postgres_takes_settings(folder: Path) -> None:
    with Postgres(folder / "store", settings={"max_connections": "17"}) as store:
        assert store.sql("SHOW max_connections") == "17"


# Redis only.


def test_redis_takes_options(folder: Path) -> None:
    with Redis(folder / "store", keyspace_events="KEA", options=["--maxclients", "50"]) as store:
        assert redis_command(store, "CONFIG", "GET", "maxclients").split(b"\r\n")[-2] == b"50"
        assert redis_command(store, "CONFIG", "GET", "notify-keyspace-events").split(b"\r\n")[-2] == b"AKE"


def test_redis_flush(folder: Path) -> None:
    with Redis(folder / "store") as store:
        redis_command(store, "SET", "key", "value")
        store.flush()
        assert redis_command(store, "DBSIZE") == b":0\r\n"


def test_no_two_processes_choose_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = free_port()
    monkeypatch.setattr(ports, "_LOWEST", chosen)
    monkeypatch.setattr(ports, "_HIGHEST", chosen)
    with pytest.raises(OSError, match="no free TCP port"):
        free_port(chosen)
    code = (
        "from devstack import ports\n"
        f"ports._LOWEST = ports._HIGHEST = {chosen}\n"
        f"try: print(ports.free_port({chosen}))\n"
        "except OSError as error: print(error)\n"
    )
    answer = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert answer == f"no free TCP port between {chosen} and {chosen}\n"
    with socket.create_server(("127.0.0.1", chosen)):  # servers do not mind
        pass


def test_only_so_many_ports_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_reserved", deque())
    monkeypatch.setattr(ports, "_MOST_RESERVED", 3)
    for _ in range(10):
        free_port()
    assert len(ports._reserved) == 3
    for holder in ports._reserved:
        os.close(holder)


def test_a_port_is_chosen_below_the_range_of_outgoing_connections() -> None:
    assert 15000 <= free_port() <= 22000
