"""The accounts while the service runs: opened with it, closed with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pg_svc.accounts.accounts import Accounts
from pg_svc.accounts.database import AccountsDatabase
from pg_svc.accounts.keys import SigningKeys
from pg_svc.handlers.state import RestState
from pg_svc.settings import PgSettings
from svc_common import SettingsError


@dataclass(frozen=True)
class AccountState(RestState):
    """What the handlers use. ``accounts`` is None where they are off."""

    accounts: Accounts | None = None


@asynccontextmanager
async def open_accounts(settings: PgSettings) -> AsyncIterator[Accounts | None]:
    """The accounts, or None where the settings do not ask for them. SettingsError for a bad key."""
    if not settings.issues_tokens:
        yield None
        return
    try:
        keys = SigningKeys.load(settings.auth_signing_key_files)
    except ValueError as error:
        raise SettingsError([str(error)]) from None
    database = AccountsDatabase(settings.database_url.get_secret_value(), settings)
    accounts = Accounts(settings, database, keys)
    try:
        yield accounts
    finally:
        await accounts.close()
