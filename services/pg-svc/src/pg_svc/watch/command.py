"""``python -m pg_svc watch TABLE…``: let a table's rows be followed; ``--off`` ends that."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from pg_svc.settings import PgSettings
from pg_svc.sql.builder import quote_ident
from pg_svc.store.connection import ConnectionLost, DatabaseError, Session
from pg_svc.watch.hub import CHANNEL
from svc_common import SettingsError, load_settings
from svc_common.settings import EXIT_CONFIG

TRIGGER = "storefronts_watch"
_FUNCTION = f"""
CREATE SCHEMA IF NOT EXISTS storefronts;
CREATE OR REPLACE FUNCTION storefronts.tell_watchers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_catalog.pg_notify(
    '{CHANNEL}', pg_catalog.json_build_array(TG_TABLE_SCHEMA, TG_TABLE_NAME)::text);
  RETURN NULL;
END $$"""


def run_watch(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pg_svc watch", description=__doc__)
    parser.add_argument(
        "tables", nargs="+", metavar="TABLE", help="SCHEMA.TABLE, or TABLE of the first schema"
    )
    parser.add_argument("--off", action="store_true", help="take the triggers away again")
    options = parser.parse_args(arguments)
    try:
        settings = load_settings(PgSettings, auth_mode="none")
        asyncio.run(change_triggers(settings, options.tables, watched=not options.off))
    except SettingsError as error:
        sys.stderr.write("".join(f"{line}\n" for line in error.lines))
        return EXIT_CONFIG
    except (ConnectionLost, DatabaseError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def change_triggers(settings: PgSettings, tables: Sequence[str], *, watched: bool) -> None:
    """Install or remove the triggers, all or none of them."""
    dsn = settings.database_url.get_secret_value()
    session = await Session.connect(dsn, timeout=settings.store_timeout)
    statements = [_FUNCTION] if watched else []
    for table in tables:
        schema, _, name = table.rpartition(".")
        where = f"{quote_ident(schema or settings.pgrst_db_schemas[0])}.{quote_ident(name)}"
        statements.append(f"DROP TRIGGER IF EXISTS {TRIGGER} ON {where}")
        if watched:
            statements.append(
                f"CREATE TRIGGER {TRIGGER} AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {where} "
                "FOR EACH STATEMENT EXECUTE FUNCTION storefronts.tell_watchers()"
            )
    try:
        # Several statements in one message are one transaction; without parameters nothing undoubles a %
        await session.run("; ".join(statements).replace("%%", "%"), name="watch")
    finally:
        session.close()
