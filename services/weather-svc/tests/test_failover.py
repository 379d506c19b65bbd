"""When upstreams fail: retries, the next provider, circuit breakers, pauses and budgets."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from devstack.weather.upstream import WeatherUpstream
from weather_svc.assembly import State
from weather_svc.model import Place

if TYPE_CHECKING:
    from conftest import FormatServer, Serve

JSON = {"Accept": "application/json"}
HERE = {"latitude": "59.91", "longitude": "10.75"}
MET = "/weatherapi/locationforecast/2.0/compact"

TROUBLES = {
    "hang": 504,
    "slow": 504,
    "reset": 502,
    "truncated": 502,
    "cut_json": 502,
    "wrong_types": 502,
    "huge": 502,
    "gzip_bomb": 502,
    "redirect": 502,
    "status": 502,
}


def met_document() -> dict[str, Any]:
    """The least that MET Norway's format can say."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    period = {"summary": {"symbol_code": "cloudy"}, "details": {"precipitation_amount": 0.0}}
    steps = [
        {
            "time": (now + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "data": {"instant": {"details": {"air_temperature": 7.0}}, "next_1_hours": period},
        }
        for hour in range(30)
    ]
    return {"properties": {"timeseries": steps}}


@pytest.mark.parametrize("provider", ["met-norway", "wttr", "openweathermap", "channel-item"])
@pytest.mark.parametrize(("trouble", "status"), TROUBLES.items())
async def test_every_trouble_of_every_provider(
    serve: Serve, weather_upstream: WeatherUpstream, provider: str, trouble: str, status: int
) -> None:
    weather_upstream.misbehave(trouble, size=50_000_000)
    patience = "0.2" if status == 504 else "20"
    async with serve(WEATHER_PROVIDERS=provider, WEATHER_ATTEMPT_TIMEOUT=patience) as weather:
        answer = await weather.client.get("/v1/current", params=HERE)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
        assert provider in answer.json()["detail"]
    assert "/secret" not in {request.path for request in weather_upstream.requests}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_the_next_provider_answers(
    serve: Serve, weather_upstream: WeatherUpstream, format_server: FormatServer, trouble: str
) -> None:
    format_server.documents = {MET: met_document()}
    weather_upstream.misbehave(trouble, path="/v1/forecast")
    async with serve(
        WEATHER_PROVIDERS="open-meteo,met-norway",
        WEATHER_MET_NORWAY_URI=format_server.url,
        WEATHER_ATTEMPT_TIMEOUT="5",
    ) as weather:
        answer = await weather.client.get("/v1/current", params=HERE, headers=JSON)
        assert (answer.status_code, answer.json()["provider"]) == (200, "met-norway")
        assert answer.json()["attribution"] == "Weather data by MET Norway (CC BY 4.0)"


async def test_what_may_pass_is_tried_again(serve: Serve, weather_upstream: WeatherUpstream) -> None:
    weather_upstream.misbehave("status", path="/v1/forecast", status=503, times=2)
    async with serve() as weather:
        assert (await weather.client.get("/v1/current", params=HERE)).status_code == 200
    assert len(weather_upstream.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 501])
async def test_what_will_not_pass_is_not_tried_again(
    serve: Serve, weather_upstream: WeatherUpstream, status: int
) -> None:
    weather_upstream.misbehave("status", status=status)
    async with serve() as weather:
        answer = await weather.client.get("/v1/current", params=HERE)
        assert answer.status_code == 502
        assert answer.json()["detail"] == f"open-meteo answered with status {status}."
    assert len(weather_upstream.requests) == 1


async def test_too_many_requests_is_heeded(serve: Serve, weather_upstream: WeatherUpstream) -> None:
    weather_upstream.misbehave("status", path="/v1/forecast", status=429, retry_after="120", times=1)
    async with serve() as weather:
        assert (await weather.client.get("/v1/current", params=HERE)).status_code == 502
        answer = await weather.client.get("/v1/current", params={**HERE, "latitude": "1"})
        assert answer.status_code == 502
        assert answer.json()["detail"] == "open-meteo asked to be left alone for a while."
        assert 100 < int(answer.headers["Retry-After"]) <= 120
    assert len(weather_upstream.requests) == 1


async def test_a_failing_upstream_is_left_alone(serve: Serve, weather_upstream: WeatherUpstream) -> None:
    weather_upstream.misbehave("reset")
    settings = {"WEATHER_BREAKER_FAILURES": "4", "WEATHER_BREAKER_SECONDS": "600", "WEATHER_ATTEMPTS": "2"}
    async with serve(**settings) as weather:
        for latitude in range(10):
            answer = await weather.client.get("/v1/current", params={**HERE, "latitude": str(latitude)})
            assert answer.status_code == 502
        assert len(weather_upstream.requests) == 4
        assert answer.json()["detail"] == "open-meteo keeps failing."
        assert 500 < int(answer.headers["Retry-After"]) <= 600
        verbose = (await weather.admin.get("/readyz?verbose")).json()
        assert verbose["status"] == "ok"
        assert verbose["checks"]["upstream"]["error"] == "open-meteo keeps failing."


async def test_an_upstream_that_works_again_is_found_again(
    serve: Serve, weather_upstream: WeatherUpstream
) -> None:
    weather_upstream.misbehave("reset")
    async with serve(WEATHER_BREAKER_FAILURES="1", WEATHER_BREAKER_SECONDS="0.1") as weather:
        assert (await weather.client.get("/v1/current", params=HERE)).status_code == 502
        weather_upstream.reset()
        async with asyncio.timeout(30):
            while (await weather.client.get("/v1/current", params=HERE)).status_code != 200:
                await asyncio.sleep(0.05)


