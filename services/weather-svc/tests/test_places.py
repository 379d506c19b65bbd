"""Finding places: what people type, the choice among answers, and ``GET /v1/places``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devstack.weather import places as simulated
from devstack.weather.upstream import WeatherUpstream
from weather_svc.model import Place
from weather_svc.places import BadPlace, CityName, choose, parse_city, parse_search, search_request

if TYPE_CHECKING:
    from conftest import FormatServer, Serve

JSON = {"Accept": "application/json"}


def place(name: str, region: str, code: str, population: int | None) -> Place:
    country = {"US": "United States", "DE": "Germany"}[code]
    return Place(
        latitude=0,
        longitude=0,
        name=name,
        region=region,
        country=country,
        country_code=code,
        population=population,
    )


SPRINGFIELDS = (
    place("Springfield", "Illinois", "US", 116565),
    place("Springfield", "Missouri", "US", 169176),
    place("Springfield", "Île", "DE", None),
    place("Springfield Gardens", "New York", "US", 9000000),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Berlin", CityName("Berlin")),
        (" Berlin , de ", CityName("Berlin", "DE")),
        ("Berlin,Germany", CityName("Berlin", "", ("Germany",))),
        ("Springfield, Illinois, US", CityName("Springfield", "US", ("Illinois",))),
        ("São Paulo,,BR", CityName("São Paulo", "BR")),
        ("东京", CityName("东京")),
    ],
)
def test_what_people_type(text: str, expected: CityName) -> None:
    assert parse_city(text) == expected


@given(st.text(max_size=200))
def test_whatever_is_typed_is_a_name_or_refused(text: str) -> None:
    try:
        city = parse_city(text)
    except BadPlace:
        return
    request = search_request("https://geocoding.example", city, "en")
    assert request.full_url.startswith("https://geocoding.example/v1/search?name=")
    assert city.name


def test_the_largest_is_meant_and_the_others_are_told() -> None:
    found = choose(SPRINGFIELDS, parse_city("springfield"))
    assert found is not None
    assert found.place.region == "Missouri"
    assert [other.region for other in found.alternatives] == ["Illinois", "Île"]


def test_a_region_or_country_decides() -> None:
    for text, region in (
        ("Springfield,Illinois", "Illinois"),
        ("Springfield,Germany", "Île"),
        ("Springfield,ile", "Île"),
        ("Springfield,illinois,US", "Illinois"),
    ):
        found = choose(SPRINGFIELDS, parse_city(text))
        assert found is not None
        assert (found.place.region, found.alternatives) == (region, ())
    assert choose(SPRINGFIELDS, parse_city("Springfield,Bavaria")) is None


def test_a_place_known_by_another_name_is_taken() -> None:
    munich = Place(latitude=48, longitude=11, name="Munich", country_code="DE", population=1260391)
    found = choose([munich], parse_city("München"))
    assert found is not None
    assert found.place is munich


def test_names_are_made_harmless() -> None:
    body = orjson.dumps({"results": [{"id": 1, "name": "A\x1b[31m\nB", "latitude": 1, "longitude": 2}]})
    assert parse_search(body)[0].name == "A[31mB"


async def test_places_by_the_beginning_of_a_name(serve: Serve, weather_upstream: WeatherUpstream) -> None:
    async with serve() as weather:
        for _ in range(2):
            found = (await weather.client.get("/v1/places", params={"q": "Ber"})).json()["places"]
        assert [item["country_code"] for item in found] == ["DE", "US"]
        assert found[0] == {
            "id": found[0]["id"],
            "name": "Berlin",
            "region": "State of Berlin",
            "country": "Germany",
            "country_code": "DE",
            "latitude": 52.524,
            "longitude": 13.411,
            "elevation": 74.0,
            "timezone": "Europe/Berlin",
            "population": 3426354,
        }
        one = (await weather.client.get("/v1/places", params={"q": "Ber", "limit": "1"})).json()["places"]
        assert one == found[:1]
        none = await weather.client.get("/v1/places", params={"q": "Qwertzuiop"})
        assert (none.status_code, none.json()) == (200, {"places": []})
    assert len(weather_upstream.requests) == 2


async def test_another_spelling_is_another_question(serve: Serve, weather_upstream: WeatherUpstream) -> None:
    async with serve() as weather:
        for name in ("Zurich", "Zürich", "ZÜRICH", "かも", "がも"):  # the last two differ in a mark alone
            await weather.client.get("/v1/places", params={"q": name})
    asked = [request.arguments["name"] for request in weather_upstream.requests]
    assert asked == [["Zurich"], ["Zürich"], ["かも"], ["がも"]]


async def test_what_was_looked_for_in_vain_is_said(serve: Serve) -> None:
    async with serve() as weather:
        answer = await weather.client.get("/v1/current", params={"city": "Berlin, Texas, NO"})
        assert (answer.status_code, answer.json()["detail"]) == (
            404,
            "There is no place called Berlin in Texas, NO.",
        )


async def test_days_asked_for_by_name_are_those_of_the_place(
    serve: Serve, format_server: FormatServer
) -> None:
    """Also where somebody has asked for the same spot by its coordinates, which tell no zone."""
    begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    period = {"summary": {"symbol_code": "cloudy"}, "details": {}}
    steps = [
        {
            "time": (begin + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "data": {"instant": {"details": {"air_temperature": hour}}, "next_1_hours": period},
        }
        for hour in range(72)
    ]
    answer = {"properties": {"timeseries": steps}}
    format_server.documents["/weatherapi/locationforecast/2.0/compact"] = answer
    tokyo = next(known for known in simulated.PLACES if known.name == "Tokyo")
    spot = {"latitude": f"{tokyo.latitude:.2f}", "longitude": f"{tokyo.longitude:.2f}"}
    async with serve(WEATHER_PROVIDERS="met-norway", WEATHER_MET_NORWAY_URI=format_server.url) as weather:
        by_spot = (await weather.client.get("/v1/forecast", params=spot, headers=JSON)).json()
        by_name = (await weather.client.get("/v1/forecast", params={"city": "Tokyo"}, headers=JSON)).json()
    assert (by_spot["timezone"], by_name["timezone"]) == ("UTC", "Asia/Tokyo")
    # In this weather it grows warmer by the hour, so that a day is coldest when it begins
    begins = {
        datetime.fromisoformat(hour["time"]).astimezone(ZoneInfo("Asia/Tokyo")).hour
        for hour in by_name["hours"]
        if hour["temperature"] == by_name["days"][1]["temperature_min"]
    }
    assert begins == {0}


@pytest.mark.parametrize("query", [{}, {"q": ""}, {"q": "x" * 101}, {"q": "a", "limit": "51"}])
async def test_bad_searches(serve: Serve, query: dict[str, str]) -> None:
    async with serve() as weather:
        assert (await weather.client.get("/v1/places", params=query)).status_code == 400


async def test_a_place_by_its_id(serve: Serve) -> None:
    number = next(known.id for known in simulated.PLACES if known.name == "Oslo")
    async with serve() as weather:
        answer = await weather.client.get("/v1/current", params={"place": str(number)})
        assert answer.text.splitlines()[0].endswith(" in Oslo, NO")
        unknown = await weather.client.get("/v1/current", params={"place": "1"})
        assert (unknown.status_code, unknown.json()["detail"]) == (404, "There is no place with the id 1.")
        for wrong in ("0", "-5", "x", "99999999999999999"):
            assert (await weather.client.get("/v1/current", params={"place": wrong})).status_code == 400


async def test_an_ambiguous_name_says_so_in_the_text(serve: Serve) -> None:
    async with serve() as weather:
        text = (await weather.client.get("/v1/current", params={"city": "Springfield"})).text
        others = "Springfield, Massachusetts, US; Springfield, Illinois, US"
        assert text.splitlines()[2] == f"(the largest place of this name; others: {others})"
        document = (
            await weather.client.get("/v1/current", params={"city": "Springfield"}, headers=JSON)
        ).json()
        assert document["place"]["region"] == "Missouri"
        assert len(document["alternatives"]) == 2
