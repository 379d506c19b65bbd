"""JSONPath (RFC 9535): queries of JSON documents, as functions from a document to the values found."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

Query = Callable[[Any], list[Any]]
_Nodes = Callable[[Any, Any], list[Any]]  # of the root and the current value
_Test = Callable[[Any, Any], bool]
_Value = Callable[[Any, Any], Any]
_Selector = Callable[[Any, Any], Iterator[Any]]

_BLANK = re.compile(r"[ \t\n\r]*")
_NAME = re.compile(r"[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*")
_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_NUMBER = re.compile(r"(?:-?0|-?[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_FUNCTION = re.compile(r"[a-z][a-z0-9_]*")
_COMPARISON = re.compile(r"==|!=|<=|>=|<|>")
_WORDS = {"true": True, "false": False, "null": None}
_NOTHING = object()
_VALUE, _NODES, _LOGICAL = "value", "nodes", "logical"
# name: what it takes and what it is
_FUNCTIONS = {
    "length": ((_VALUE,), _VALUE),
    "count": ((_NODES,), _VALUE),
    "value": ((_NODES,), _VALUE),
    "match": ((_VALUE, _VALUE), _LOGICAL),
    "search": ((_VALUE, _VALUE), _LOGICAL),
}


def parse_query(text: str) -> Query:
    """Understand a query such as ``$.roles[?search(@, '^a')]``. ValueError for what is none."""
    parser = _Parser(text)
    nodes, _ = parser.query()
    if parser.at != len(text) or not text.startswith("$"):
        raise parser.wrong()
    return lambda document: nodes(document, document)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def wrong(self) -> ValueError:
        return ValueError(f"{self.text!r} is not a JSONPath query (at {self.at})")

    # -- text -----------------------------------------------------------------------------------------

    def take(self, token: str) -> bool:
        found = self.text.startswith(token, self.at)
        if found:
            self.at += len(token)
        return found

    def need(self, token: str) -> None:
        if not self.take(token):
            raise self.wrong()

    def blank(self) -> None:
        match = _BLANK.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def scan(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match[0]

    # -- queries --------------------------------------------------------------------------------------

    def query(self) -> tuple[_Nodes, bool]:
        """``$…`` or ``@…``, and whether it finds one value at most."""
        from_root = self.take("$")
        if not from_root:
            self.need("@")
        segments: list[tuple[bool, list[_Selector]]] = []
        singular = True
        while True:
            start = self.at
            self.blank()
            if self.take(".."):
                selectors = self.bracketed() if self.take("[") else [self.shorthand()]
                segments.append((True, [select for select, _ in selectors]))
                singular = False
            elif self.take("."):
                select, single = self.shorthand()
                segments.append((False, [select]))
                singular = singular and single
            elif self.take("["):
                selectors = self.bracketed()
                segments.append((False, [select for select, _ in selectors]))
                singular = singular and len(selectors) == 1 and selectors[0][1]
            else:
                self.at = start  # blanks may follow a query only inside of something
                return _walk(segments, from_root), singular

    def shorthand(self) -> tuple[_Selector, bool]:
        if self.take("*"):
            return _every, False
        name = self.scan(_NAME)
        if name is None:
            raise self.wrong()
        return _member(name), True

    def bracketed(self) -> list[tuple[_Selector, bool]]:
        selectors = []
        while True:
            self.blank()
            selectors.append(self.selector())
            self.blank()
            if self.take("]"):
                return selectors
            self.need(",")

    def selector(self) -> tuple[_Selector, bool]:
        """A selector, and whether it finds one value at most."""
        if self.take("*"):
            return _every, False
        if self.take("?"):
            self.blank()
            return _filter(self.any_of()), False
        literal = self.scan(_STRING)
        if literal is not None:
            return _member(self.unquoted(literal)), True
        bounds = [self.bound()]
        while len(bounds) < 3:
            before = self.at
            self.blank()
            if not self.take(":"):
                self.at = before
                break
            self.blank()
            bounds.append(self.bound())
        if len(bounds) > 1:
            return _slice(*bounds), False
        if bounds[0] is None:
            raise self.wrong()
        return _element(bounds[0]), True

    def bound(self) -> int | None:
        number = self.scan(_INTEGER)
        return None if number is None else int(number)

    def unquoted(self, literal: str) -> str:
        inner = literal[1:-1]
        if literal[0] == "'":
            inner = re.sub(r"\\(.)|\"", lambda m: m[0] if m[1] not in (None, "'") else m[1] or '\\"', inner)
        try:
            return str(orjson.loads(f'"{inner}"'))
        except orjson.JSONDecodeError:
            raise self.wrong() from None

    # -- filters --------------------------------------------------------------------------------------

    def any_of(self) -> _Test:
        tests = [self.all_of()]
        while self.joined("||"):
            tests.append(self.all_of())
        return lambda root, here: any(test(root, here) for test in tests)

    def all_of(self) -> _Test:
        tests = [self.basic()]
        while self.joined("&&"):
            tests.append(self.basic())
        return lambda root, here: all(test(root, here) for test in tests)

    def joined(self, operator: str) -> bool:
        self.blank()
        found = self.take(operator)
        self.blank()
        return found

    def basic(self) -> _Test:
        if self.take("!"):
            self.blank()
            refused = self.grouped() if self.take("(") else self.existence(*self.operand())
            return lambda root, here: not refused(root, here)
        if self.take("("):
            return self.grouped()
        kind, left, single = self.operand()
        self.blank()
        operator = self.scan(_COMPARISON)
        if operator is None:
            return self.existence(kind, left, single)
        self.blank()
        return _compare(operator, self.comparable(kind, left, single), self.comparable(*self.operand()))

    def grouped(self) -> _Test:
        self.blank()
        test = self.any_of()
        self.blank()
        self.need(")")
        return test

    def existence(self, kind: str, operand: _Value, single: bool) -> _Test:
        if kind == _VALUE:
            raise self.wrong()
        return lambda root, here: bool(operand(root, here))

    def comparable(self, kind: str, operand: _Value, single: bool) -> _Value:
        if kind == _VALUE:
            return operand
        if kind == _LOGICAL or not single:
            raise self.wrong()
        return lambda root, here: next(iter(operand(root, here)), _NOTHING)

    def operand(self) -> tuple[str, _Value, bool]:
        """A literal, a query or a function: its kind, how to get it, and whether a query is singular."""
        if self.text[self.at : self.at + 1] in ("$", "@"):
            nodes, single = self.query()
            return _NODES, nodes, single
        literal = self.scan(_STRING)
        if literal is not None:
            text = self.unquoted(literal)
            return _VALUE, lambda root, here: text, True
        number = self.scan(_NUMBER)
        if number is not None:
            value = orjson.loads(number)
            return _VALUE, lambda root, here: value, True
        name = self.scan(_FUNCTION)
        if name in _WORDS:
            word = _WORDS[name]
            return _VALUE, lambda root, here: word, True
        if name not in _FUNCTIONS:
            raise self.wrong()
        return self.function(name)

    def function(self, name: str) -> tuple[str, _Value, bool]:
        takes, kind = _FUNCTIONS[name]
        self.need("(")
        arguments: list[_Value] = []
        for place, wanted in enumerate(takes):
            self.blank()
            if place:
                self.need(",")
                self.blank()
            given, argument, single = self.operand()
            if wanted == _NODES and given != _NODES:
                raise self.wrong()
            arguments.append(argument if wanted == _NODES else self.comparable(given, argument, single))
        self.blank()
        self.need(")")
        function = _MEANINGS[name]
        return kind, lambda root, here: function(*(argument(root, here) for argument in arguments)), True


# -- what they do -----------------------------------------------------------------------------------------


def _walk(segments: list[tuple[bool, list[_Selector]]], from_root: bool) -> _Nodes:
    def nodes(root: Any, here: Any) -> list[Any]:
        found = [root if from_root else here]
        for descends, selectors in segments:
            starts = [below for value in found for below in _descend(value)] if descends else found
            found = [chosen for value in starts for selector in selectors for chosen in selector(root, value)]
        return found

    return nodes


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _descend(value: Any) -> Iterator[Any]:
    yield value
    for child in _children(value):
        yield from _descend(child)


def _every(root: Any, value: Any) -> Iterator[Any]:
    yield from _children(value)


def _member(name: str) -> _Selector:
    def select(root: Any, value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return select


def _element(index: int) -> _Selector:
    def select(root: Any, value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield value[index]

    return select


def _slice(start: int | None, end: int | None, step: int | None = None) -> _Selector:
    def select(root: Any, value: Any) -> Iterator[Any]:
        if isinstance(value, list) and step != 0:
            yield from value[start:end:step]

    return select


def _filter(test: _Test) -> _Selector:
    def select(root: Any, value: Any) -> Iterator[Any]:
        return (child for child in _children(value) if test(root, child))

    return select


def _compare(operator: str, left: _Value, right: _Value) -> _Test:
    compare = _COMPARISONS[operator]
    return lambda root, here: compare(left(root, here), right(root, here))


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    return bool(left == right)


def _less(left: Any, right: Any) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left < right
    numbers = (int, float)
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    return isinstance(left, numbers) and isinstance(right, numbers) and left < right


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": _same,
    "!=": lambda left, right: not _same(left, right),
    "<": _less,
    ">": lambda left, right: _less(right, left),
    "<=": lambda left, right: _less(left, right) or _same(left, right),
    ">=": lambda left, right: _less(right, left) or _same(left, right),
}


def _length(value: Any) -> Any:
    return len(value) if isinstance(value, (str, list, dict)) else _NOTHING


def _matches(value: Any, pattern: Any, *, whole: bool) -> bool:
    if not isinstance(value, str) or not isinstance(pattern, str):
        return False
    try:
        compiled = re.compile(pattern)
    except re.error:
        return False
    return (compiled.fullmatch if whole else compiled.search)(value) is not None


_MEANINGS: dict[str, Callable[..., Any]] = {
    "length": _length,
    "count": len,
    "value": lambda nodes: nodes[0] if len(nodes) == 1 else _NOTHING,
    "match": lambda value, pattern: _matches(value, pattern, whole=True),
    "search": lambda value, pattern: _matches(value, pattern, whole=False),
}
