"""A request's transaction, in as few round trips as it can be.

Several statements in one message are one transaction of the server's own making, so a read takes a single
round trip: mode, settings, pre-request, statement. A transaction whose end depends on its result (a write
that may affect too many rows, a rollback that was asked for) takes two: up to the result, then the end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from pg_svc.sql.builder import Sql
from pg_svc.store.connection import ConnectionLost, DatabaseError, Row, Session

_ISOLATION = {"read committed", "repeatable read", "serializable"}

# A function may have changed settings for the whole session; nobody else is to see that.
_CLEAN = "RESET ALL; RESET ROLE; "


@dataclass(frozen=True, slots=True)
class Transaction:
    """What to run. ``after`` is a second statement that runs when ``needs_after`` says so of the row."""

    prologue: tuple[Sql, ...]
    statement: Sql
    read_only: bool
    isolation: str | None = None
    rollback: bool = False
    check: Callable[[Row], None] | None = None
    after: Sql | None = None
    needs_after: Callable[[Row], bool] | None = None
    name: str = "query"


@dataclass(frozen=True, slots=True)
class Result:
    """The statement's rows, and the second statement's where it ran."""

    rows: list[Row]
    after: list[Row]


async def run_transaction(session: Session, transaction: Transaction) -> Result:
    """Run it. Raises DatabaseError, ConnectionLost, or whatever ``check`` raises; then nothing is stored."""
    mode = "READ ONLY" if transaction.read_only else "READ WRITE"
    if transaction.isolation in _ISOLATION:
        mode = f"ISOLATION LEVEL {transaction.isolation.upper()} {mode}"
    single = transaction.read_only and transaction.after is None and not transaction.rollback
    begin = f"SET TRANSACTION {mode}; " if single else f"BEGIN {mode}; "
    text = [_CLEAN, begin]
    parameters: list[object] = []
    for part in (*transaction.prologue, transaction.statement):
        text.append(part.text + "; ")
        parameters.extend(part.params)
    # The last statement's result is the one the driver keeps
    rows = await _guarded(session, "".join(text).rstrip("; "), parameters, transaction.name)
    if single:
        if transaction.check is not None:
            for row in rows[:1]:
                transaction.check(row)
        return Result(rows, [])
    after: list[Row] = []
    try:
        if transaction.check is not None:
            for row in rows[:1]:
                transaction.check(row)
        if transaction.after is not None and (
            transaction.needs_after is None or transaction.needs_after(rows[0])
        ):
            after = await session.run(transaction.after.text, transaction.after.params, name="explain")
    except Exception:
        await _end(session, "ROLLBACK")
        raise
    if transaction.rollback:
        # Deferred constraints still speak up, as they would at a commit
        await _guarded(session, "SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK", None, "rollback")
    else:
        await _guarded(session, "COMMIT", None, "commit")
    return Result(rows, after)


_PAGE = 1000


async def stream_transaction(session: Session, transaction: Transaction) -> AsyncIterator[bytes]:
    """The rows of a read as lines, in pages of a cursor, so that memory does not grow with their number."""
    text = [_CLEAN, "BEGIN READ ONLY; "]
    parameters: list[object] = []
    for part in transaction.prologue:
        text.append(part.text + "; ")
        parameters.extend(part.params)
    text.append(f"DECLARE pgrst_stream NO SCROLL CURSOR FOR {transaction.statement.text}")
    parameters.extend(transaction.statement.params)
    await _guarded(session, "".join(text), parameters, "stream")
    while True:
        rows = await _guarded(session, f"FETCH {_PAGE} FROM pgrst_stream", None, "fetch")
        if not rows:
            break
        # A line break in JSON is never part of a value
        yield "".join(line.replace("\n", " ") + "\n" for (line,) in rows).encode()
    await _end(session, "COMMIT")


async def _guarded(session: Session, sql: str, parameters: list[object] | None, name: str) -> list[Row]:
    try:
        return await session.run(sql, parameters, name=name)
    except DatabaseError:
        if not session.idle:
            await _end(session, "ROLLBACK")
        raise


async def _end(session: Session, sql: str) -> None:
    if session.closed:
        return
    try:
        await session.run(sql, name="rollback")
    except (ConnectionLost, DatabaseError):
        session.close()
