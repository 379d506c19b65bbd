"""Where in a token's claims the role is.

A JSONPath query (RFC 9535) such as ``$.role`` or ``$.roles[?search(@, '^app_')]``, whose first value
counts; or PostgREST's older language: ``.role``, ``."a.b".c[0]``, and as the last step a filter over an
array:
``.roles[?(@ == "admin")]`` with ``==``, ``!=``, ``^==`` (starts with), ``==^`` (ends with) and ``*==``
(contains).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

from pg_svc.auth.jsonpath import parse_query

ClaimPath = Callable[[Any], Any]
"""From a token's claims to what the path leads to; None where that is nothing."""

_STEP = re.compile(
    r"""\.(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[\w$@-]+))
      | \[(?P<index>\d+)\]
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

_Step = tuple[str, str | int]


def parse_claim_path(text: str) -> ClaimPath:
    """Understand a path. ValueError for what is none."""
    if not text.startswith("$"):
        steps = _older_steps(text)
        return lambda claims: _follow(claims, steps)
    try:
        query = parse_query(text)
    except ValueError as error:
        raise ValueError(f"PGRST_JWT_ROLE_CLAIM_KEY: {error}") from None
    return lambda claims: next(iter(query(claims)), None)


def role_in(claims: Any, path: ClaimPath) -> str | None:
    """The role, None where the path leads nowhere. A value that is no text is taken as its JSON."""
    found = path(claims)
    if found is None:
        return None
    return found if isinstance(found, str) else orjson.dumps(found).decode()


def _older_steps(text: str) -> tuple[_Step, ...]:
    steps: list[_Step] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None or (steps and steps[-1][0] in _TESTS):
            raise ValueError(f"PGRST_JWT_ROLE_CLAIM_KEY: {text!r} is not a path such as $.role")
        at = match.end()
        if match["index"] is not None:
            steps.append(("index", int(match["index"])))
        elif match["operator"] is not None:
            steps.append((match["operator"], match["text"]))
        else:
            steps.append(("key", match["plain"] if match["plain"] is not None else match["quoted"]))
    if not steps:
        raise ValueError("PGRST_JWT_ROLE_CLAIM_KEY: the path is empty")
    return tuple(steps)


def _follow(claims: Any, steps: tuple[_Step, ...]) -> Any:
    here = claims
    for kind, step in steps:
        if kind == "key":
            if not isinstance(here, dict) or step not in here:
                return None
            here = here[step]
        elif kind == "index":
            if not isinstance(here, list) or int(step) >= len(here):
                return None
            here = here[int(step)]
        else:
            if not isinstance(here, list):
                return None
            test = _TESTS[kind]
            here = next((item for item in here if isinstance(item, str) and test(item, str(step))), None)
            if here is None:
                return None
    return here
