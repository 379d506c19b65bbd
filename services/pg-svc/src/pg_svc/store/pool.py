"""A pool of sessions that leaves nothing running and nothing behind.

* Whoever waits for a session waits in line, and not for ever; a session that comes back goes to the first.
* A session whose request was cancelled is stopped on the server (``pg_cancel_backend``) and thrown away.
* A server that has stopped answering without closing its sockets is noticed by a ping beside the queries.
* A session goes back only when no transaction is open on it.
"""

from __future__ import annotations

import asyncio
import collections
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import Counter, Gauge

from pg_svc.errors import no_connection, pool_timeout
from pg_svc.store.address import Place
from pg_svc.store.connection import ConnectionLost, DatabaseError, Session
from pg_svc.store.prepared import Texts
from pg_svc.store.tls import tls_trouble
from svc_common import get_logger

log = get_logger("pg_svc.pool")

_TOLD_EVERY = 0.2
"""Seconds: moving two gauges at each turn would cost 8 µs a request."""

POOL_MAX = Gauge("pgrst_db_pool_max", "Most connections to the database.", multiprocess_mode="livesum")
POOL_AVAILABLE = Gauge(
    "pgrst_db_pool_available", "Connections that a request would get at once.", multiprocess_mode="livesum"
)
POOL_WAITING = Gauge("pgrst_db_pool_waiting", "Requests that wait.", multiprocess_mode="livesum")
POOL_TIMEOUTS = Counter("pgrst_db_pool_timeouts", "Requests that waited in vain.")


