"""The query string: from its text to QueryParams."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

from pg_svc.errors import bad_query
from pg_svc.request import grammar
from pg_svc.request.combinators import ParseFailure, run
from pg_svc.request.recall import remembered
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
_INTEGER = re.compile(r"\s*-?[0-9]{1,18}\s*")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_]+")

# The common forms of a filter, recognised at once; all else, errors above all, goes through the grammar.
_COMMON_OPERATION = re.compile(
    r"(not\.)?(?:(eq|gte|gt|lte|lt|like|ilike|match|imatch)(?:\((any|all)\))?"
    r"|(neq|cs|cd|ov|sl|sr|nxr|nxl|adj|isdistinct))\.(.*)",
    re.DOTALL,
)
_QUOTED = r'"[^"\\]*"'
_COMMON_LIST = re.compile(
    rf"(not\.)?in\.\(((?:{_QUOTED}|(?:[^\",) \t][^,)]*)?)(?:,(?:{_QUOTED}|(?:[^\",)][^,)]*)?))*)\)"
)
_ELEMENT = re.compile(r'(?:"([^"]*)"|([^,]*)),')

_MOST_PAIRS = 10_000
_MOST_PARSED = 64 * 1024
"""Characters of a query that go through the grammar, which takes its time for each: as many as an address
has. Only a body may have more, and needs no more: the common forms are not counted."""


def parse_query(text: str, *, arguments_allowed: bool = False) -> QueryParams:
    """Understand a query string, still percent-encoded.

    ``arguments_allowed``: a value that is no filter is an argument of a function (GET on a function).
    Raises ApiError (PGRST100).
    """
    pairs = split_query(text)
    if len(pairs) > _MOST_PAIRS:
        raise bad_query("The query has too many parameters", f"There may be {_MOST_PAIRS} of them.")
    first: dict[str, str] = {}
    for key, given in pairs:
        if given is not None:
            first.setdefault(key, given)
    present = [(key, given) for key, given in pairs if given is not None]
    left = _MOST_PARSED

    def weighed(part: str) -> str:
        nonlocal left
        left -= len(part)
        if left < 0:
            raise ParseFailure(
                "The query is too long",
                f"It may have {_MOST_PARSED} characters besides plain filters and the values of lists.",
            )
        return part

    try:
        filters, arguments, names = [], [], set()
        for key, given in present:
            if not _PLAIN_NAME.fullmatch(key):
                weighed(key)
            if key in _RESERVED or key.rpartition(".")[2] in _RESERVED_ANYWHERE:
                continue
            path, field = _tree_path(key)
            names.add(key)
            operation = _common_operation(given) or _operation(weighed(given), arguments_allowed)
            if operation is None:
                arguments.append((field.name, given))
            else:
                filters.append((path, Filter(field, operation)))
        ranges = _ranges(present)
        return QueryParams(
            canonical=_canonical(pairs),
            select=_select(weighed(first.get("select", "*"))),
            filters=tuple(filters),
            logic=tuple(
                _logic(key, weighed(given))
                for key, given in present
                if key.rpartition(".")[2] in ("and", "or")
            ),
            order=tuple(
                (_tree_path(key)[0], _order(weighed(given)))
                for key, given in present
                if key.rpartition(".")[2] == "order"
            ),
            ranges=ranges,
            columns=_columns(weighed(first["columns"])) if "columns" in first else None,
            on_conflict=_on_conflict(weighed(first["on_conflict"])) if "on_conflict" in first else None,
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


@remembered(2048)
def _select(text: str) -> tuple[SelectItem, ...]:
    if text == "*":
        return _STAR
    items: tuple[SelectItem, ...] = run(grammar.select, f"failed to parse select parameter ({text})", text)
    return items


@remembered(2048)
def _order(text: str) -> tuple[OrderTerm, ...]:
    terms: tuple[OrderTerm, ...] = run(grammar.order, f"failed to parse order ({text})", text)
    return terms


@remembered(1024)
def _columns(text: str) -> tuple[str, ...]:
    names: tuple[str, ...] = run(grammar.columns, f"failed to parse columns parameter ({text})", text)
    return names


@remembered(1024)
def _on_conflict(text: str) -> tuple[str, ...]:
    names: tuple[str, ...] = run(grammar.columns, f"failed to parse on_conflict parameter ({text})", text)
    return names


@remembered(4096)
def _tree_path(key: str) -> tuple[EmbedPath, Field]:
    if _PLAIN_NAME.fullmatch(key):
        return (), Field(key)
    names, path = run(grammar.tree_path, f"failed to parse tree path ({key})", key)
    return tuple(names[:-1]), Field(names[-1], path)


def _common_operation(text: str) -> Operation | None:
    common = _COMMON_OPERATION.fullmatch(text)
    if common:
        negated, quantified, modifier, simple, value = common.groups()
        return Operation(quantified or simple, value, modifier, bool(negated))
    listed = _COMMON_LIST.fullmatch(text)
    if listed:
        return Operation("in", _elements(listed[2]), None, bool(listed[1]))
    return None


def _elements(text: str) -> tuple[str, ...]:
    if '"' not in text:
        return tuple(text.split(","))
    return tuple(found[2] if found[1] is None else found[1] for found in _ELEMENT.finditer(text + ","))


def _operation(text: str, arguments_allowed: bool) -> Operation | None:
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
