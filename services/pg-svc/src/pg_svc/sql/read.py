"""A read plan as a SELECT: embeds are lateral joins whose rows PostgreSQL turns into JSON."""

from __future__ import annotations

from pg_svc.plan.types import (
    TO_MANY,
    EmbedExists,
    Group,
    ReadPlan,
    Ref,
    Selected,
    Spread,
)
from pg_svc.plan.types import Condition as PlannedCondition
from pg_svc.schema.model import COMPUTED, Name
from pg_svc.sql.builder import EMPTY, Sql, concat, join, qualified, quote_ident, verbatim
from pg_svc.sql.casts import cast_type
from pg_svc.sql.conditions import (
    column,
    condition,
    limit_offset,
    order_by,
    place,
    reference,
    where,
)

_EVERYTHING = Selected(Ref("*"))


def select_query(plan: ReadPlan, *, shows_json: bool = False) -> Sql:
    """The rows of the plan. ``shows_json``: embeds look as jsonb does, ``{"id": 1}``, not as json."""
    return _select(plan, shows_json or _has_aggregates(plan))


def _select(plan: ReadPlan, binary: bool) -> Sql:
    columns = plan.select if plan.select or plan.children else [_EVERYTHING]
    parts = [selected_column(plan.place, selected) for selected in columns]
    for embed, selected in plan.order_columns:
        parts.append(selected_column(Name("", embed) if embed is not None else plan.place, selected))
    joins = []
    for child in plan.children:
        parts.extend(_child_columns(child, binary))
        joins.append(_join(child, binary))
    if not parts:  # embeds that only filter: there must be something to select
        parts = [selected_column(plan.place, _EVERYTHING)]
    return concat(
        "SELECT ",
        join(", ", parts),
        _from(plan),
        *joins,
        where(plan.place, plan.where, plan.joins),
        _group_by(plan),
        order_by(plan.place, plan.order),
        limit_offset(plan.rows),
    )


def selected_column(table: Name, selected: Selected) -> Sql:
    """A column, converted, cast, aggregated and named."""
    sql = reference(table, selected.ref)
    if selected.ref.transform is not None:
        sql = concat(f"{verbatim(selected.ref.transform)}(", sql, ")")
    sql = _cast(sql, selected.cast)
    if selected.aggregate is not None:
        if selected.ref.name == "*" and not selected.ref.full_row:
            sql = Sql("*")
        sql = _cast(concat(f"{selected.aggregate}(", sql, ")"), selected.aggregate_cast)
    return sql if selected.alias is None else concat(sql, f" AS {quote_ident(selected.alias)}")


def _cast(sql: Sql, name: str | None) -> Sql:
    return sql if name is None else concat("CAST(", sql, f" AS {cast_type(name)})")


def _child_columns(child: ReadPlan, binary: bool) -> list[Sql]:
    """What a child contributes to its parent's row."""
    alias = quote_ident(child.aggregate_alias)
    if child.spread is not None:
        return [_lent(alias, item) for item in child.lends]
    if child.is_empty:
        return []
    key = quote_ident(child.key)
    if child.to_one:
        cast = "::jsonb" if binary else ""  # json has no equality to group by
        return [Sql(f"row_to_json({alias}.*){cast} AS {key}")]
    return [Sql(f"COALESCE({alias}.{alias}, '[]') AS {key}")]


def _lent(alias: str, item: Spread) -> Sql:
    sql = Sql(f"{alias}.*" if item.name == "*" else f"{alias}.{quote_ident(item.name)}")
    if item.aggregate is not None:
        sql = _cast(concat(f"{item.aggregate}(", sql, ")"), item.aggregate_cast)
    return sql if item.alias is None else concat(sql, f" AS {quote_ident(item.alias)}")


