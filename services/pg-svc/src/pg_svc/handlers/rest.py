"""The protocol's addresses: the root, tables and functions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from pg_svc.errors import ApiError, bad_path
from pg_svc.handlers.protocol import ProtocolHandler
from pg_svc.plan.action import Action, find_called, plan_action
from pg_svc.plan.read import require_table
from pg_svc.render import Answer, RowSet, plan_answer
from pg_svc.request.api import FUNCTION, ROOT, TABLE, Address, ApiRequest
from pg_svc.schema.model import Name, Table
from pg_svc.store.connection import Row
from pg_svc.store.transaction import Transaction


class RestHandler(ProtocolHandler):
    """Tables and functions: parse, plan, run, render."""

    async def respond(self, address: Address) -> None:
        """Answer a request."""
        database = self.state.database
        caller = self.caller()
        self.stamp("jwt")
        schema = database.schema
        request = self.understand(address, schema)
        self.stamp("parse")
        try:
            action = plan_action(schema, request, self.state.limits)
        except ApiError as error:
            if error.code.startswith("PGRST20"):
                database.ask_for_reload()  # perhaps it is there by now
            raise
        self.stamp("plan")
        routine = action.routine
        rollback = self._rolls_back(request)
        kept: list[Answer] = []

        def check(row: Row) -> None:
            if not action.output.media_type.is_plan:
                kept.append(action.answer(RowSet.of(row)))

        def needs_estimate(row: Row) -> bool:
            most = self.state.settings.pgrst_db_max_rows
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
            rollback=rollback and not action.read_only,
            check=check,
            after=action.estimate,
            needs_after=needs_estimate,
            name=request.address.kind,
        )
        result = await database.run(transaction, authenticated=caller.authenticated)
        self.stamp("transaction")
        if action.output.media_type.is_plan:
            self.send(plan_answer(result.rows, action.output, profile=request.profile))
        elif result.after:
            self.send(self._with_estimate(action, result.rows[0], result.after))
        elif kept:
            self.send(kept[0])
        else:  # a statement without a row: a function that returned no set at all
            self.send(action.answer(RowSet(None, 0, b"", None, None, None, None)))

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

    def allow(self, methods: str) -> None:
        """Answer OPTIONS."""
        self.send(Answer(200, [("Access-Control-Allow-Origin", "*"), ("Allow", methods)]))


class TableHandler(RestHandler):
    """``/rest/{table}``."""

    kind = TABLE

    async def get(self, table: str) -> None:
        """Read rows."""
        await self.respond(Address(TABLE, table))

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
        request = self.understand(Address(TABLE, kwargs["table"]), schema)
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
        request = self.understand(Address(FUNCTION, kwargs["function"]), schema)
        routine, _ = find_called(schema, request)
        self.allow("OPTIONS,POST" if routine.volatility == "v" else "OPTIONS,GET,HEAD,POST")


class RootHandler(RestHandler):
    """``/rest``: what there is."""

    kind = ROOT

    async def get(self) -> None:
        """The document of the exposed schema."""
        root = self.state.settings.pgrst_db_root_spec
        if root:
            await self.respond(Address(FUNCTION, root.rpartition(".")[2]))
            return
        raise bad_path()

    async def options(self, *args: str, **kwargs: str) -> None:
        """What the root takes."""
        if self._is_preflight():
            self.preflight()
            return
        self.allow("OPTIONS,GET,HEAD")


class UnknownHandler(ProtocolHandler):
    """Any deeper address."""

    async def get(self, *args: str, **kwargs: str) -> None:
        """There is none."""
        raise bad_path()

    post = patch = put = delete = options = get
