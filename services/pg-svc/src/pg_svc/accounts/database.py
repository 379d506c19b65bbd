"""The accounts' own connections: a few, so that a rush on the tables does not shut people out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pg_svc.accounts.settings import AccountSettings
from pg_svc.errors import ApiError
from pg_svc.store.connection import ConnectionLost, DatabaseError, Row
from pg_svc.store.pool import Pool
from svc_common import Conflict, StoreUnavailable, Unavailable, get_logger

_CONNECTIONS = 4
_UNIQUE = "23505"
_NO_TABLE = "42P01"
_READ_ONLY = "25006"
_NOT_NOW = ("40", "53", "55", "57", "58")
"""Classes of errors that pass: conflicts of transactions, resources, locks, an operator, the system."""


log = get_logger("pg_svc.accounts")


class AccountsDatabase:
    """Runs statements; what goes wrong is a problem."""

    def __init__(self, dsn: str, settings: AccountSettings) -> None:
        self._pool = Pool(
            dsn,
            size=_CONNECTIONS,
            acquire_timeout=settings.store_timeout,
            store_timeout=settings.store_timeout,
            max_lifetime=1800,
            max_idle=60,
            parameters={"application_name": "pg-svc accounts"},
        )

    async def run(self, name: str, sql: str, *parameters: Any) -> list[Row]:
        """Run one statement; its rows. Raises StoreUnavailable, and Conflict for what is there already."""
        return await self.named(name, sql, parameters)

    async def named(self, name: str, sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[Row]:
        """As ``run``, for ``%s`` or ``%(name)s``."""
        try:
            async with self._pool.session() as session:
                try:
                    return await session.run(sql, parameters, name=name)
                except DatabaseError as error:
                    if error.error.code == _READ_ONLY:
                        session.close()  # another server may be the primary by now
                    raise
        except DatabaseError as error:
            code = error.error.code
            if code == _UNIQUE:
                raise Conflict("This name is taken.") from None
            if code == _NO_TABLE:
                raise Unavailable("The accounts are not set up yet; try again soon.") from None
            if code == _READ_ONLY:
                raise StoreUnavailable("postgres", "The database takes no writes at present.") from error
            if code[:2] in _NOT_NOW:
                log.warning("statement_refused", statement=name, code=code)
                raise StoreUnavailable("postgres") from error
            raise
        except ApiError as error:
            raise StoreUnavailable("postgres", error.details or "") from None
        except ConnectionLost:
            raise StoreUnavailable("postgres") from None

    async def one(self, name: str, sql: str, *parameters: Any) -> Row | None:
        """The first row; None for no row."""
        rows: Sequence[Row] = await self.run(name, sql, *parameters)
        return rows[0] if rows else None

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()
