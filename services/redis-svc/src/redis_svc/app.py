"""The service: its settings, its addresses and its store."""

from __future__ import annotations

from svc_common import READ, READ_WRITE, Check, Route, Service

from .handlers.records import RecordHandler, RecordListHandler
from .settings import RedisSettings
from .store import open_store

routes = [
    Route("/v1/records", RecordListHandler, READ),
    Route("/v1/records/{key}", RecordHandler, READ_WRITE),
]

service = Service(
    "redis-svc",
    RedisSettings,
    routes=routes,
    lifespan=open_store,
    checks=lambda store: [Check("redis", store.ping)],
    package="redis_svc",
    description="Records and commands over Redis.",
)
