"""A batch: operations that are done together or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from svc_common import BadRequest, Conflict, NotFound, PreconditionFailed, Problem

from .names import check_collection, check_name
from .patches import JSON_PATCH, MERGE_PATCH, Patch, read_patch

MOST_OPERATIONS = 1000

_KINDS = ("put", "create", "patch", "delete")
_MEMBERS = frozenset(("op", "collection", "name", "content", "patch", "ifMatch"))


@dataclass(frozen=True, slots=True)
class Operation:
    """One step. ``if_match`` is the tag that the document must have."""

    kind: str
    collection: str
    name: str
    content: Any = None
    patch: Patch | None = None
    if_match: str | None = None

    def check(self, tag: str | None) -> None:
        """Raise unless the step may be taken over the revision with this tag (None for nothing)."""
        if self.if_match is not None and self.if_match != tag:
            raise PreconditionFailed("The stored revision is not the one in ifMatch.")
        if self.kind == "create" and tag is not None:
            raise Conflict(f"There is a document {self.name} already.")
        if self.kind in ("patch", "delete") and tag is None:
            raise NotFound(f"Missing document: {self.name}")


def read_operations(body: Any) -> list[Operation]:
    """``{"operations": [{"op": "put", "collection": …, "name": …, "content": …}, …]}``.

    A problem names the operation by its index.
    """
    steps = body.get("operations") if isinstance(body, dict) else None
    if not isinstance(steps, list) or not steps:
        raise BadRequest('A batch is an object with an array "operations" that is not empty.')
    if len(steps) > MOST_OPERATIONS:
        raise BadRequest(f"A batch has at most {MOST_OPERATIONS} operations.")
    operations = []
    for index, step in enumerate(steps):
        try:
            operations.append(_read(step))
        except Problem as problem:
            raise at(index, problem) from None
    return operations


def at(index: int, problem: Problem) -> Problem:
    """The problem, saying which operation it is about."""
    problem.extra["operation"] = index
    return problem


def _read(step: Any) -> Operation:
    if not isinstance(step, dict) or step.get("op") not in _KINDS:
        raise BadRequest(f'An operation is an object with "op", one of {", ".join(_KINDS)}.')
    unknown = set(step) - _MEMBERS
    if unknown:
        raise BadRequest(f"An operation has no member {min(unknown)[:60]}.")
    kind, collection, name, tag = step["op"], step.get("collection"), step.get("name"), step.get("ifMatch")
    if not isinstance(collection, str) or not isinstance(name, str):
        raise BadRequest("An operation names a collection and a document.")
    if tag is not None and not isinstance(tag, str):
        raise BadRequest("ifMatch is a tag.")
    if kind in ("put", "create") and "content" not in step:
        raise BadRequest(f"The operation {kind} needs content.")
    patch = None
    if kind == "patch":
        if "patch" not in step:
            raise BadRequest("The operation patch needs a patch.")
        patch = read_patch(JSON_PATCH if isinstance(step["patch"], list) else MERGE_PATCH, step["patch"])
    return Operation(
        kind,
        check_collection(collection),
        check_name(name),
        step.get("content"),
        patch,
        None if tag is None else tag.strip('"'),
    )
