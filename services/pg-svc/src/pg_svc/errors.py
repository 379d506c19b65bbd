"""Errors of the PostgREST protocol: ``{code, details, hint, message}`` with a status.

Codes are documented at https://docs.postgrest.org/en/stable/references/errors.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson


class ApiError(Exception):
    """An answer that is an error of the protocol."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Any = None,
        hint: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        reason: str | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.hint = hint
        self.headers = tuple(headers)
        self.reason = reason

    def body(self, verbose: bool = True) -> bytes:
        """The answer's JSON."""
        document: dict[str, Any] = {"code": self.code, "message": self.message}
        if verbose:
            document = {
                "code": self.code,
                "details": self.details,
                "hint": self.hint,
                "message": self.message,
            }
        return orjson.dumps(document)


def bad_query(position: str, details: str) -> ApiError:
    """The query string cannot be parsed."""
    return ApiError(400, "PGRST100", position, details)


def bad_rpc_method(method: str) -> ApiError:
    """A function does not take the method."""
    return ApiError(405, "PGRST101", f"Cannot use the {method} method on RPC")


def bad_body(message: str) -> ApiError:
    """The body cannot be parsed."""
    return ApiError(400, "PGRST102", message)


def bad_range(details: str) -> ApiError:
    """The requested range makes no sense or lies outside of the result."""
    return ApiError(416, "PGRST103", "Requested range not satisfiable", details)


def bad_put_filters() -> ApiError:
    """PUT names its row by the primary key and nothing else."""
    return ApiError(
        405, "PGRST105", "Filters must include all and only primary key columns with 'eq' operators"
    )


def unknown_schema(schema: str, exposed: Sequence[str]) -> ApiError:
    """A profile header names a schema that is not exposed."""
    return ApiError(
        406,
        "PGRST106",
        f"Invalid schema: {schema}",
        hint="Only the following schemas are exposed: " + ", ".join(exposed),
    )


def not_acceptable(media_types: Sequence[str]) -> ApiError:
    """None of the accepted media types can be made."""
    return ApiError(406, "PGRST107", "None of these media types are available: " + ", ".join(media_types))


def not_embedded(name: str, alias: str | None = None) -> ApiError:
    """A filter, order or limit names an embed that is not in the select, or is there as ``alias``."""
    message = f"'{name}' is not an embedded resource in this request"
    if alias is None:
        hint = f"Verify that '{name}' is included in the 'select' query parameter."
        return ApiError(400, "PGRST108", message, hint=hint)
    return ApiError(
        400,
        "PGRST108",
        message,
        "Target names are not allowed in filters if they have an alias",
        f"Change '{name}' to '{alias}' in filters, orders or limits.",
    )


def limit_without_order() -> ApiError:
    """A limited write must say which rows come first."""
    return ApiError(
        400,
        "PGRST109",
        "A 'limit' was applied without an explicit 'order'",
        hint="Apply an 'order' using unique column(s)",
    )


def bad_guc_headers() -> ApiError:
    """The database set response.headers to something else than a list of headers."""
    return ApiError(
        500,
        "PGRST111",
        "response.headers guc must be a JSON array composed of objects with a single key and a string value",
    )


def bad_guc_status() -> ApiError:
    """The database set response.status to something else than a status."""
    return ApiError(500, "PGRST112", "response.status guc must be a valid status code")


def put_with_limit() -> ApiError:
    """PUT takes one row."""
    return ApiError(400, "PGRST114", "limit/offset querystring parameters are not allowed for PUT")


def put_key_mismatch() -> ApiError:
    """The body's key is not the address's key."""
    return ApiError(400, "PGRST115", "Payload values do not match URL in primary key column(s)")


def not_single(rows: int) -> ApiError:
    """A single object was asked for, and the result has another number of rows than one."""
    return ApiError(
        406,
        "PGRST116",
        "Cannot coerce the result to a single JSON object",
        f"The result contains {rows} rows",
    )


def unsupported_method(method: str) -> ApiError:
    """No address of the protocol takes the method."""
    return ApiError(405, "PGRST117", f"Unsupported HTTP method: {method}")


def related_order_not_to_one(origin: str, target: str) -> ApiError:
    """Rows cannot be ordered by one of many."""
    return ApiError(
        400,
        "PGRST118",
        f"A related order on '{target}' is not possible",
        f"'{origin}' and '{target}' do not form a many-to-one or one-to-one relationship",
    )


