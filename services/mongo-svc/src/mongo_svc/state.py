"""What the handlers use: one connection and the parts of the store on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from svc_common import Check

from .settings import MongoSettings
from .store import Collections, Connection, Documents


@dataclass(frozen=True)
class State:
    """The open store."""

    settings: MongoSettings
    connection: Connection
    documents: Documents
    collections: Collections


@asynccontextmanager
async def connect(settings: MongoSettings) -> AsyncIterator[State]:
    """Open the store; MongoDB need not be there yet."""
    w = settings.mongodb_write_concern
    connection = Connection(
        settings.mongodb_uri.get_secret_value(),
        settings.database,
        pool_size=settings.mongodb_pool_size,
        timeout=settings.store_timeout,
        w=int(w) if w.isdigit() else w,
        journal=settings.mongodb_journal,
    )
    try:
        yield State(settings, connection, Documents(connection), Collections(connection))
    finally:
        connection.close()


def checks(state: State) -> Sequence[Check]:
    """What readiness asks for."""
    return [Check("mongodb", state.connection.ping)]
