"""Real stores as pytest fixtures; installing devstack is all it takes to have them.

Shared stores start when the first test asks for one and stop with the session. An address in the
environment (``DATABASE_URL``, ``REDIS_URL`` or ``REDIS_HOST`` and ``REDIS_PORT``, ``MONGODB_URI``) is used.
Stores that a test starts for itself with ``own_…`` are always embedded: the test may kill and restart them.

pytest loads this module in every run, so it imports little; the rest is imported by the fixtures in use.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import pytest

if TYPE_CHECKING:
    from devstack.stores import Mongo, Postgres, Redis, Store
    from devstack.stores.redis import Sentinel
    from devstack.weather.upstream import WeatherUpstream

    OwnPostgres: TypeAlias = Callable[..., Postgres]
    OwnRedis: TypeAlias = Callable[..., Redis]
    OwnMongo: TypeAlias = Callable[..., Mongo]
    OwnSentinel: TypeAlias = Callable[[str], Sentinel]

S = TypeVar("S", bound="Store")


@dataclass(frozen=True)
class GivenStore:
    """A store that the environment names; it is somebody else's, so it can only be used."""

    url: str


@pytest.fixture(scope="session")
def _stores_folder() -> Iterator[Path]:
    # Not pytest's own temporary folder, which is kept for three runs: a PostgreSQL cluster has 40 MB.
    folder = Path(tempfile.mkdtemp(prefix="devstack-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(_stores_folder: Path) -> Iterator[Postgres | GivenStore]:
    """The session's PostgreSQL server, with ``.url``."""
    from devstack.addresses import postgres_url
    from devstack.stores import Postgres

    given = postgres_url(os.environ)
    yield from _shared(given, lambda: Postgres(_stores_folder / "postgres"))


@pytest.fixture(scope="session")
def redis_server(_stores_folder: Path) -> Iterator[Redis | GivenStore]:
    """The session's Redis server, with ``.url``; all keyspace events are on."""
    from devstack.addresses import redis_url
    from devstack.stores import Redis

    given = redis_url(os.environ)
    yield from _shared(given, lambda: Redis(_stores_folder / "redis", keyspace_events="KEA"))


@pytest.fixture(scope="session")
def mongo(_stores_folder: Path) -> Iterator[Mongo | GivenStore]:
    """The session's MongoDB server, with ``.url``."""
    from devstack.addresses import mongo_url
    from devstack.stores import Mongo

    given = mongo_url(os.environ)
    yield from _shared(given, lambda: Mongo(_stores_folder / "mongo"))


def _shared(given: str | None, make: Callable[[], S]) -> Iterator[S | GivenStore]:
    if given is not None:
        yield GivenStore(given)
        return
    store = make()
    try:
        store.start()
        yield store
    finally:
        store.discard()


@pytest.fixture
def postgres_database(postgres: Postgres | GivenStore) -> Iterator[str]:
    """The address of a new, empty database on the session's server; dropped after the test."""
    from devstack.addresses import with_database
    from devstack.stores.postgres import run_sql

    name = _unique_name()
    run_sql(postgres.url, f"CREATE DATABASE {name}")
    try:
        yield with_database(postgres.url, name)
    finally:
        run_sql(postgres.url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def redis_url(redis_server: Redis | GivenStore) -> Iterator[str]:
    """The address of an empty Redis database.

    On the session's own server everything is deleted before the test. On a server from the environment an
    empty database is chosen, and emptied again after the test.
    """
    from devstack.stores import Redis
    from devstack.stores.redis import borrow_empty_database

    if isinstance(redis_server, Redis):
        redis_server.flush()
        yield redis_server.url
    else:
        with borrow_empty_database(redis_server.url) as url:
            yield url


@pytest.fixture
def mongo_database(mongo: Mongo | GivenStore) -> Iterator[str]:
    """The address of an unused database on the session's server; dropped after the test."""
    from devstack.addresses import with_database
    from devstack.stores.mongo import drop_database

    name = _unique_name()
    try:
        yield with_database(mongo.url, name)
    finally:
        drop_database(mongo.url, name)


@pytest.fixture
def own_postgres() -> Iterator[OwnPostgres]:
    """Start a PostgreSQL server for this test alone: ``own_postgres(settings={…})``."""
    from devstack.stores import Postgres

    with _private(Postgres) as start:
        yield start


@pytest.fixture
def own_redis() -> Iterator[OwnRedis]:
    """Start a Redis server for this test alone: ``own_redis(options=["--cluster-enabled", "yes"])``."""
    from devstack.stores import Redis

    with _private(Redis) as start:
        yield start


@pytest.fixture
def own_sentinel() -> Iterator[OwnSentinel]:
    """Start a sentinel for this test alone: ``own_sentinel("sentinel monitor main 127.0.0.1 6379 1")``."""
    from devstack.stores.redis import Sentinel

    with _private(Sentinel) as start:
        yield lambda configuration: start(configuration=configuration)


@pytest.fixture
def own_mongo() -> Iterator[OwnMongo]:
    """Start a MongoDB server for this test alone: ``own_mongo(sync_on_commit=True)``."""
    from devstack.stores import Mongo

    with _private(Mongo) as start:
        yield start


@contextmanager
def _private(kind: Callable[..., S]) -> Iterator[Callable[..., S]]:
    """Yield a function that starts stores, each on a folder of its own; remove them all at the end."""
    with ExitStack() as cleanup:

        def start(**options: object) -> S:
            store = kind(Path(tempfile.mkdtemp(prefix="devstack-")), **options)
            cleanup.callback(store.discard)
            store.start()
            return store

        yield start


@pytest.fixture
def weather_upstream() -> Iterator[WeatherUpstream]:
    """A local server that speaks Open-Meteo's formats, with ``.url``; see ``WeatherUpstream`` for its tricks.

    Each test has one of its own: a request that an earlier test left on the way is not counted in this one.
    """
    from devstack.weather.upstream import WeatherUpstream

    with WeatherUpstream() as upstream:
        yield upstream


def _unique_name() -> str:
    return f"test_{uuid.uuid4().hex[:12]}"
