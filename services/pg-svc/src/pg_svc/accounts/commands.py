"""``python -m pg_svc create-admin NAME`` and ``create-key PATH``: what the first login needs."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pg_svc.accounts.accounts import NAME
from pg_svc.accounts.database import AccountsDatabase
from pg_svc.accounts.keys import create_key
from pg_svc.accounts.passwords import Passwords
from pg_svc.accounts.users import Users
from pg_svc.settings import PgSettings
from pg_svc.store.connection import ConnectionLost, DatabaseError, Session
from pg_svc.store.migrate import migrate, packaged_migrations
from svc_common import Problem, SettingsError, load_settings
from svc_common.audit import audit
from svc_common.settings import EXIT_CONFIG

COMMANDS = ("create-admin", "create-key")


class CommandError(Exception):
    """What went wrong, for the person at the terminal."""


def run_command(arguments: Sequence[str]) -> int:
    """Run a command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "create-key":
            create_key(Path(options.path))
            print(f"wrote {options.path}; name it in AUTH_SIGNING_KEY_FILES")  # noqa: T201
        else:
            asyncio.run(create_admin(load_settings(PgSettings, auth_mode="none"), options.name, _password()))
            print(f"{options.name} may log in, and do everything")  # noqa: T201
    except SettingsError as error:
        return _complain(error.lines, EXIT_CONFIG)
    except (CommandError, OSError) as error:
        return _complain([str(error)], 1)
    return 0


async def create_admin(settings: PgSettings, name: str, password: str) -> None:
    """Make an account with the scope ``*:admin``. CommandError says why it cannot be made."""
    if not NAME.fullmatch(name):
        raise CommandError("a name is 1 to 64 letters, digits and . _ @ + -, a letter or digit first")
    dsn = settings.database_url.get_secret_value()
    passwords = Passwords(settings)
    database = AccountsDatabase(dsn, settings)
    try:
        session = await Session.connect(dsn, timeout=settings.store_timeout)
        try:
            await migrate(session, packaged_migrations())
        finally:
            session.close()
        weakness = await passwords.weakness(password, name)
        if weakness is not None:
            raise CommandError(weakness)
        await Users(database).add(name, await passwords.hash(password), ["*:admin"])
        audit("admin_created", user=name)
    except (ConnectionLost, DatabaseError) as error:
        raise CommandError(f"the database: {error}") from None
    except Problem as problem:
        raise CommandError(problem.detail) from None
    finally:
        passwords.close()
        await database.close()


def _password() -> str:
    try:
        return _given_password()
    except UnicodeDecodeError:
        raise CommandError("the password is not UTF-8 text") from None
    except EOFError:
        raise CommandError("no password was given") from None


def _given_password() -> str:
    path = os.environ.get("ADMIN_PASSWORD_FILE")
    if path:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    if not sys.stdin.isatty():
        return sys.stdin.buffer.readline().decode().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise CommandError("the two passwords differ")
    return password


def _complain(lines: Sequence[str], status: int) -> int:
    for line in lines:
        sys.stderr.write(f"pg-svc: {line}\n")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pg_svc")
    commands = parser.add_subparsers(dest="command", required=True)
    admin = commands.add_parser(
        "create-admin",
        help="make the first account",
        description="Make an account that may do everything. The password is asked for, or read from "
        "standard input or the file ADMIN_PASSWORD_FILE.",
    )
    admin.add_argument("name")
    key = commands.add_parser("create-key", help="write a signing key")
    key.add_argument("path")
    return parser
