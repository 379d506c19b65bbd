"""The document and the route table say the same."""

from __future__ import annotations

from typing import Any

import httpx
import yaml

from devstack.weather.upstream import WeatherUpstream
from svc_common.openapi import read_openapi
from svc_common.testing import serving
from weather_svc.app import routes, service

_METHODS = {"get", "put", "post", "delete", "patch", "options", "head", "trace"}


def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(read_openapi("weather_svc"))
    return loaded


def test_every_route_is_documented_and_nothing_else() -> None:
    documented = {
        (path, method.upper())
        for path, item in document()["paths"].items()
        for method in item
        if method in _METHODS
    }
    routed = {(route.openapi_path, method) for route in routes for method in route.methods}
    assert documented == routed


def test_every_reference_leads_somewhere() -> None:
    whole = document()

    def follow(node: object) -> None:
        if isinstance(node, dict):
            if isinstance(reference := node.get("$ref"), str):
                target: Any = whole
                for part in reference.removeprefix("#/").split("/"):
                    target = target[part]
            for value in node.values():
                follow(value)
        elif isinstance(node, list):
            for value in node:
                follow(value)

    follow(whole)


async def test_the_document_is_served(weather_upstream: WeatherUpstream) -> None:
    async with serving(service, WEATHER_URI=weather_upstream.url) as weather:
        answer: httpx.Response = await weather.client.get("/openapi.json")
        assert answer.json()["paths"].keys() == document()["paths"].keys()
