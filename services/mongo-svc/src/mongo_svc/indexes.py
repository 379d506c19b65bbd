"""Indexes as they are asked for and shown."""

from __future__ import annotations

from typing import Any

from svc_common import BadRequest

from .filters import check_filter
from .listing import OWN_FIELDS, stored_path

_KINDS = (1, -1, "2dsphere", "text", "hashed")
_FLAGS = ("unique", "sparse")
_MEMBERS = frozenset(("keys", "name", "filter", "expireAfterSeconds", *_FLAGS))


def read_index(value: Any) -> tuple[list[tuple[str, Any]], dict[str, Any]]:
    """``{"keys": {"price": -1}, "unique": true}`` as keys and options of the driver; BadRequest otherwise."""
    if not isinstance(value, dict) or not isinstance(value.get("keys"), dict) or not value["keys"]:
        raise BadRequest('An index is an object with "keys", such as {"keys": {"price": -1}}.')
    unknown = set(value) - _MEMBERS
    if unknown:
        raise BadRequest(f"An index has no member {min(unknown)[:60]}.")
    keys: list[tuple[str, Any]] = []
    for path, kind in value["keys"].items():
        if isinstance(kind, bool) or kind not in _KINDS:
            raise BadRequest("The kind of a key is 1, -1, 2dsphere, text or hashed.")
        keys.append((stored_path(path), int(kind) if isinstance(kind, float) else kind))
    options: dict[str, Any] = {}
    for flag in _FLAGS:
        if flag in value:
            if not isinstance(value[flag], bool):
                raise BadRequest(f"{flag} is true or false.")
            options[flag] = value[flag]
    if "name" in value:
        if not isinstance(value["name"], str) or not value["name"] or "\0" in value["name"]:
            raise BadRequest("The name of an index is a text.")
        options["name"] = value["name"]
    if "expireAfterSeconds" in value:
        seconds = value["expireAfterSeconds"]
        if type(seconds) is not int or not 0 <= seconds < 2**31:
            raise BadRequest("expireAfterSeconds is a whole number from 0.")
        options["expireAfterSeconds"] = seconds
    if "filter" in value:
        options["partialFilterExpression"] = check_filter(value["filter"], stored_path)
    return keys, options


def shown_index(name: str, stored: dict[str, Any]) -> dict[str, Any]:
    """An index as MongoDB describes it, in the form of ``read_index``."""
    shown: dict[str, Any] = {"name": name, "keys": {_shown_path(path): kind for path, kind in stored["key"]}}
    for member in (*_FLAGS, "expireAfterSeconds"):
        if member in stored:
            shown[member] = stored[member]
    if "partialFilterExpression" in stored:
        shown["filter"] = dict(stored["partialFilterExpression"])
    return shown


def _shown_path(path: str) -> str:
    inner = path.removeprefix("content.")
    return path if inner.partition(".")[0] in OWN_FIELDS else inner
