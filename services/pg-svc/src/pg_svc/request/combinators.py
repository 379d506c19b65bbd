"""Parser combinators whose errors read as PostgREST's do.

The protocol shows its parser's own messages (``unexpected "x" expecting "asc" or "desc"``), so errors follow
the rules of the Parsec family: an alternative is tried only when the one before it failed without consuming
anything; of two errors the one further on wins; errors at one place are merged; a label replaces what a
parser expected where it failed at once.

A parser is a function of the text and a position. Its outcome is ``(ok, value, position, error)``; an outcome
that is not ok has *consumed* when its position is beyond the start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

MAX_ERROR_TEXT = 2000


class Error(NamedTuple):
    """What is wrong at a place. ``found`` is what was there; ``barred`` what must not be there."""

    position: int
    found: str | None = None
    barred: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()

    @property
    def unknown(self) -> bool:
        """Whether it says nothing."""
        return self.found is None and not self.barred and not self.expected


class Outcome(NamedTuple):
    """What a parser came to."""

    ok: bool
    value: Any
    position: int
    error: Error


Parser = Callable[[str, int], Outcome]

END_OF_INPUT = "end of input"


def merge(first: Error, second: Error) -> Error:
    """The error to show for two."""
    if second.unknown and not first.unknown:
        return first
    if first.unknown and not second.unknown:
        return second
    if first.position != second.position:
        return first if first.position > second.position else second
    return Error(
        first.position,
        first.found if first.found is not None else second.found,
        first.barred + second.barred,
        first.expected + second.expected,
    )


def pure(value: Any) -> Parser:
    """Succeeds without looking."""

    def parse(text: str, at: int) -> Outcome:
        return Outcome(True, value, at, Error(at))

    return parse


def satisfy(test: Callable[[str], bool]) -> Parser:
    """One character."""

    def parse(text: str, at: int) -> Outcome:
        if at >= len(text):
            return Outcome(False, None, at, Error(at, ""))
        if test(text[at]):
            return Outcome(True, text[at], at + 1, Error(at + 1))
        return Outcome(False, None, at, Error(at, show(text[at])))

    return parse


def label(parser: Parser, name: str) -> Parser:
    """``name`` is what was expected where the parser fails at once."""

    def parse(text: str, at: int) -> Outcome:
        outcome = parser(text, at)
        if outcome.position != at or (outcome.ok and outcome.error.unknown):
            return outcome
        return outcome._replace(error=outcome.error._replace(expected=(name,)))

    return parse


def char(wanted: str) -> Parser:
    """This character."""
    return label(satisfy(lambda found: found == wanted), show(wanted))


def one_of(characters: str) -> Parser:
    """One of these characters."""
    return satisfy(lambda found: found in characters)


def none_of(characters: str) -> Parser:
    """Any other character."""
    return satisfy(lambda found: found not in characters)


def string(wanted: str) -> Parser:
    """This text. A beginning of it counts as consumed."""
    shown = show(wanted)

    def parse(text: str, at: int) -> Outcome:
        if text.startswith(wanted, at):
            end = at + len(wanted)
            return Outcome(True, wanted, end, Error(end))
        for offset, letter in enumerate(wanted):
            here = at + offset
            if here >= len(text):
                return Outcome(False, None, here, Error(at, "", (), (shown,)))
            if text[here] != letter:
                return Outcome(False, None, here, Error(at, show(text[here]), (), (shown,)))
        raise AssertionError("unreachable: the text would have matched")

    return parse


def run_of(test: Callable[[str], bool], *expected: str, least: int = 0) -> Parser:
    """As many characters as pass the test, as one text. ``many`` of them one by one take ten times longer."""

    def parse(text: str, at: int) -> Outcome:
        end, length = at, len(text)
        while end < length and test(text[end]):
            end += 1
        found = show(text[end]) if end < length else ""
        return Outcome(end - at >= least, text[at:end], end, Error(end, found, (), expected))

    return parse


def sequence(*parsers: Parser) -> Parser:
    """One after the other; the values as a tuple."""

    def parse(text: str, at: int) -> Outcome:
        values = []
        here, error = at, Error(at)
        for parser in parsers:
            outcome = parser(text, here)
            error = merge(error, outcome.error) if outcome.position == here else outcome.error
            if not outcome.ok:
                return Outcome(False, None, outcome.position, error)
            values.append(outcome.value)
            here = outcome.position
        return Outcome(True, tuple(values), here, error)

    return parse


def mapped(parser: Parser, function: Callable[[Any], Any]) -> Parser:
    """The value put through a function."""

    def parse(text: str, at: int) -> Outcome:
        outcome = parser(text, at)
        return outcome._replace(value=function(outcome.value)) if outcome.ok else outcome

    return parse


def pick(index: int, *parsers: Parser) -> Parser:
    """A sequence of which one value matters."""
    return mapped(sequence(*parsers), lambda values: values[index])


def choice(*parsers: Parser) -> Parser:
    """The first that succeeds or consumes."""

    def parse(text: str, at: int) -> Outcome:
        error = Error(at)
        for parser in parsers:
            outcome = parser(text, at)
            if outcome.position != at:
                return outcome
            error = merge(error, outcome.error)
            if outcome.ok:
                return outcome._replace(error=error)
        return Outcome(False, None, at, error)

    return parse


def attempt(parser: Parser) -> Parser:
    """A failure consumes nothing."""

    def parse(text: str, at: int) -> Outcome:
        outcome = parser(text, at)
        return outcome if outcome.ok else outcome._replace(position=at)

    return parse


def look_ahead(parser: Parser) -> Parser:
    """A success consumes nothing."""

    def parse(text: str, at: int) -> Outcome:
        outcome = parser(text, at)
        return Outcome(True, outcome.value, at, Error(at)) if outcome.ok else outcome

    return parse


def not_followed_by(parser: Parser, *, advance: bool = True) -> Parser:
    """Succeeds where the parser fails."""

    def parse(text: str, at: int) -> Outcome:
        outcome = parser(text, at)
        if not outcome.ok:
            return Outcome(True, None, at, Error(at))
        where = outcome.position if advance else at
        return Outcome(False, None, at, Error(where, None, (show_char(outcome.value),)))

    return parse


eof: Parser = label(not_followed_by(satisfy(lambda _: True), advance=False), END_OF_INPUT)
"""The end of the text."""


def optional(parser: Parser, default: Any = None) -> Parser:
    """The parser's value, or a default where it fails without consuming."""
    return choice(parser, pure(default))


