"""Columns, conditions and orders as SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pg_svc.plan.types import ColumnOf, Compare, Condition, EmbedExists, Group, Ordered, Ref
from pg_svc.request.types import JsonStep, Operation, RowRange
from pg_svc.schema.model import Name
from pg_svc.sql.builder import (
    EMPTY,
    Sql,
    array_literal,
    concat,
    join,
    qualified,
    quote_ident,
    value,
    verbatim,
)

_OPERATORS = {
    "eq": "=",
    "neq": "<>",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "like": "like",
    "ilike": "ilike",
    "match": "~",
    "imatch": "~*",
    "cs": "@>",
    "cd": "<@",
    "ov": "&&",
    "sl": "<<",
    "sr": ">>",
    "nxr": "&<",
    "nxl": "&>",
    "adj": "-|-",
}
_FULL_TEXT = {
    "fts": "to_tsquery",
    "plfts": "plainto_tsquery",
    "phfts": "phraseto_tsquery",
    "wfts": "websearch_to_tsquery",
}
_IS = {
    "null": "NULL",
    "not_null": "NOT NULL",
    "true": "TRUE",
    "false": "FALSE",
    "unknown": "UNKNOWN",
}


_LARGEST = 2**31 - 1  # of a number that is an integer as it stands


def place(table: Name) -> str:
    """A relation or an alias."""
    return qualified(table.schema, table.name)


def column(table: Name, name: str) -> str:
    """``"t"."c"``, or ``"t".*``."""
    return place(table) + (".*" if name == "*" else "." + quote_ident(name))


def reference(table: Name, ref: Ref, language: str | None = None) -> Sql:
    """A column, what is inside it, or its row, without conversion for the output."""
    if ref.full_row:
        return Sql(place(table))
    base = Sql(column(table, ref.name))
    if ref.path:
        inner = concat("to_jsonb(", base, ")") if ref.to_json else base
        base = concat(inner, json_path(ref.path))
    if ref.to_tsvector:
        searched = concat(_configuration(language), ", ", base) if language is not None else base
        base = concat("to_tsvector(", searched, ")")
    return base


def json_path(path: Sequence[JsonStep]) -> Sql:
    """``->'a'->>1``."""
    parts: list[Sql | str] = []
    for step in path:
        parts.append("->>" if step.text else "->")
        parts.append(value(step.operand))
        if step.index:
            parts.append("::int")
    return concat(*parts)


def where(
    table: Name, conditions: Iterable[Condition], joins: Iterable[tuple[ColumnOf, ColumnOf]] = ()
) -> Sql:
    """`` WHERE …``, or nothing."""
    parts = [condition(table, one) for one in conditions]
    parts.extend(Sql(f"{column(a.table, a.column)} = {column(b.table, b.column)}") for a, b in joins)
    return concat(" WHERE ", join(" AND ", parts)) if parts else EMPTY


def condition(table: Name, given: Condition) -> Sql:
    """One condition."""
    if isinstance(given, Group):
        inner = join(f" {given.operator.upper()} ", [condition(table, child) for child in given.children])
        return concat("NOT (" if given.negated else "(", inner, ")")
    if isinstance(given, EmbedExists):
        negation = "" if not given.negated else "NOT "
        return Sql(f"{quote_ident(given.alias)} IS {'' if negation else 'NOT '}DISTINCT FROM NULL")
    return comparison(table, given)


def comparison(table: Name, given: Compare) -> Sql:
    """A column against a value."""
    ref, operation = given.ref, given.operation
    language = operation.modifier if operation.operator in _FULL_TEXT else None
    left = reference(table, ref, language)
    return concat("NOT " if operation.negated else "", left, _right(ref, operation))


def _configuration(language: str) -> Sql:
    """The name of a text search configuration; bare digits, or ``-``, would be an object's number."""
    return value(f'"{language}"' if language == "-" or language.isdigit() else language)


def _right(ref: Ref, operation: Operation) -> Sql:
    operator, given = operation.operator, operation.value
    if operator == "is":
        return Sql(f" IS {_IS[str(given)]}")
    if operator == "in":
        return concat(" = ANY (", _array(ref, given), ")")
    text = str(given)
    if operator == "isdistinct":
        return concat(" IS DISTINCT FROM ", value(text))
    if operator in _FULL_TEXT:
        chosen = operation.modifier
        language = concat(_configuration(chosen), ", ") if chosen is not None else EMPTY
        return concat(" @@ ", _FULL_TEXT[operator], "(", language, value(text), ")")
    pattern = operator in ("like", "ilike")
    right = value(text.replace("*", "%")) if pattern else _converted(ref, value(text))
    if operation.modifier in ("any", "all"):
        right = concat(operation.modifier.upper(), "(", right, ")")
    return concat(f" {_OPERATORS[operator]} ", right)


def _array(ref: Ref, given: str | tuple[str, ...]) -> Sql:
    values = () if given == ("",) else given
    literal = value(array_literal(values))
    if ref.transform is None or not values:
        return literal
    return concat(f"SELECT {verbatim(ref.transform)}(unnest(", literal, "::text[]))")


def _converted(ref: Ref, given: Sql) -> Sql:
    return given if ref.transform is None else concat(f"{verbatim(ref.transform)}(", given, "::text)")


def order_by(table: Name, terms: Sequence[Ordered]) -> Sql:
    """`` ORDER BY …``, or nothing."""
    if not terms:
        return EMPTY
    return concat(" ORDER BY ", join(", ", [_order_term(table, term) for term in terms]))


def _order_term(table: Name, term: Ordered) -> Sql:
    of = Name("", term.embed) if term.embed is not None else table
    text = {"asc": " ASC", "desc": " DESC", None: ""}[term.direction]
    text += {"nullsfirst": " NULLS FIRST", "nullslast": " NULLS LAST", None: ""}[term.nulls]
    return concat(reference(of, term.ref), text)


def limit_offset(rows: RowRange) -> Sql:
    """`` LIMIT … OFFSET …``, or nothing.

    A limit is a part of the text: prepared with any limit, 100 rows cost the server 142 µs, with this one 95.
    """
    if rows.everything:
        return EMPTY
    offset = concat(" OFFSET ", value(str(rows.offset))) if rows.offset else EMPTY
    if rows.limit is None:
        return offset
    limit = str(rows.limit)
    return concat(" LIMIT ", value(limit) if rows.limit > _LARGEST else limit, offset)
