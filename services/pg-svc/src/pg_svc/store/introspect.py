"""Reading the catalog: every question in one transaction, so that the answers fit together."""

from __future__ import annotations

import asyncio
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
_TRIES = 3
"""A transaction sees the tables of one moment; what functions say of them, such as the name of a type, is of
the moment when they are asked. So everything is read again when something changed in between. Where there is
no end to that, the next look reads it again."""


async def read_schema(session: Session, exposed: Sequence[str], hoisted: Sequence[str]) -> Schema:
    """Read everything. Raises DatabaseError, ConnectionLost, or SettingsError where a schema is missing."""
    for _ in range(_TRIES):
        fingerprint, answers = await _answers(session, exposed)
        if await read_fingerprint(session) == fingerprint:
            break

    def build() -> Schema:
        documents = {name: _document(answer) for name, answer in answers.items()}
        documents["fingerprint"] = fingerprint
        return build_schema(
            exposed, documents, hoisted_settings=hoisted, server_version=session.server_version
        )

    return await asyncio.to_thread(build)  # thousands of tables take a second; requests do not wait for it


async def _answers(session: Session, exposed: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The fingerprint, and every question's answer as JSON."""
    parameters = {"schemas": list(exposed)}
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
        privilege = catalog.PARAMETER_PRIVILEGE if session.server_version >= 150000 else "false"
        questions = {**_QUESTIONS, "role_settings": catalog.ROLE_SETTINGS.format(privilege=privilege)}
        fingerprint = await read_fingerprint(session)
        answers: dict[str, Any] = {}
        for name, question in questions.items():
            ((answers[name],),) = await session.run(question, parameters, name="introspect")
        return fingerprint, answers
    finally:
        if not session.closed and not session.idle and not session.abandoned:
            await session.run("ROLLBACK", name="introspect")


async def read_fingerprint(session: Session) -> str:
    """What changes when the catalog does."""
    rows = await session.run(catalog.FINGERPRINT, name="fingerprint")
    return str(rows[0][0])


def _document(value: Any) -> Any:
    # The driver parses json itself unless told otherwise
    return orjson.loads(value) if isinstance(value, (str, bytes)) else value
