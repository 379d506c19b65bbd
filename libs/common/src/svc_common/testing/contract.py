"""Holds a service's route table and its OpenAPI document against each other."""

from __future__ import annotations

from typing import Any

import yaml

from ..openapi import read_openapi
from ..service import Service

_METHODS = ("get", "put", "post", "delete", "patch", "query")


def undocumented(service: Service[Any, Any]) -> list[str]:
    """Every operation that only the routes or only the document has, one sentence each."""
    assert service.package, "the service has no document"
    document = yaml.safe_load(read_openapi(service.package))
    documented = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if method in _METHODS
    }
    routed = {(method, route.openapi_path) for route in service.routes for method in route.methods}
    return [
        *(
            f"{method} {path} is served, but not in openapi.yaml"
            for method, path in sorted(routed - documented)
        ),
        *(
            f"{method} {path} is in openapi.yaml, but not served"
            for method, path in sorted(documented - routed)
        ),
    ]
