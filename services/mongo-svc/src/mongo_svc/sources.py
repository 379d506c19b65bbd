"""What the Data API may touch: data sources, databases and collections."""

from __future__ import annotations

import re

from svc_common import BadRequest

from .names import is_private
from .settings import MongoSettings

ANY = "*"

_SYSTEM = frozenset(("admin", "config", "local"))


class Scope:
    """The names that a request may use; BadRequest for all others."""

    def __init__(self, settings: MongoSettings) -> None:
        self._sources = settings.data_api_sources
        self._databases = settings.data_api_databases or (settings.database,)
        self._collections = settings.data_api_collections

    def check_source(self, name: str) -> str:
        """The key of the connection that a ``dataSource`` means; the default one has the key ``""``."""
        if ANY not in self._sources and name not in self._sources:
            raise BadRequest(f"no data source with the name {name[:60]!r}")
        return source_key(name)

    def check(self, database: str, collection: str) -> None:
        """Whether a collection may be touched."""
        if database in _SYSTEM or not (ANY in self._databases or database in self._databases):
            raise BadRequest(f"the database {database[:60]!r} is not served here")
        if not re.fullmatch(r'[^/\\. "$*<>:|?\x00]{1,63}', database):
            raise BadRequest("this is not the name of a database")
        odd = collection.startswith(".") or collection.endswith(".") or ".." in collection
        if not collection or odd or "$" in collection or "\0" in collection or is_private(collection):
            raise BadRequest("this is not the name of a collection")
        allowed = self._collections
        if not (ANY in allowed or collection in allowed or f"{database}.{collection}" in allowed):
            raise BadRequest(f"the collection {collection[:60]!r} is not served here")


def source_key(name: str) -> str:
    """``Cluster-0`` → ``CLUSTER_0``, as in ``MONGODB_URI_CLUSTER_0``."""
    return re.sub(r"[^A-Z0-9]", "_", name.upper())
