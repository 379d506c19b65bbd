"""Which queries are let through to MongoDB: an allow-list of operators, and nothing that runs JavaScript.

Sources: the MongoDB manual, "Query Predicates" and "Aggregation Stages".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from svc_common import BadRequest

_LOGICAL = frozenset(("$and", "$or", "$nor"))
_TOP = frozenset(("$expr", "$text", "$comment"))
_FIELD = frozenset(
    (
        *("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$not", "$exists", "$type", "$mod"),
        *("$regex", "$options", "$all", "$elemMatch", "$size"),
        *("$bitsAllClear", "$bitsAllSet", "$bitsAnyClear", "$bitsAnySet"),
        *("$geoWithin", "$geoIntersects", "$near", "$nearSphere", "$maxDistance", "$minDistance"),
    )
)
_JAVASCRIPT = frozenset(("$where", "$function", "$accumulator"))

STAGES = frozenset(
    (
        *("$addFields", "$bucket", "$bucketAuto", "$count", "$densify", "$documents", "$facet", "$fill"),
        *("$geoNear", "$graphLookup", "$group", "$limit", "$lookup", "$match", "$project", "$redact"),
        *("$replaceRoot", "$replaceWith", "$sample", "$search", "$searchMeta", "$set", "$setWindowFields"),
        *("$skip", "$sort", "$sortByCount", "$unionWith", "$unset", "$unwind", "$vectorSearch"),
    )
)
"""Stages that only read, and only from collections that can be named: no $out, $merge, $collStats …"""

MOST_STAGES = 100

PathMap = Callable[[str], str]


def check_filter(query: Any, path: PathMap = lambda name: name) -> dict[str, Any]:
    """A query filter with every path mapped by ``path``; BadRequest for what is not on the list."""
    if not isinstance(query, dict):
        raise BadRequest("A filter is a JSON object.")
    checked: dict[str, Any] = {}
    for key, value in query.items():
        if key in _LOGICAL:
            if not isinstance(value, list) or not value:
                raise BadRequest(f"{key} takes an array of filters that is not empty.")
            checked[key] = [check_filter(item, path) for item in value]
        elif key in _TOP:
            check_expression(value)
            checked[key] = value
        elif key.startswith("$"):
            _refuse(key)
        else:
            checked[path(key)] = _check_condition(value)
    return checked


def check_expression(value: Any) -> None:
    """BadRequest for an aggregation expression that holds JavaScript."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in _JAVASCRIPT:
                _refuse(key)
            check_expression(item)
    elif isinstance(value, list):
        for item in value:
            check_expression(item)


def check_pipeline(pipeline: Any, collection: Callable[[str], object] = lambda name: None) -> list[Any]:
    """An aggregation pipeline; BadRequest for stages that are not on the list.

    ``collection`` is called with the name of every other collection it reads, and may raise.
    """
    if not isinstance(pipeline, list):
        raise BadRequest("A pipeline is an array of stages.")
    if len(pipeline) > MOST_STAGES:
        raise BadRequest(f"A pipeline has at most {MOST_STAGES} stages.")
    for stage in pipeline:
        if not isinstance(stage, dict) or len(stage) != 1:
            raise BadRequest("A stage is an object with one member.")
        ((name, value),) = stage.items()
        if name not in STAGES:
            _refuse(name)
        check_expression(value)
        if name == "$match":
            check_filter(value)
        elif name == "$facet" and isinstance(value, dict):
            for inner in value.values():
                check_pipeline(inner, collection)
        elif name in ("$lookup", "$graphLookup", "$unionWith"):
            _check_other(value, collection)
    return pipeline


def _check_other(value: Any, collection: Callable[[str], object]) -> None:
    if isinstance(value, str):
        collection(value)
    elif isinstance(value, Mapping):
        for name in (value[member] for member in ("from", "coll") if member in value):
            if not isinstance(name, str):  # {db, coll}: only this database can be read
                raise BadRequest("Another collection is named by a string.")
            collection(name)
        if "pipeline" in value:
            check_pipeline(value["pipeline"], collection)


def _check_condition(value: Any) -> Any:
    """The condition on one field: a value, or an object of operators only."""
    if not isinstance(value, dict) or not any(key.startswith("$") for key in value):
        return value
    if "$ref" in value and "$id" in value:
        return value  # a reference is a value
    for key, operand in value.items():
        if key not in _FIELD:
            _refuse(key)
        if key == "$not":
            _check_condition(operand)
        elif key == "$elemMatch" and isinstance(operand, dict):
            if any(name in _FIELD for name in operand):
                _check_condition(operand)
            else:
                check_filter(operand)
        elif key == "$all" and isinstance(operand, list):
            for item in operand:
                _check_condition(item)
    return value


def _refuse(name: str) -> NoReturn:
    raise BadRequest(f"{name[:60]} is not allowed here.")