def many(parser: Parser) -> Parser:
    """As often as it succeeds, in a loop: the text may be long."""

    def parse(text: str, at: int) -> Outcome:
        values: list[Any] = []
        here = at
        while True:
            outcome = parser(text, here)
            if not outcome.ok:
                if outcome.position != here:
                    return outcome
                return Outcome(True, values, here, outcome.error)
            if outcome.position == here:
                return Outcome(True, values, here, outcome.error)  # it would go on for ever
            values.append(outcome.value)
            here = outcome.position

    return parse


def many1(parser: Parser) -> Parser:
    """Once or more."""
    return mapped(sequence(parser, many(parser)), lambda both: [both[0], *both[1]])


def separated(parser: Parser, separator: Parser) -> Parser:
    """One or more with something between them."""
    rest = many(pick(1, separator, parser))
    return mapped(sequence(parser, rest), lambda both: [both[0], *both[1]])


def text_of(parser: Parser) -> Parser:
    """A list of characters as text."""
    return mapped(parser, "".join)


class ParseFailure(Exception):
    """``place`` and ``details`` are worded for the client."""

    def __init__(self, place: str, details: str) -> None:
        super().__init__(f"{place}: {details}")
        self.place = place
        self.details = details


def run(parser: Parser, source: str, text: str) -> Any:
    """Parse; ParseFailure says where in ``source`` it went wrong and what was expected."""
    outcome = parser(text, 0)
    if outcome.ok:
        return outcome.value
    error = outcome.error
    line, column = _place(text, error.position)
    if len(source) > MAX_ERROR_TEXT:
        source = source[:MAX_ERROR_TEXT] + "…"
    raise ParseFailure(f'"{source}" (line {line}, column {column})', describe(error))


def describe(error: Error) -> str:
    """``unexpected "x" expecting "a", "b" or "c"``."""
    parts = []
    if error.barred:
        parts.append("unexpected " + _listed(error.barred))
    elif error.found is not None:
        parts.append("unexpected " + (error.found or END_OF_INPUT))
    if error.expected:
        parts.append("expecting " + _listed(error.expected))
    return " ".join(parts) or "unknown parse error"


def _listed(names: tuple[str, ...]) -> str:
    unique = list(dict.fromkeys(name for name in names if name))
    return unique[0] if len(unique) == 1 else ", ".join(unique[:-1]) + " or " + unique[-1]


def _place(text: str, position: int) -> tuple[int, int]:
    line, column = 1, 1
    for letter in text[:position]:
        if letter == "\n":
            line, column = line + 1, 1
        elif letter == "\t":
            column += 8 - (column - 1) % 8
        else:
            column += 1
    return line, column


def show(text: str) -> str:
    """Text in double quotes, as error messages show it."""
    return '"' + "".join("\\" + c if c in '"\\' else _escaped(c) for c in text) + '"'


def show_char(letter: object) -> str:
    """A character in single quotes."""
    text = str(letter)
    return "'" + "".join("\\" + c if c in "'\\" else _escaped(c) for c in text) + "'"


def _escaped(letter: str) -> str:
    if letter in "\n\t\r":
        return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}[letter]
    return letter if " " <= letter < "\x7f" else f"\\{ord(letter)}"
