"""Reading: the tree of embeds with its filters, orders and limits, resolved against the schema.

Built in steps that each leave the tree a little more complete: relationships, selected columns, filters,
orders, ranges, checks.
"""

from __future__ import annotations

from dataclasses import replace

from pg_svc.errors import (
    aggregates_disabled,
    not_embedded,
    related_order_not_to_one,
    table_not_found,
)
from pg_svc.plan.aliases import alias_of
from pg_svc.plan.embed import find_relationship
from pg_svc.plan.fields import resolve_filter, resolve_logic, resolve_order, resolve_output
from pg_svc.plan.hints import STRICT_SCORE, nearest
from pg_svc.plan.spread import lend, order_arrays
from pg_svc.plan.targets import target
from pg_svc.plan.types import (
    TO_MANY,
    TO_ONE,
    ColumnOf,
    Compare,
    Condition,
    EmbedExists,
    Group,
    Ordered,
    ReadPlan,
    Selected,
)
from pg_svc.request.types import (
    EVERYTHING,
    Field,
    JsonStep,
    QueryParams,
    RowRange,
    SelectField,
    SelectItem,
)
from pg_svc.schema.model import COMPUTED, MANY_TO_MANY, Name, Relationship, Schema

SOURCE = Name("", "pgrst_source")
"""The WITH query that holds the rows a write or a call returned."""


def require_table(schema: Schema, table: Name) -> None:
    """Raise ApiError PGRST205 unless there is such a table."""
    if table not in schema.tables:
        known = schema.table_names.get(table.schema, ())
        raise table_not_found(table.schema, table.name, nearest(table.name, known, least=STRICT_SCORE))


def read_plan(
    schema: Schema,
    table: Name,
    query: QueryParams,
    *,
    rows: RowRange = EVERYTHING,
    from_source: bool = False,
    is_write: bool = False,
    max_rows: int | None = None,
    aggregates: bool = False,
    by_relation: bool = True,
) -> ReadPlan:
    """Plan a read of ``table``; with ``from_source``, of what a write or a call returned.

    ``rows`` is the range of the result itself. ``is_write``: filters of the root are the write's own.
    ``by_relation``: see ``targets.target``.
    """
    root = ReadPlan(table, table.name)
    if from_source:
        root.table, root.alias = SOURCE, table.name
    _add_items(schema, root, table, query.select, table.schema)
    _add_filters(schema, root, table, query, is_write, by_relation)
    for path, terms in query.order:
        node, of = target(root, table, path, by_relation=by_relation)
        node.order = [resolve_order(schema, of, term) for term in terms]
    if not is_write:
        for path, node_rows in query.ranges:
            if path:
                target(root, table, path, by_relation=by_relation)[0].rows = node_rows
        root.rows = rows
    _expand_stars(schema, root, table, False)
    _name_columns(root)
    _resolve_related_orders(root, table.name)
    _resolve_embed_filters(root)
    _check_aggregates(root, aggregates)
    lend(root)
    order_arrays(root)
    if not is_write:
        _cap(root, max_rows)
    return root


# -- the tree -------------------------------------------------------------------------------------------


def _add_items(
    schema: Schema, node: ReadPlan, table: Name, items: tuple[SelectItem, ...], exposed: str
) -> None:
    for item in items:
        if isinstance(item, SelectField):
            ref = resolve_output(schema, table, item.field)
            node.select.append(Selected(ref, item.alias, item.cast, item.aggregate, item.aggregate_cast))
            continue
        rel = find_relationship(schema, Name(exposed, table.name), item.name, item.hint, table.name)
        child = ReadPlan(
            rel.foreign,
            item.name,
            depth=node.depth + 1,
            output=item.alias,
            hint=item.hint,
            inner=item.inner,
            spread=(TO_ONE if rel.to_one else TO_MANY) if item.spread else None,
            relationship=rel,
        )
        child.aggregate_alias = alias_of(rel.table.name, child.key, child.depth)
        if rel.kind != MANY_TO_MANY:
            child.alias = alias_of(rel.foreign.name, child.depth)
        child.joins = _joins(node, child, rel)
        child.parent_alias = node.alias or rel.table.name
        node.children.append(child)
        _add_items(schema, child, rel.foreign, item.children, exposed)


def _joins(parent: ReadPlan, child: ReadPlan, rel: Relationship) -> list[tuple[ColumnOf, ColumnOf]]:
    own = Name("", parent.alias) if parent.alias else rel.table
    if rel.kind == COMPUTED:
        return []
    if rel.junction is not None:
        middle = rel.junction.table
        return [
            *(
                (ColumnOf(middle, inner), ColumnOf(rel.foreign, outer))
                for outer, inner in rel.junction.target_columns
            ),
            *(
                (ColumnOf(middle, inner), ColumnOf(own, outer))
                for outer, inner in rel.junction.source_columns
            ),
        ]
    return [(ColumnOf(child.place, foreign), ColumnOf(own, column)) for column, foreign in rel.columns]


