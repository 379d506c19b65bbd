"""Names of types that a request casts to.

They cannot be quoted (``"bigint"`` is not ``bigint``), so they are looked at: a known name of several words,
or one plain word, which the server accepts or refuses as a type.
"""

from __future__ import annotations

import re

from pg_svc.errors import ApiError

_WORD = re.compile(r"[^\W\d][\w]*")
_PHRASES = {
    "bit varying",
    "character varying",
    "double precision",
    "time with time zone",
    "time without time zone",
    "timestamp with time zone",
    "timestamp without time zone",
}


def cast_type(name: str) -> str:
    """The name as it may stand in SQL. Raises ApiError as the server would for what is no type's name."""
    if name.lower() in _PHRASES or _WORD.fullmatch(name):
        return name
    raise ApiError(400, "42601", f'syntax error at or near "{name}"')
