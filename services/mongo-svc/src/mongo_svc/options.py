"""The options a collection can be created with."""

from __future__ import annotations

from typing import Any

from svc_common import BadRequest


def read_options(value: Any) -> dict[str, Any]:
    """``{"capped": {"bytes": …, "documents": …}, "collation": {"locale": …}}`` for MongoDB's ``create``.

    BadRequest for anything else.
    """
    if not isinstance(value, dict):
        raise BadRequest("The options of a collection are an object.")
    unknown = set(value) - {"capped", "collation"}
    if unknown:
        raise BadRequest(f"A collection has no option {min(unknown)[:60]}.")
    options: dict[str, Any] = {}
    if "capped" in value:
        capped = value["capped"]
        if not isinstance(capped, dict) or not set(capped) <= {"bytes", "documents"} or "bytes" not in capped:
            raise BadRequest('capped is {"bytes": …, "documents": …}.')
        if not all(type(number) is int and number > 0 for number in capped.values()):
            raise BadRequest("The bounds of a capped collection are whole numbers from 1.")
        options.update({"capped": True, "size": capped["bytes"]})
        if "documents" in capped:
            options["max"] = capped["documents"]
    if "collation" in value:
        if not isinstance(value["collation"], dict):
            raise BadRequest('collation is an object such as {"locale": "de"}.')
        options["collation"] = value["collation"]
    return options
