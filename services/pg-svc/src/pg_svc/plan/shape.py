"""Queries that differ in nothing but plain values have one plan.

``id=eq.7&order=name`` is understood once, with a mark where the 7 is, and so are all the others of its shape:
480 µs for a row by a key that nobody asked for lately become 280. A mark is a value as any other to the
grammar and to the plan; it comes out again as a parameter of the statement and in ``Content-Location``, and
there, and only there, it is replaced.
"""

from __future__ import annotations

import re
from dataclasses import replace
from secrets import token_hex

from pg_svc.plan.action import Action
from pg_svc.render import Answer, RowSet
from pg_svc.sql.builder import Sql

# What means the same at any place of a query: a plain name, a comparison, and a word that needs no decoding
_VALUE = re.compile(
    r"(?:^|(?<=&))"
    r"(?!(?:select|columns|on_conflict|order|limit|offset|and|or|not)=)"
    r"([A-Za-z_][A-Za-z0-9_]*=(?:eq|neq|gte?|lte?)\.)([A-Za-z0-9_-]+)(?=&|$)"
)
_WORD = f"m{token_hex(8)}n"  # nobody else's query holds it
_MARK = re.compile(_WORD + r"\d+z")


def shape_of(query: str) -> tuple[str, dict[str, str]]:
    """The query with marks in place of its plain values, and the value of each mark."""
    values: dict[str, str] = {}

    def mark(found: re.Match[str]) -> str:
        name = f"{_WORD}{len(values)}z"
        values[name] = found[2]
        return found[1] + name

    return _VALUE.sub(mark, query), values


def takes_values(action: Action, values: dict[str, str]) -> bool:
    """Whether every mark has become a parameter, and nothing else has been made of one."""
    if action.estimate is not None:
        return False
    marks = [given for given in action.statement.params if isinstance(given, str) and _MARK.search(given)]
    return set(marks) == set(values) and not _MARK.search(action.statement.text)


def with_values(action: Action, values: dict[str, str]) -> Action:
    """The action for the values of one request."""
    statement = action.statement
    params = tuple(values.get(given, given) for given in statement.params)

    def answer(rows: RowSet) -> Answer:
        made = action.answer(rows)
        made.headers = [
            (name, _MARK.sub(lambda found: values[found[0]], text) if name == "Content-Location" else text)
            for name, text in made.headers
        ]
        return made

    return replace(action, statement=Sql(statement.text, params), answer=answer)
