"""Requests of the Data API v1: their members, checked, as values of the driver.

Source: the OpenAPI document of MongoDB's Data API v1 and its clients.
"""

from __future__ import annotations

from typing import Any

from svc_common import BadRequest

ACTIONS = (
    *("findOne", "find", "insertOne", "insertMany", "updateOne", "updateMany", "replaceOne"),
    *("deleteOne", "deleteMany", "aggregate"),
)
READS = frozenset(("findOne", "find", "aggregate"))
DEFAULT_LIMIT = 1000


class MissingParameter(BadRequest):
    """400 with the code ``MissingParameter``."""


class Parameters:
    """The members of a request's body."""

    def __init__(self, body: Any) -> None:
        if not isinstance(body, dict):
            raise BadRequest("the body must be a JSON object")
        self._body = body

    def text(self, name: str) -> str:
        """A member that must be a string."""
        value = self._required(name)
        if not isinstance(value, str):
            raise BadRequest(f"{name!r} must be a string")
        return value

    def object(self, name: str, *, required: bool = False) -> dict[str, Any]:
        """A member that is an object; empty where it is missing."""
        value = self._required(name) if required else self._body.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise BadRequest(f"{name!r} must be an object")
        return value

    def array(self, name: str) -> list[Any]:
        """A member that must be an array."""
        value = self._required(name)
        if not isinstance(value, list):
            raise BadRequest(f"{name!r} must be an array")
        return value

    def any(self, name: str) -> Any:
        """A member that must be there."""
        return self._required(name)

    def number(self, name: str, default: int, most: int) -> int:
        """A member that is a whole number from 0."""
        value = self._body.get(name)
        if value is None:
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise BadRequest(f"{name!r} must be a whole number from 0 to {most}")
        return int(value)

    def flag(self, name: str) -> bool:
        """A member that is true or false; false where it is missing."""
        value = self._body.get(name)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise BadRequest(f"{name!r} must be true or false")
        return value

    def sort(self) -> dict[str, Any]:
        """The member ``sort``: paths with 1, -1 or ``{"$meta": "textScore"}``."""
        order: dict[str, Any] = {}
        for path, direction in self.object("sort").items():
            if not path or path.startswith("$"):
                raise BadRequest("'sort' holds a path that is none")
            if isinstance(direction, bool) or direction not in (1, -1, {"$meta": "textScore"}):
                raise BadRequest("a direction in 'sort' is 1 or -1")
            order[path] = int(direction) if isinstance(direction, float) else direction
        return order

    def _required(self, name: str) -> Any:
        value = self._body.get(name)
        if value is None:
            raise MissingParameter(f"must specify {name!r}")
        return value
