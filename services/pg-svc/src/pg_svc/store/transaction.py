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

# A function may have changed settings for the whole session; nobody else is to see that. To find out whether
# one has would cost more than this does: 2.6 µs of the server's time.
_CLEAN = b"RESET ALL; RESET ROLE; "


@dataclass(slots=True)
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


@dataclass(slots=True)
class Result:
    """The statement's rows, and the second statement's where it ran."""

    rows: list[Row]
    after: list[Row]


async def run_transaction(session: Session, transaction: Transaction) -> Result:
    """Run it. Raises DatabaseError, ConnectionLost, or whatever ``check`` raises; then nothing is stored."""
    single = transaction.read_only and transaction.after is None and not transaction.rollback
    # The last statement's result is the one the driver keeps
    parts = (*transaction.prologue, transaction.statement)
    rows = await _ask(session, _head(transaction, single), parts, transaction.name)
    if single:
        if transaction.check is not None and rows:
            transaction.check(rows[0])
        return Result(rows, [])
    after: list[Row] = []
    try:
        if transaction.check is not None and rows:
            transaction.check(rows[0])
        if transaction.after is not None and (
            transaction.needs_after is None or transaction.needs_after(rows[0])
        ):
            after = await session.run(transaction.after.text, transaction.after.params, name="explain")
    except Exception:
        await _end(session, "ROLLBACK")
        raise
    if transaction.rollback:
        # Deferred constraints still speak up, as they would at a commit
        await _guarded(session, b"SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK", "rollback")
    else:
        await _guarded(session, b"COMMIT", "commit")
    return Result(rows, after)


def _head(transaction: Transaction, single: bool) -> bytes:
    mode = "READ ONLY" if transaction.read_only else "READ WRITE"
    if transaction.isolation in _ISOLATION:
        mode = f"ISOLATION LEVEL {transaction.isolation.upper()} {mode}"
    return _CLEAN + (f"SET TRANSACTION {mode}" if single else f"BEGIN {mode}").encode()


async def _ask(session: Session, head: bytes, parts: tuple[Sql, ...], name: str) -> list[Row]:
    """Send the statements as one message; prepared ones in plain text again where that was their fault."""
    statements = session.statements
    batch = statements.batch(head, parts)
    try:
        rows = await session.run(batch.message, name=name)
    except DatabaseError as error:
        await _roll_back(session)
        if not statements.failed(batch, error.error.code):
            raise
        rows = await _guarded(session, statements.plain(head, parts).message, name)
        statements.does_without(batch, error.error.code)
        return rows
    statements.succeeded(batch)
    return rows


_PAGE_BYTES = 2**20
_FIRST_ROWS, _MOST_ROWS = 10, 1000


async def stream_transaction(session: Session, transaction: Transaction) -> AsyncIterator[bytes]:
    """The rows of a read as lines, in pages of a cursor, so that memory does not grow with their number.

    Nor much with their width: a page has about as many of them as make a megabyte, by the page before.
    """
    cursor = "DECLARE pgrst_stream NO SCROLL CURSOR FOR " + transaction.statement
    await _ask(session, _head(transaction, False), (*transaction.prologue, cursor), "stream")
    wanted = _FIRST_ROWS
    while True:
        rows = await _guarded(session, b"FETCH %d FROM pgrst_stream" % wanted, "fetch")
        if not rows:
            break
        # A line break in JSON is never part of a value
        page = "".join(line.replace("\n", " ") + "\n" for (line,) in rows).encode()
        wanted = max(1, min(_MOST_ROWS, _PAGE_BYTES * len(rows) // len(page)))
        del rows
        yield page
    await _end(session, "COMMIT")


async def _guarded(session: Session, message: bytes, name: str) -> list[Row]:
    try:
        return await session.run(message, name=name)
    except DatabaseError:
        await _roll_back(session)
        raise


async def _roll_back(session: Session) -> None:
    if not session.idle:
        await _end(session, "ROLLBACK")


async def _end(session: Session, sql: str) -> None:
    if session.closed:
        return
    try:
        await session.run(sql, name="rollback")
    except (ConnectionLost, DatabaseError):
        session.close()