async def test_the_budget_is_not_exceeded(serve: Serve, weather_upstream: WeatherUpstream) -> None:
    async with serve(WEATHER_BUDGETS="open-meteo=5") as weather:
        statuses = []
        for latitude in range(12):
            answer = await weather.client.get("/v1/current", params={**HERE, "latitude": str(latitude)})
            statuses.append(answer.status_code)
        assert statuses == [200] * 5 + [503] * 7
        assert answer.json()["detail"] == "open-meteo has been asked as often as it may be."
        assert 0 < int(answer.headers["Retry-After"]) <= 61
        known = await weather.client.get("/v1/current", params={**HERE, "latitude": "0"})
        assert known.status_code == 200
    assert len(weather_upstream.requests) == 5


async def test_the_next_provider_answers_when_a_budget_is_used_up(
    serve: Serve, format_server: FormatServer
) -> None:
    format_server.documents = {MET: met_document()}
    async with serve(
        WEATHER_PROVIDERS="open-meteo,met-norway",
        WEATHER_MET_NORWAY_URI=format_server.url,
        WEATHER_BUDGETS="open-meteo=1",
    ) as weather:
        providers = []
        for latitude in ("1", "2"):
            answer = await weather.client.get(
                "/v1/current", params={**HERE, "latitude": latitude}, headers=JSON
            )
            providers.append(answer.json()["provider"])
        assert providers == ["open-meteo", "met-norway"]


async def test_the_terms_of_met_norway(serve: Serve, format_server: FormatServer) -> None:
    modified = "Sun, 22 Nov 2026 07:00:00 GMT"
    format_server.documents = {MET: met_document()}
    format_server.headers = {
        "Last-Modified": modified,
        "Expires": format_datetime(datetime.now(UTC) + timedelta(minutes=31), usegmt=True),
    }
    async with serve(
        WEATHER_PROVIDERS="met-norway",
        WEATHER_MET_NORWAY_URI=format_server.url,
        WEATHER_CONTACT="weather@example.org",
    ) as weather:
        answer = await weather.client.get("/v1/current", params=HERE)
        assert answer.status_code == 200
        lifetime = int(answer.headers["Cache-Control"].rpartition("=")[2])
        assert 1800 < lifetime <= 1861  # what Expires says
        assert (await weather.client.get("/v1/current", params=HERE)).status_code == 200
        (asked,) = format_server.requests
        assert asked.headers["User-Agent"].endswith(" weather@example.org")
        assert "If-Modified-Since" not in asked.headers
        assert asked.arguments == {"lat": "59.9100", "lon": "10.7500"}

        state: State = weather.context.state
        place = Place(latitude=59.91, longitude=10.75)
        known = await state.weather.report(place)
        again = await state.weather._ask(state.weather.sources[0], place, known)
        assert format_server.requests[-1].headers["If-Modified-Since"] == modified
        assert again.value.hours == known.value.hours
        assert again.fetched > known.fetched
        assert again.last_modified == modified


async def test_no_request_before_expires_whatever_the_settings_say(
    serve: Serve, format_server: FormatServer
) -> None:
    format_server.documents = {MET: met_document()}
    format_server.headers = {
        "Expires": format_datetime(datetime.now(UTC) + timedelta(minutes=31), usegmt=True)
    }
    met = {"WEATHER_PROVIDERS": "met-norway", "WEATHER_MET_NORWAY_URI": format_server.url}
    for lifetime, least in (("0.1", 1800), ("7200", 7200)):
        async with serve(**met, WEATHER_LIFETIME=lifetime) as weather:
            answer = await weather.client.get("/v1/current", params=HERE)
            assert least <= int(answer.headers["Cache-Control"].rpartition("=")[2]) <= least + 61


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Expires", f"Mon, {10**30} Jan 2020 00:00:00 GMT"),
        ("Expires", "Mon, 01 Jan 2020 00:00:00 +9999"),
        ("X-Long", "x" * 100_000),
    ],
)
async def test_odd_headers_are_no_errors_of_ours(
    serve: Serve, format_server: FormatServer, name: str, value: str
) -> None:
    format_server.documents, format_server.headers = {MET: met_document()}, {name: value}
    async with serve(WEATHER_PROVIDERS="met-norway", WEATHER_MET_NORWAY_URI=format_server.url) as weather:
        answer = await weather.client.get("/v1/current", params=HERE)
        if name == "Expires":
            assert answer.status_code == 200
        else:
            detail = "met-norway sent an answer that is cut off, malformed or too large."
            assert (answer.status_code, answer.json()["detail"]) == (502, detail)
    assert len(format_server.requests) == 1


async def test_a_deprecated_version_still_answers_and_is_noticed(
    serve: Serve, format_server: FormatServer, caplog: pytest.LogCaptureFixture
) -> None:
    format_server.documents, format_server.status = {MET: met_document()}, 203
    async with serve(WEATHER_PROVIDERS="met-norway", WEATHER_MET_NORWAY_URI=format_server.url) as weather:
        assert (await weather.client.get("/v1/current", params=HERE)).status_code == 200
    assert "upstream_deprecated" in caplog.text
