"""Where in a token's claims the role is.

A JSONPath query (RFC 9535) such as ``$.role`` or ``$.roles[?search(@, '^app_')]``, whose first value
counts; or PostgREST's older language: ``.role``, ``."a.b".c[0]``, and as the last step a filter over an
array, ``.roles[?(@ == "admin")]`` with ``==``, ``!=``, ``^==`` (starts with), ``==^`` (ends with) and ``*==``
(contains), or letters of a text, ``.role[4:]``, ``.role[:-4]``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import reduce
from typing import Any

import orjson
from jsonpath import JSONPathEnvironment, JSONPathError

ClaimPath = Callable[[Any], Any]
"""From a token's claims to what the path leads to; None where that is nothing."""

_JSONPATH = JSONPathEnvironment(strict=True)
_STEP = re.compile(
    r"""\.(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[\w$@-]+))
      | \[(?P<index>\d+)\]
      | (?P<letters>\[(?P<start>-?\d+)?:(?P<end>-?\d+)?\])
      | \[\?\(\s*@\s*(?P<operator>==\^|\^==|\*==|==|!=)\s*"(?P<text>(?:[^"\\]|\\.)*)"\s*\)\]""",
    re.VERBOSE,
)
_TESTS: dict[str, Callable[[str, str], bool]] = {
    "==": lambda given, text: given == text,
    "!=": lambda given, text: given != text,
    "^==": lambda given, text: given.startswith(text),
    "==^": lambda given, text: given.endswith(text),
    "*==": lambda given, text: text in given,
}


def parse_claim_path(text: str) -> ClaimPath:
    """Understand a path. ValueError for what is none."""
    if not text.startswith("$"):
        return _older_path(text)
    try:
        query = _JSONPATH.compile(text)
    except JSONPathError as error:
        raise ValueError(
            f"PGRST_JWT_ROLE_CLAIM_KEY: {text!r} is not a JSONPath query: {error.args[0]}"
        ) from None
    return lambda claims: next(iter(query.findall(claims)), None)


def role_in(claims: Any, path: ClaimPath) -> str | None:
    """The role, None where the path leads nowhere. A value that is no text is taken as its JSON."""
    found = path(claims)
    if found is None:
        return None
    return found if isinstance(found, str) else orjson.dumps(found).decode()


def _older_path(text: str) -> ClaimPath:
    steps: list[ClaimPath] = []
    filtered = cut = False
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None or cut or (filtered and match["letters"] is None):
            raise ValueError(f"PGRST_JWT_ROLE_CLAIM_KEY: {text!r} is not a path such as $.role")
        at = match.end()
        filtered, cut = match["operator"] is not None, match["letters"] is not None
        if match["index"] is not None:
            steps.append(_item(int(match["index"])))
        elif filtered:
            steps.append(_first(_TESTS[match["operator"]], match["text"]))
        elif cut:
            start, end = (None if bound is None else int(bound) for bound in (match["start"], match["end"]))
            steps.append(_letters(slice(start, end)))
        else:
            steps.append(_member(match["plain"] if match["plain"] is not None else match["quoted"]))
    if not steps:
        raise ValueError("PGRST_JWT_ROLE_CLAIM_KEY: the path is empty")
    return lambda claims: reduce(lambda here, step: step(here), steps, claims)


def _member(name: str) -> ClaimPath:
    return lambda here: here.get(name) if isinstance(here, dict) else None


def _item(index: int) -> ClaimPath:
    return lambda here: here[index] if isinstance(here, list) and index < len(here) else None


def _first(test: Callable[[str, str], bool], text: str) -> ClaimPath:
    def find(here: Any) -> Any:
        items = here if isinstance(here, list) else ()
        return next((item for item in items if isinstance(item, str) and test(item, text)), None)

    return find


def _letters(which: slice) -> ClaimPath:
    return lambda here: here[which] if isinstance(here, str) else None