def _join(child: ReadPlan, binary: bool) -> Sql:
    kind = "INNER" if child.inner else "LEFT"
    alias = quote_ident(child.aggregate_alias)
    rows = _select(child, binary)
    on = "TRUE"
    if child.spread == TO_MANY or (child.spread is None and not child.to_one):
        cast = "::jsonb" if binary else ""
        columns = [Sql(f"json_agg({alias}){cast} AS {alias}")]
        if child.spread == TO_MANY:
            columns.extend(_array_column(child, alias, item, cast) for item in child.lends)
        rows = concat("SELECT ", join(", ", columns), " FROM (", rows, f") AS {alias}")
        if child.inner:
            on = f"{alias} IS NOT NULL"
    return concat(f" {kind} JOIN LATERAL (", rows, f") AS {alias} ON {on}")


def _array_column(child: ReadPlan, alias: str, item: Spread, cast: str) -> Sql:
    ordered = order_by(Name("", child.aggregate_alias), child.order_of_arrays)
    name = quote_ident(item.alias or item.name)
    return concat(f"COALESCE(json_agg({alias}.{quote_ident(item.name)}", ordered, f"), '[]'){cast} AS {name}")


def _from(plan: ReadPlan) -> Sql:
    rel = plan.relationship
    if rel is not None and rel.kind == COMPUTED and rel.function is not None:
        function = qualified(*rel.function)
        # The cast chooses among functions of the same name
        source = f"{function}({quote_ident(plan.parent_alias)}::{qualified(*rel.table)})"
    else:
        source = place(plan.table)
    text = f" FROM {source}"
    if plan.alias is not None:
        text += f" AS {quote_ident(plan.alias)}"
    if rel is not None and rel.junction is not None:
        text += f", {qualified(*rel.junction.table)}"
    return Sql(text)


# -- aggregates -----------------------------------------------------------------------------------------


def _has_aggregates(plan: ReadPlan) -> bool:
    return (
        any(selected.aggregate for selected in plan.select)
        or any(item.aggregate for item in plan.lends)
        or any(_has_aggregates(child) for child in plan.children)
    )


def _group_by(plan: ReadPlan) -> Sql:
    """Group by everything that is selected beside an aggregate."""
    aggregated = any(selected.aggregate for selected in plan.select) or any(
        item.aggregate for child in plan.children for item in child.lends if child.spread
    )
    if not aggregated:
        return EMPTY
    terms: list[Sql] = []
    for selected in plan.select:
        if selected.aggregate is None:
            named = selected.alias is not None
            terms.append(
                Sql(quote_ident(selected.alias or "")) if named else reference(plan.place, selected.ref)
            )
    for child in plan.children:
        if child.spread is None:
            if not child.is_empty:
                terms.append(Sql(quote_ident(child.key)))
            continue
        alias = quote_ident(child.aggregate_alias)
        terms.extend(
            Sql(f"{alias}.{quote_ident(item.alias or item.name)}")
            for item in child.lends
            if item.aggregate is None
        )
    return concat(" GROUP BY ", join(", ", terms)) if terms else EMPTY


# -- counting -------------------------------------------------------------------------------------------


def count_query(plan: ReadPlan) -> Sql:
    """One row for each row of the plan's root, without its limit."""
    conditions = [_counted(plan, one) for one in plan.where]
    conditions.extend(
        Sql(f"{column(a.table, a.column)} = {column(b.table, b.column)}") for a, b in plan.joins
    )
    conditions.extend(concat("EXISTS (", count_query(child), ")") for child in plan.children if child.inner)
    condition_sql = concat(" WHERE ", join(" AND ", conditions)) if conditions else EMPTY
    return concat("SELECT 1", _from(plan), condition_sql)


def _counted(plan: ReadPlan, given: PlannedCondition) -> Sql:
    if isinstance(given, Group):
        inner = join(f" {given.operator.upper()} ", [_counted(plan, child) for child in given.children])
        return concat("NOT (" if given.negated else "(", inner, ")")
    if isinstance(given, EmbedExists):
        child = next(child for child in plan.children if child.aggregate_alias == given.alias)
        return concat("EXISTS (" if given.negated else "NOT EXISTS (", count_query(child), ")")
    return condition(plan.place, given)


__all__ = ["count_query", "select_query", "selected_column"]
