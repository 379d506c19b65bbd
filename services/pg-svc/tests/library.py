"""A database with the fixture in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from devstack.addresses import with_database
from devstack.stores.postgres import run_sql

FIXTURES = sorted(Path(__file__).parent.glob("fixture*.sql"))


@dataclass(frozen=True)
class Library:
    """Its address as the superuser."""

    url: str

    def url_as(self, role: str) -> str:
        """Its address as another role."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))

    def sql(self, statement: str) -> str:
        """Run one statement as the superuser."""
        return run_sql(self.url, statement)


@contextmanager
def new_library(server: str) -> Iterator[Library]:
    """A new database with the fixture on a server, dropped at the end."""
    name = f"library_{uuid4().hex[:12]}"
    run_sql(server, f"CREATE DATABASE {name}")
    library = Library(with_database(server, name))
    try:
        for fixture in FIXTURES:
            library.sql(fixture.read_text(encoding="utf-8"))
        yield library
    finally:
        run_sql(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
