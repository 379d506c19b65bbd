"""The same tables and functions as OpenAPI 3.1, for tools that want more than OpenAPI 2 can say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from pg_svc.describe.common import Document, column_text, default_of, summary_of, told
from pg_svc.describe.components import ERROR_SCHEMA, PARAMETERS, RETURNED, value_type
from pg_svc.request import media
from pg_svc.schema.model import Column, Name, Parameter, Routine, Schema, Table

_NO_KEY = re.compile(r"[^A-Za-z0-9._-]")
_ERROR = {"$ref": "#/components/responses/error"}


def openapi3(
    schema: Schema,
    tables: Sequence[Table],
    routines: Sequence[Routine],
    description: str | None,
    *,
    address: str,
    version: str,
    security: bool,
) -> Document:
    """The whole document. ``address`` is where the root is, relative or whole."""
    title, text = summary_of(description)
    names = _Names()
    overloads: dict[str, list[Routine]] = {}
    for routine in routines:
        overloads.setdefault(routine.id.name, []).append(routine)
    schemas = {}
    for table in tables:
        key = names.tables.of(table.id.name)
        schemas[key] = _row(schema, table)
        if table.insertable or table.updatable:
            schemas[f"{key}.new"] = _new_row(schema, table)
    document: Document = {
        "openapi": "3.1.0",
        "info": {"title": title or "PostgreSQL over HTTP", "version": version},
        "servers": [{"url": address}],
        "paths": {
            **{f"/{quote(table.id.name, safe='')}": _table_path(table, names) for table in tables},
            **{
                f"/rpc/{quote(name, safe='')}": _routine_path(found, tables, names)
                for name, found in overloads.items()
            },
        },
        "components": {
            "schemas": {**schemas, "error": ERROR_SCHEMA},
            "parameters": PARAMETERS | _filters(tables, names),
            "responses": {
                "error": {
                    "description": "What is wrong.",
                    "content": {media.JSON: {"schema": {"$ref": "#/components/schemas/error"}}},
                }
            },
        },
    }
    if text is not None:
        document["info"]["description"] = text
    if security:
        document["components"]["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        }
        document["security"] = [{"token": []}]
    return document


class _Keys:
    """Keys for names: OpenAPI allows fewer letters than PostgreSQL, so that two names may look the same."""

    def __init__(self, taken: Iterable[str] = (), endings: Sequence[str] = ("",)) -> None:
        self._keys: dict[tuple[str, ...], str] = {}
        self._taken = set(taken)
        self._endings = endings

    def of(self, *path: str) -> str:
        """The key of a name, or of a name inside another. Nothing else has it, with any of the endings."""
        if path not in self._keys:
            wanted = plain = ".".join(_NO_KEY.sub("_", name) for name in path)
            number = 1
            while not self._taken.isdisjoint(wanted + ending for ending in self._endings):
                number += 1
                wanted = f"{plain}_{number}"
            self._taken.update(wanted + ending for ending in self._endings)
            self._keys[path] = wanted
        return self._keys[path]


class _Names:
    """The keys of a document."""

    def __init__(self) -> None:
        self.tables = _Keys(("error",), ("", ".new"))
        self.columns = _Keys()
        self.functions = _Keys()

    def row(self, table: Name, part: str = "") -> Document:
        return {"$ref": f"#/components/schemas/{self.tables.of(table.name)}{part}"}


# -- rows -----------------------------------------------------------------------------------------------


def _row(schema: Schema, table: Table) -> Document:
    """A row as it is read."""
    row = _object(schema, table, table.columns.values())
    required = [column.name for column in table.columns.values() if not column.nullable]
    if required:
        row["required"] = required
    return row


def _new_row(schema: Schema, table: Table) -> Document:
    """What a row may be given. Nothing is required: PATCH gives a part, and triggers may give the rest."""
    return _object(schema, table, table.columns.values())


def _object(schema: Schema, table: Table, columns: Iterable[Column]) -> Document:
    described: Document = {
        "type": "object",
        "properties": {column.name: _column(schema, table, column) for column in columns},
    }
    if table.description is not None:
        described["description"] = table.description
    return described


def _column(schema: Schema, table: Table, column: Column) -> Document:
    if (column.type, "json") in schema.representations:
        described: Document = {}  # a function of the database decides what it looks like
    else:
        described = value_type(column.base_type, enum=column.enum)
    if column.nullable and "type" in described:
        described["type"] = [described["type"], "null"]
        if "enum" in described:
            described["enum"] = [*described["enum"], None]
    if column.max_length is not None:
        described["maxLength"] = column.max_length
    if column.default is not None:
        default = default_of(column.base_type, column.default)
        if default is not None and not (isinstance(default, str) and "(" in default):
            described["default"] = default
    text = column_text(schema, table, column)
    if text is not None:
        described["description"] = text
    return described


# -- tables ---------------------------------------------------------------------------------------------


def _table_path(table: Table, names: _Names) -> Document:
    key = names.tables.of(table.id.name)
    common = {"tags": [table.id.name], **told(table.description)}
    filters = _refs(*(names.columns.of(table.id.name, name) for name in table.columns))
    rows = _rows({"type": "array", "items": names.row(table.id)}, names.row(table.id))
    path: Document = {
        "get": {
            **common,
            "operationId": f"read.{key}",
            "parameters": [*filters, *_refs("select", "order", "limit", "offset", "range", "preferCount")],
            "responses": {
                "200": {"description": "All that was asked for.", "content": rows},
                "206": {"description": "A part of it; Content-Range says which.", "content": rows},
                "default": _ERROR,
            },
        }
    }
    new = names.row(table.id, ".new")
    body = {
        "required": True,
        "content": {
            media.JSON: {"schema": {"anyOf": [new, {"type": "array", "items": new}]}},
            media.CSV: {"schema": {"type": "string"}},
            media.FORM: {"schema": new},
        },
    }
    one = {"required": True, "content": {media.JSON: {"schema": new}}}
    nothing = {"description": "Done."}
    if table.insertable:
        path["post"] = {
            **common,
            "operationId": f"insert.{key}",
            "parameters": _refs("select", "columns", "onConflict", "preferInsert"),
            "requestBody": body,
            "responses": {
                "200": {"description": "Merged with what was there.", "content": rows},
                "201": {"description": "Inserted.", "content": rows},
                "default": _ERROR,
            },
        }
    if table.updatable:
        path["patch"] = {
            **common,
            "operationId": f"update.{key}",
            "parameters": [*filters, *_refs("select", "columns", "preferReturn")],
            "requestBody": one,
            "responses": {
                "200": {"description": "Updated.", "content": rows},
                "204": nothing,
                "default": _ERROR,
            },
        }
    if table.insertable and table.updatable and table.key:
        path["put"] = {
            **common,
            "operationId": f"put.{key}",
            "parameters": [*filters, *_refs("select", "columns", "preferReturn")],
            "requestBody": one,
            "responses": {
                "200": {"description": "Replaced.", "content": rows},
                "201": {"description": "Inserted.", "content": rows},
                "204": nothing,
                "default": _ERROR,
            },
        }
    if table.deletable:
        path["delete"] = {
            **common,
            "operationId": f"delete.{key}",
            "parameters": [*filters, *_refs("select", "preferReturn")],
            "responses": {
                "200": {"description": "Deleted.", "content": rows},
                "204": nothing,
                "default": _ERROR,
            },
        }
    return path


def _rows(many: Document, one: Document) -> Document:
    return {
        media.JSON: {"schema": many},
        media.OBJECT: {"schema": one},
        media.CSV: {"schema": {"type": "string"}},
    }


def _refs(*names: str) -> list[Document]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _filters(tables: Iterable[Table], names: _Names) -> Document:
    found: Document = {}
    for table in tables:
        for column in table.columns.values():
            described = {"name": column.name, "in": "query", "schema": {"type": "string"}}
            described["description"] = "A filter such as `eq.1`, `in.(1,2)`, `not.is.null`."
            if column.description is not None:
                described["description"] = f"{column.description}\n\n{described['description']}"
            found[names.columns.of(table.id.name, column.name)] = described
    return found


# -- functions ------------------------------------------------------------------------------------------


def _routine_path(overloads: Sequence[Routine], tables: Sequence[Table], names: _Names) -> Document:
    name = overloads[0].id.name
    said = next((routine.description for routine in overloads if routine.description is not None), None)
    common = {"tags": [f"(rpc) {name}"], **told(said)}
    responses: Document = {"default": _ERROR}
    if any(routine.is_void for routine in overloads):
        responses["204"] = {"description": "Done."}
    results = [_result(routine, tables, names) for routine in overloads if not routine.is_void]
    if results:
        result = results[0] if all(other == results[0] for other in results) else {"anyOf": results}
        responses["200"] = {"description": "What it returns.", "content": {media.JSON: {"schema": result}}}
    bodies = [_arguments(routine) for routine in overloads]
    path: Document = {
        "post": {
            **common,
            "operationId": f"call.{names.functions.of(name)}",
            "requestBody": {
                "content": {media.JSON: {"schema": bodies[0] if len(bodies) == 1 else {"anyOf": bodies}}}
            },
            "responses": responses,
        }
    }
    reading = [routine for routine in overloads if routine.volatility != "v"]
    if reading:
        path["get"] = {
            **common,
            "operationId": f"ask.{names.functions.of(name)}",
            "parameters": _query_arguments(reading),
            "responses": responses,
        }
    return path


def _arguments(routine: Routine) -> Document:
    parameters = routine.parameters
    if len(parameters) == 1 and not parameters[0].name:
        return {}  # the body itself is its one argument
    described: Document = {
        "type": "object",
        "properties": {parameter.name: value_type(parameter.type) for parameter in parameters},
    }
    required = [parameter.name for parameter in parameters if parameter.required]
    if required:
        described["required"] = required
    return described


def _query_arguments(overloads: Sequence[Routine]) -> list[Document]:
    found: dict[str, list[Parameter]] = {}
    for routine in overloads:
        for parameter in routine.parameters:
            if parameter.name:
                found.setdefault(parameter.name, []).append(parameter)
    described = []
    for name, parameters in found.items():
        kind: Document = {"type": "string"}
        if parameters[0].variadic:
            kind = {"type": "array", "items": {"type": "string"}}
        always = len(parameters) == len(overloads) and all(parameter.required for parameter in parameters)
        described.append({"name": name, "in": "query", "required": always, "schema": kind})
    return described


def _result(routine: Routine, tables: Sequence[Table], names: _Names) -> Document:
    if not routine.returns_composite:
        name = routine.returns.name
        one = value_type(RETURNED.get(name, name)) if routine.returns.schema == "pg_catalog" else {}
        if "type" in one:
            one["type"] = [one["type"], "null"]
    elif any(table.id == routine.returns for table in tables):
        one = names.row(routine.returns)
    else:
        one = {"type": "object"}
    return {"type": "array", "items": one} if routine.returns_set else one
