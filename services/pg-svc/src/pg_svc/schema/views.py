"""Which column of which table a view's column shows, from the view's stored parse tree.

``pg_rewrite.ev_action`` is PostgreSQL's node tree as text: ``({QUERY … :targetList ({TARGETENTRY …}) …})``.
Each target entry of the outermost query says where its column came from (``:resorigtbl``, ``:resorigcol``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_PIECE = re.compile(r"\\.|[{}()]|[^\\{}()]+", re.DOTALL)
_ENTRY = re.compile(r":resno (\d+) .*?:resorigtbl (\d+) :resorigcol (-?\d+) ", re.DOTALL)

ColumnOrigins = Mapping[int, tuple[int, int]]
"""A view's column number → the table's oid and column number."""


def column_origins(tree: str) -> dict[int, tuple[int, int]]:
    """The origins of a view's columns; columns that are computed are left out."""
    origins = {}
    for entry in _target_entries(tree):
        match = _ENTRY.search(entry)
        if match and match[2] != "0" and int(match[3]) > 0:
            origins[int(match[1])] = (int(match[2]), int(match[3]))
    return origins


def _target_entries(tree: str) -> Iterator[str]:
    """The own text of each target entry of the outermost query, without what is nested in it."""
    depth = 0  # of braces
    own: list[str] = []
    in_targets = False
    list_depth = 0  # of parentheses, inside the target list
    for match in _PIECE.finditer(tree):
        piece = match[0]
        if piece == "{":
            depth += 1
        elif piece == "}":
            if in_targets and depth == 2:
                yield "".join(own) + " "
                own = []
            depth -= 1
        elif in_targets and depth == 1 and piece in "()":
            list_depth += 1 if piece == "(" else -1
            if list_depth == 0:
                return
        elif depth == 1 and piece.rstrip().endswith(":targetList"):
            in_targets = True
        elif in_targets and depth == 2:
            own.append(piece)


def resolve_origins(views: Mapping[int, ColumnOrigins]) -> dict[int, dict[int, list[tuple[int, int]]]]:
    """Follow views of views: view → column → every relation's column on the way down.

    A view that somehow shows itself ends the way.
    """
    resolved: dict[int, dict[int, list[tuple[int, int]]]] = {}
    for view, columns in views.items():
        resolved[view] = {}
        for column, origin in columns.items():
            way = []
            seen = {view}
            here: tuple[int, int] | None = origin
            while here is not None and here[0] not in seen:
                way.append(here)
                seen.add(here[0])
                here = views.get(here[0], {}).get(here[1])
            resolved[view][column] = way
    return resolved