def _add_filters(
    schema: Schema, root: ReadPlan, table: Name, query: QueryParams, is_write: bool, by_relation: bool
) -> None:
    for path, given in query.filters:
        if path or not is_write:
            node, of = target(root, table, path, by_relation=by_relation)
            node.where.append(resolve_filter(schema, of, given))
    for path, tree in query.logic:
        if path or not is_write:
            node, of = target(root, table, path, by_relation=by_relation)
            node.where.append(resolve_logic(schema, of, tree))


# -- columns --------------------------------------------------------------------------------------------


def _check_aggregates(node: ReadPlan, allowed: bool) -> None:
    if not allowed and any(column.aggregate for column in node.select):
        raise aggregates_disabled()
    for child in node.children:
        _check_aggregates(child, allowed)


def _expand_stars(schema: Schema, node: ReadPlan, table: Name, aggregated: bool) -> None:
    """Write ``*`` out where columns must be named one by one: to group by, to convert or to lend them."""
    aggregated = aggregated or any(column.aggregate for column in node.select) or node.spread == TO_MANY
    known = schema.tables.get(table)
    columns = known.columns.values() if known else ()
    converted = any((column.type, "json") in schema.representations for column in columns)
    if columns and (aggregated or converted):
        expanded: list[Selected] = []
        for selected in node.select:
            if selected.ref.name != "*" or selected.ref.path:
                expanded.append(selected)
            elif selected.aggregate is None:
                expanded.extend(
                    replace(selected, ref=resolve_output(schema, table, Field(column.name)))
                    for column in columns
                )
            elif node.spread:
                expanded.append(replace(selected, ref=replace(selected.ref, full_row=True)))
            else:
                expanded.append(selected)
        node.select = expanded
    for child in node.children:
        if child.relationship is not None:
            _expand_stars(schema, child, child.relationship.foreign, aggregated)


def _name_columns(node: ReadPlan) -> None:
    node.select = [_named(selected) for selected in node.select]
    for child in node.children:
        _name_columns(child)


def _named(selected: Selected) -> Selected:
    """A name of its own for what would have none: a value inside JSON, a converted column."""
    ref = selected.ref
    if selected.alias is not None:
        return selected
    if selected.aggregate is not None:
        return replace(selected, alias="count") if ref.full_row else selected
    if ref.path:
        return replace(selected, alias=_last_key(ref.name, ref.path))
    if ref.transform is not None:
        return replace(selected, alias=ref.name)
    return selected


def _last_key(name: str, path: tuple[JsonStep, ...]) -> str:
    """``data->a->1`` is called ``a``, ``data->1`` is called ``data``."""
    return next((step.operand for step in reversed(path) if not step.index), name)


# -- filters and orders over embeds ---------------------------------------------------------------------


def _resolve_related_orders(node: ReadPlan, shown: str) -> None:
    node.order = [_related(node, term, shown) if term.embed is not None else term for term in node.order]
    for child in node.children:
        _resolve_related_orders(child, child.table.name)


def _related(node: ReadPlan, term: Ordered, shown: str) -> Ordered:
    child = next((child for child in node.children if child.key == term.embed), None)
    if child is None:
        raise not_embedded(term.embed or "")
    if not child.to_one:
        raise related_order_not_to_one(shown, child.key)
    return replace(term, embed=child.aggregate_alias)


def _resolve_embed_filters(node: ReadPlan) -> None:
    """``clients=not.is.null`` asks whether the embed is there, not for a column of that name."""
    node.where = [_embed_filter(node, condition) for condition in node.where]
    for child in node.children:
        _resolve_embed_filters(child)


def _embed_filter(node: ReadPlan, condition: Condition) -> Condition:
    if isinstance(condition, Group):
        return replace(condition, children=tuple(_embed_filter(node, child) for child in condition.children))
    if isinstance(condition, Compare) and not condition.ref.path:
        operation = condition.operation
        if operation.operator == "is" and operation.value == "null":
            child = next((child for child in node.children if child.key == condition.ref.name), None)
            if child is not None:
                return EmbedExists(child.aggregate_alias, operation.negated)
    return condition


def _cap(node: ReadPlan, max_rows: int | None) -> None:
    node.rows = node.rows.capped(max_rows)
    for child in node.children:
        _cap(child, max_rows)


def needed_columns(plan: ReadPlan, key: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What a write must return, or a call select, so that the plan can read it and find its embeds."""
    names = {selected.ref.name for selected in plan.select}
    if "*" in names:
        return ("*",)
    for child in plan.children:
        rel = child.relationship
        if rel is None:
            continue
        if rel.kind == COMPUTED:
            return ("*",)
        pairs = rel.junction.source_columns if rel.junction else rel.columns
        names.update(own for own, _ in pairs)
    for term in plan.order:
        if term.embed is None:
            names.add(term.ref.name)
    return tuple(sorted(names | set(key)))
