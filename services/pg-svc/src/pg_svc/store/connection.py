"""One session with the server, over aiopg.

aiopg 1.4 turns a query that the server cancelled (57014, ``statement_timeout`` for example) into
``asyncio.CancelledError``, and closes the socket of a query that was cancelled here while the server goes on
with it. ``_Connection`` takes both away: every error of the server is an exception of its own, and a
cancellation leaves the socket to whoever knows how to stop the query.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, cast

import aiopg
import psycopg2
from aiopg.utils import ClosableQueue
from psycopg2 import extensions

from pg_svc.store.address import connect_parameters, place_of, turn_of, was_silent
from pg_svc.store.errors import ServerError
from pg_svc.store.prepared import Statements, Texts
from svc_common import get_logger, observe_store

log = get_logger("pg_svc.store")

Row = tuple[Any, ...]
Parameters = Sequence[Any] | Mapping[str, Any]

_FITS = 4096
"""Bytes that the socket of an idle connection takes at once."""

# JSON passes through as the server wrote it: json and jsonb are not parsed
_JSON_AS_TEXT = extensions.new_type((114, 3802), "JSON_AS_TEXT", lambda text, cursor: text)


class DatabaseError(Exception):
    """The server refused a statement."""

    def __init__(self, error: ServerError) -> None:
        super().__init__(f"{error.code}: {error.message}")
        self.error = error


class ConnectionLost(Exception):
    """The server is not there, or is gone. The text says what the driver saw, for the log."""


class _Notifications(ClosableQueue):
    """aiopg's, which any refused statement would end."""

    def __init__(self, connection: aiopg.Connection) -> None:
        super().__init__(connection._notifies, connection._loop)
        self._raw = connection.raw

    def close(self, exception: Exception) -> None:
        if self._raw.closed:
            super().close(exception)


class _Connection(aiopg.Connection):
    made = False
    """Whether it is connected, to whichever of the addresses."""

    def __init__(self, dsn: str, timeout: float, **parameters: Any) -> None:
        super().__init__(dsn, timeout, **parameters)
        self._notifies_proxy = _Notifications(self)

    @staticmethod
    def _ready(weak_self: weakref.ref[Any]) -> None:
        """As aiopg's, but a failed connect also ends the watch for writing.

        aiopg forgets the number of a bad file descriptor before it comes to that. uvloop would go on with its
        watch when the number is the API port's next connection, and cut that off.
        """
        connection = weak_self()
        if connection is not None and not connection.made:
            connection._watch_nothing()
        watched = connection._fileno if connection is not None and connection._writing else None
        aiopg.Connection._ready(weak_self)
        if watched is not None and connection is not None and connection._fileno is None:
            with contextlib.suppress(OSError):
                connection._loop.remove_writer(watched)
        if connection is not None and not connection.made:
            connection._watch_socket()

    def _watch_nothing(self) -> None:
        """Before each step of a connect: libpq may go to the next address with it.

        The next socket often has the number of the last, which is closed, so that nobody would hear of it.
        """
        if self._fileno is not None:
            self._loop.remove_reader(self._fileno)
            if self._writing:
                self._loop.remove_writer(self._fileno)

    def _watch_socket(self) -> None:
        """After it: the socket that there is now, if there is one."""
        if self._fileno is None or self._conn.closed:
            return
        fileno = self._conn.fileno()
        if fileno < 0:  # libpq has closed it, and nobody will hear of it
            self._fileno = None
            self._fail("the server closed the connection")
            return
        self._fileno = fileno
        self._loop.add_reader(fileno, self._ready, self._weakref)
        if self._writing:
            self._loop.add_writer(fileno, self._ready, self._weakref)

    def _fail(self, reason: str) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(psycopg2.OperationalError(reason))

    async def execute(self, cursor: Any, sql: str | bytes, parameters: Parameters | None) -> None:
        """Run SQL on a cursor of psycopg2.

        aiopg's own cursor costs an object, a timer and three coroutines for each statement: 25 µs.
        """
        if self._waiter is not None:
            raise RuntimeError("another statement runs on this connection")
        self._waiter = waiter = self._loop.create_future()
        try:
            cursor.execute(sql, parameters)
            if len(sql) > _FITS or parameters or self._conn.fileno() < 0:
                self._ready(self._weakref)
            # else: it has left as a whole, since an idle connection's buffer is empty, and there is no use in
            # looking for its answer yet: 3 µs. (A socket that breaks while libpq sends is closed by it, and
            # would never be heard of.)
            await waiter
        finally:
            self._waiter = None

    async def _poll(self, waiter: asyncio.Future[None], timeout: float) -> None:
        self._ready(self._weakref)
        try:
            await waiter
        finally:
            self._waiter = None


