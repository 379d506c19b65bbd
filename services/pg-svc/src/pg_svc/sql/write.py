# ruff: noqa: S608 -- building SQL is what this module is for; values are parameters, names are quoted
"""Writes and calls as SQL. PostgreSQL takes the JSON body apart itself."""

from __future__ import annotations

from collections.abc import Sequence

from pg_svc.plan.types import CallPlan, ColumnOf, DeletePlan, InsertPlan, MutatePlan, Ref, UpdatePlan
from pg_svc.request.payload import Payload
from pg_svc.schema.model import Name, Parameter
from pg_svc.sql.builder import EMPTY, Sql, concat, join, qualified, quote_ident, value, verbatim
from pg_svc.sql.conditions import column, condition, limit_offset, order_by, where

BODY = Name("", "pgrst_body")
_AFFECTED = Name("", "pgrst_affected")
_INSERTED = "nullif(current_setting('pgrst.inserted', true), '')"


def mutate_query(plan: MutatePlan) -> Sql:
    """INSERT, UPDATE or DELETE with RETURNING."""
    if isinstance(plan, InsertPlan):
        return _insert(plan)
    if isinstance(plan, UpdatePlan):
        return _update(plan)
    return _delete(plan)


def _insert(plan: InsertPlan) -> Sql:
    names = ", ".join(quote_ident(ref.name) for ref in plan.columns)
    merges = plan.resolution == "merge-duplicates"
    conditions = [condition(BODY, one) for one in plan.put]
    if merges:
        conditions.insert(0, _count_inserted("+", "0"))
    return concat(
        f"INSERT INTO {qualified(*plan.table)} " + (f"({names}) " if plan.columns else ""),
        "SELECT ",
        ", ".join(column(BODY, ref.name) for ref in plan.columns),
        " ",
        body_rows(plan.payload, plan.columns, defaults=plan.defaults),
        concat(" WHERE ", join(" AND ", conditions)) if conditions else EMPTY,
        _on_conflict(plan, merges),
        _returning(plan.table, plan.returning),
    )


def _on_conflict(plan: InsertPlan, merges: bool) -> Sql:
    if not plan.resolution or not plan.conflict:
        return EMPTY
    target = ", ".join(quote_ident(name) for name in plan.conflict)
    if not merges or not plan.columns:
        return Sql(f" ON CONFLICT ({target}) DO NOTHING")
    assignments = ", ".join(
        f"{quote_ident(ref.name)} = EXCLUDED.{quote_ident(ref.name)}" for ref in plan.columns
    )
    return concat(f" ON CONFLICT ({target}) DO UPDATE SET {assignments} WHERE ", _count_inserted("-", "-1"))


def _count_inserted(sign: str, never: str) -> Sql:
    """Always true; keeps count of the inserted rows: one more for each row, one less for each conflict.

    RETURNING cannot tell an inserted row from an updated one on views and partitions.
    """
    return Sql(
        f"set_config('pgrst.inserted', (coalesce({_INSERTED}::int, 0) {sign} 1)::text, true) <> '{never}'"
    )


def _update(plan: UpdatePlan) -> Sql:
    table = qualified(*plan.table)
    if not plan.columns:
        # Nothing to set is no error, and SET cannot be empty
        names = ", ".join(column(Name("", plan.table.name), name) for name in plan.returning) or "NULL"
        return Sql(f"SELECT {names} FROM {table} WHERE false")
    assignments = ", ".join(f"{quote_ident(ref.name)} = {column(BODY, ref.name)}" for ref in plan.columns)
    rows = body_rows(plan.payload, plan.columns, defaults=plan.defaults)
    limited = _limited_rows(plan)
    return concat(
        limited,
        f"UPDATE {table} SET {assignments} ",
        rows,
        ", pgrst_affected" if limited else "",
        _chosen(plan),
        _returning(plan.table, plan.returning),
    )


def _delete(plan: DeletePlan) -> Sql:
    limited = _limited_rows(plan)
    return concat(
        limited,
        f"DELETE FROM {qualified(*plan.table)}",
        " USING pgrst_affected" if limited else "",
        _chosen(plan),
        _returning(plan.table, plan.returning),
    )


def _limited_rows(plan: UpdatePlan | DeletePlan) -> Sql:
    """The rows that a limited write affects, found first; by their key, or by place where there is none."""
    if plan.rows.everything:
        return EMPTY
    return concat(
        "WITH pgrst_affected AS (SELECT ",
        ", ".join(column(plan.table, name) for name in _identity(plan)),
        f" FROM {qualified(*plan.table)}",
        where(plan.table, plan.where),
        order_by(plan.table, plan.order),
        limit_offset(plan.rows),
        ") ",
    )


def _chosen(plan: UpdatePlan | DeletePlan) -> Sql:
    """The rows to change. The filters hold for one that was found, too: another may have changed it since."""
    found = () if plan.rows.everything else _identity(plan)
    joins = [(ColumnOf(plan.table, name), ColumnOf(_AFFECTED, name)) for name in found]
    return where(plan.table, plan.where, joins)


