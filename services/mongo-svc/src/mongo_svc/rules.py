"""Row rules: what a caller of the Data API may see and change in a collection.

The file that ``DATA_API_RULES`` names is JSON::

    {"orders": {"shop":  {"filter": {"owner": "%%caller"}, "read": ["owner", "total"], "write": ["total"]},
                "admin": {}},
     "*": {"admin": {}}}

For a collection (``*`` stands for those that are not named) and a caller (its token's name, else its scope,
else ``*``) a rule says which documents are there for it (``filter``, in Extended JSON, ``%%caller`` being the
token's name), which fields it sees (``read``), which it may set (``write``), and whether it may ``delete``.
What is left out is not restricted. Without a rule that fits, everything is refused.

The other addresses of the service know no rules. Where the file has rules for a collection, only callers whom
they do not restrict get at it there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import orjson

from svc_common import BadRequest, Forbidden, Principal, Problem

from .ejson import from_ejson
from .filters import check_filter
from .listing import both
from .updates import touched

CALLER = "%%caller"
ANY = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """What one caller may do in one collection. Forbidden is raised for everything else."""

    filter: Mapping[str, Any]
    read: frozenset[str] | None = None
    write: frozenset[str] | None = None
    delete: bool = True

    def narrow(self, query: dict[str, Any]) -> dict[str, Any]:
        """The caller's filter together with the rule's; it may only ask for what the caller may see."""
        self._check_read(paths_of(query))
        return both(dict(self.filter), query)

    def order(self, sort: Mapping[str, Any]) -> None:
        """Check a sort order."""
        self._check_read(sort)

    def project(self, projection: Mapping[str, Any]) -> dict[str, Any]:
        """The caller's projection, without what it may not see."""
        if self.read is None:
            return dict(projection)
        hidden = {path for path, value in projection.items() if value is False or value == 0}
        shown = {path: value for path, value in projection.items() if path not in hidden}
        if any(value is not True and value != 1 for value in shown.values()):
            _refuse("Only plain fields can be asked for here.")
        if not set(shown) - {"_id"}:
            shown = dict.fromkeys(sorted(self.read), 1)
        kept: dict[str, Any] = {
            path: 1 for path in shown if covered(path, self.read | {"_id"}) and path not in hidden
        }
        if "_id" in hidden:
            kept["_id"] = 0
        elif "_id" not in kept:
            kept["_id"] = 1
        return kept

    def pipeline(self, stages: list[Any]) -> list[Any]:
        """The caller's pipeline over what it may see."""
        first: list[Any] = [{"$match": dict(self.filter)}] if self.filter else []
        if self.read is not None:
            first.append({"$project": self.project({})})
        if first:
            _check_stages(stages)
        return [*first, *stages]

    def insert(self, document: Mapping[str, Any]) -> None:
        """Check a new document: its fields, and that it is one of those the rule's filter lets through."""
        self._check_write(path for path in document if path != "_id")
        for path, value in self._fixed().items():
            if _value_at(document, path) != value:
                _refuse(f"A new document needs the caller's own value in {path}.")

    def update(self, update: Any, *, upsert: bool) -> None:
        """Check an update: its fields, and that no document leaves what the rule's filter lets through."""
        if isinstance(update, list):
            if self.write is not None or self.read is not None or self.filter:
                _refuse("Updates with a pipeline are not allowed here.")
            return
        paths = touched(update)
        self._check_write(paths)
        self._check_read(update.get("$rename", {}))  # or what is hidden gets a name that is not
        for path in paths:
            if any(covered(path, (own,)) or covered(own, (path,)) for own in paths_of(dict(self.filter))):
                _refuse(f"{path} cannot be changed here.")
        if upsert:
            self._fixed()

    def replace(self, replacement: Mapping[str, Any]) -> None:
        """Check a replacement."""
        if self.write is not None or self.read is not None:
            _refuse("A whole document cannot be replaced here.")
        self.insert(replacement)

    def upsert(self, query: Mapping[str, Any]) -> None:
        """Check the filter of an upsert: MongoDB puts the values it asks for into a new document."""
        self._check_write(path for path in paths_of(query) if path != "_id")

    def whole(self) -> None:
        """Check that the rule restricts nothing, for ways to a collection that it could not narrow."""
        if self.filter or self.read is not None or self.write is not None or not self.delete:
            _refuse("Only a part of this collection is there for you, by the Data API alone.")

    def remove(self) -> None:
        """Check whether documents may be deleted."""
        if not self.delete:
            _refuse("Documents cannot be deleted here.")

    def _fixed(self) -> dict[str, Any]:
        """The values that the rule's filter demands; Forbidden if it demands anything else."""
        fixed: dict[str, Any] = {}
        for path, value in self.filter.items():
            if isinstance(value, dict) and set(value) == {"$eq"}:
                value = value["$eq"]
            if path.startswith("$") or (isinstance(value, dict) and any(key[:1] == "$" for key in value)):
                _refuse("Documents cannot be added here.")
            fixed[path] = value
        return fixed

    def _check_read(self, paths: Iterable[str]) -> None:
        if self.read is not None:
            for path in paths:
                if path.startswith("$") or not covered(path, self.read | {"_id"}):
                    _refuse(f"{path} cannot be read here.")

    def _check_write(self, paths: Iterable[str]) -> None:
        if self.write is not None:
            for path in paths:
                if not covered(path, self.write):
                    _refuse(f"{path} cannot be set here.")