class Session:
    """A connection that runs one statement, or several in one round trip, at a time."""

    def __init__(self, connection: _Connection, texts: Texts | None = None) -> None:
        self._connection = connection
        self._raw = connection.raw
        self._cursor = self._raw.cursor()
        self._texts = texts if self._reads_text_plainly() else None
        self.statements = Statements(self._texts, self._cursor.mogrify)
        self.pid: int = self._raw.get_backend_pid()
        self.place = place_of(self._raw)
        self.opened = time.monotonic()
        self.released = self.opened
        self.busy_since: float | None = None
        self.abandoned = False

    @classmethod
    async def connect(
        cls, dsn: str, *, timeout: float, texts: Texts | None = None, **parameters: Any
    ) -> Session:
        """Open a session within ``timeout`` seconds that prepares ``texts``. ConnectionLost otherwise.

        ``parameters`` are libpq's, and count more than what the address says.
        """
        turn, started = turn_of(dsn), time.monotonic()
        try:
            told = extensions.make_dsn(dsn, **parameters)
            async with asyncio.timeout(timeout):
                connection = await _Connection(
                    told,
                    timeout,
                    enable_json=False,
                    enable_hstore=False,
                    enable_uuid=False,
                    **await connect_parameters(told, turn),
                )
        except TimeoutError:
            if "host" not in parameters:
                was_silent(dsn, turn)
            raise ConnectionLost(f"no connection within {timeout:g} s") from None
        except asyncio.CancelledError:
            # Whoever waited had no more time, either
            if "host" not in parameters and time.monotonic() - started > timeout / 2:
                was_silent(dsn, turn)
            raise
        except (psycopg2.Error, OSError) as error:
            raise ConnectionLost(str(error)) from error
        made = cast(_Connection, connection)
        made.made = True
        try:
            extensions.register_type(_JSON_AS_TEXT, made.raw)
            return cls(made, texts)
        except (psycopg2.Error, OSError) as error:  # the server has gone again
            made.close()
            raise ConnectionLost(str(error)) from error

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return bool(self._raw.closed)

    @property
    def idle(self) -> bool:
        """Whether no transaction is open and nothing runs."""
        return not self.closed and self._raw.get_transaction_status() == extensions.TRANSACTION_STATUS_IDLE

    @property
    def server_version(self) -> int:
        """The server's version, such as 180001."""
        return int(self._raw.server_version)

    def _reads_text_plainly(self) -> bool:
        status = self._raw.get_parameter_status
        return bool(status("standard_conforming_strings") == "on" and status("client_encoding") == "UTF8")

    @property
    def reusable(self) -> bool:
        """Whether the next request may have it.

        Not where a function has changed, for the whole session, how literals are read: the next message is
        taken apart before any of it can take that back, and what was quoted earlier would mean another thing.
        """
        return self.idle and not self.abandoned and (self._texts is None or self._reads_text_plainly())

    async def run(
        self, sql: str | bytes, parameters: Parameters | None = None, *, name: str = "query"
    ) -> list[Row]:
        """Run SQL; the rows of its last statement, none where that has no result.

        Raises DatabaseError for what the server refuses and ConnectionLost when it is gone. When the task is
        cancelled the statement still runs: the pool stops it (see ``Pool.release``).
        """
        self.busy_since = time.monotonic()
        try:
            with observe_store("postgres", name):
                await self._connection.execute(self._cursor, sql, parameters)
                rows: list[Row] = self._cursor.fetchall() if self._cursor.description else []
            return rows
        except asyncio.CancelledError:
            self.abandoned = True
            raise
        except psycopg2.Error as error:
            raise _translated(error) from error
        finally:
            self.busy_since = None

    def give_up(self, reason: str) -> None:
        """Make the running statement fail: the server has stopped answering."""
        if self.busy_since is not None:
            self.abandoned = True
            self._connection._fail(reason)

    async def notification(self) -> tuple[str, str]:
        """Wait for the next notification: its channel and payload. ConnectionLost when the server is gone."""
        try:
            notify = await self._connection.notifies.get()
        except psycopg2.Error as error:
            raise ConnectionLost(str(error)) from error
        return notify.channel, notify.payload

    def close(self) -> None:
        """Close the socket."""
        if not self.closed:
            self._connection.close()


def _translated(error: psycopg2.Error) -> Exception:
    code = error.pgcode
    if code is None:
        return ConnectionLost(str(error))
    diagnosis = error.diag
    return DatabaseError(
        ServerError(
            code,
            diagnosis.message_primary or "",
            diagnosis.message_detail,
            diagnosis.message_hint,
        )
    )