def _identity(plan: UpdatePlan | DeletePlan) -> tuple[str, ...]:
    return plan.key or ("tableoid", "ctid")


def _returning(table: Name, names: Sequence[str]) -> Sql:
    """Without anything to return, a 1 for each row, so that they can be counted."""
    return Sql(" RETURNING " + (", ".join(column(table, name) for name in names) or "1"))


def body_rows(
    payload: Payload, columns: Sequence[Ref], *, defaults: bool = False, single: bool = False
) -> Sql:
    """``FROM …``: the body's rows as ``pgrst_body``, each column with its table's type.

    ``defaults``: what a row leaves out gets its column's default. ``single``: only the first row.
    """
    binary = "jsonb" if defaults else "json"
    parts: list[Sql | str] = [
        "FROM (SELECT ",
        value(payload.text.decode("utf-8", "replace")),
        f"::{binary} AS data) pgrst_payload, ",
    ]
    source = "pgrst_payload.data"
    if defaults:
        filled = "jsonb_build_object(" + _default_pairs(columns) + ")"
        if payload.is_object:
            parts.append(f"LATERAL (SELECT {filled} || pgrst_payload.data AS data) pgrst_filled, ")
        else:
            parts.append(
                f"LATERAL (SELECT jsonb_agg({filled} || element) AS data "
                "FROM jsonb_array_elements(pgrst_payload.data) element) pgrst_filled, "
            )
        source = "pgrst_filled.data"
    if not columns:
        rows = "(VALUES (1)) _" if payload.is_object else f"{binary}_array_elements({source}) _"
        return concat(*parts, f"LATERAL (SELECT FROM {rows}) pgrst_body")
    names = ", ".join(_converted(ref) for ref in columns)
    typed = ", ".join(f"{quote_ident(ref.name)} {verbatim(ref.type)}" for ref in columns)
    function = f"{binary}_to_record" + ("" if payload.is_object else "set")
    limit = " LIMIT 1" if single else ""
    return concat(
        *parts, f"LATERAL (SELECT {names} FROM {function}({source}) AS _({typed}){limit}) pgrst_body"
    )


def _default_pairs(columns: Sequence[Ref]) -> str:
    return ", ".join(
        f"'{_literal(ref.name)}', {verbatim(ref.default)}" for ref in columns if ref.default is not None
    )


def _literal(name: str) -> str:
    """A column's name, which the server reported, inside single quotes."""
    return verbatim(name.replace("'", "''"))


def _converted(ref: Ref) -> str:
    name = quote_ident(ref.name)
    return name if ref.transform is None else f"{verbatim(ref.transform)}({name}) AS {name}"


def call_query(plan: CallPlan) -> Sql:
    """``SELECT … FROM function(…)``."""
    routine = plan.routine
    scalar = routine.is_scalar or routine.is_scalar_set
    call = Name("", "pgrst_call")
    if scalar:
        columns = "pgrst_call.pgrst_scalar"
    else:
        columns = ", ".join(column(call, name) for name in plan.returning) or "*"
    parameters = [p for p in routine.parameters if p.name in plan.names]
    unnamed = len(routine.parameters) == 1 and not routine.parameters[0].name
    if unnamed:
        source = concat(" FROM ", _called(plan, _whole_body(plan, routine.parameters[0]), scalar))
    elif not parameters:
        source = concat(" FROM ", _called(plan, EMPTY, scalar))
    elif plan.arguments is not None:
        given = [_argument(p, plan.arguments[p.name]) for p in parameters]
        source = concat(" FROM ", _called(plan, join(", ", given), scalar))
    else:
        assert plan.payload is not None
        refs = [Ref(p.name, type=p.cast) for p in parameters]
        given = [Sql(f"{_by_name(p)}{column(BODY, p.name)}") for p in parameters]
        source = concat(
            " ",
            body_rows(plan.payload, refs, single=True),
            ", LATERAL ",
            _called(plan, join(", ", given), scalar),
        )
    return concat("SELECT ", columns, source)


def _called(plan: CallPlan, arguments: Sql, scalar: bool) -> Sql:
    call = concat(qualified(*plan.routine.id), "(", arguments, ")")
    return concat("(SELECT ", call, " pgrst_scalar) pgrst_call") if scalar else concat(call, " pgrst_call")


def _by_name(parameter: Parameter) -> str:
    return ("VARIADIC " if parameter.variadic else "") + f"{quote_ident(parameter.name)} := "


def _argument(parameter: Parameter, given: str | list[str]) -> Sql:
    return concat(_by_name(parameter), value(given), f"::{verbatim(parameter.cast)}")


def _whole_body(plan: CallPlan, parameter: Parameter) -> Sql:
    body = plan.payload.text if plan.payload is not None else b""
    given = value(body) if parameter.type == "bytea" else value(body.decode("utf-8", "replace"))
    return concat(given, f"::{verbatim(parameter.type)}")


__all__ = ["body_rows", "call_query", "mutate_query"]
