"""mongo-svc: the addresses, what answers them, and what they stand on."""

from __future__ import annotations

from svc_common import ADMIN, READ, READ_WRITE, WRITE, Route, Service

from .handlers.batch import BatchHandler
from .handlers.collection import CollectionHandler
from .handlers.collections import CollectionsHandler
from .handlers.dataapi import DataApiHandler
from .handlers.documents import DocumentHandler
from .handlers.files import FileHandler
from .handlers.manage import AggregateHandler, IndexesHandler, SchemaHandler, StatsHandler
from .settings import MongoSettings
from .state import checks, connect
from .store.rates import open_rates

STRUCTURE = {"GET": READ, "POST": ADMIN, "PUT": ADMIN, "DELETE": ADMIN}

routes = [
    Route("/v1/", CollectionsHandler, READ),
    Route("/v1/-/batch", BatchHandler, WRITE),
    Route("/v1/{collection}", CollectionHandler, {**READ_WRITE, "PUT": ADMIN}),
    Route("/v1/{collection}/-/schema", SchemaHandler, STRUCTURE),
    Route("/v1/{collection}/-/indexes", IndexesHandler, STRUCTURE),
    Route("/v1/{collection}/-/stats", StatsHandler, READ),
    Route("/v1/{collection}/-/aggregate", AggregateHandler, READ),
    Route("/v1/{collection}/-/files/{name}", FileHandler, READ_WRITE),
    Route("/v1/{collection}/{name}", DocumentHandler, READ_WRITE),
    Route("/app/{appId}/endpoint/data/v1/action/{action}", DataApiHandler, READ_WRITE),
]

service = Service(
    "mongo-svc",
    MongoSettings,
    routes=routes,
    lifespan=connect,
    checks=checks,
    rates=open_rates,
    package="mongo_svc",
    description="Documents and catalogs over MongoDB.",
)
