"""The service: its settings, its addresses and its store."""

from __future__ import annotations

from svc_common import ADMIN, READ, READ_WRITE, Check, Route, Service

from .handlers.commands import (
    BodyCommandHandler,
    PathCommandHandler,
    PipelineHandler,
    TransactionHandler,
)
from .handlers.live import LiveHandler
from .handlers.records import RecordHandler, RecordListHandler
from .handlers.streams import ChannelHandler, StreamHandler
from .handlers.subscriptions import MonitorHandler, PatternSubscribeHandler, SubscribeHandler
from .settings import RedisSettings
from .store import open_store
from .store.rates import open_rates

routes = [
    Route("/v1/records", RecordListHandler, READ),
    Route("/v1/records/{key}", RecordHandler, READ_WRITE),
    Route("/v1/channels/{channel}", ChannelHandler, READ_WRITE),
    Route("/v1/streams/{key}", StreamHandler, READ_WRITE),
    Route("/v1/live", LiveHandler, READ),
    # The Upstash protocol. What a caller may do is decided for each command; its values are not for the log.
    Route("/", BodyCommandHandler, READ),
    Route("", BodyCommandHandler, READ),
    Route("/pipeline", PipelineHandler, READ),
    Route("/multi-exec", TransactionHandler, READ),
    Route("/subscribe/{name:path}", SubscribeHandler, READ),
    Route("/psubscribe/{name:path}", PatternSubscribeHandler, READ),
    Route("/monitor", MonitorHandler, ADMIN),
    Route("/{command:path}", PathCommandHandler, READ, secret_path=True),
]

service = Service(
    "redis-svc",
    RedisSettings,
    routes=routes,
    lifespan=open_store,
    checks=lambda store: [Check("redis", store.ping)],
    rates=open_rates,
    package="redis_svc",
    description="Records and commands over Redis.",
)
