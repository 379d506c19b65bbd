"""Which relationship an embed means, and the errors when it means none or several."""

from __future__ import annotations

from typing import Any

from pg_svc.errors import ApiError
from pg_svc.plan.hints import nearest
from pg_svc.schema.model import (
    COMPUTED,
    MANY_TO_MANY,
    MANY_TO_ONE,
    ONE_TO_MANY,
    Name,
    Relationship,
    Schema,
)


def find_relationship(
    schema: Schema, origin: Name, target: str, hint: str | None, shown_origin: str
) -> Relationship:
    """The one relationship from ``origin`` that ``target`` and ``hint`` name.

    ``shown_origin`` is the origin's name for errors. Raises ApiError PGRST200 for none, PGRST201 for several.
    """
    candidates = schema.relationships.get(origin, ())
    found = [rel for rel in candidates if _fits(rel, target, hint)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise _none(schema, origin, target, hint, shown_origin)
    raise _several(shown_origin, target, found)


def _fits(rel: Relationship, target: str, hint: str | None) -> bool:
    if rel.kind == COMPUTED:
        return rel.function is not None and rel.function.name == target
    if rel.is_self:
        return _fits_self(rel, target, hint)
    named = target == rel.foreign.name
    if hint is None:
        # A constraint or a column of one's own names a table, never a view of it
        return named or (not rel.foreign_is_view and (_constraint(rel, target) or _own_column(rel) == target))
    return named and (
        _constraint(rel, hint)
        or hint in (_own_column(rel), _foreign_column(rel))
        or (rel.junction is not None and rel.junction.table.name == hint)
    )


def _fits_self(rel: Relationship, target: str, hint: str | None) -> bool:
    """The table's name means the many that point here; the column's name means the one pointed to."""
    named = target == rel.foreign.name and rel.kind == ONE_TO_MANY
    if hint is None:
        return named or (rel.kind == MANY_TO_ONE and _own_column(rel) == target)
    return named and _foreign_column(rel) == hint


def _constraint(rel: Relationship, name: str) -> bool:
    return rel.kind != MANY_TO_MANY and rel.constraint == name


def _own_column(rel: Relationship) -> str | None:
    return rel.columns[0][0] if len(rel.columns) == 1 else None


def _foreign_column(rel: Relationship) -> str | None:
    return rel.columns[0][1] if len(rel.columns) == 1 else None


def _none(schema: Schema, origin: Name, target: str, hint: str | None, shown: str) -> ApiError:
    using = f"' using the hint '{hint}" if hint is not None else ""
    return ApiError(
        400,
        "PGRST200",
        f"Could not find a relationship between '{shown}' and '{target}' in the schema cache",
        f"Searched for a foreign key relationship between '{shown}' and '{target}{using}' in the schema "
        f"'{origin.schema}', but no matches were found.",
        _suggestion(schema, origin, target, shown),
    )


def _suggestion(schema: Schema, origin: Name, target: str, shown: str) -> str | None:
    rels = schema.relationships.get(origin)
    if rels is None:
        parents = [name.name for name in schema.relationships if name.schema == origin.schema]
        parent = nearest(shown, parents)
        return f"Perhaps you meant '{parent}' instead of '{shown}'." if parent else None
    child = nearest(target, [rel.foreign.name for rel in rels], exact=False)
    return f"Perhaps you meant '{child}' instead of '{target}'." if child else None


def _several(shown: str, target: str, found: list[Relationship]) -> ApiError:
    ways = ", ".join(f"'{rel.foreign.name}!{_way(rel)}'" for rel in found)
    return ApiError(
        300,
        "PGRST201",
        f"Could not embed because more than one relationship was found for '{shown}' and '{target}'",
        [_described(rel) for rel in found],
        f"Try changing '{target}' to one of the following: {ways}. "
        "Find the desired relationship in the 'details' key.",
    )


def _way(rel: Relationship) -> str:
    return rel.junction.table.name if rel.junction is not None else rel.constraint


def _described(rel: Relationship) -> dict[str, Any]:
    if rel.kind == COMPUTED:
        return {}
    if rel.junction is not None:
        junction = rel.junction
        source = ", ".join(own for _, own in junction.source_columns)
        target = ", ".join(own for _, own in junction.target_columns)
        relationship = (
            f"{junction.table.name} using {junction.source_constraint}({source}) "
            f"and {junction.target_constraint}({target})"
        )
    else:
        own = ", ".join(column for column, _ in rel.columns)
        foreign = ", ".join(column for _, column in rel.columns)
        relationship = f"{rel.constraint} using {rel.table.name}({own}) and {rel.foreign.name}({foreign})"
    return {
        "cardinality": rel.kind,
        "embedding": f"{rel.table.name} with {rel.foreign.name}",
        "relationship": relationship,
    }
