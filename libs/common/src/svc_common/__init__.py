"""svc_common: the bootstrap that every service stands on.

A service is settings, routes and a lifespan::

    service = Service("redis-svc", RedisSettings, routes=routes, lifespan=connect)
    service.run()
"""

from .auth.access import Access, Principal
from .context import ServiceContext
from .events import Event
from .handler import ServiceHandler, parse_json
from .health import Check
from .logs import get_logger
from .metrics import observe_store
from .negotiation import best_type, media_type
from .problems import (
    BadGateway,
    BadRequest,
    Conflict,
    Forbidden,
    GatewayTimeout,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    PayloadTooLarge,
    PreconditionFailed,
    PreconditionRequired,
    Problem,
    StoreUnavailable,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unprocessable,
    UnsupportedMediaType,
)
from .routing import ADMIN, KNOWN, PUBLIC, READ, READ_WRITE, WRITE, Route, RouteError
from .service import Service
from .settings import CommaList, ServiceSettings, SettingsError, load_settings
from .streams import PushedEvents

__all__ = [
    "ADMIN",
    "KNOWN",
    "PUBLIC",
    "READ",
    "READ_WRITE",
    "WRITE",
    "Access",
    "BadGateway",
    "BadRequest",
    "Check",
    "CommaList",
    "Conflict",
    "Event",
    "Forbidden",
    "GatewayTimeout",
    "MethodNotAllowed",
    "NotAcceptable",
    "NotFound",
    "PayloadTooLarge",
    "PreconditionFailed",
    "PreconditionRequired",
    "Principal",
    "Problem",
    "PushedEvents",
    "Route",
    "RouteError",
    "Service",
    "ServiceContext",
    "ServiceHandler",
    "ServiceSettings",
    "SettingsError",
    "StoreUnavailable",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "Unprocessable",
    "UnsupportedMediaType",
    "best_type",
    "get_logger",
    "load_settings",
    "media_type",
    "observe_store",
    "parse_json",
]
