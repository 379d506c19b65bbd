"""``/openapi.json`` from a package's ``openapi.yaml``, and ``/docs``, a page to read it and try it."""

from __future__ import annotations

import hashlib
from functools import cached_property
from importlib.resources import files
from typing import Any

import orjson
import yaml

from .handler import ServiceHandler
from .problems import NotFound
from .routing import PUBLIC, Route

_ASSETS = {"docs.css": "text/css; charset=utf-8", "docs.js": "text/javascript; charset=utf-8"}
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class OpenApi:
    """A service's OpenAPI document, read when it is first asked for."""

    def __init__(self, package: str, base_path: str) -> None:
        self._package = package
        self._base_path = base_path

    @cached_property
    def document(self) -> dict[str, Any]:
        """The document, with the address it is served under as its server."""
        document: dict[str, Any] = yaml.load(read_openapi(self._package), Loader=_Loader)  # noqa: S506
        document["servers"] = [{"url": self._base_path or "/"}]
        return document

    @cached_property
    def encoded(self) -> bytes:
        """The document as JSON."""
        return orjson.dumps(self.document, default=str)

    @cached_property
    def tag(self) -> str:
        """Its entity tag."""
        return hashlib.sha256(self.encoded).hexdigest()[:20]


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_openapi(package: str) -> str:
    """The text of the ``openapi.yaml`` that a package carries."""
    return (files(package) / "openapi.yaml").read_text(encoding="utf-8")


class OpenApiHandler(ServiceHandler[Any]):
    """``GET /openapi.json``."""

    def initialize(self, route: Route | None = None, openapi: OpenApi | None = None) -> None:
        super().initialize(route)
        self._openapi = openapi

    async def get(self) -> None:
        assert self._openapi is not None
        if self.not_modified(self._openapi.tag):
            return
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-cache")
        self.write(self._openapi.encoded)


class DocsHandler(ServiceHandler[Any]):
    """``GET /docs``: a page without anything from elsewhere."""

    async def get(self, asset: str = "") -> None:
        if asset and asset not in _ASSETS:
            raise NotFound("There is no such file.")
        content = (files("svc_common") / "static" / (asset or "docs.html")).read_bytes()
        if self.not_modified(hashlib.sha256(content).hexdigest()[:20]):
            return
        self.set_header("Content-Type", _ASSETS.get(asset, "text/html; charset=utf-8"))
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Content-Security-Policy", _CONTENT_SECURITY_POLICY)
        self.set_header("Referrer-Policy", "no-referrer")
        self.write(content)


def openapi_routes(openapi: OpenApi) -> list[Route]:
    """The public routes of the document and its page."""
    return [
        Route("/openapi.json", OpenApiHandler, PUBLIC, kwargs={"openapi": openapi}),
        Route("/docs", DocsHandler, PUBLIC),
        Route("/docs/{asset}", DocsHandler, PUBLIC),
    ]
