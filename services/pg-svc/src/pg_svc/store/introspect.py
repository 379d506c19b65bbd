"""Reading the catalog: every question in one transaction, so that the answers fit together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from pg_svc.schema import catalog
from pg_svc.schema.build import build_schema
from pg_svc.schema.model import Schema
from pg_svc.store.connection import Session
from svc_common import SettingsError

_QUESTIONS = {
    "tables": catalog.TABLES,
    "foreign_keys": catalog.FOREIGN_KEYS,
    "primary_keys": catalog.PRIMARY_KEYS,
    "views": catalog.VIEWS,
    "relation_columns": catalog.RELATION_COLUMNS,
    "functions": catalog.FUNCTIONS,
    "computed_relationships": catalog.COMPUTED_RELATIONSHIPS,
    "representations": catalog.REPRESENTATIONS,
    "handlers": catalog.HANDLERS,
}


async def read_schema(session: Session, exposed: Sequence[str], hoisted: Sequence[str]) -> Schema:
    """Read everything. Raises DatabaseError, ConnectionLost, or SettingsError where a schema is missing."""
    parameters = {"schemas": list(exposed)}
    answers: dict[str, Any] = {}
    await session.run(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = '';"
        "SET LOCAL statement_timeout = 0",
        name="introspect",
    )
    try:
        found = await session.run(
            "SELECT nspname FROM pg_namespace WHERE nspname = ANY(%(schemas)s)", parameters, name="introspect"
        )
        missing = set(exposed) - {name for (name,) in found}
        if missing:
            names = ", ".join(sorted(missing))
            raise SettingsError([f"PGRST_DB_SCHEMAS: the database has no schema {names}"])
        answers["fingerprint"] = (await session.run(catalog.FINGERPRINT, name="introspect"))[0][0]
        questions = dict(_QUESTIONS)
        privilege = catalog.PARAMETER_PRIVILEGE if session.server_version >= 150000 else "false"
        questions["role_settings"] = catalog.ROLE_SETTINGS.format(privilege=privilege)
        for name, question in questions.items():
            rows = await session.run(question, parameters, name="introspect")
            answers[name] = _document(rows[0][0])
    finally:
        if not session.closed and not session.idle and not session.abandoned:
            await session.run("ROLLBACK", name="introspect")
    return build_schema(exposed, answers, hoisted_settings=hoisted, server_version=session.server_version)


async def read_fingerprint(session: Session) -> str:
    """What changes when the catalog does."""
    rows = await session.run(catalog.FINGERPRINT, name="fingerprint")
    return str(rows[0][0])


def _document(value: Any) -> Any:
    # The driver parses json itself unless told otherwise
    return orjson.loads(value) if isinstance(value, (str, bytes)) else value
