"""``Accept: text/event-stream`` on a table: its rows now, and every change of them.

Events: ``rows`` (all of them), ``changed`` (a row that is new or different), ``removed`` (the key of a row
that the request does not find any more) and ``error``, the last one. A listener that comes back with
``Last-Event-ID`` is told of what is different by now; where that is not known any more it gets ``reset`` and
``rows``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from hashlib import blake2b

from pg_svc.auth.roles import Caller
from pg_svc.errors import ApiError
from pg_svc.handlers.protocol import ProtocolHandler
from pg_svc.plan.action import plan_action
from pg_svc.plan.negotiate import NDJSON
from pg_svc.plan.types import ReadPlan
from pg_svc.request.api import Address, ApiRequest
from pg_svc.schema.model import Name, Schema
from pg_svc.sql.builder import Sql, concat
from pg_svc.store.transaction import Transaction
from pg_svc.watch.command import TRIGGER
from pg_svc.watch.follower import Follower
from svc_common import Event

_PAUSE = 0.05  # many changes in a row are read once
_RETRY = 1.0
_OF_ONE_TOKEN = ("exp", "iat", "jti", "nbf")


async def watch_table(handler: ProtocolHandler, address: Address) -> None:
    """Answer with the events of what a read finds. Raises ApiError as the read itself would."""
    database = handler.state.database
    request = handler.understand(address, accept=NDJSON)
    action = plan_action(database.schema, request, handler.state.limits)
    reading = action.reading
    if reading is None or action.output.kind != "ndjson":
        raise _not_watched(address.name)
    await _check_trigger(handler, reading.table)
    rows = _Rows(handler, request, action.statement)
    owner = _owner(action.statement, handler.caller())
    follower = Follower(_key(database.schema, reading), database.watchers.log, owner)
    with database.watchers.following(_tables(reading)) as told:
        first = follower.first(await rows.read(), handler.request.headers.get("Last-Event-ID"))
        try:
            await handler.stream_events(_events(rows, follower, first, told))
        finally:
            follower.leave()


def _owner(statement: Sql, caller: Caller) -> bytes:
    """Who listens to what. A new token of the same account is the same listener."""
    claims = {name: claim for name, claim in caller.claims.items() if name not in _OF_ONE_TOKEN}
    parts = (statement.text, statement.params, caller.role, sorted(claims.items()))
    return blake2b(repr(parts).encode("utf-8", "replace"), digest_size=16).digest()


async def _events(
    rows: _Rows, follower: Follower, first: Sequence[Event], told: asyncio.Event
) -> AsyncIterator[Event]:
    for event in first:
        yield event
    while True:
        await told.wait()
        await asyncio.sleep(_PAUSE)
        told.clear()
        try:
            found = await rows.read()
        except ApiError as error:
            if error.status in (503, 504):  # the database will be back
                told.set()
                await asyncio.sleep(_RETRY)
                continue
            yield Event(error.body().decode(), event="error")
            return
        for event in follower.later(found):
            yield event


class _Rows:
    """A read that is asked again and again, as whoever asked first."""

    def __init__(self, handler: ProtocolHandler, request: ApiRequest, statement: Sql) -> None:
        self._handler = handler
        self._request = request
        self._most = handler.state.settings.watch_rows
        limit = f") pgrst_watched LIMIT {self._most + 1}"
        self._statement = concat("SELECT * FROM (", statement, limit)

    async def read(self) -> list[str]:
        """The rows as JSON. A token that has expired meanwhile is refused as any other."""
        state = self._handler.state
        caller, schema = self._handler.caller(), state.database.schema
        transaction = Transaction(
            prologue=self._handler.prologue(
                caller, self._request.schema, schema, timezone=self._request.preferences.timezone
            ),
            statement=self._statement,
            read_only=True,
            isolation=schema.role_isolation.get(caller.role or ""),
            name="watch",
        )
        # A replica may not have heard yet of what the notification tells
        result = await state.database.run(transaction, authenticated=caller.authenticated, newest=True)
        if len(result.rows) > self._most:
            raise ApiError(
                400,
                "WATCH02",
                f"More than {self._most} rows cannot be followed",
                hint="Filter or limit them.",
            )
        return [line for (line,) in result.rows]


async def _check_trigger(handler: ProtocolHandler, table: Name) -> None:
    # By name: the login role need not be allowed to use the schema
    statement = Sql(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t "
        "JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s AND c.relname = %s AND t.tgname = %s AND t.tgenabled <> 'D')",
        (table.schema, table.name, TRIGGER),
    )
    found = await handler.state.database.run(Transaction((), statement, read_only=True), authenticated=True)
    if not found.rows[0][0]:
        raise _not_watched(table.name)


def _key(schema: Schema, reading: ReadPlan) -> tuple[str, ...]:
    """The columns that tell rows apart; they must be among what is selected."""
    key = schema.tables[reading.table].key
    selected = {chosen.alias or chosen.ref.name for chosen in reading.select}
    if not key or not ("*" in selected or selected.issuperset(key)):
        raise ApiError(400, "WATCH01", "To follow rows, select the columns of their primary key")
    return key


def _tables(reading: ReadPlan) -> Iterator[Name]:
    yield reading.table
    for child in reading.children:
        yield from _tables(child)


def _not_watched(name: str) -> ApiError:
    return ApiError(
        406,
        "PGRST107",
        "None of these media types are available: text/event-stream",
        hint=f"python -m pg_svc watch {name} lets the table's rows be followed.",
    )
