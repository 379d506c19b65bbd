"""The database of a running service: its pools, what is known of its schema, and keeping that up to date."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

import stamina
from prometheus_client import Counter, Gauge

from pg_svc.configuration import Configuration, InForce
from pg_svc.errors import ApiError, invalid_bytes, no_schema_cache
from pg_svc.schema.model import Schema
from pg_svc.sql.builder import quote_ident
from pg_svc.store.address import check_addresses
from pg_svc.store.configure import read_configuration
from pg_svc.store.connection import ConnectionLost, DatabaseError, Session
from pg_svc.store.errors import error_of, lost
from pg_svc.store.introspect import read_fingerprint, read_schema
from pg_svc.store.migrate import migrate, packaged_migrations
from pg_svc.store.pool import Pool
from pg_svc.store.tls import tls_trouble
from pg_svc.store.transaction import Result, Transaction, run_transaction, stream_transaction
from pg_svc.watch.hub import CHANNEL, Watchers
from pg_svc.watch.log import WatchLog
from svc_common import SettingsError, StoreUnavailable, get_logger

log = get_logger("pg_svc.database")

SCHEMA_LOADS = Counter("pgrst_schema_cache_loads", "Readings of the catalog.", ["status"])
SCHEMA_SECONDS = Gauge(
    "pgrst_schema_cache_query_time_seconds", "Time the last reading took.", multiprocess_mode="livemax"
)

_LONGEST_PAUSE = 1.0
_LONGEST_LOOK = 30.0
"""Seconds for a question that takes milliseconds; longer than a busy server makes anybody wait."""
_LONGEST_DOUBT = 5.0
"""Seconds that a doubt may have to wait, and an order that comes after it."""

_GONE_LISTENERS = 20
"""Listeners that left with all the rows they could follow, and may come back to the middle of them."""

_REST = 1.0
"""Seconds without a question to a replica that was away."""

# What says that a read had better been asked elsewhere: no connection, a server that starts or stops, and
# a read that was in the way of what the primary has sent
_AWAY = ("PGRST000", "PGRST001", "57P01", "57P02", "57P03", "40001")
_READ_ONLY = "25006"
_SCHEMA, _CONFIGURATION = "schema", "configuration"
_TOLD = {"": _SCHEMA, "reload schema": _SCHEMA, "reload config": _CONFIGURATION}
# What the server says when the catalog is no longer what we think it is
_STALE = ("42P01", "42703", "42883", "42704", "3F000")


class Database:
    """Runs transactions. Starts without a server, and heals by itself.

    SettingsError for an address that is none.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._settings = settings = configuration.environment  # what a reload does not change
        self._dsn = settings.database_url.get_secret_value()
        replica = settings.database_replica_url.get_secret_value()
        check_addresses(DATABASE_URL=self._dsn, DATABASE_REPLICA_URL=replica)
        self.pool = self._pool(self._dsn)
        self._replica = self._pool(replica) if replica else None
        self._replica_rests_until = 0.0
        self.watchers = Watchers(
            WatchLog(changes=settings.watch_log, gone_rows=_GONE_LISTENERS * settings.watch_rows)
        )
        self._schema: Schema | None = None
        self._problem = "the catalog has not been read yet"
        self._reload = asyncio.Event()
        self._ordered: str | None = None
        self._doubts_rest_until = 0.0
        self._keeper: asyncio.Task[None] | None = None

    def _pool(self, dsn: str) -> Pool:
        settings = self._settings
        return Pool(
            dsn,
            size=settings.pgrst_db_pool,
            acquire_timeout=settings.pgrst_db_pool_acquisition_timeout,
            store_timeout=settings.store_timeout,
            max_lifetime=settings.pgrst_db_pool_max_lifetime,
            max_idle=settings.pgrst_db_pool_max_idletime,
            parameters={"application_name": "pg-svc"},
            prepares=settings.pgrst_db_prepared_statements,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Database]:
        """Keep the schema up to date while the block runs, then close everything."""
        self._keeper = asyncio.create_task(self._keep_schema())
        try:
            yield self
        finally:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            await self.pool.close()
            if self._replica is not None:
                await self._replica.close()

    # -- what handlers use --------------------------------------------------------------------------

    @property
    def schema(self) -> Schema:
        """What the database looks like. Raises ApiError PGRST002 before that is known."""
        if self._schema is None:
            raise no_schema_cache()
        return self._schema

    def ask_for_reload(self) -> None:
        """Look soon whether the catalog has changed."""
        self._reload.set()

    def order_schema(self) -> None:
        """Read the schema again, changed or not."""
        self._ordered = self._ordered or _SCHEMA
        self._reload.set()

    def order_configuration(self) -> None:
        """Read the configuration again, and the schema by it."""
        self._ordered = _CONFIGURATION
        self._reload.set()

    async def run(self, transaction: Transaction, *, authenticated: bool, newest: bool = False) -> Result:
        """Run a transaction; everything that can go wrong is an ApiError.

        A read goes to the replica where there is one, unless it needs the ``newest`` state or is to be
        serializable, which replicas cannot do. While the replica is away, and where it gave a read up, the
        primary answers.
        """
        replica = None if newest else self._replica_for(transaction)
        if replica is not None:
            try:
                return await self._run(replica, transaction, authenticated)
            except ApiError as error:
                if error.code not in _AWAY:
                    raise
                self._rest(error)
        return await self._run(self.pool, transaction, authenticated)

    def _replica_for(self, transaction: Transaction) -> Pool | None:
        if not transaction.read_only or transaction.isolation == "serializable":
            return None
        if self._replica is None or asyncio.get_running_loop().time() < self._replica_rests_until:
            return None
        return self._replica

    def _rest(self, error: ApiError) -> None:
        self._replica_rests_until = asyncio.get_running_loop().time() + _REST
        log.warning("replica_away", code=error.code)

    async def _run(self, pool: Pool, transaction: Transaction, authenticated: bool) -> Result:
        if self._settings.pgrst_log_query:
            log.info("query", sql=transaction.statement.text)
        session = await pool.acquire()
        try:
            return await run_transaction(session, transaction)
        except DatabaseError as error:
            if error.error.code in _STALE:
                self._reload.set()
            if error.error.code == _READ_ONLY and not transaction.read_only:
                session.close()  # the server takes no writes any more: another may be the primary by now
            raise error_of(error.error, authenticated=authenticated) from error
        except ConnectionLost as error:
            raise lost(str(error)) from error
        except (ValueError, TypeError) as error:  # the driver cannot put a NUL into a statement
            raise invalid_bytes(0) from error
        finally:
            pool.release(session)

    async def stream(self, transaction: Transaction, *, authenticated: bool) -> AsyncGenerator[bytes]:
        """The rows of a read as lines of JSON, page by page; errors as in ``run``."""
        async with self._reader(transaction) as session:
            try:
                async for lines in stream_transaction(session, transaction):
                    yield lines
            except DatabaseError as error:
                if error.error.code in _STALE:
                    self._reload.set()
                raise error_of(error.error, authenticated=authenticated) from error
            except ConnectionLost as error:
                raise lost(str(error)) from error
            except (ValueError, TypeError) as error:
                raise invalid_bytes(0) from error
            finally:
                if not session.idle:
                    session.abandoned = True  # the reader left: the cursor goes with its session

    @contextlib.asynccontextmanager
    async def _reader(self, transaction: Transaction) -> AsyncIterator[Session]:
        pool = self._replica_for(transaction) or self.pool
        try:
            session = await pool.acquire()
        except ApiError as error:
            if pool is self.pool or error.code not in _AWAY:
                raise
            self._rest(error)
            pool = self.pool
            session = await pool.acquire()
        try:
            yield session
        finally:
            pool.release(session)

    async def check(self) -> None:
        """The readiness check: the server answers, and its schema is known."""
        try:
            await self.pool.ping()
        except (ConnectionLost, DatabaseError, TimeoutError) as error:
            trouble = tls_trouble(str(error)) or "The database does not answer."
            raise StoreUnavailable("postgres", trouble) from None
        if self._schema is None:
            raise StoreUnavailable("postgres", f"Not ready: {self._problem}.")

    # -- keeping the schema -------------------------------------------------------------------------

    async def _keep_schema(self) -> None:
        """Connect, migrate, read the catalog, listen; begin again whenever the connection is lost."""
        async for attempt in stamina.retry_context(
            on=Exception,  # whatever happens, the service must not be left without anybody who looks
            attempts=None,
            timeout=None,
            wait_initial=0.05,
            wait_max=_LONGEST_PAUSE,
            wait_jitter=0.1,
        ):
            with attempt:
                await self._follow()

    async def _follow(self) -> None:
        """One connection's life. It ends with an exception, always."""
        settings = self._settings
        session = await self._connect()
        told = asyncio.ensure_future(session.notification())
        try:
            if settings.migrate == "auto":
                await self._migrate(session)
            listens = await self._listen(session)
            await self._load(session, await self._proposed(session))
            self.watchers.tell_all()  # nobody listened for a while
            while True:
                await self._wait_for_word(told)
                if told.done():
                    heard = told.result()
                    told = asyncio.ensure_future(session.notification())
                    changed = self._heard(*heard)
                else:
                    changed = await self._looked(session)
                    if not listens and (listens := await self._listen(session)):
                        self.watchers.tell_all()
                if changed == _CONFIGURATION:
                    await self._load(session, await self._proposed(session))
                elif changed == _SCHEMA:
                    await self._load(session, self._configuration.in_force)
        except ConnectionLost:
            raise
        except SettingsError as error:
            self._fail(str(error), "; ".join(error.lines))
            raise
        except DatabaseError as error:
            self._fail(str(error))
            raise
        except Exception:
            self._fail("unexpected")
            log.exception("schema_keeper_failed")
            raise
        finally:
            session.close()
            told.cancel()
            await asyncio.gather(told, return_exceptions=True)

    async def _listen(self, session: Session) -> bool:
        """Whether notifications will come. A replica has none; what it knows is looked at now and then."""
        channels = [CHANNEL]
        if self._settings.pgrst_db_channel_enabled:
            channels.append(quote_ident(self._settings.pgrst_db_channel).replace("%%", "%"))
        try:
            await session.run("; ".join(f"LISTEN {channel}" for channel in channels), name="listen")
        except DatabaseError as error:
            if error.error.code != _READ_ONLY:
                raise
            return False
        return True

    async def _migrate(self, session: Session) -> None:
        try:
            await migrate(session, packaged_migrations())
        except DatabaseError as error:
            told = f"MIGRATE: the migrations cannot be applied ({error}); with `never` there are none"
            raise SettingsError([told]) from error

    def _fail(self, reason: str, problem: str = "the catalog cannot be read") -> None:
        self._problem = problem
        SCHEMA_LOADS.labels("FAIL").inc()
        log.warning("schema_not_loaded", error=reason)

    async def _connect(self) -> Session:
        return await Session.connect(
            self._dsn, timeout=self._settings.store_timeout, application_name="pg-svc schema"
        )

    async def _proposed(self, session: Session) -> InForce:
        """The configuration as the environment's files and the database have it now.

        Where that is wrong the one in force stays. Before there was one at all nothing is served.
        """
        try:
            said: dict[str, str] = {}
            if self._settings.pgrst_db_config:
                said = await read_configuration(session, self._settings.pgrst_db_pre_config)
            return self._configuration.proposed(said)  # it reads files, too: keys that have been changed
        except (DatabaseError, SettingsError) as error:
            if self._schema is None:
                raise
            log.warning("configuration_not_loaded", error=str(error))
            return self._configuration.in_force

    async def _load(self, session: Session, proposed: InForce) -> None:
        start = asyncio.get_running_loop().time()
        settings = proposed.settings
        schema = await read_schema(session, settings.pgrst_db_schemas, settings.pgrst_db_hoisted_tx_settings)
        self._schema = schema  # at once, and only when it is complete
        self._configuration.in_force = proposed
        for pool in (self.pool, self._replica):
            if pool is not None:
                pool.renew(prepares=settings.pgrst_db_prepared_statements)
        seconds = asyncio.get_running_loop().time() - start
        SCHEMA_LOADS.labels("SUCCESS").inc()
        SCHEMA_SECONDS.set(seconds)
        log.info(
            "schema_loaded",
            tables=len(schema.tables),
            functions=len(schema.routines),
            seconds=round(seconds, 3),
        )

    async def _wait_for_word(self, told: asyncio.Future[tuple[str, str]]) -> None:
        """Wait for the next notification, a doubt or the next look.

        ``told`` is not cancelled for a doubt: a notification that has just arrived would be lost.
        """
        doubted = asyncio.ensure_future(self._doubted())
        pause = self._settings.schema_poll or None
        try:
            await asyncio.wait((told, doubted), timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        finally:
            doubted.cancel()
            await asyncio.gather(doubted, return_exceptions=True)

    async def _doubted(self) -> None:
        await self._reload.wait()
        if self._ordered is None:
            await asyncio.sleep(self._doubts_rest_until - asyncio.get_running_loop().time())

    def _heard(self, channel: str, payload: str) -> str | None:
        """What must be read after a notification; None for nothing."""
        if channel == CHANNEL:
            self.watchers.tell(payload)
            return None
        return _TOLD.get(payload)

    async def _looked(self, session: Session) -> str | None:
        """What must be read after an order, a doubt or a pause; None for nothing."""
        self._reload.clear()
        ordered, self._ordered = self._ordered, None
        if ordered is not None or self._schema is None:
            return ordered or _SCHEMA
        clock = asyncio.get_running_loop().time
        start = clock()
        try:
            async with asyncio.timeout(_LONGEST_LOOK):
                found = await read_fingerprint(session)
        except TimeoutError:  # nor would a notification come this way
            raise ConnectionLost(f"no answer within {_LONGEST_LOOK:g} s") from None
        if found != self._schema.fingerprint:
            return _SCHEMA
        # Any request for what is not there is a doubt; looking takes a tenth of the server's time at most
        self._doubts_rest_until = clock() + min(9 * (clock() - start), _LONGEST_DOUBT)
        return None
