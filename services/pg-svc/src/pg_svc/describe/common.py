"""What both documents of a schema say: texts from comments, and names of types."""

from __future__ import annotations

from typing import Any

import orjson

from pg_svc.schema.model import MANY_TO_ONE, ONE_TO_ONE, Column, Schema, Table

Document = dict[str, Any]

_TYPES = {
    "character varying": "string",
    "character": "string",
    "text": "string",
    "boolean": "boolean",
    "smallint": "integer",
    "integer": "integer",
    "bigint": "integer",
    "numeric": "number",
    "real": "number",
    "double precision": "number",
    "json": None,
    "jsonb": None,
}
# OpenAPI has names of its own for the sizes of integers
_FORMATS = {"smallint": "int32", "integer": "int32", "bigint": "int64"}


def summary_of(description: str | None) -> tuple[str | None, str | None]:
    """The first line, and the rest without leading blank lines."""
    if description is None:
        return None, None
    first, _, rest = description.partition("\n")
    return first, rest.lstrip("\n") or None


def told(description: str | None) -> Document:
    """A comment as ``summary`` and ``description``."""
    summary, text = summary_of(description)
    said = {"summary": summary, "description": text}
    return {name: value for name, value in said.items() if value is not None}


def column_text(schema: Schema, table: Table, column: Column) -> str | None:
    """A column's comment, and what it is a key of."""
    notes = []
    if column.name in table.key:
        notes.append("This is a Primary Key.<pk/>")
    pointed = foreign_key(schema, table, column)
    if pointed is not None:
        other, key = pointed
        notes.append(f"This is a Foreign Key to `{other}.{key}`.<fk table='{other}' column='{key}'/>")
    if not notes:
        return column.description
    text = "\n".join(["Note:", *notes])
    return f"{column.description}\n\n{text}" if column.description is not None else text


def foreign_key(schema: Schema, table: Table, column: Column) -> tuple[str, str] | None:
    """The table and column that a column points to; tables before views of them."""
    candidates = [
        rel
        for rel in schema.relationships.get(table.id, ())
        if rel.kind in (MANY_TO_ONE, ONE_TO_ONE)
        and not rel.is_inverse
        and [own for own, _ in rel.columns] == [column.name]
    ]
    candidates.sort(key=lambda rel: rel.foreign_is_view)
    return (candidates[0].foreign.name, candidates[0].columns[0][1]) if candidates else None


def json_type(name: str) -> str | None:
    """JSON Schema's type for a type of the database; None for JSON itself."""
    if name in _TYPES:
        return _TYPES[name]
    return "array" if name.endswith("[]") else "string"


def format_of(kind: str) -> str:
    """OpenAPI's format: its own names, else the database's."""
    return _FORMATS.get(kind, kind)


def default_of(kind: str, text: str) -> Any:
    """A default's value; None where it is an expression of another kind than a literal."""
    if json_type(kind) == "string":
        literal = text.removesuffix(f"::{kind}")
        return literal.strip("'") if literal != text else text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
