"""Service: what a service is. How it runs is in ``runtime``."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Generic, NoReturn

from typing_extensions import TypeVar

from .auth import Issuer
from .handler import ServiceHandler
from .health import Check
from .routing import Route, RouteError, check_routes
from .settings import ServiceSettings
from .sharedrates import ScriptRunner

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)
StateT = TypeVar("StateT", default=None)


@asynccontextmanager
async def _no_state(settings: ServiceSettings) -> AsyncIterator[None]:
    yield None


class Service(Generic[SettingsT, StateT]):
    """A service: its name, what it can be told, what it answers and what it holds on to.

    ``lifespan`` opens what the handlers use (a store) and yields it as their ``self.state``; it must not wait
    for a store that is not there yet. ``checks`` makes the readiness checks from that state. ``package``
    is the Python package that carries ``openapi.yaml``; without it there is no ``/openapi.json``. ``issuer``
    is for the service that makes the tokens; ``rates`` lends a Redis in which all processes count rate limits
    together, where the settings name one (ValueError for an address that is of no use).

    Raises RouteError for a route that declares no access.
    """

    def __init__(
        self,
        name: str,
        settings: type[SettingsT],
        *,
        routes: Sequence[Route],
        lifespan: Callable[[SettingsT], AbstractAsyncContextManager[StateT]] | None = None,
        checks: Callable[[StateT], Sequence[Check]] | None = None,
        issuer: Callable[[StateT], Issuer | None] | None = None,
        rates: Callable[[SettingsT], ScriptRunner | None] | None = None,
        package: str | None = None,
        description: str = "",
    ) -> None:
        check_routes(routes)
        for route in routes:
            if not issubclass(route.handler, ServiceHandler):  # it alone asks who calls
                raise RouteError(f"{route.pattern}: {route.handler.__name__} is not a ServiceHandler")
        self.name = name
        self.settings_class = settings
        self.routes = tuple(routes)
        self.lifespan: Callable[[SettingsT], AbstractAsyncContextManager[Any]] = lifespan or _no_state
        self.checks = checks
        self.issuer = issuer
        self.rates = rates
        self.package = package
        self.description = description

    @property
    def version(self) -> str:
        """The version of the installed distribution that is named like the service."""
        try:
            return version(self.name)
        except PackageNotFoundError:
            return "0"

    def run(self, arguments: Sequence[str] | None = None) -> NoReturn:
        """Run as a program until SIGTERM or SIGINT; ``--help`` lists every setting. Exits the process."""
        from .cli import main

        sys.exit(main(self, sys.argv[1:] if arguments is None else arguments))
