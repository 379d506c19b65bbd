"""Columns looked up in the schema: their type, and the functions that convert their values."""

from __future__ import annotations

from dataclasses import replace

from pg_svc.plan.types import Compare, Condition, Group, Ordered, Ref
from pg_svc.request.types import Field, Filter, LogicTree, OrderTerm
from pg_svc.schema.model import Name, Schema

_JSON_TYPES = ("json", "jsonb")


def resolve(schema: Schema, table: Name, field: Field) -> Ref:
    """A column by name. One that the table does not list may still be a computed one, so it is no error."""
    column = schema.column(table, field.name)
    if column is None:
        return Ref(field.name, field.path, to_json=True)
    return Ref(
        field.name,
        field.path,
        column.type,
        to_json=column.base_type not in _JSON_TYPES,
        default=column.default,
    )


def resolve_output(schema: Schema, table: Name, field: Field) -> Ref:
    """As ``resolve``, converted for JSON where the column's domain says how."""
    ref = resolve(schema, table, field)
    return replace(ref, transform=schema.representations.get((ref.type, "json"))) if ref.type else ref


def resolve_filter(schema: Schema, table: Name, given: Filter) -> Compare:
    """A filter's column; its value is converted from text where the column's domain says how."""
    ref = resolve(schema, table, given.field)
    transform = schema.representations.get(("text", ref.type)) if ref.type else None
    column = schema.column(table, given.field.name)
    # What the table does not list is a computed column, which may return a vector
    is_text = column is not None and column.base_type != "tsvector"
    full_text = given.operation.operator in ("fts", "plfts", "phfts", "wfts")
    return Compare(replace(ref, transform=transform, to_tsvector=full_text and is_text), given.operation)


def resolve_logic(schema: Schema, table: Name, tree: LogicTree) -> Condition:
    """A tree of filters."""
    if isinstance(tree, Filter):
        return resolve_filter(schema, table, tree)
    return Group(
        tree.operator, tuple(resolve_logic(schema, table, child) for child in tree.children), tree.negated
    )


def resolve_order(schema: Schema, table: Name, term: OrderTerm) -> Ordered:
    """A column to order by. One of an embed is resolved when the embed is known."""
    if term.relation is not None:
        ref = Ref(term.field.name, term.field.path, to_json=True)
        return Ordered(ref, term.direction, term.nulls, embed=term.relation)
    return Ordered(resolve(schema, table, term.field), term.direction, term.nulls)
