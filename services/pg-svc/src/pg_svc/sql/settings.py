"""What a transaction is told before its statement: who asks, what for, and the settings that follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from pg_svc.schema.model import Name
from pg_svc.sql.builder import Sql, qualified, quote_ident


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What functions and policies may ask about the request. ``role`` None: the login role stays."""

    method: str
    path: str
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    claims: Mapping[str, Any]
    role: str | None
    authenticated: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """Further settings of a transaction, in the order in which they are applied."""

    search_path: Sequence[str]
    role: Iterable[tuple[str, str]] = ()
    timezone: str | None = None
    function: Iterable[tuple[str, str]] = ()
    application: Iterable[tuple[str, str]] = field(default_factory=tuple)


def settings_statement(context: RequestContext, settings: Settings) -> Sql:
    """``SELECT set_config(…, true), …``: all of it ends with the transaction.

    The role's settings come before the role, which may not be allowed to set them.
    """
    path = ", ".join(quote_ident(schema).replace("%%", "%") for schema in settings.search_path)
    pairs: list[tuple[str, str]] = [("search_path", path), *settings.role]
    if context.role is not None:
        pairs.append(("role", context.role))
    pairs += [
        ("request.jwt.claims", orjson.dumps(context.claims).decode()),
        ("request.method", context.method),
        ("request.path", context.path),
        ("request.headers", orjson.dumps(context.headers).decode()),
        ("request.cookies", orjson.dumps(context.cookies).decode()),
    ]
    if settings.timezone is not None:
        pairs.append(("timezone", settings.timezone))
    pairs += [*settings.function, *settings.application]
    calls = ", ".join(["set_config(%s, %s, true)"] * len(pairs))
    return Sql(f"SELECT {calls}", tuple(text for pair in pairs for text in pair))


def pre_request_statement(function: Name) -> Sql:
    """The call of the function that runs before every request."""
    return Sql(f"SELECT {qualified(*function)}()")
