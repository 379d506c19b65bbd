"""Reads that were understood before: parsing and planning are pure, so the same text has the same plan."""

from __future__ import annotations

from pg_svc.plan.action import Action
from pg_svc.request.api import Address, ApiRequest
from pg_svc.schema.model import Schema

_HEADERS = ("accept", "accept-profile", "content-type", "prefer", "range")
_LONGEST = 1024

Key = tuple[object, ...]


class PlanMemo:
    """The last ``size`` short reads of one schema; a new schema starts it again."""

    def __init__(self, size: int = 512) -> None:
        self._size = size
        self._schema: Schema | None = None
        self._plans: dict[Key, tuple[ApiRequest, Action]] = {}

    def key(self, method: str, address: Address, query: str, headers: dict[str, str]) -> Key | None:
        """Everything that a read's plan depends on, besides the schema; None for what is not kept."""
        if method not in ("GET", "HEAD"):
            return None
        told = tuple(map(headers.get, _HEADERS))
        if len(query) + len("".join(filter(None, told))) > _LONGEST:
            return None
        return (method, address.kind, address.name, query, *told)

    def find(self, schema: Schema, key: Key | None) -> tuple[ApiRequest, Action] | None:
        """What was made of the same request and the same schema."""
        return self._plans.get(key) if key is not None and schema is self._schema else None

    def keep(self, schema: Schema, key: Key | None, request: ApiRequest, action: Action) -> None:
        """Remember it."""
        if key is None:
            return
        if schema is not self._schema:
            self._schema = schema
            self._plans.clear()
        self._plans[key] = request, action
        if len(self._plans) > self._size:
            del self._plans[next(iter(self._plans))]  # the oldest: what is asked often is soon there again
