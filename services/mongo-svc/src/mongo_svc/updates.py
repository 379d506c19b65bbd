"""Which updates are let through to MongoDB, and which fields an update touches.

Source: the MongoDB manual, "Update Operators" and "Updates with Aggregation Pipeline".
"""

from __future__ import annotations

from typing import Any

from svc_common import BadRequest

from .filters import check_expression

OPERATORS = frozenset(
    (
        *("$set", "$unset", "$inc", "$mul", "$min", "$max", "$rename", "$setOnInsert", "$currentDate"),
        *("$push", "$addToSet", "$pop", "$pull", "$pullAll", "$bit"),
    )
)
STAGES = frozenset(("$addFields", "$set", "$project", "$unset", "$replaceRoot", "$replaceWith"))


def check_update(update: Any) -> Any:
    """An update with operators or a pipeline of stages; BadRequest for any other."""
    if isinstance(update, list) and update:
        for stage in update:
            if not isinstance(stage, dict) or len(stage) != 1 or next(iter(stage)) not in STAGES:
                raise BadRequest(f"A pipeline in an update has the stages {', '.join(sorted(STAGES))}.")
            check_expression(stage)
        return update
    if not isinstance(update, dict) or not update:
        raise BadRequest("An update is an object with operators, or a pipeline.")
    for operator, changes in update.items():
        if operator not in OPERATORS:
            raise BadRequest(f"{operator[:60]} is not an update operator that is allowed here.")
        if not isinstance(changes, dict):
            raise BadRequest(f"{operator} takes an object.")
        check_expression(changes)
    return update


def check_document(document: Any) -> dict[str, Any]:
    """A document to store; BadRequest for what MongoDB would take for operators."""
    if not isinstance(document, dict):
        raise BadRequest("A document is an object.")
    for key in document:
        if key.startswith("$"):
            raise BadRequest("The names of a document's own fields do not begin with a dollar.")
    return document


def touched(update: dict[str, Any]) -> set[str]:
    """The paths that an update with operators changes."""
    paths = {path for changes in update.values() for path in changes}
    paths.update(str(target) for target in update.get("$rename", {}).values())
    return paths
