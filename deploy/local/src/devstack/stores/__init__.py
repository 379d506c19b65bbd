"""Embedded stores: real servers in child processes, each with its own folder, port and log.

    >>> with Redis(Path("/tmp/example")) as store:  # doctest: +SKIP
    ...     store.url
    'redis://127.0.0.1:17771/0'

Nothing here imports a database driver.
"""

from devstack.stores.base import Store, StoreError
from devstack.stores.mongo import Mongo
from devstack.stores.postgres import Postgres
from devstack.stores.redis import Redis

__all__ = ["Mongo", "Postgres", "Redis", "Store", "StoreError"]
