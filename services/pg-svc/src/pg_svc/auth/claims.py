"""Where in a token's claims the role is: PostgREST's path language.

``.role``, ``."a.b".c[0]``, and as the last step a filter over an array: ``.roles[?(@ == "admin")]`` with
``==``, ``!=``, ``^==`` (starts with), ``==^`` (ends with) and ``*==`` (contains).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

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

Step = tuple[str, str | int]


def parse_claim_path(text: str) -> tuple[Step, ...]:
    """Understand a path. ValueError for what is none."""
    steps: list[Step] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None or (steps and steps[-1][0] in _TESTS):
            raise ValueError(f"PGRST_JWT_ROLE_CLAIM_KEY: {text!r} is not a path such as .role")
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


def role_in(claims: Any, path: tuple[Step, ...]) -> str | None:
    """The role, None where the path leads nowhere. A value that is no text is taken as its JSON."""
    here = claims
    for kind, step in path:
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
    return here if isinstance(here, str) else orjson.dumps(here).decode()