class Pool:
    """At most ``size`` sessions with one server."""

    def __init__(
        self,
        dsn: str,
        *,
        size: int,
        acquire_timeout: float,
        store_timeout: float,
        max_lifetime: float,
        max_idle: float,
        parameters: dict[str, Any] | None = None,
        prepares: bool = False,
    ) -> None:
        self._dsn = dsn
        self._size = size
        self._acquire_timeout = acquire_timeout
        self._store_timeout = store_timeout
        self._max_lifetime = max_lifetime
        self._max_idle = max_idle
        self._parameters = parameters or {}
        self._texts = Texts() if prepares else None
        self._free: collections.deque[Session] = collections.deque()
        self._used: set[Session] = set()
        self._opening = 0
        self._line: collections.deque[asyncio.Future[Session | None]] = collections.deque()
        self._control: Session | None = None
        self._control_lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sentinel: asyncio.Task[None] | None = None
        self._closing = False
        self._telling = False
        POOL_MAX.set(size)
        self._tell()

    def renew(self, *, prepares: bool) -> None:
        """The catalog or the configuration has changed: statements are prepared anew, or from now on, or no
        longer."""
        if self._texts is not None and prepares:
            self._texts.renew()
        elif prepares or self._texts is not None:
            self._texts = Texts() if prepares else None
            for session in (*self._free, *self._used):
                session.opened = -math.inf  # too old to be lent again

    # -- lending ------------------------------------------------------------------------------------

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Borrow a session while the block lasts. Raises as ``acquire``."""
        session = await self.acquire()
        try:
            yield session
        finally:
            self.release(session)

    async def acquire(self) -> Session:
        """Borrow a session, and ``release`` it.

        Raises ApiError: PGRST003 when none became free, PGRST000 without a server.
        """
        session = self._take_free()
        if session is not None:
            return session
        if self._sentinel is None and not self._closing:
            self._sentinel = asyncio.create_task(self._keep_watch())
        deadline = asyncio.get_running_loop().time() + self._acquire_timeout
        try:
            while True:
                if len(self._used) + self._opening < self._size:
                    async with asyncio.timeout_at(deadline):
                        return await self._open()
                session = await self._wait_in_line(deadline) or self._take_free()
                if session is not None:
                    return session
        except TimeoutError:
            POOL_TIMEOUTS.inc()
            raise pool_timeout() from None

    def _take_free(self) -> Session | None:
        now = time.monotonic()
        while self._free:
            session = self._free.pop()  # the one used last: the others may grow old and go
            if session.idle and now - session.opened < self._max_lifetime:
                self._used.add(session)
                self._report()
                return session
            session.close()
        return None

    async def _open(self) -> Session:
        self._opening += 1
        try:
            session = await self._connect(self._texts)
        except ConnectionLost as error:
            trouble = tls_trouble(str(error))
            log.info("no_connection", error=trouble or type(error).__name__)
            raise no_connection(trouble) from error
        finally:
            self._opening -= 1
            self._call_next()
        self._used.add(session)
        self._report()
        return session

    async def _connect(self, texts: Texts | None = None, place: Place | None = None) -> Session:
        return await Session.connect(
            self._dsn, timeout=self._store_timeout, texts=texts, **self._parameters, **(place or {})
        )

    async def _wait_in_line(self, deadline: float) -> Session | None:
        """The session that is ours now; None when there may be room for one. TimeoutError at the deadline."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[Session | None] = loop.create_future()
        timer = loop.call_at(deadline, _end_wait, turn)
        self._line.append(turn)
        self._report()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                session = turn.result()  # it was our turn, and we do not take it
                if session is not None:
                    self.release(session)
                else:
                    self._call_next()
            raise
        finally:
            timer.cancel()
            if turn in self._line:
                self._line.remove(turn)
            self._report()

    def _call_next(self, session: Session | None = None) -> bool:
        """Give the first in line a session, or the chance to open one; whether there was anybody."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(session)
                return True
        return False

    def release(self, session: Session) -> None:
        """Give a borrowed session back."""
        if session.reusable and not self._closing:
            session.released = time.monotonic()
            if session.released - session.opened < self._max_lifetime and self._call_next(session):
                return  # from hand to hand: it stays in use
            self._used.discard(session)
            self._free.append(session)
        else:
            self._used.discard(session)
            if session.abandoned and not session.closed:
                self._background(self._stop(session))
            else:
                session.close()
        self._call_next()
        self._report()

    # -- stopping what runs -------------------------------------------------------------------------

    async def _stop(self, session: Session) -> None:
        """Stop a statement whose request is gone, and close its session."""
        try:
            await self._control_query(
                "SELECT pg_catalog.pg_cancel_backend(%s)", (session.pid,), session.place
            )
        except (ConnectionLost, DatabaseError, TimeoutError) as error:
            log.warning("not_cancelled", pid=session.pid, error=type(error).__name__)
        finally:
            session.close()

    async def ping(self, place: Place | None = None) -> None:
        """Ask the server whether it is there; ConnectionLost, DatabaseError or TimeoutError if not.

        ``place``: the one there, and no other that the address leads to.
        """
        await self._control_query("SELECT 1", None, place)

    async def _control_query(self, sql: str, parameters: tuple[Any, ...] | None, place: Place | None) -> None:
        async with asyncio.timeout(self._store_timeout), self._control_lock:
            control = self._control
            if control is None or not control.idle or (place is not None and control.place != place):
                if control is not None:
                    control.close()
                control = self._control = await self._connect(place=place)
            try:
                await control.run(sql, parameters, name="control")
            except BaseException:
                control.close()
                self._control = None
                raise

    async def _keep_watch(self) -> None:
        """Close sessions that nobody uses; make statements fail whose server has stopped answering."""
        pause = max(0.05, self._store_timeout / 4)
        while True:
            await asyncio.sleep(pause)
            now = time.monotonic()
            while self._free and now - self._free[0].released > self._max_idle:
                self._free.popleft().close()
            stuck = [
                session
                for session in self._used
                if session.busy_since is not None and now - session.busy_since > self._store_timeout / 2
            ]
            while stuck:
                place = stuck[0].place
                try:
                    async with asyncio.timeout(self._store_timeout / 2):
                        await self.ping(place)
                except (ConnectionLost, DatabaseError, TimeoutError):
                    for session in stuck:
                        if session.place == place:
                            session.give_up("the server does not answer")
                stuck = [session for session in stuck if session.place != place]

    def _background(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _report(self) -> None:
        if not self._telling:
            self._telling = True
            asyncio.get_running_loop().call_later(_TOLD_EVERY, self._tell)

    def _tell(self) -> None:
        self._telling = False
        POOL_AVAILABLE.set(self._size - len(self._used) - self._opening)
        POOL_WAITING.set(len(self._line))

    async def close(self) -> None:
        """Close every session; those in use when they come back."""
        self._closing = True
        if self._sentinel is not None:
            self._sentinel.cancel()
            await asyncio.gather(self._sentinel, return_exceptions=True)
        for session in self._free:
            session.close()
        self._free.clear()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._store_timeout)
        if self._control is not None:
            self._control.close()


def _end_wait(turn: asyncio.Future[Session | None]) -> None:
    if not turn.done():
        turn.set_exception(TimeoutError())
