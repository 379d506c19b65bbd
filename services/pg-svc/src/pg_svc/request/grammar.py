"""The grammar of ``select``, ``order``, filters and logic trees.

Described at https://docs.postgrest.org/en/stable/references/api/tables_views.html and
https://docs.postgrest.org/en/stable/references/api/resource_embedding.html.
"""

from __future__ import annotations

from typing import Any

from pg_svc.request.combinators import (
    Error,
    Outcome,
    Parser,
    attempt,
    char,
    choice,
    eof,
    label,
    look_ahead,
    many,
    mapped,
    merge,
    none_of,
    not_followed_by,
    optional,
    pick,
    pure,
    run_of,
    satisfy,
    separated,
    sequence,
    string,
    text_of,
)
from pg_svc.request.types import (
    Field,
    Filter,
    JsonStep,
    Logic,
    Operation,
    OrderTerm,
    SelectField,
    SelectRelation,
)

MAX_LOGIC_DEPTH = 110
MAX_EMBED_DEPTH = 40
"""Nesting beyond these is refused; each level costs several frames of the interpreter's stack."""

_AGGREGATES = ("sum", "avg", "count", "max", "min")
_SIMPLE = ("neq", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj")
_QUANTIFIED = ("eq", "gte", "gt", "lte", "lt", "like", "ilike", "match", "imatch")
_FULL_TEXT = ("fts", "plfts", "phfts", "wfts")
_IS_VALUES = ("null", "not_null", "true", "false", "unknown")

_blank = run_of(lambda c: c in " \t")


def _spaced(parser: Parser) -> Parser:
    return pick(1, _blank, parser, _blank)


_DIGITS = "0123456789"
identifier = mapped(
    run_of(lambda c: c.isalpha() or c in "_ $" or c in _DIGITS, "letter", "digit", least=1), str.strip
)
_dot = label(char("."), "delimiter (.)")
_unescaped = run_of(lambda c: c not in '\\"', least=1)
_escaped = pick(1, char("\\"), satisfy(lambda _: True))
quoted = text_of(pick(1, char('"'), many(choice(_unescaped, _escaped)), char('"')))


def _dashed(part: Parser) -> Parser:
    """Parts with dashes between them; the dash of an arrow is not one."""
    dash = attempt(sequence(char("-"), not_followed_by(char(">"))))
    return mapped(separated(part, dash), "-".join)


field_name = label(choice(quoted, _dashed(identifier)), "field name (* or [a..z0..9_$])")

# -- ways into JSON -------------------------------------------------------------------------------------

_json_key_part = mapped(run_of(lambda c: c not in "(-:.,>)", least=1), str.strip)
_json_key = label(choice(quoted, _dashed(_json_key_part)), "any non reserved character different from: .,>()")
_index_end = choice(*(attempt(look_ahead(string(end))) for end in ("->", "::", ".", ",")), attempt(eof))
_json_index = mapped(
    sequence(optional(char("-"), "+"), run_of(lambda c: c in _DIGITS, "digit", least=1), _index_end),
    lambda found: found[0] + found[1],
)
_json_step = mapped(
    sequence(
        choice(attempt(string("->>")), attempt(string("->"))),
        choice(
            attempt(mapped(_json_index, lambda index: (index, True))),
            attempt(mapped(_json_key, lambda key: (key, False))),
        ),
    ),
    lambda found: JsonStep(found[1][0], index=found[1][1], text=found[0] == "->>"),
)
_json_path = mapped(many(_json_step), tuple)
field = _spaced(mapped(sequence(field_name, _json_path), lambda found: Field(*found)))

# -- select ---------------------------------------------------------------------------------------------

_alias = optional(attempt(pick(0, field_name, char(":"), not_followed_by(char(":")))))
_item_end = choice(attempt(look_ahead(string(")"))), attempt(look_ahead(string(","))), attempt(eof))
_cast = optional(pick(1, string("::"), identifier))
_aggregate = choice(
    string("sum"), string("avg"), string("count"), attempt(string("max")), attempt(string("min"))
)
_star = mapped(sequence(string("*"), _item_end), lambda _: SelectField(Field("*")))
_count = mapped(
    sequence(_alias, string("count()"), _cast, _item_end),
    lambda found: SelectField(Field("*"), alias=found[0], aggregate="count", aggregate_cast=found[2]),
)
_plain = mapped(
    sequence(
        _alias,
        field,
        _cast,
        optional(attempt(pick(1, char("."), _aggregate, string("()")))),
        _cast,
        _item_end,
    ),
    lambda found: SelectField(found[1], found[0], found[2], found[3], found[4]),
)
_select_field = _spaced(choice(attempt(_star), attempt(_count), _plain))

_embed_parameter = pick(
    1,
    char("!"),
    choice(
        attempt(mapped(string("left"), lambda _: ("join", "left"))),
        attempt(mapped(string("inner"), lambda _: ("join", "inner"))),
        attempt(mapped(field_name, lambda hint: ("hint", hint))),
    ),
)
_embed_parameters = sequence(optional(_embed_parameter), optional(_embed_parameter))


def _parameters(found: tuple[Any, Any]) -> dict[str, Any]:
    hint = next((item[1] for item in found if item and item[0] == "hint"), None)
    join = next((item[1] for item in found if item and item[0] == "join"), None)
    return {"hint": hint, "inner": join == "inner"}


def _not_count(text: str, at: int) -> Outcome:
    outcome = field_name(text, at)
    if outcome.ok and outcome.value == "count":
        return Outcome(False, None, outcome.position, Error(outcome.position))
    return outcome


_opening = attempt(look_ahead(string("(")))
_relation_head = _spaced(
    mapped(
        sequence(_alias, _not_count, _embed_parameters, _opening),
        lambda found: SelectRelation(found[1], alias=found[0], **_parameters(found[2])),
    )
)
_spread_head = _spaced(
    mapped(
        sequence(string("..."), field_name, _embed_parameters, _opening),
        lambda found: SelectRelation(found[1], spread=True, **_parameters(found[2])),
    )
)


_heads = (attempt(_spread_head), attempt(_relation_head))


def _select_item(depth: int) -> Parser:
    def parse(text: str, at: int) -> Outcome:
        error = Error(at)
        for head in _heads:
            outcome = head(text, at)
            if not outcome.ok:
                error = merge(error, outcome.error)
                continue
            if depth >= MAX_EMBED_DEPTH:
                return _too_deep(outcome.position, MAX_EMBED_DEPTH)
            body = pick(1, char("("), _select_list(depth + 1), char(")"))(text, outcome.position)
            if not body.ok:
                return body
            relation: SelectRelation = outcome.value
            whole = SelectRelation(
                relation.name, relation.alias, relation.hint, relation.inner, relation.spread, body.value
            )
            return Outcome(True, whole, body.position, body.error)
        outcome = _select_field(text, at)
        return outcome if outcome.position != at else outcome._replace(error=merge(error, outcome.error))

    return parse


def _select_list(depth: int) -> Parser:
    def parse(text: str, at: int) -> Outcome:
        items = separated(_select_item(depth), _spaced(char(",")))
        return mapped(optional(items, []), tuple)(text, at)

    return parse


def _too_deep(at: int, most: int) -> Outcome:
    return Outcome(False, None, at + 1, Error(at, None, (f"more than {most} levels",)))


select: Parser = _select_list(0)
"""``select=``: a tuple of SelectItem."""

# -- order ----------------------------------------------------------------------------------------------

_direction = choice(attempt(pick(1, _dot, string("asc"))), attempt(pick(1, _dot, string("desc"))))
_nulls = choice(attempt(pick(1, _dot, string("nullsfirst"))), attempt(pick(1, _dot, string("nullslast"))))
_term_end = choice(attempt(look_ahead(char(","))), attempt(eof))
_term_tail = sequence(
    optional(_direction),
    choice(pick(0, optional(_nulls), _term_end), mapped(_term_end, lambda _: None)),
)
_order_term = mapped(sequence(field, _term_tail), lambda found: OrderTerm(found[0], found[1][0], found[1][1]))
_related_order_term = mapped(
    sequence(field_name, pick(1, char("("), field, char(")")), _term_tail),
    lambda found: OrderTerm(found[1], found[2][0], found[2][1], relation=found[0]),
)
order: Parser = mapped(
    separated(_spaced(choice(attempt(_related_order_term), _order_term)), char(",")), tuple
)
"""``order=``: a tuple of OrderTerm."""

# -- filters --------------------------------------------------------------------------------------------

_rest = run_of(lambda _: True)
_element = run_of(lambda c: c not in ",)")
_list_element = choice(attempt(pick(0, quoted, not_followed_by(none_of(",)")))), _element)
_list = mapped(pick(1, _spaced(char("(")), separated(_list_element, char(",")), _spaced(char(")"))), tuple)
_array = mapped(sequence(string("{"), run_of(lambda c: c not in "{}"), string("}")), "".join)
_logic_value = choice(attempt(pick(0, quoted, not_followed_by(none_of(",)")))), attempt(_array), _element)


def _keyword(word: str) -> Parser:
    letters = sequence(*(choice(char(c), char(c.upper())) for c in word))
    return attempt(mapped(letters, lambda _: word))


def _operator(name: str) -> Parser:
    return attempt(string(name))


_is_value = label(
    choice(*(_keyword(word) for word in _IS_VALUES)),
    "isVal: (null, not_null, true, false, unknown)",
)
_quantifier = optional(attempt(pick(1, char("("), choice(attempt(string("any")), string("all")), char(")"))))
_language = optional(attempt(pick(1, char("("), identifier, char(")"))))
_negation = choice(attempt(mapped(sequence(string("not"), _dot), lambda _: True)), pure(False))


def _operation(value: Parser) -> Parser:
    simple = label(choice(*(_operator(name) for name in _SIMPLE)), "unknown single value operator")
    quantified = label(choice(*(_operator(name) for name in _QUANTIFIED)), "unknown single value operator")
    full_text = choice(*(_operator(name) for name in _FULL_TEXT))
    body = label(
        choice(
            mapped(pick(1, attempt(sequence(string("in"), _dot)), _list), lambda v: Operation("in", v)),
            mapped(pick(1, attempt(sequence(string("is"), _dot)), _is_value), lambda v: Operation("is", v)),
            mapped(
                pick(1, attempt(sequence(string("isdistinct"), _dot)), value),
                lambda v: Operation("isdistinct", v),
            ),
            attempt(
                mapped(sequence(full_text, _language, _dot, value), lambda f: Operation(f[0], f[3], f[1]))
            ),
            attempt(mapped(sequence(simple, _dot, value), lambda f: Operation(f[0], f[2]))),
            attempt(
                mapped(sequence(quantified, _quantifier, _dot, value), lambda f: Operation(f[0], f[3], f[1]))
            ),
        ),
        "operator (eq, gt, ...)",
    )
    return mapped(
        sequence(_negation, body),
        lambda found: Operation(found[1].operator, found[1].value, found[1].modifier, found[0]),
    )


operation: Parser = _operation(_rest)
"""A filter's value: an Operation."""

_logic_filter = mapped(
    sequence(field, _dot, _operation(_logic_value)), lambda found: Filter(found[0], found[2])
)
_logic_head = sequence(
    label(_negation, "negation operator (not)"),
    label(choice(attempt(string("and")), string("or")), "logic operator (and, or)"),
)


def _logic_tree(depth: int) -> Parser:
    def parse(text: str, at: int) -> Outcome:
        leaf = attempt(_logic_filter)(text, at)
        if leaf.ok:
            return leaf
        head = _logic_head(text, at)
        if not head.ok:
            error = Error(at) if head.position != at else leaf.error
            return head._replace(error=merge(error, head.error))
        if depth >= MAX_LOGIC_DEPTH:
            return _too_deep(head.position, MAX_LOGIC_DEPTH)
        children = pick(
            1,
            _spaced(char("(")),
            separated(_logic_tree(depth + 1), _spaced(char(","))),
            _spaced(char(")")),
        )(text, head.position)
        if not children.ok:
            return children
        negated, operator = head.value
        return children._replace(value=Logic(operator, tuple(children.value), negated))

    return parse


logic_tree: Parser = _logic_tree(0)
"""``and(…)``, ``not.or(…)``: a LogicTree."""

# -- names ----------------------------------------------------------------------------------------------

tree_path: Parser = sequence(separated(field_name, _dot), optional(_json_path, ()))
"""A filter's key: names with dots between them, then a way into JSON."""

name_path: Parser = separated(field_name, _dot)
"""A logic tree's key."""

columns: Parser = mapped(separated(field_name, _spaced(char(","))), tuple)
"""``columns=`` and ``on_conflict=``: a tuple of names."""
