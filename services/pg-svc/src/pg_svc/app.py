"""The service: its addresses, what it holds on to, what it needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from pg_svc.accounts.routes import account_routes
from pg_svc.accounts.state import AccountState, open_accounts
from pg_svc.configuration import Configuration
from pg_svc.handlers.rest import FunctionHandler, TableHandler, UnknownHandler
from pg_svc.handlers.root import RootHandler
from pg_svc.handlers.state import RestState
from pg_svc.settings import PgSettings
from pg_svc.signals import reloading
from pg_svc.store.database import Database
from pg_svc.store.rates import open_rates
from svc_common import READ, READ_WRITE, Check, Route, Service

routes = [
    Route("/rest", RootHandler, READ_WRITE),
    Route("/rest/", RootHandler, READ_WRITE),
    Route("/rest/rpc/{function}", FunctionHandler, READ_WRITE),
    Route("/rest/{table}", TableHandler, {**READ_WRITE, "QUERY": READ}),
    Route("/rest/{rest:path}", UnknownHandler, READ_WRITE),
    *account_routes,
]


@asynccontextmanager
async def connect(settings: PgSettings) -> AsyncIterator[AccountState]:
    """Open the database; do not wait for it."""
    configuration = Configuration(settings)
    async with Database(configuration).running() as database, open_accounts(settings) as accounts:
        with reloading(database):
            yield AccountState(configuration, database, accounts=accounts)


def checks(state: RestState) -> Sequence[Check]:
    """Ready when the database answers and its schema is known."""
    return [Check("postgres", state.database.check, timeout=state.settings.store_timeout)]


service = Service(
    "pg-svc",
    PgSettings,
    routes=routes,
    lifespan=connect,
    checks=checks,
    rates=open_rates,
    issuer=lambda state: state.accounts,
    package="pg_svc",
    description="Tables and functions of a PostgreSQL database over HTTP: the PostgREST protocol.",
)
