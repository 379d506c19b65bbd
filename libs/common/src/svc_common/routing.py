"""Routes: an address template, its handler and the access it declares.

Templates are written as in OpenAPI documents: ``/v1/records/{key}``. A variable takes one path segment,
percent-encoded slashes included; ``{key:path}`` takes the rest of the path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import unquote_to_bytes

from tornado.web import RequestHandler

from .auth.access import Access

_VARIABLE = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)(:path)?\}")
_NOT_DECLARED = ("HEAD", "OPTIONS")  # HEAD is as GET; OPTIONS tells what is there


class RouteError(Exception):
    """A route table that must not go into service."""


PUBLIC = Access.PUBLIC
KNOWN = Access.KNOWN
READ = Access.READ
WRITE = Access.WRITE
ADMIN = Access.ADMIN
READ_WRITE: Mapping[str, Access] = {
    "GET": READ,
    "POST": WRITE,
    "PUT": WRITE,
    "PATCH": WRITE,
    "DELETE": WRITE,
}
"""Reading needs ``read``, everything else ``write``."""


@dataclass(frozen=True)
class Route:
    """One address of a service.

    ``access`` is one Access for every method, or a mapping from method to Access. ``secret_path`` keeps
    the path out of the logs (the pattern is logged instead), for addresses that carry values.
    """

    pattern: str
    handler: type[RequestHandler]
    access: Access | Mapping[str, Access]
    secret_path: bool = False
    kwargs: Mapping[str, object] = field(default_factory=dict)

    @cached_property  # asked for by every request
    def methods(self) -> tuple[str, ...]:
        """The methods that the handler implements, without HEAD and OPTIONS."""
        return tuple(
            method
            for method in self.handler.SUPPORTED_METHODS
            if method not in _NOT_DECLARED and _implements(self.handler, method)
        )

    @cached_property
    def allow(self) -> str:
        """The value of an ``Allow`` header."""
        methods = list(self.methods)
        if "GET" in methods:
            methods.insert(methods.index("GET") + 1, "HEAD")
        return ", ".join([*methods, "OPTIONS"])

    def access_for(self, method: str) -> Access:
        """What a method needs. HEAD needs what GET needs; OPTIONS is public."""
        if method == "OPTIONS":
            return Access.PUBLIC
        if isinstance(self.access, Access):
            return self.access
        if method == "HEAD" and "HEAD" not in self.access:
            method = "GET"
        # check_routes makes sure that every implemented method is there; any other gets 405 in any case
        return self.access.get(method, Access.ADMIN)

    @property
    def openapi_path(self) -> str:
        """The template as it stands in an OpenAPI document."""
        return _VARIABLE.sub(r"{\1}", self.pattern)

    @property
    def is_static(self) -> bool:
        """Whether the template has no variable."""
        return _VARIABLE.search(self.pattern) is None


class RouteTable:
    """Finds the route of a path. The first route that fits wins; fixed addresses go before templates."""

    def __init__(self, routes: Iterable[Route], base_path: str = "") -> None:
        self.routes = tuple(routes)
        self._base_path = base_path
        self._static: dict[str, Route] = {}
        self._templates: list[tuple[re.Pattern[str], Route]] = []
        for route in self.routes:
            if route.is_static:
                self._static.setdefault(route.pattern, route)
            else:
                self._templates.append((compile_pattern(route.pattern), route))

    def find(self, path: str) -> tuple[Route, dict[str, bytes]] | None:
        """The route of a percent-encoded path, and its variables as the bytes they stand for."""
        base = self._base_path
        if base:
            if not path.startswith(base) or path[len(base) : len(base) + 1] not in ("", "/"):
                return None
            path = path[len(base) :]
        route = self._static.get(path)
        if route is not None:
            return route, {}
        for pattern, route in self._templates:
            match = pattern.fullmatch(path)
            if match:
                return route, {name: unquote_to_bytes(value) for name, value in match.groupdict().items()}
        return None


def compile_pattern(template: str) -> re.Pattern[str]:
    """A template as a regular expression over the still percent-encoded path."""
    expression, end = "", 0
    for match in _VARIABLE.finditer(template):
        expression += re.escape(template[end : match.start()])
        expression += f"(?P<{match[1]}>{'.+' if match[2] else '[^/]+'})"
        end = match.end()
    return re.compile(expression + re.escape(template[end:]))


def check_routes(routes: Iterable[Route]) -> None:
    """Raise RouteError unless every route declares the access of every method it implements."""
    seen: set[str] = set()
    for route in routes:
        if not isinstance(route, Route):
            raise RouteError(
                f"{route!r} is not a Route: give every address a pattern, a handler and an access"
            )
        if route.pattern in seen:
            raise RouteError(f"{route.pattern}: declared twice")
        seen.add(route.pattern)
        if isinstance(route.access, Access):
            continue
        if not route.access:
            raise RouteError(f"{route.pattern}: declares no access (PUBLIC, READ, WRITE or ADMIN)")
        missing = [method for method in route.methods if method not in route.access]
        if missing:
            raise RouteError(f"{route.pattern}: declares no access for {', '.join(missing)}")


def _implements(handler: type[RequestHandler], method: str) -> bool:
    name = method_name(method)
    own = getattr(handler, name, None)
    return own is not None and own is not getattr(RequestHandler, name, None)


def method_name(method: str) -> str:
    """The name of a handler's method for an HTTP method: ``get``; ``http_query``, as ``query`` is taken."""
    return "http_query" if method == "QUERY" else method.lower()
