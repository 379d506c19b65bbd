"""The services and stores that make up Storefronts, and the ports they prefer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack import addresses
from devstack.stores import Mongo, Postgres, Redis, Store


@dataclass(frozen=True)
class StoreKind:
    """A store: how to find a given one, how to make an embedded one and how to tell the services."""

    name: str
    title: str
    port: int
    variable: str
    given: Callable[[Mapping[str, str]], str | None]
    embedded: Callable[[Path, int], Store]


@dataclass(frozen=True)
class ServiceKind:
    """A service; ``name`` is also its path at the front door."""

    name: str
    program: str
    module: str
    port: int
    admin_port: int
    summary: str

    @property
    def base_path(self) -> str:
        """The prefix of all its paths."""
        return f"/{self.name}"


STORES = (
    StoreKind("postgres", "PostgreSQL", 5432, "DATABASE_URL", addresses.postgres_url, Postgres),
    StoreKind("redis", "Redis", 6379, "REDIS_URL", addresses.redis_url, Redis),
    StoreKind("mongo", "MongoDB", 27017, "MONGODB_URI", addresses.mongo_url, Mongo),
)

SERVICES = (
    ServiceKind("mongo", "mongo-svc", "mongo_svc", 8081, 8181, "Documents over MongoDB"),
    ServiceKind("redis", "redis-svc", "redis_svc", 8082, 8182, "Records and commands over Redis"),
    ServiceKind("pg", "pg-svc", "pg_svc", 8083, 8183, "Tables over PostgreSQL"),
    ServiceKind("weather", "weather-svc", "weather_svc", 8084, 8184, "Current weather and forecasts"),
)
