"""JSON Schema as MongoDB's ``$jsonSchema`` and back, and what a refusal says.

MongoDB knows draft 4 without references, formats and defaults, has no type ``integer``, and reads bounds as
draft 4 does. What it cannot check is refused rather than left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from svc_common import Unprocessable

_SAME = frozenset(
    (
        *("title", "description", "enum", "minimum", "maximum", "multipleOf", "minLength", "maxLength"),
        *("pattern", "minItems", "maxItems", "uniqueItems", "required", "minProperties", "maxProperties"),
    )
)
_ONE = frozenset(("not", "additionalItems", "additionalProperties"))
_MANY = frozenset(("allOf", "anyOf", "oneOf"))
_NAMED = frozenset(("properties", "patternProperties"))
_NOTES = frozenset(
    ("$schema", "$id", "$comment", "default", "examples", "readOnly", "writeOnly", "deprecated")
)
_TYPES = frozenset(("object", "array", "string", "number", "boolean", "null"))
_INTEGER = ["int", "long"]
_BOUNDS = (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum"))


def to_validator(schema: Any) -> dict[str, Any]:
    """A collection's validator for contents that fit a JSON Schema; Unprocessable for what MongoDB lacks."""
    return {"$jsonSchema": {"required": ["content"], "properties": {"content": _to_mongo(schema, "")}}}


def from_validator(validator: Any) -> Any:
    """The JSON Schema of a validator that ``to_validator`` made; None for any other."""
    try:
        return _from_mongo(validator["$jsonSchema"]["properties"]["content"])
    except (KeyError, TypeError):
        return None


def violations(details: Any) -> list[dict[str, str]]:
    """Each path (a JSON pointer into the content) that a refusal names, with the rule it breaks."""
    found = [
        {"path": path.removeprefix("/content"), "rule": rule}
        for path, rule in _walk(details.get("details", {}) if isinstance(details, dict) else {}, "")
    ]
    return sorted(found, key=lambda entry: entry["path"])


def _to_mongo(schema: Any, at: str) -> Any:
    if schema is True:
        return {}
    if schema is False:
        return {"not": {}}
    if not isinstance(schema, dict):
        raise Unprocessable(f"The schema at {at or '/'} is not an object.")
    made: dict[str, Any] = {}
    for key, value in schema.items():
        here = f"{at}/{key}"
        if key in _SAME:
            made[key] = value
        elif key == "const":
            made["enum"] = [value]
        elif key == "type":
            made["bsonType"] = _types(value, here)
        elif key == "items":
            many = isinstance(value, list)
            made[key] = [_to_mongo(item, here) for item in value] if many else _to_mongo(value, here)
        elif key in _ONE:
            made[key] = value if isinstance(value, bool) else _to_mongo(value, here)
        elif key in _MANY and isinstance(value, list):
            made[key] = [_to_mongo(item, here) for item in value]
        elif key in _NAMED and isinstance(value, dict):
            made[key] = {name: _to_mongo(item, f"{here}/{name}") for name, item in value.items()}
        elif key in ("exclusiveMinimum", "exclusiveMaximum"):
            bound = "minimum" if key == "exclusiveMinimum" else "maximum"
            made.update({key: value} if isinstance(value, bool) else {key: True, bound: value})
        elif key not in _NOTES:
            raise Unprocessable(f"MongoDB cannot check what the schema says at {here}.")
    return made


def _types(value: Any, at: str) -> list[str]:
    kinds: list[str] = []
    for kind in value if isinstance(value, list) else [value]:
        if kind == "integer":
            kinds += _INTEGER
        elif isinstance(kind, str) and kind in _TYPES:
            kinds.append("bool" if kind == "boolean" else kind)
        else:
            raise Unprocessable(f"The schema names an unknown type at {at}.")
    return kinds


def _from_mongo(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_from_mongo(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "bsonType":
            kinds = ["boolean" if kind == "bool" else kind for kind in value]
            if set(_INTEGER) <= set(kinds):
                kinds = [*(kind for kind in kinds if kind not in _INTEGER), "integer"]
            made["type"] = kinds[0] if len(kinds) == 1 else kinds
        elif key in _NAMED:
            made[key] = {name: _from_mongo(item) for name, item in value.items()}
        elif key in _ONE or key in _MANY or key == "items":
            made[key] = _from_mongo(value)
        else:
            made[key] = value
    for exclusive, bound in _BOUNDS:
        if made.get(exclusive) is True and bound in made:
            made[exclusive] = made.pop(bound)
    return made


def _walk(details: Any, path: str) -> Iterator[tuple[str, str]]:
    """The paths and rules in the ``details`` of a failed validation (MongoDB 5.0 and later)."""
    if isinstance(details, list):
        for entry in details:
            yield from _walk(entry, path)
        return
    if not isinstance(details, dict):
        return
    rule = str(details.get("operatorName", ""))
    if "missingProperties" in details:
        yield from ((f"{path}/{_escape(name)}", "required") for name in details["missingProperties"])
    elif isinstance(details.get("additionalProperties"), list):
        yield from (
            (f"{path}/{_escape(name)}", "additionalProperties") for name in details["additionalProperties"]
        )
    elif "propertiesNotSatisfied" in details:
        for entry in details["propertiesNotSatisfied"]:
            yield from _walk(entry.get("details"), f"{path}/{_escape(entry.get('propertyName', ''))}")
    elif "schemaRulesNotSatisfied" in details:
        yield from _walk(details["schemaRulesNotSatisfied"], path)
    elif "itemIndex" in details:
        yield from _walk(details.get("details"), f"{path}/{details['itemIndex']}")
    elif rule == "allOf":
        for entry in details.get("schemasNotSatisfied", []):
            yield from _walk(entry.get("details"), path)
    elif rule:
        yield path, {"bsonType": "type"}.get(rule, rule)


def _escape(name: Any) -> str:
    return str(name).replace("~", "~0").replace("/", "~1")
