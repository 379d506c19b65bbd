"""What the OpenAPI 3 document says of every schema: parameters, the error, and types as JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pg_svc.describe.common import Document, format_of, json_type

_FORMATS = {
    "uuid": "uuid",
    "date": "date",
    "real": "float",
    "double precision": "double",
    "timestamp with time zone": "date-time",
}
_STRINGS = re.compile(
    r"(?:text|character|character varying|uuid|date|interval|bytea|inet|cidr|macaddr8?|money|xml|name|citext"
    r"|bit|bit varying|tsvector|tsquery|.*range|time.*)(?:\(.*\))?"
)
RETURNED = {
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "bool": "boolean",
    "varchar": "character varying",
    "bpchar": "character",
    "timestamptz": "timestamp with time zone",
}


def value_type(name: str, *, enum: Sequence[str] = ()) -> Document:
    """JSON Schema for a type of the database; anything goes where it is not known how it looks as JSON."""
    if enum:
        return {"type": "string", "enum": list(enum)}
    if name.endswith("[]"):
        return {"type": "array", "items": {}}  # an item may be null or an array again
    kind = json_type(name)
    if kind == "string" and not _STRINGS.fullmatch(name):
        return {}
    if kind is None:
        return {}
    described: Document = {"type": kind}
    known = _FORMATS.get(name) or (format_of(name) if kind == "integer" else None)
    if known is not None:
        described["format"] = known
    return described


def _query(name: str, description: str, kind: str = "string") -> Document:
    return {"name": name, "in": "query", "description": description, "schema": {"type": kind}}


def _header(name: str, description: str, **schema: Any) -> Document:
    return {
        "name": name,
        "in": "header",
        "description": description,
        "schema": {"type": "string", **schema},
    }


PARAMETERS: Document = {
    "select": _query("select", "Columns and embedded tables: `id,title,author:authors(name)`."),
    "order": _query("order", "`title.desc.nullslast,id`."),
    "limit": _query("limit", "Most rows.", "integer"),
    "offset": _query("offset", "Rows to leave out before them.", "integer"),
    "columns": _query("columns", "The columns that count of those in the body."),
    "onConflict": _query("on_conflict", "Unique columns that duplicates are told by."),
    "range": _header("Range", "Rows by number: `0-9`."),
    "preferCount": _header("Prefer", "`count=exact`, `count=planned` or `count=estimated`; and others."),
    "preferReturn": _header("Prefer", "`return=representation` for the rows; and others."),
    "preferInsert": _header(
        "Prefer",
        "`return=representation`, `resolution=merge-duplicates`, `missing=default`; and others.",
    ),
}
ERROR_SCHEMA: Document = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "string", "description": "`PGRST…` or an SQLSTATE."},
        "message": {"type": "string"},
        "details": {"description": "More about it.", "type": ["string", "array", "object", "null"]},
        "hint": {"type": ["string", "null"]},
    },
}
