"""The protocol's addresses: the root, tables and functions."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from hashlib import sha256
from typing import Any

import orjson

from pg_svc.errors import ApiError, bad_path
from pg_svc.handlers.protocol import ProtocolHandler
from pg_svc.handlers.watching import watch_table
from pg_svc.plan.action import Action, find_called
from pg_svc.plan.negotiate import NDJSON
from pg_svc.plan.read import require_table
from pg_svc.render import Answer, RowSet, plan_answer
from pg_svc.request.api import FUNCTION, TABLE, Address, ApiRequest
from pg_svc.schema.model import Name, Table
from pg_svc.store.connection import Row
from pg_svc.store.transaction import Transaction

_LONG_QUERY = 2048


class RestHandler(ProtocolHandler):
    """Tables and functions: parse, plan, run, render."""

    async def respond(self, address: Address) -> None:
        """Answer a request."""
        state = self.state
        database = state.database
        schema = database.schema  # first: before it is known, neither is the configuration
        caller = self.caller()
        self.stamp("jwt")
        try:
            if self._is_long():
                request, action = await self.aside(lambda: self.planned(address, schema))
            else:
                request, action = self.planned(address, schema)
        except ApiError as error:
            if error.code.startswith("PGRST20"):
                database.ask_for_reload()  # perhaps it is there by now
            raise
        self.stamp("plan")
        self.notices = action.notices
        routine = action.routine
        kept: list[Answer] = []

        def check(row: Row) -> None:
            if not action.output.media_type.is_plan:
                kept.append(action.answer(RowSet.of(row)))

        def needs_estimate(row: Row) -> bool:
            most = state.settings.pgrst_db_max_rows
            return action.estimate_always or most is None or (row[0] is not None and row[0] > most)

        transaction = Transaction(
            prologue=self.prologue(
                caller,
                request.schema,
                schema,
                timezone=request.preferences.timezone,
                function_settings=routine.settings if routine is not None else (),
            ),
            statement=action.statement,
            read_only=action.read_only,
            isolation=(routine.isolation if routine is not None else None)
            or schema.role_isolation.get(caller.role or ""),
            rollback=not action.read_only and self._rolls_back(request),
            check=None if action.read_only and action.estimate is None else check,
            after=action.estimate,
            needs_after=needs_estimate,
            name=request.address.kind,
        )
        if action.output.kind == "ndjson":
            await self._stream(database.stream(transaction, authenticated=caller.authenticated), request)
            return
        result = await database.run(transaction, authenticated=caller.authenticated)
        self.stamp("transaction")
        if action.output.media_type.is_plan:
            self.send(plan_answer(result.rows, action.output, profile=request.profile))
        elif result.after:
            self.send(self._with_estimate(action, result.rows[0], result.after))
        elif kept:
            self.send(kept[0])
        elif result.rows:
            self.send(action.answer(RowSet.of(result.rows[0])))
        else:  # a statement without a row: a function that returned no set at all
            self.send(action.answer(RowSet(None, 0, b"", None, None, None, None)))

    def _is_long(self) -> bool:
        """Whether understanding the query may take longer than others should wait for."""
        asked = self.request
        return len(asked.query) + (len(asked.body) if asked.method == "QUERY" else 0) > _LONG_QUERY

    async def _stream(self, lines: AsyncGenerator[bytes], request: ApiRequest) -> None:
        """Answer page by page, at the reader's pace. An error before the first row is an answer still."""
        async with aclosing(lines) as pages:
            first = await anext(pages, b"")
            self.begin_stream()
            headers = [("Content-Type", NDJSON)]
            if request.profile is not None:
                headers.append(("Content-Profile", request.profile))
            self.send(Answer(200, headers, first))
            await self.flush()
            async for page in pages:
                self.write(page)
                await self.flush()

    def _rolls_back(self, request: ApiRequest) -> bool:
        end = self.state.settings.pgrst_db_tx_end
        wanted = request.preferences.tx
        return wanted == "rollback" or (end.startswith("rollback") and wanted != "commit")

    def _with_estimate(self, action: Action, row: Row, explained: list[Row]) -> Answer:
        """The answer with the planner's guess of the total, where it is more than what was counted."""
        document: Any = explained[0][0]
        if isinstance(document, str):
            document = orjson.loads(document)
        guess = int(document[0]["Plan"]["Plan Rows"])
        rows = RowSet.of(row)
        return action.answer(replace(rows, total=guess if rows.total is None else max(rows.total, guess)))

    def asked_for(self, address: Address) -> ApiRequest:
        """What OPTIONS asks about. The caller is checked as for any other request."""
        self.caller()
        self.stamp("jwt")
        request = self.understand(address)
        self.stamp("parse")
        return request

    def allow(self, methods: str) -> None:
        """Answer OPTIONS."""
        self.send(Answer(200, [("Access-Control-Allow-Origin", "*"), ("Allow", methods)]))