FREE = Rule({})
"""No restriction: what every caller has where there is no file of rules."""


class Rules:
    """All rules, from a file. ValueError for a file that holds none."""

    def __init__(self, file: str) -> None:
        try:
            parsed = orjson.loads(Path(file).read_bytes())
            self._rules = {
                collection: {role: _parse(rule) for role, rule in roles.items()}
                for collection, roles in parsed.items()
            }
        except (OSError, orjson.JSONDecodeError, AttributeError, TypeError, Problem) as error:
            raise ValueError(f"DATA_API_RULES: {file} cannot be read: {error}") from None

    def find(self, database: str, collection: str, caller: Principal | None) -> Rule:
        """The rule for a caller; Forbidden where there is none."""
        roles = self._roles(database, collection)
        name = "" if caller is None else caller.name
        scope = "" if caller is None else caller.scope.name.lower()
        for role in (name, scope, ANY):
            rule = roles.get(role)
            if rule is not None:
                return Rule(_fill(rule.filter, name), rule.read, rule.write, rule.delete)
        _refuse("No rule lets you do this.")

    def guard(self, database: str, collection: str, caller: Principal | None) -> None:
        """Forbidden when there are rules for a collection, and they restrict the caller."""
        if self._roles(database, collection):
            self.find(database, collection, caller).whole()

    def _roles(self, database: str, collection: str) -> Mapping[str, Rule]:
        rules = self._rules
        return rules.get(f"{database}.{collection}") or rules.get(collection) or rules.get(ANY) or {}


def paths_of(query: Mapping[str, Any]) -> set[str]:
    """The paths that a filter asks about; the name of an operator where these cannot be known."""
    paths: set[str] = set()
    for key, value in query.items():
        if key in ("$and", "$or", "$nor"):
            for inner in value:
                paths |= paths_of(inner)
        elif key != "$comment":
            paths.add(key)
    return paths


def covered(path: str, fields: Iterable[str]) -> bool:
    """Whether a path is one of the fields or inside one."""
    return any(path == field or path.startswith(f"{field}.") for field in fields)


def _parse(rule: Any) -> Rule:
    unknown = set(rule) - {"filter", "read", "write", "delete"}
    if unknown:
        raise BadRequest(f"a rule has no member {min(unknown)}")
    return Rule(
        check_filter(from_ejson(rule.get("filter", {}))),
        _fields(rule.get("read")),
        _fields(rule.get("write")),
        bool(rule.get("delete", rule.get("write") is None)),
    )


def _fields(value: Any) -> frozenset[str] | None:
    if value is None or value == ANY:
        return None
    if not isinstance(value, list) or not all(isinstance(field, str) and field for field in value):
        raise BadRequest("read and write are arrays of fields")
    return frozenset(value)


def _fill(value: Any, caller: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _fill(item, caller) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, caller) for item in value]
    return caller if value == CALLER else value


def _check_stages(stages: list[Any]) -> None:
    for stage in stages:
        for name, value in stage.items():
            if name in ("$lookup", "$graphLookup", "$unionWith", "$geoNear", "$search", "$searchMeta"):
                _refuse(f"{name} is not allowed here.")
            if name in ("$vectorSearch", "$documents"):
                _refuse(f"{name} is not allowed here.")
            if name == "$facet" and isinstance(value, dict):
                for inner in value.values():
                    _check_stages(inner)


def _value_at(document: Mapping[str, Any], path: str) -> Any:
    value: Any = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _refuse(detail: str) -> NoReturn:
    raise Forbidden(detail)
