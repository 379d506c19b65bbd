"""The query string: from its text to QueryParams."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

from pg_svc.errors import bad_query
from pg_svc.request import grammar
from pg_svc.request.combinators import ParseFailure, run
from pg_svc.request.types import (
    EmbedPath,
    Field,
    Filter,
    LogicTree,
    Operation,
    OrderTerm,
    QueryParams,
    RowRange,
    SelectItem,
)

_RESERVED = ("select", "columns", "on_conflict")
_RESERVED_ANYWHERE = ("order", "limit", "offset", "and", "or")
_INTEGER = re.compile(r"\s*-?\d{1,18}\s*")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_]+")

# The common forms of a filter, recognised at once; all else, errors above all, goes through the grammar.
_COMMON_OPERATION = re.compile(
    r"(not\.)?(?:(eq|gte|gt|lte|lt|like|ilike|match|imatch)(?:\((any|all)\))?"
    r"|(neq|cs|cd|ov|sl|sr|nxr|nxl|adj|isdistinct))\.(.*)",
    re.DOTALL,
)
_COMMON_LIST = re.compile(r'(not\.)?in\.\(([^"(){}\s]*)\)')


def parse_query(text: str, *, arguments_allowed: bool = False) -> QueryParams:
    """Understand a query string, still percent-encoded.

    ``arguments_allowed``: a value that is no filter is an argument of a function (GET on a function).
    Raises ApiError (PGRST100).
    """
    pairs = split_query(text)
    first: dict[str, str] = {}
    for key, given in pairs:
        if given is not None:
            first.setdefault(key, given)
    present = [(key, given) for key, given in pairs if given is not None]
    try:
        filters, arguments, names = [], [], set()
        for key, given in present:
            if key in _RESERVED or key.rpartition(".")[2] in _RESERVED_ANYWHERE:
                continue
            path, field = _tree_path(key)
            names.add(key)
            operation = _operation(given, arguments_allowed)
            if operation is None:
                arguments.append((field.name, given))
            else:
                filters.append((path, Filter(field, operation)))
        ranges = _ranges(present)
        return QueryParams(
            canonical=_canonical(pairs),
            select=_select(first.get("select", "*")),
            filters=tuple(filters),
            logic=tuple(
                _logic(key, given) for key, given in present if key.rpartition(".")[2] in ("and", "or")
            ),
            order=tuple(
                (_tree_path(key)[0], _order(given))
                for key, given in present
                if key.rpartition(".")[2] == "order"
            ),
            ranges=ranges,
            columns=_columns("columns", first["columns"]) if "columns" in first else None,
            on_conflict=_columns("on_conflict", first["on_conflict"]) if "on_conflict" in first else None,
            arguments=tuple(arguments),
            filter_names=frozenset(names),
        )
    except ParseFailure as failure:
        raise bad_query(failure.place, failure.details) from None


def split_query(text: str) -> list[tuple[str, str | None]]:
    """``a=1&b`` → ``[("a", "1"), ("b", None)]``, decoded; plus signs are spaces."""
    pairs: list[tuple[str, str | None]] = []
    for piece in text.split("&"):
        if not piece:
            continue
        key, equals, given = piece.partition("=")
        pairs.append((_decode(key), _decode(given) if equals else None))
    return pairs


def _decode(text: str) -> str:
    if "%" not in text and "+" not in text and text.isascii():
        return text
    return unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "replace")


def _canonical(pairs: list[tuple[str, str | None]]) -> str:
    """Sorted by key; it goes into Content-Location."""
    ordered = sorted(pairs, key=lambda pair: pair[0])
    return "&".join(f"{quote(key, safe='')}={quote(given or '', safe='')}" for key, given in ordered)


@lru_cache(maxsize=2048)
def _select(text: str) -> tuple[SelectItem, ...]:
    if text == "*":
        return _STAR
    items: tuple[SelectItem, ...] = run(grammar.select, f"failed to parse select parameter ({text})", text)
    return items


@lru_cache(maxsize=2048)
def _order(text: str) -> tuple[OrderTerm, ...]:
    terms: tuple[OrderTerm, ...] = run(grammar.order, f"failed to parse order ({text})", text)
    return terms


@lru_cache(maxsize=1024)
def _columns(parameter: str, text: str) -> tuple[str, ...]:
    names: tuple[str, ...] = run(grammar.columns, f"failed to parse {parameter} parameter ({text})", text)
    return names


@lru_cache(maxsize=4096)
def _tree_path(key: str) -> tuple[EmbedPath, Field]:
    if _PLAIN_NAME.fullmatch(key):
        return (), Field(key)
    names, path = run(grammar.tree_path, f"failed to parse tree path ({key})", key)
    return tuple(names[:-1]), Field(names[-1], path)


def _operation(text: str, arguments_allowed: bool) -> Operation | None:
    common = _COMMON_OPERATION.fullmatch(text)
    if common:
        negated, quantified, modifier, simple, value = common.groups()
        return Operation(quantified or simple, value, modifier, bool(negated))
    listed = _COMMON_LIST.fullmatch(text)
    if listed:
        return Operation("in", tuple(listed[2].split(",")), None, bool(listed[1]))
    if arguments_allowed:
        outcome = grammar.operation(text, 0)
        if not outcome.ok and outcome.position == 0:
            return None
    operation: Operation = run(grammar.operation, f"failed to parse filter ({text})", text)
    return operation


def _logic(key: str, text: str) -> tuple[EmbedPath, LogicTree]:
    names: list[str] = run(grammar.name_path, f"failed to parse logic path ({key})", key)
    operator = ("not." if "not" in names else "") + names[-1]
    tree: LogicTree = run(grammar.logic_tree, f"failed to parse logic tree ({text})", operator + text)
    return tuple(name for name in names[:-1] if name != "not"), tree


def _ranges(present: list[tuple[str, str]]) -> tuple[tuple[EmbedPath, RowRange], ...]:
    """``limit`` and ``offset`` of each level; what is not a number does not count."""
    limits: dict[EmbedPath, int] = {}
    offsets: dict[EmbedPath, int] = {}
    for key, given in present:
        head, _, last = key.rpartition(".")
        if last not in ("limit", "offset") or not _INTEGER.fullmatch(given):
            continue
        path = (*_tree_path(head)[0], _tree_path(head)[1].name) if head else ()
        (limits if last == "limit" else offsets)[path] = int(given)
    paths = dict.fromkeys([*limits, *offsets])
    return tuple((path, RowRange(max(offsets.get(path, 0), 0), limits.get(path))) for path in paths)


_STAR: tuple[SelectItem, ...] = run(grammar.select, "select", "*")
