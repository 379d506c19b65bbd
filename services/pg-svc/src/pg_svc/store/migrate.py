# ruff: noqa: S608 -- building SQL is what this module is for; values are parameters, names are quoted
"""Numbered SQL files, applied in order, each in a transaction of its own and only once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

from pg_svc.store.connection import Session
from svc_common import get_logger

log = get_logger("pg_svc.migrate")

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_LOCK = 7_317_802_194_331_001  # any number, the same in every replica
_TABLE = "storefronts.pg_svc_migrations"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: ``0001_todos.sql`` has number 1 and name ``todos``."""

    number: int
    name: str
    sql: str


def packaged_migrations() -> list[Migration]:
    """The migrations that this package carries, in order. ValueError when two have the same number."""
    found = []
    for entry in (files("pg_svc") / "migrations").iterdir():
        match = _NAME.fullmatch(entry.name)
        if match:
            found.append(Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.number)
    numbers = [migration.number for migration in found]
    if len(set(numbers)) != len(numbers):
        raise ValueError("two migrations have the same number")
    return found


async def migrate(session: Session, migrations: list[Migration]) -> int:
    """Apply what has not been applied yet; how many that were.

    An advisory lock makes replicas that start together wait for each other. Raises DatabaseError or
    ConnectionLost; what had been applied before stays.
    """
    await session.run(f"SELECT pg_advisory_lock({_LOCK})", name="migrate")
    applied = 0
    try:
        await session.run(
            "CREATE SCHEMA IF NOT EXISTS storefronts;"
            f"CREATE TABLE IF NOT EXISTS {_TABLE} ("
            " number integer PRIMARY KEY, name text NOT NULL, applied timestamptz NOT NULL DEFAULT now())",
            name="migrate",
        )
        known = {number for (number,) in await session.run(f"SELECT number FROM {_TABLE}", name="migrate")}
        for migration in migrations:
            if migration.number in known:
                continue
            # Several statements in one message are one transaction
            await session.run(
                f"{migration.sql};\nINSERT INTO {_TABLE} (number, name) "
                f"VALUES ({migration.number}, '{migration.name}')",
                name="migrate",
            )
            log.info("migrated", number=migration.number, name=migration.name)
            applied += 1
    finally:
        if session.idle:
            await session.run(f"SELECT pg_advisory_unlock({_LOCK})", name="migrate")
    return applied
