"""From the catalog's answers to a Schema; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pg_svc.schema.model import (
    COMPUTED,
    Column,
    Handler,
    Name,
    Parameter,
    Relationship,
    Routine,
    Schema,
    Table,
)
from pg_svc.schema.relationships import ForeignKey, by_origin, relationships
from pg_svc.schema.views import column_origins, resolve_origins

Rows = Sequence[Mapping[str, Any]]


def build_schema(
    exposed: Sequence[str],
    answers: Mapping[str, Any],
    *,
    hoisted_settings: Sequence[str] = (),
    server_version: int = 0,
) -> Schema:
    """Put a Schema together. ``answers`` has the documents of ``schema.catalog`` by their names."""
    tables = {table.id: table for table in map(_table, answers["tables"])}
    shown = _shown_columns(answers["views"], answers["relation_columns"])
    tables = _with_view_keys(tables, answers["primary_keys"], shown)
    keys = [
        ForeignKey(
            Name(row["schema"], row["name"]),
            Name(row["foreign_schema"], row["foreign_name"]),
            row["constraint"],
            tuple((own, foreign) for own, foreign in row["columns"]),
            row["is_unique"],
        )
        for row in answers["foreign_keys"]
    ]
    computed = [
        Relationship(
            Name(row["schema"], row["name"]),
            Name(row["foreign_schema"], row["foreign_name"]),
            COMPUTED,
            function=Name(row["function_schema"], row["function_name"]),
            to_one=row["to_one"],
        )
        for row in answers["computed_relationships"]
    ]
    primary_keys = {
        Name(row["schema"], row["name"]): tuple(row["columns"]) for row in answers["primary_keys"]
    }
    primary_keys |= {name: table.key for name, table in tables.items()}
    settings, isolation = _role_settings(answers["role_settings"])
    return Schema(
        exposed=tuple(exposed),
        tables=tables,
        relationships=by_origin(relationships(keys, shown, primary_keys), computed, exposed),
        routines=_routines(answers["functions"], hoisted_settings),
        representations={
            (source, target): function for source, target, function in answers["representations"]
        },
        handlers=_handlers(answers["handlers"]),
        role_settings=settings,
        role_isolation=isolation,
        fingerprint=answers["fingerprint"],
        server_version=server_version,
    )


def _table(row: Mapping[str, Any]) -> Table:
    columns = {
        column["name"]: Column(
            name=column["name"],
            type=column["type"],
            base_type=column["base_type"],
            nullable=column["nullable"],
            default=column["default"],
            description=column["description"],
            max_length=column["max_length"],
            enum=tuple(column["enum"] or ()),
        )
        for column in row["columns"]
    }
    return Table(
        id=Name(row["schema"], row["name"]),
        columns=columns,
        key=tuple(row["key"]),
        is_view=row["is_view"],
        insertable=row["insertable"],
        updatable=row["updatable"],
        deletable=row["deletable"],
        description=row["description"],
    )


def _shown_columns(views: Rows, relations: Rows) -> dict[Name, dict[Name, dict[str, list[str]]]]:
    """Relation → view → the relation's column → the view's columns that show it."""
    names = {row["oid"]: Name(row["schema"], row["name"]) for row in relations}
    columns = {
        row["oid"]: {int(number): name for number, name in (row["columns"] or {}).items()}
        for row in relations
    }
    shown: dict[Name, dict[Name, dict[str, list[str]]]] = {}
    for view, view_columns in resolve_origins(
        {row["oid"]: column_origins(row["tree"]) for row in views}
    ).items():
        for number, way in view_columns.items():
            for relation, origin in way:
                own, foreign = columns.get(view, {}).get(number), columns.get(relation, {}).get(origin)
                if own is None or foreign is None:
                    continue
                shown.setdefault(names[relation], {}).setdefault(names[view], {}).setdefault(
                    foreign, []
                ).append(own)
    return shown


def _with_view_keys(
    tables: dict[Name, Table],
    primary_keys: Rows,
    shown: Mapping[Name, Mapping[Name, Mapping[str, list[str]]]],
) -> dict[Name, Table]:
    """Views have the keys of the tables that they show, where they show all of a key."""
    keys: dict[Name, list[str]] = {}
    for row in primary_keys:
        for view, names in shown.get(Name(row["schema"], row["name"]), {}).items():
            if all(column in names for column in row["columns"]):
                keys.setdefault(view, []).extend(names[column][0] for column in row["columns"])
    return {
        name: Table(
            table.id,
            table.columns,
            tuple(dict.fromkeys(keys.get(name, ()))),
            table.is_view,
            table.insertable,
            table.updatable,
            table.deletable,
            table.description,
        )
        if table.is_view
        else table
        for name, table in tables.items()
    }


def _routines(rows: Rows, hoisted: Sequence[str]) -> dict[Name, list[Routine]]:
    routines: dict[Name, list[Routine]] = {}
    for row in rows:
        routine = routine_of(row, hoisted)
        routines.setdefault(routine.id, []).append(routine)
    for overloads in routines.values():
        overloads.sort(key=lambda routine: routine.sort_key)
    return routines


def routine_of(row: Mapping[str, Any], hoisted: Sequence[str]) -> Routine:
    """A function as the catalog describes it."""
    config = dict(entry.split("=", 1) for entry in row["config"])
    isolation = config.get("default_transaction_isolation")
    return Routine(
        id=Name(row["schema"], row["name"]),
        parameters=tuple(
            Parameter(p["name"], p["type"], p["cast"], p["required"], p["variadic"])
            for p in row["parameters"]
        ),
        returns=Name(row["return_schema"], row["return_name"]),
        returns_set=row["returns_set"],
        returns_composite=row["returns_composite"],
        volatility=row["volatility"],
        description=row["description"],
        isolation=isolation.lower() if isolation and "default_transaction_isolation" in hoisted else None,
        settings=tuple(
            (name, value)
            for name, value in config.items()
            if name in hoisted and name != "default_transaction_isolation"
        ),
        oid=row["oid"],
    )


def _handlers(rows: Rows) -> dict[tuple[Name | None, str], Handler]:
    handlers = {}
    for row in rows:
        target = None if row["target_name"] is None else Name(row["target_schema"], row["target_name"])
        content_type = "application/octet-stream" if row["media_type"] == "*/*" else row["media_type"]
        handlers[(target, row["media_type"])] = Handler(
            Name(row["function_schema"], row["function_name"]),
            target,
            row["media_type"],
            content_type,
            row["aggregate"],
        )
    return handlers


def _role_settings(
    rows: Sequence[Sequence[str]],
) -> tuple[dict[str, list[tuple[str, str]]], dict[str, str]]:
    settings: dict[str, list[tuple[str, str]]] = {}
    isolation: dict[str, str] = {}
    for role, setting in rows:
        name, _, value = setting.partition("=")
        if name.lower() == "default_transaction_isolation":
            isolation[role] = value.lower()
        else:
            settings.setdefault(role, []).append((name, value))
    return settings, isolation
