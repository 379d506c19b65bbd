"""SQL text and its parameters, put together piece by piece.

A value is always a parameter (``value``). A name is always quoted (``quote_ident``). Everything else in a
statement is a constant of this package or text that the server itself reported (``verbatim``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Sql:
    """Text with ``%s`` where a parameter goes, and the parameters in that order."""

    text: str
    params: tuple[Any, ...] = ()

    def __add__(self, other: Sql | str) -> Sql:
        if isinstance(other, str):
            return Sql(self.text + other, self.params)
        return Sql(self.text + other.text, self.params + other.params)

    def __radd__(self, other: str) -> Sql:
        return Sql(other + self.text, self.params)

    def __bool__(self) -> bool:
        return bool(self.text)


EMPTY = Sql("")


def value(content: Any) -> Sql:
    """A parameter. Strings arrive without a type, so the server infers it as for any literal."""
    return Sql("%s", (content,))


def concat(*parts: Sql | str) -> Sql:
    """One after the other."""
    text: list[str] = []
    params: list[Any] = []
    for part in parts:
        if isinstance(part, str):
            text.append(part)
        else:
            text.append(part.text)
            params.extend(part.params)
    return Sql("".join(text), tuple(params))


def join(separator: str, parts: Iterable[Sql]) -> Sql:
    """With a separator between them."""
    text: list[str] = []
    params: list[Any] = []
    for part in parts:
        text.append(part.text)
        params.extend(part.params)
    return Sql(separator.join(text), tuple(params))


def quote_ident(name: str) -> str:
    """A name as SQL text, exactly as the driver's own ``quote_ident`` quotes it (a test holds them together).

    Percent signs are doubled on top, since the text is formatted with parameters later.
    """
    return '"' + name.replace("\0", "").replace('"', '""').replace("%", "%%") + '"'


def verbatim(text: str) -> str:
    """SQL that the server reported itself: the name of a type, a default's expression."""
    return text.replace("%", "%%")


def qualified(schema: str, name: str) -> str:
    """``"schema"."name"``; only the name when the schema is empty."""
    return f"{quote_ident(schema)}.{quote_ident(name)}" if schema else quote_ident(name)


def array_literal(values: Iterable[str]) -> str:
    """``{"a","b"}``: an array as one text, so that the server infers its type."""
    quoted = ('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in values)
    return "{" + ",".join(quoted) + "}"
