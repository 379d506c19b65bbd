"""Patches of JSON values: merge patches (RFC 7396) and JSON patches (RFC 6902)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonpatch
from jsonpointer import JsonPointerException

from svc_common import BadRequest, Conflict, Unprocessable, UnsupportedMediaType

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

MOST_OPERATIONS = 1000

Patch = Callable[[Any], Any]
"""Takes a value and returns the patched one; the value stays as it is."""


def read_patch(media_type: str, document: Any) -> Patch:
    """The patch that a request describes. UnsupportedMediaType or BadRequest when it describes none."""
    if media_type == MERGE_PATCH:
        return lambda value: merge(value, document)
    if media_type == JSON_PATCH:
        return _json_patch(document)
    raise UnsupportedMediaType(
        f"Send the patch as {MERGE_PATCH} or {JSON_PATCH}.",
        headers={"Accept-Patch": f"{MERGE_PATCH}, {JSON_PATCH}"},
    )


def merge(value: Any, patch: Any) -> Any:
    """The algorithm of RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(value) if isinstance(value, dict) else {}
    for key, change in patch.items():
        if change is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), change)
    return merged


def merge_update(patch: Any) -> dict[str, Any]:
    """A merge patch as an update of many stored documents: ``{"$set": {"content.a": 1}, "$unset": …}``.

    Unprocessable for what MongoDB cannot do in one update: keys with dots, a leading dollar or no character,
    and empty objects.
    """
    if not isinstance(patch, dict) or not patch:
        raise BadRequest("The change of many documents is an object that is not empty.")
    update: dict[str, dict[str, Any]] = {}
    waiting = [("content", patch)]
    while waiting:
        path, changes = waiting.pop()
        if not changes:
            raise Unprocessable("An empty object cannot be merged into many documents at once.")
        for key, change in changes.items():
            if not key or "." in key or key.startswith("$"):
                raise Unprocessable(f"The key {key} cannot be changed in many documents at once.")
            if isinstance(change, dict):
                waiting.append((f"{path}.{key}", change))
            elif change is None:
                update.setdefault("$unset", {})[f"{path}.{key}"] = ""
            else:
                update.setdefault("$set", {})[f"{path}.{key}"] = change
    return update


def _json_patch(document: Any) -> Patch:
    if not isinstance(document, list) or not all(isinstance(step, dict) for step in document):
        raise BadRequest("A JSON patch is an array of operations.")
    if len(document) > MOST_OPERATIONS:
        raise BadRequest(f"A JSON patch has at most {MOST_OPERATIONS} operations.")
    try:
        patch = jsonpatch.JsonPatch(document)
    except (jsonpatch.InvalidJsonPatch, JsonPointerException, TypeError, ValueError):
        raise BadRequest("The JSON patch holds an operation that is not one of RFC 6902.") from None

    def apply(value: Any) -> Any:
        try:
            return patch.apply(value)
        except jsonpatch.JsonPatchTestFailed:
            raise Conflict("A test of the JSON patch does not hold for what is stored.") from None
        except (jsonpatch.JsonPatchException, JsonPointerException, TypeError, ValueError):
            raise Unprocessable("The JSON patch does not fit what is stored.") from None

    return apply
