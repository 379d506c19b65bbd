"""What the service answers is what its document says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from devstack.weather.upstream import WeatherUpstream
from svc_common.openapi import read_openapi

if TYPE_CHECKING:
    from conftest import Serve

DOCUMENT: dict[str, Any] = yaml.safe_load(read_openapi("weather_svc"))
JSON = {"Accept": "application/json"}


def strict(schema: str) -> Draft202012Validator:
    """A validator of one of the document's schemas that refuses members which it does not name."""
    components = {**DOCUMENT["components"]}
    components["schemas"] = {
        name: {**definition, "additionalProperties": False} if "properties" in definition else definition
        for name, definition in components["schemas"].items()
    }
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": components})


@pytest.mark.parametrize("units", ["metric", "imperial"])
@pytest.mark.parametrize(("path", "schema"), [("/v1/current", "Current"), ("/v1/forecast", "Forecast")])
@pytest.mark.parametrize("place", [{"city": "Springfield"}, {"latitude": "-33.87", "longitude": "151.21"}])
async def test_weather(serve: Serve, path: str, schema: str, place: dict[str, str], units: str) -> None:
    async with serve() as weather:
        answer = await weather.client.get(path, params={**place, "units": units}, headers=JSON)
        strict(schema).validate(answer.json())


async def test_places_and_problems(serve: Serve, weather_upstream: WeatherUpstream) -> None:
    async with serve() as weather:
        for place in (await weather.client.get("/v1/places", params={"q": "Ber"})).json()["places"]:
            strict("Place").validate(place)
        weather_upstream.misbehave("status")
        for query in ({"city": "Nowhere"}, {"units": "x"}):
            answer = await weather.client.get("/v1/current", params=query)
            assert answer.status_code >= 400
            strict("Problem").validate(answer.json())


def test_every_example_fits_its_schema() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        if "example" in schema:
            strict(name).validate(schema["example"])
