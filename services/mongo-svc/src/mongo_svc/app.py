"""mongo-svc: the addresses, what answers them, and what they stand on."""

from __future__ import annotations

from svc_common import READ, READ_WRITE, Route, Service

from .handlers.collection import CollectionHandler
from .handlers.collections import CollectionsHandler
from .handlers.dataapi import DataApiHandler
from .handlers.documents import DocumentHandler
from .settings import MongoSettings
from .state import checks, connect

routes = [
    Route("/v1/", CollectionsHandler, READ),
    Route("/v1/{collection}", CollectionHandler, READ_WRITE),
    Route("/v1/{collection}/{name}", DocumentHandler, READ_WRITE),
    Route("/app/{appId}/endpoint/data/v1/action/{action}", DataApiHandler, READ_WRITE),
]

service = Service(
    "mongo-svc",
    MongoSettings,
    routes=routes,
    lifespan=connect,
    checks=checks,
    package="mongo_svc",
    description="Documents and catalogs over MongoDB.",
)
