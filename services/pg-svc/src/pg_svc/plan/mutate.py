"""Writing: what is inserted, updated or deleted."""

from __future__ import annotations

from dataclasses import replace

from pg_svc.errors import bad_put_filters, column_not_found, limit_without_order
from pg_svc.plan.fields import resolve, resolve_filter, resolve_logic, resolve_order
from pg_svc.plan.read import needed_columns
from pg_svc.plan.types import (
    Condition,
    DeletePlan,
    InsertPlan,
    MutatePlan,
    Ordered,
    ReadPlan,
    Ref,
    UpdatePlan,
)
from pg_svc.request.payload import Payload
from pg_svc.request.preferences import Preferences
from pg_svc.request.types import Field, QueryParams, RowRange
from pg_svc.schema.model import Name, Schema, Table


def mutate_plan(
    schema: Schema,
    table: Name,
    method: str,
    query: QueryParams,
    payload: Payload | None,
    preferences: Preferences,
    reading: ReadPlan,
) -> MutatePlan:
    """Plan POST, PATCH, PUT or DELETE on a table. Raises ApiError PGRST105, PGRST109 or PGRST204."""
    target = schema.tables[table]
    returning: tuple[str, ...] = ()
    if preferences.representation in ("representation", "headers-only"):
        returning = needed_columns(reading, target.key)
    defaults = preferences.missing == "default"
    if method == "DELETE":
        rows, order = _limited(schema, table, query)
        return DeletePlan(table, _where(schema, table, query), returning, rows, order, target.key)
    assert payload is not None
    columns = tuple(_written(schema, target, name) for name in payload.keys)
    if method == "PATCH":
        rows, order = _limited(schema, table, query)
        return UpdatePlan(
            table,
            columns,
            payload,
            _where(schema, table, query),
            returning,
            defaults,
            rows,
            order,
            target.key,
        )
    if method == "PUT":
        _check_put(target, query)
        conditions = _where(schema, table, query)
        return InsertPlan(table, columns, payload, returning, (), "merge-duplicates", target.key, conditions)
    conflict = query.on_conflict if query.on_conflict is not None else target.key
    return InsertPlan(
        table,
        columns,
        payload,
        returning,
        target.key,
        preferences.resolution,
        conflict if preferences.resolution else (),
        defaults=defaults,
    )


def _written(schema: Schema, table: Table, name: str) -> Ref:
    """A column that a body names; its value is converted from JSON where the column's domain says how."""
    if name not in table.columns:
        raise column_not_found(table.id.name, name)
    ref = resolve(schema, table.id, Field(name))
    transform = schema.representations.get(("json", ref.type))
    return replace(ref, type="json", transform=transform) if transform else ref


def _where(schema: Schema, table: Name, query: QueryParams) -> tuple[Condition, ...]:
    return (
        *(resolve_filter(schema, table, given) for path, given in query.filters if not path),
        *(resolve_logic(schema, table, tree) for path, tree in query.logic if not path),
    )


def _check_put(table: Table, query: QueryParams) -> None:
    """PUT names exactly the primary key, by equality."""
    root = [given for path, given in query.filters if not path]
    plain = all(
        given.operation.operator == "eq" and not given.operation.negated and not given.operation.modifier
        for given in root
    )
    if query.logic or not table.key or query.filter_names != frozenset(table.key) or not plain:
        raise bad_put_filters()


def _limited(schema: Schema, table: Name, query: QueryParams) -> tuple[RowRange, tuple[Ordered, ...]]:
    rows = query.root_range()
    if rows.everything:
        return rows, ()
    terms = next((terms for path, terms in query.order if not path), ())
    if not terms:
        raise limit_without_order()
    return rows, tuple(resolve_order(schema, table, term) for term in terms)