class TableHandler(RestHandler):
    """``/rest/{table}``."""

    kind = TABLE

    def send(self, answer: Answer, last: str = "response") -> None:
        """Tag what was read, and answer 304 to whoever has it already."""
        if self.request.method in ("GET", "QUERY") and answer.status in (200, 206) and answer.body:
            # Processors have instructions for it: 4 µs for 100 rows, blake2b 14 µs
            tag = sha256(answer.body).hexdigest()[:24]
            if self.not_modified(tag):
                return
        super().send(answer, last)

    async def get(self, table: str) -> None:
        """Read rows, or follow them."""
        if self.wants_events():
            await watch_table(self, Address(TABLE, table))
            return
        await self.respond(Address(TABLE, table))

    async def http_query(self, table: str) -> None:
        """QUERY is GET with the query string in the body, for filters that fit no address."""
        await self.get(table)

    async def post(self, table: str) -> None:
        """Insert rows."""
        await self.respond(Address(TABLE, table))

    async def patch(self, table: str) -> None:
        """Update rows."""
        await self.respond(Address(TABLE, table))

    async def put(self, table: str) -> None:
        """Insert or replace one row."""
        await self.respond(Address(TABLE, table))

    async def delete(self, table: str) -> None:
        """Delete rows."""
        await self.respond(Address(TABLE, table))

    async def options(self, *args: str, **kwargs: str) -> None:
        """What the table takes."""
        if self._is_preflight():
            self.preflight()
            return
        schema = self.state.database.schema
        request = self.asked_for(Address(TABLE, kwargs["table"]))
        name = Name(request.schema, request.address.name)
        require_table(schema, name)
        self.allow(_allowed(schema.tables[name]))


def _allowed(table: Table) -> str:
    methods = ["OPTIONS", "GET", "HEAD"]
    if table.insertable:
        methods.append("POST")
    if table.insertable and table.updatable and table.key:
        methods.append("PUT")
    if table.updatable:
        methods.append("PATCH")
    if table.deletable:
        methods.append("DELETE")
    return ",".join(methods)


class FunctionHandler(RestHandler):
    """``/rest/rpc/{function}``."""

    kind = FUNCTION

    async def get(self, function: str) -> None:
        """Call a function that only reads."""
        await self.respond(Address(FUNCTION, function))

    async def post(self, function: str) -> None:
        """Call a function."""
        await self.respond(Address(FUNCTION, function))

    async def options(self, *args: str, **kwargs: str) -> None:
        """How the function may be called."""
        if self._is_preflight():
            self.preflight()
            return
        schema = self.state.database.schema
        request = self.asked_for(Address(FUNCTION, kwargs["function"]))
        routine, _ = find_called(schema, request)
        self.allow("OPTIONS,POST" if routine.volatility == "v" else "OPTIONS,GET,HEAD,POST")


class UnknownHandler(ProtocolHandler):
    """Any deeper address."""

    async def get(self, *args: str, **kwargs: str) -> None:
        """There is none."""
        raise bad_path()

    post = patch = put = delete = options = get
