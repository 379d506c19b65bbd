"""``GET /v1/current`` against a real upstream on this machine, and against one that misbehaves."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx
import pytest

from devstack.weather.upstream import WeatherUpstream
from svc_common.testing import ServiceProcess, TestedService, free_port

if TYPE_CHECKING:
    from conftest import Serve

SENTENCE = re.compile(r"Currently -?\d+ degrees? and [a-z ]+ in Berlin, DE\n\(simulated\)\n")
JSON = {"Accept": "application/json"}


@pytest.fixture(params=["tornado", "fast"])
async def weather(serve: Serve, request: pytest.FixtureRequest) -> AsyncIterator[TestedService]:
    """The service in front of the local upstream, on either HTTP server."""
    async with serve(HTTP_SERVER=request.param) as running:
        yield running


async def test_berlin_as_a_sentence_by_default(weather: TestedService) -> None:
    answer = await weather.client.get("/v1/current")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert SENTENCE.fullmatch(answer.text)


async def test_the_observation_as_json(weather: TestedService) -> None:
    answer = await weather.client.get("/v1/current", params={"city": "Oslo,NO"}, headers=JSON)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    document = answer.json()
    assert document["place"]["name"] == "Oslo"
    assert document["place"]["timezone"] == "Europe/Oslo"
    assert document["temperature"]["unit"] == "°C"
    assert document["provider"] == "open-meteo"
    assert document["simulated"] is True
    assert document["stale"] is False
    assert document["age"] >= 0
    assert (document["ambiguous"], document["alternatives"]) == (False, [])


async def test_coordinates(weather: TestedService) -> None:
    place = {"latitude": "52.5244", "longitude": "13.4105"}
    answer = await weather.client.get("/v1/current", params=place)
    assert answer.text.splitlines()[0].endswith(" at 52.52, 13.41")


async def test_an_ambiguous_name_means_the_largest_place(weather: TestedService) -> None:
    document = (await weather.client.get("/v1/current", params={"city": "berlin"}, headers=JSON)).json()
    assert document["place"]["country_code"] == "DE"
    assert document["ambiguous"] is True
    assert [place["region"] for place in document["alternatives"]] == ["New Hampshire"]


async def test_units_and_language(weather: TestedService) -> None:
    metric = (await weather.client.get("/v1/current", headers=JSON)).json()
    imperial = (await weather.client.get("/v1/current", params={"units": "imperial"}, headers=JSON)).json()
    assert imperial["temperature"]["unit"] == "°F"
    assert imperial["temperature"]["value"] == pytest.approx(
        metric["temperature"]["value"] * 1.8 + 32, abs=0.2
    )
    german = await weather.client.get("/v1/current", params={"lang": "de"})
    assert german.text.startswith("Aktuell ")


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ({"city": ""}, "name is empty"),
        ({"city": "x" * 101}, "at most 100"),
        ({"city": "Ber\u2028lin"}, "control characters"),
        ({"latitude": "52"}, "longitude"),
        ({"latitude": "nan", "longitude": "0"}, "latitude"),
        ({"latitude": "1e400", "longitude": "0"}, "latitude"),
        ({"latitude": "91", "longitude": "0"}, "latitude"),
        ({"latitude": "1", "longitude": "1", "city": "Berlin"}, "Give one of"),
        ({"units": "kelvin"}, "metric or imperial"),
        ({"lang": "tlh"}, "en, de, fr, es"),
    ],
)
async def test_what_cannot_be_meant_is_400(
    weather: TestedService, weather_upstream: WeatherUpstream, query: dict[str, str], detail: str
) -> None:
    answer = await weather.client.get("/v1/current", params=query)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert detail in answer.json()["detail"]
    assert weather_upstream.requests == []


async def test_an_unknown_place_is_404(weather: TestedService) -> None:
    answer = await weather.client.get("/v1/current", params={"city": "Qwertzuiop"})
    assert (answer.status_code, answer.json()["detail"]) == (404, "There is no place called Qwertzuiop.")


async def test_no_other_media_type(weather: TestedService) -> None:
    answer = await weather.client.get("/v1/current", headers={"Accept": "application/xml"})
    assert answer.status_code == 406


async def test_what_is_typed_stays_an_argument(
    weather: TestedService, weather_upstream: WeatherUpstream
) -> None:
    for city in ("http://127.0.0.1/", "../../secret", "a&countryCode=US#x", "a\\b@127.0.0.1:80"):
        assert (await weather.client.get("/v1/current", params={"city": city})).status_code == 404
    assert {request.path for request in weather_upstream.requests} == {"/v1/search"}
    assert weather_upstream.requests[2].arguments["name"] == ["a&countryCode=US#x"]


@pytest.mark.parametrize("path", ["/v1/forecast", "/v1/search"])
@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        ("hang", 504),
        ("slow", 504),
        ("reset", 502),
        ("truncated", 502),
        ("cut_json", 502),
        ("wrong_types", 502),
        ("huge", 502),
        ("gzip_bomb", 502),
        ("redirect", 502),
        ("status", 502),
    ],
)
async def test_a_misbehaving_upstream_is_a_problem_of_the_gateway(
    serve: Serve, weather_upstream: WeatherUpstream, path: str, trouble: str, status: int
) -> None:
    patience = "0.3" if status == 504 else "20"
    async with serve(WEATHER_ATTEMPT_TIMEOUT=patience, WEATHER_TIMEOUT="30") as weather:
        weather_upstream.misbehave(trouble, path=path)
        answer = await weather.client.get("/v1/current")
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
        assert answer.json()["status"] == status
        assert "/secret" not in {request.path for request in weather_upstream.requests}


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"\xff\xfe", b"<html>", b'{"results":null}', b"NaN"])
async def test_rubbish_is_502(weather: TestedService, weather_upstream: WeatherUpstream, body: bytes) -> None:
    weather_upstream.misbehave("body", body=body)
    assert (await weather.client.get("/v1/current")).status_code == 502


def test_ready_and_clear_without_an_upstream() -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with ServiceProcess("weather_svc", WEATHER_URI=nowhere, WEATHER_GEOCODING_URI=nowhere) as process:
        answer = httpx.get(f"{process.url}/v1/current", trust_env=False)
        assert answer.status_code == 502
        assert answer.json()["detail"] == "open-meteo-geocoding could not be reached."
        assert process.stop() == 0
        assert "Traceback" not in process.log
