"""What the handlers use: one connection and the parts of the store on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

from svc_common import Check, Principal

from .cursors import Cursors
from .rules import FREE, Rule, Rules
from .settings import MongoSettings
from .sources import Scope
from .store import (
    Actions,
    Bulk,
    Collections,
    Connection,
    Documents,
    Files,
    Queries,
    Transactions,
    Watching,
)


@dataclass(frozen=True)
class State:
    """The open store."""

    settings: MongoSettings
    connection: Connection
    documents: Documents
    collections: Collections
    queries: Queries
    bulk: Bulk
    transactions: Transactions
    files: Files
    watching: Watching
    cursors: Cursors
    scope: Scope
    sources: Mapping[str, Actions]
    rules: Rules | None

    def rule(self, database: str, collection: str, caller: Principal | None) -> Rule:
        """What a caller of the Data API may do in a collection."""
        return FREE if self.rules is None else self.rules.find(database, collection, caller)

    def guard(self, collection: str, caller: Principal | None) -> None:
        """Forbidden where the rules let the caller have only a part of a native collection."""
        if self.rules is not None:
            self.rules.guard(self.settings.database, collection, caller)


@asynccontextmanager
async def connect(settings: MongoSettings) -> AsyncIterator[State]:
    """Open the store; MongoDB need not be there yet."""
    rules = Rules(settings.data_api_rules) if settings.data_api_rules else None
    with ExitStack() as stack:
        connection = _open(stack, settings.mongodb_uri.get_secret_value(), settings)
        sources = {"": Actions(connection, settings.query_timeout)}
        for name, uri in settings.mongodb_uris.items():
            further = _open(stack, uri.get_secret_value(), settings)
            sources[name] = Actions(further, settings.query_timeout)
        documents = Documents(connection)
        yield State(
            settings=settings,
            connection=connection,
            documents=documents,
            collections=Collections(connection, settings.query_timeout),
            queries=Queries(connection, settings.query_timeout),
            bulk=Bulk(connection, documents, settings.query_timeout),
            transactions=Transactions(connection, documents, settings.query_timeout),
            files=Files(connection, settings.query_timeout),
            watching=Watching(connection, settings.mongodb_watches),
            cursors=Cursors(settings.signing_secret),
            scope=Scope(settings),
            sources=sources,
            rules=rules,
        )


def _open(stack: ExitStack, uri: str, settings: MongoSettings) -> Connection:
    w = settings.mongodb_write_concern
    connection = Connection(
        uri,
        settings.database,
        pool_size=settings.mongodb_pool_size,
        timeout=settings.store_timeout,
        longest=settings.store_timeout + settings.query_timeout,
        w=int(w) if w.isdigit() else w,
        journal=settings.mongodb_journal,
    )
    stack.callback(connection.close)
    return connection


def checks(state: State) -> Sequence[Check]:
    """What readiness asks for."""
    return [Check("mongodb", state.connection.ping)]
