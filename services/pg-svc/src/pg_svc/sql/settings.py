"""What a transaction is told before its statement: who asks, what for, and the settings that follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from pg_svc.schema.model import Name
from pg_svc.sql.builder import Sql, qualified, quote_ident


@dataclass(slots=True)
class RequestContext:
    """What functions and policies may ask about the request. ``role`` None: the login role stays."""

    method: str
    path: str
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    claims: Mapping[str, Any]
    role: str | None
    authenticated: bool = False


@dataclass(slots=True)
class Settings:
    """Further settings of a transaction, in the order in which they are applied."""

    search_path: str
    role: Iterable[tuple[str, str]] = ()
    timezone: str | None = None
    function: Iterable[tuple[str, str]] = ()
    application: Iterable[tuple[str, str]] = ()


def settings_statement(context: RequestContext, settings: Settings) -> Sql:
    """``SELECT set_config(…, true), …``: all of it ends with the transaction.

    The role's settings come before the role, which may not be allowed to set them.
    """
    before = [text for pair in settings.role for text in pair]
    after = [text for pair in settings.function for text in pair]
    after += [text for pair in settings.application for text in pair]
    values = [settings.search_path, *before]
    if context.role is not None:
        values.append(context.role)
    values += (
        orjson.dumps(context.claims).decode(),
        context.method,
        context.path,
        orjson.dumps(context.headers).decode(),
        orjson.dumps(context.cookies).decode(),
    )
    if settings.timezone is not None:
        values.append(settings.timezone)
    values += after
    text = _text(len(before) // 2, context.role is not None, settings.timezone is not None, len(after) // 2)
    return Sql(text, tuple(values))


@lru_cache(maxsize=64)  # the text is the same for nearly every request, and its hash is remembered with it
def _text(before: int, has_role: bool, has_timezone: bool, after: int) -> str:
    given = "set_config(%s, %s, true)"
    names = ["request.jwt.claims", "request.method", "request.path", "request.headers", "request.cookies"]
    if has_role:
        names.insert(0, "role")
    if has_timezone:
        names.append("timezone")
    calls = [f"set_config('{name}', %s, true)" for name in ("search_path", *names)]
    return "SELECT " + ", ".join([calls[0], *[given] * before, *calls[1:], *[given] * after])


@lru_cache(maxsize=64)
def search_path(schema: str, extra: tuple[str, ...]) -> str:
    """Where a request on a schema finds names."""
    schemas = (schema, *(name for name in extra if name != schema))
    return ", ".join(quote_ident(schema).replace("%%", "%") for schema in schemas)


def pre_request_statement(function: Name) -> Sql:
    """The call of the function that runs before every request."""
    return Sql(f"SELECT {qualified(*function)}()")
