# ruff: noqa: S608 -- building SQL is what this module is for; values are parameters, names are quoted
"""The one statement of a request: its rows, their number, the body made of them, what the database said.

The result is one row of ``(total, page_total, body, response_headers, response_status)``, of a write
``(total, page_total, location, body, response_headers, response_status, inserted)``, the order that plans
show. To the driver each column is 1 µs.
"""

from __future__ import annotations

from pg_svc.plan.types import InsertPlan, MutatePlan, Output, ReadPlan
from pg_svc.schema.model import Routine
from pg_svc.sql.builder import EMPTY, Sql, concat, qualified, verbatim
from pg_svc.sql.read import count_query, select_query
from pg_svc.sql.write import mutate_query

_ROWS = "_postgrest_t"
_SAID = (
    "nullif(current_setting('response.headers', true), ''), "
    "nullif(current_setting('response.status', true), '')"
)


def read_statement(plan: ReadPlan, output: Output, *, count: str | None, max_rows: int | None) -> Sql:
    """A read. ``count``: ``exact``, or ``estimated``, which stops counting beyond ``max_rows``."""
    counted, total = EMPTY, Sql("NULL::bigint")
    if count in ("exact", "estimated"):
        if count == "exact" and plan.rows.everything:
            total = Sql(f"count({_ROWS})")
        else:
            limit = f" LIMIT {max_rows + 1}" if count == "estimated" and max_rows is not None else ""
            counted = concat(", pgrst_counted AS (", count_query(plan), limit, ")")
            total = Sql("(SELECT count(*) FROM pgrst_counted)")
    return concat(
        "WITH pgrst_source AS (",
        _rows_of(plan, output),
        ")",
        counted,
        " SELECT ",
        total,
        f", count({_ROWS}), ",
        _body(output, None),
        f", {_SAID} FROM pgrst_source {_ROWS}",
    )


def write_statement(mutation: MutatePlan, reading: ReadPlan, output: Output, *, location: bool) -> Sql:
    """A write, and the read of what it returns. ``location``: the new row's key is wanted."""
    inserted = "NULL"
    if isinstance(mutation, InsertPlan) and mutation.resolution == "merge-duplicates":
        inserted = "nullif(current_setting('pgrst.inserted', true), '')::int"
    where = Sql("NULL")
    if location and isinstance(mutation, InsertPlan) and mutation.key:
        keys = ", ".join(f"'{_literal(name)}'" for name in mutation.key)
        # Values are those of the row's JSON, in the order of its columns
        where = Sql(
            f"CASE WHEN count({_ROWS}) = 1 THEN (SELECT json_object_agg(key, value) FROM json_each_text("
            f"(SELECT row_to_json(first) FROM pgrst_source AS first LIMIT 1)) WHERE key IN ({keys})) END"
        )
    rows = Sql("SELECT * FROM pgrst_source") if output.kind == "none" else _rows_of(reading, output)
    return concat(
        "WITH pgrst_source AS (",
        mutate_query(mutation),
        "), pgrst_result AS (",
        rows,
        f") SELECT NULL::bigint, count({_ROWS}), ",
        where,
        ", ",
        _body(output, None, source="pgrst_result"),
        f", {_SAID}, {inserted} FROM pgrst_result {_ROWS}",
    )


def call_statement(
    call: Sql, reading: ReadPlan, routine: Routine, output: Output, *, count: str | None
) -> Sql:
    """A call, and the read of what it returns."""
    counted, total = EMPTY, Sql("NULL::bigint")
    if count in ("exact", "estimated"):
        counted = concat(", pgrst_counted AS (", count_query(reading), ")")
        total = Sql("(SELECT count(*) FROM pgrst_counted)")
    single = not routine.returns_set
    return concat(
        "WITH pgrst_source AS (",
        call,
        "), pgrst_result AS (",
        _rows_of(reading, output),
        ")",
        counted,
        " SELECT ",
        total,
        ", 1, " if single else f", count({_ROWS}), ",
        _body(output, routine, source="pgrst_result"),
        f", {_SAID} FROM pgrst_result {_ROWS}",
    )


def stream_statement(plan: ReadPlan, output: Output) -> Sql:
    """A read whose rows come one by one, each as its JSON."""
    row = f"row_to_json({_ROWS})"
    if output.stripped:
        row = f"json_strip_nulls({row})"
    return concat(f"SELECT {row}::text FROM (", select_query(plan), f") {_ROWS}")


def explain(statement: Sql, form: str, options: tuple[str, ...] = ()) -> Sql:
    """The statement's plan as text or JSON."""
    chosen = ", ".join([f"FORMAT {form.upper()}", *(option.upper() for option in options)])
    return concat(f"EXPLAIN ({chosen}) ", statement)


def _rows_of(plan: ReadPlan, output: Output) -> Sql:
    """Where the embeds' JSON is shown inside text it has to look as the protocol has it."""
    return select_query(plan, shows_json=output.kind in ("csv", "custom"))


def _body(output: Output, routine: Routine | None, source: str = "pgrst_source") -> Sql:
    scalar = routine is not None and routine.is_scalar
    scalar_set = routine is not None and routine.is_scalar_set
    row = f"{_ROWS}.pgrst_scalar" if scalar or scalar_set else _ROWS
    if output.kind == "none":
        return Sql("NULL")
    if output.kind == "custom" and output.handler is not None:
        return _custom(output, scalar)
    if output.kind == "csv":
        return Sql(
            "(SELECT coalesce(string_agg(key, ','), '') FROM json_object_keys("
            f"(SELECT row_to_json(first) FROM {source} AS first LIMIT 1)) AS key) || E'\\n' || "
            f"coalesce(string_agg(substr({_ROWS}::text, 2, length({_ROWS}::text) - 2), E'\\n'), '')"
        )
    if output.kind == "geojson":
        return Sql(
            "json_build_object('type', 'FeatureCollection', 'features', "
            f"coalesce(json_agg(ST_AsGeoJSON({_ROWS})::json), '[]'))"
        )
    one = output.kind == "object" or scalar or (routine is not None and routine.is_single_row)
    aggregated = f"json_agg({row})"
    if output.stripped:
        aggregated = f"json_strip_nulls({aggregated})"
    return Sql(f"coalesce({aggregated}->0, 'null')" if one else f"coalesce({aggregated}, '[]')")


def _custom(output: Output, scalar: bool) -> Sql:
    handler = output.handler
    assert handler is not None
    function = qualified(*handler.function)
    if scalar:
        return Sql(
            f"(array_agg({function}({_ROWS}.pgrst_scalar)))[1]"
            if not handler.aggregate
            else f"{function}({_ROWS}.pgrst_scalar)"
        )
    if handler.target is None or not handler.aggregate:
        return Sql(f"{function}({_ROWS})")
    return Sql(f"{function}({_ROWS}::{qualified(*handler.target)})")


def _literal(name: str) -> str:
    return verbatim(name.replace("'", "''"))
