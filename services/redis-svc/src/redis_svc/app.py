"""The service: its settings, its addresses and its store."""

from __future__ import annotations

from svc_common import READ, READ_WRITE, Check, Route, Service

from .handlers.commands import (
    BodyCommandHandler,
    PathCommandHandler,
    PipelineHandler,
    TransactionHandler,
)
from .handlers.records import RecordHandler, RecordListHandler
from .settings import RedisSettings
from .store import open_store

routes = [
    Route("/v1/records", RecordListHandler, READ),
    Route("/v1/records/{key}", RecordHandler, READ_WRITE),
    # The Upstash protocol. What a caller may do is decided for each command; its values are not for the log.
    Route("/", BodyCommandHandler, READ),
    Route("", BodyCommandHandler, READ),
    Route("/pipeline", PipelineHandler, READ),
    Route("/multi-exec", TransactionHandler, READ),
    Route("/{command:path}", PathCommandHandler, READ, secret_path=True),
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