def bad_preferences(preferences: Sequence[str]) -> ApiError:
    """With handling=strict every preference must be known."""
    return ApiError(
        400,
        "PGRST122",
        "Invalid preferences given with handling=strict",
        "Invalid preferences: " + ", ".join(preferences),
    )


def aggregates_disabled() -> ApiError:
    """PGRST_DB_AGGREGATES_ENABLED is off."""
    return ApiError(400, "PGRST123", "Use of aggregate functions is not allowed")


def too_many_affected(rows: int) -> ApiError:
    """More rows than ``Prefer: max-affected`` allows."""
    return ApiError(
        400,
        "PGRST124",
        "Query result exceeds max-affected preference constraint",
        f"The query affects {rows} rows",
    )


def bad_path() -> ApiError:
    """There is no such address in the protocol."""
    return ApiError(404, "PGRST125", "Invalid path specified in request URL")


def openapi_disabled() -> ApiError:
    """PGRST_OPENAPI_MODE is disabled."""
    return ApiError(404, "PGRST126", "Root endpoint metadata is disabled")


def not_implemented(details: str) -> ApiError:
    """Understood, but not possible."""
    return ApiError(400, "PGRST127", "Feature not implemented", details)


def max_affected_needs_set() -> ApiError:
    """A function that returns one value has no number of affected rows."""
    return ApiError(
        400,
        "PGRST128",
        "Function must return SETOF or TABLE when max-affected preference is used with handling=strict",
    )


def timezone_too_long(most: int) -> ApiError:
    """A time zone that servers without the fix of CVE-2026-14669 must not be given."""
    return ApiError(
        400,
        "PGRST129",
        "The timezone preference is too long",
        f"This version of PostgreSQL takes {most} characters at most",
    )


def column_not_found(table: str, column: str) -> ApiError:
    """A body or ``columns=`` names a column that the table does not have."""
    return ApiError(400, "PGRST204", f"Could not find the '{column}' column of '{table}' in the schema cache")


def table_not_found(schema: str, table: str, nearest: str | None) -> ApiError:
    """No such table or view in the exposed schema."""
    return ApiError(
        404,
        "PGRST205",
        f"Could not find the table '{schema}.{table}' in the schema cache",
        hint=f"Perhaps you meant the table '{schema}.{nearest}'" if nearest else None,
    )


def no_connection(details: str | None = None) -> ApiError:
    """The database cannot be reached."""
    return ApiError(
        503,
        "PGRST000",
        "Database connection error. Retrying the connection.",
        details,
        headers=(("Retry-After", "1"),),
    )


def connection_lost(details: str | None = None) -> ApiError:
    """The connection broke during the request."""
    return ApiError(
        503,
        "PGRST001",
        "Database client error. Retrying the connection.",
        details,
        headers=(("Retry-After", "1"),),
    )


def no_schema_cache() -> ApiError:
    """The catalog has not been read yet."""
    return ApiError(
        503,
        "PGRST002",
        "Could not query the database for the schema cache. Retrying.",
        headers=(("Retry-After", "1"),),
    )


def pool_timeout() -> ApiError:
    """No connection became free in time."""
    return ApiError(504, "PGRST003", "Timed out acquiring connection from connection pool.")


def invalid_bytes(first: int) -> ApiError:
    """Text that is none to the database, in its own words. ``first`` is the byte that is in the way."""
    return ApiError(400, "22021", f'invalid byte sequence for encoding "UTF8": 0x{first:02x}')


_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_UNSENDABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# Where an answer ends and what becomes of the connection is between the server and the client
_FRAMING = ("connection", "content-length", "keep-alive", "trailer", "transfer-encoding", "upgrade")


def is_header(name: str, value: str) -> bool:
    """Whether it can be sent as a header."""
    return bool(name) and set(name) <= _TOKEN and not _UNSENDABLE.search(value)


def sendable(given: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers that a database may add to an answer, of those that it gives."""
    return [(name, value) for name, value in given if name.lower() not in _FRAMING]


def is_final_status(number: int) -> bool:
    """Whether an answer may have it: after 1xx a client waits for another one."""
    return 200 <= number <= 999


def merge_headers(own: Sequence[tuple[str, str]], given: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """``given`` headers replace ``own`` headers of the same name."""
    names = {name.lower() for name, _ in given}
    return [(name, value) for name, value in own if name.lower() not in names] + list(given)


Document = Mapping[str, Any]
