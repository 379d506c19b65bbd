"""The simulated weather upstream: its formats, and every way in which it can go wrong."""

from __future__ import annotations

import gzip
import http.client
import json
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from devstack.weather import places
from devstack.weather.climate import sun, sun_height, weather
from devstack.weather.formats import HOURLY, BadRequest, Json, forecast, geocode, get_place
from devstack.weather.troubles import TROUBLES
from devstack.weather.upstream import WeatherUpstream

NOW = datetime(2026, 6, 21, 10, 20, tzinfo=UTC)
BERLIN = {"latitude": "52.52", "longitude": "13.41"}


def ask(**arguments: str) -> dict[str, Any]:
    """Ask for the weather of Berlin."""
    answer = forecast({name: [value] for name, value in {**BERLIN, **arguments}.items()}, NOW)
    assert isinstance(answer, dict)
    return answer


def names(answer: Json) -> list[tuple[object, object]]:
    results = answer["results"]
    assert isinstance(results, list)
    return [(result["name"], result["country_code"]) for result in results]


# The formats.


def test_forecast_describes_the_place() -> None:
    assert ask(timezone="auto") == {
        "latitude": 52.52,
        "longitude": 13.41,
        "generationtime_ms": 0.1,
        "utc_offset_seconds": 7200,
        "timezone": "Europe/Berlin",
        "timezone_abbreviation": "CEST",
        "elevation": 74.0,
    }


def test_current_has_units_and_quarter_hours() -> None:
    answer = ask(current="temperature_2m,weather_code,is_day,wind_speed_10m")
    assert answer["current_units"] == {
        "time": "iso8601",
        "interval": "seconds",
        "temperature_2m": "°C",
        "weather_code": "wmo code",
        "is_day": "",
        "wind_speed_10m": "km/h",
    }
    assert answer["current"]["time"] == "2026-06-21T10:15"
    assert answer["current"]["interval"] == 900
    assert answer["current"]["is_day"] == 1


def test_current_answers_every_known_variable() -> None:
    answer = ask(current=",".join(HOURLY))
    assert set(HOURLY) < set(answer["current"])
    assert set(HOURLY) < set(answer["current_units"])


def test_hourly_has_24_entries_a_day_and_as_many_values() -> None:
    hourly = ask(hourly="temperature_2m,precipitation", timezone="Asia/Kathmandu", forecast_days="2")[
        "hourly"
    ]
    assert hourly["time"][0] == "2026-06-21T00:00"
    assert [len(column) for column in hourly.values()] == [48, 48, 48]


def test_daily_summarizes_the_hours() -> None:
    answer = ask(
        hourly="temperature_2m,precipitation",
        daily="temperature_2m_max,temperature_2m_min,precipitation_sum,sunrise,daylight_duration",
        timezone="Europe/Berlin",
    )
    daily, hours = answer["daily"], answer["hourly"]["temperature_2m"]
    assert daily["time"] == [f"2026-06-{day}" for day in range(21, 28)]
    numbers = [float(str(hour)) for hour in hours[:24]]
    assert (daily["temperature_2m_max"][0], daily["temperature_2m_min"][0]) == (max(numbers), min(numbers))
    # Astronomy is real: sunrise at 04:43, 16 h 50 min of light.
    assert str(daily["sunrise"][0]).startswith("2026-06-21T04:")
    assert float(str(daily["daylight_duration"][0])) == pytest.approx(16.8 * 3600, rel=0.02)


def test_a_place_by_its_id() -> None:
    berlin = next(place for place in places.PLACES if place.name == "Berlin")
    found = get_place({"id": [str(berlin.id)]})
    assert found is not None
    assert (found["name"], found["timezone"]) == ("Berlin", "Europe/Berlin")
    assert get_place({"id": ["1"]}) is None
    with pytest.raises(BadRequest, match="'id' is required"):
        get_place({})


def test_units_can_be_chosen() -> None:
    usual = ask(current="temperature_2m,wind_speed_10m")["current"]
    other = ask(current="temperature_2m,wind_speed_10m", temperature_unit="fahrenheit", wind_speed_unit="ms")
    assert other["current_units"]["temperature_2m"] == "°F"
    assert other["current_units"]["wind_speed_10m"] == "m/s"
    celsius = float(str(usual["temperature_2m"]))
    assert float(str(other["current"]["temperature_2m"])) == pytest.approx(celsius * 1.8 + 32, abs=0.06)


def test_unix_time() -> None:
    answer = ask(current="temperature_2m", daily="sunset", timezone="Europe/Berlin", timeformat="unixtime")
    assert answer["current"]["time"] == NOW.timestamp() - 5 * 60
    assert answer["daily"]["time"][0] == int(datetime(2026, 6, 20, 22, tzinfo=UTC).timestamp())
    assert answer["daily_units"]["sunset"] == "unixtime"


def test_dates_can_be_chosen() -> None:
    daily = ask(daily="weather_code", timezone="GMT", start_date="2026-06-19", end_date="2026-06-20")["daily"]
    assert daily["time"] == ["2026-06-19", "2026-06-20"]


def test_several_places_give_a_list() -> None:
    answer = forecast({"latitude": ["52.5,48.1"], "longitude": ["13.4,11.6"]}, NOW)
    assert isinstance(answer, list)
    assert [place["latitude"] for place in answer] == [52.5, 48.1]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"latitude": "95"}, "Latitude must be in range of -90 to 90°. Given: 95.0."),
        ({"longitude": "nan"}, "Longitude must be in range of -180 to 180°. Given: nan."),
        ({"latitude": "north"}, "Parameter 'latitude' is not a number."),
        ({"latitude": "1,2"}, "must have the same number of elements"),
        ({"current": "warmth"}, "Cannot initialize CurrentVariable from invalid String value warmth."),
        ({"forecast_days": "17", "hourly": "rain"}, "Allowed range 0 to 16. Given 17."),
        ({"forecast_days": "many", "hourly": "rain"}, "Parameter 'forecast_days' is not an integer."),
        ({"timezone": "Mars/Olympus"}, "Invalid timezone"),
        ({"timezone": "../../etc/passwd"}, "Invalid timezone"),
        ({"daily": "sunrise"}, "Timezone is required"),
        ({"wind_speed_unit": "knots"}, "invalid String value knots"),
        ({"start_date": "2026-06-19", "hourly": "rain"}, "Both 'start_date' and 'end_date' must be set"),
        ({"start_date": "1826-06-19", "end_date": "2026-06-19", "hourly": "rain"}, "out of allowed range"),
    ],
)
def test_bad_requests_get_the_reason(arguments: dict[str, str], reason: str) -> None:
    with pytest.raises(BadRequest) as caught:
        ask(**arguments)
    assert reason in str(caught.value)


def test_geocoding_puts_the_largest_first() -> None:
    assert names(geocode({"name": ["Paris"]})) == [("Paris", "FR"), ("Paris", "US")]
    assert names(geocode({"name": ["Paris"], "countryCode": ["us"]})) == [("Paris", "US")]
    assert len(names(geocode({"name": ["springfield"]}))) == 3
    assert names(geocode({"name": ["springfield"], "count": ["1"]})) == [("Springfield", "US")]


@pytest.mark.parametrize(
    ("name", "found"), [("Zurich", "Zürich"), ("münchen", "München"), ("sao p", "São Paulo")]
)
def test_geocoding_is_generous(name: str, found: str) -> None:
    assert names(geocode({"name": [name]}))[0][0] == found


def test_geocoding_without_a_match_has_no_results() -> None:
    assert geocode({"name": ["Atlantis"]}) == {"generationtime_ms": 0.5}
    assert geocode({"name": ["B"]}) == {"generationtime_ms": 0.5}


@pytest.mark.parametrize(
    "arguments", [{}, {"name": ["Rome"], "count": ["0"]}, {"name": ["Rome"], "count": ["x"]}]
)
def test_geocoding_refuses(arguments: dict[str, list[str]]) -> None:
    with pytest.raises(BadRequest):
        geocode(arguments)


# The weather.


def test_the_weather_is_the_same_when_asked_again() -> None:
    assert ask(current=",".join(HOURLY)) == ask(current=",".join(HOURLY))


def test_the_weather_is_plausible_everywhere_and_always() -> None:
    for place in places.PLACES:
        for day in range(0, 365, 13):
            here = weather(
                place.latitude, place.longitude, place.elevation, NOW + timedelta(days=day, hours=day)
            )
            assert -45 < here.temperature < 50, (place, day)
            assert 0 <= here.humidity <= 100
            assert 0 <= here.wind_direction < 360
            assert 0 <= here.wind_speed <= here.wind_gusts < 120
            assert here.dew_point <= here.temperature


def test_summers_are_warmer_than_winters_on_both_halves_of_the_earth() -> None:
    def mean(latitude: float, month: int) -> float:
        days = [datetime(2026, month, day, 12, tzinfo=UTC) for day in range(1, 29)]
        return sum(weather(latitude, 0, 0, day).temperature for day in days) / len(days)

    assert mean(50, 7) > mean(50, 1) + 10
    assert mean(-35, 1) > mean(-35, 7) + 5


def test_the_sun_crosses_the_horizon_at_sunrise_and_sunset() -> None:
    for place in places.PLACES:
        light = sun(place.latitude, place.longitude, NOW)
        assert light.rise is not None
        assert light.set is not None
        assert abs(sun_height(place.latitude, place.longitude, light.rise)) < 0.01, place
        assert abs(sun_height(place.latitude, place.longitude, light.set)) < 0.01, place


def test_the_sun_stays_up_at_the_pole() -> None:
    assert sun(89, 0, NOW).daylight == 86400
    assert sun(-89, 0, NOW).daylight == 0


# The server.


def get(upstream: WeatherUpstream, path: str = "/v1/forecast", **arguments: str) -> http.client.HTTPResponse:
    query = urlencode({**BERLIN, "current": "temperature_2m", **arguments})
    answer = urllib.request.urlopen(f"{upstream.url}{path}?{query}", timeout=60)  # noqa: S310
    assert isinstance(answer, http.client.HTTPResponse)
    return answer


def failing(upstream: WeatherUpstream, **arguments: str) -> urllib.error.HTTPError:
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(upstream, **arguments)
    return caught.value


def test_server_answers_and_marks_its_answers(weather_upstream: WeatherUpstream) -> None:
    with get(weather_upstream) as answer:
        assert answer.headers["X-Simulated"] == "true"
        assert "temperature_2m" in json.load(answer)["current"]
    with get(weather_upstream, "/v1/search", name="Oslo") as answer:
        assert json.load(answer)["results"][0]["country_code"] == "NO"
    assert [request.path for request in weather_upstream.requests] == ["/v1/forecast", "/v1/search"]
    assert weather_upstream.requests[1].arguments["name"] == ["Oslo"]


def test_server_reports_errors_in_the_service_s_format(weather_upstream: WeatherUpstream) -> None:
    with failing(weather_upstream, latitude="95") as error:
        assert (error.code, error.headers["X-Simulated"]) == (400, "true")
        assert json.load(error) == {
            "error": True,
            "reason": "Latitude must be in range of -90 to 90°. Given: 95.0.",
        }
    with pytest.raises(urllib.error.HTTPError) as caught, get(weather_upstream, "/v1/nothing"):
        pass
    with caught.value as error:
        assert error.code == 404


def test_troubles_end_with_reset_and_with_their_number(weather_upstream: WeatherUpstream) -> None:
    weather_upstream.misbehave("status", status=429, retry_after="3", times=2)
    for _ in range(2):
        with failing(weather_upstream) as error:
            assert (error.code, error.headers["Retry-After"]) == (429, "3")
    get(weather_upstream).close()
    assert len(weather_upstream.requests) == 3
    weather_upstream.misbehave("status", status=500)
    failing(weather_upstream).close()
    weather_upstream.reset()
    get(weather_upstream).close()
    assert len(weather_upstream.requests) == 1


def test_troubles_can_be_limited_to_an_endpoint(weather_upstream: WeatherUpstream) -> None:
    weather_upstream.misbehave("status", path="/v1/forecast", status=503)
    get(weather_upstream, "/v1/search", name="Oslo").close()
    failing(weather_upstream).close()


def test_trouble_reset_breaks_the_connection(weather_upstream: WeatherUpstream) -> None:
    weather_upstream.misbehave("reset")
    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        get(weather_upstream)


def test_trouble_hang_lasts_until_the_client_gives_up(weather_upstream: WeatherUpstream) -> None:
    weather_upstream.misbehave("hang")
    with pytest.raises(TimeoutError):
        urllib.request.urlopen(f"{weather_upstream.url}/v1/forecast", timeout=0.2)  # noqa: S310


def test_trouble_truncated_sends_less_than_announced(weather_upstream: WeatherUpstream) -> None:
    weather_upstream.misbehave("truncated")
    with get(weather_upstream) as answer, pytest.raises(http.client.IncompleteRead):
        answer.read()


@pytest.mark.parametrize(
    ("trouble", "valid"), [("cut_json", False), ("wrong_types", True), ("huge", True), ("gzip_bomb", False)]
)
def test_troubles_with_a_complete_answer(
    weather_upstream: WeatherUpstream, trouble: str, valid: bool
) -> None:
    weather_upstream.misbehave(trouble, size=3_000_000)
    with get(weather_upstream) as answer:
        content = answer.read()
    if trouble == "gzip_bomb":
        assert len(content) < 10_000
        assert gzip.decompress(content) == b" " * 3_000_000
    elif valid:
        assert json.loads(content)
    else:
        with pytest.raises(json.JSONDecodeError):
            json.loads(content)
    if trouble == "huge":
        assert len(content) > 3_000_000


def test_trouble_body_sends_what_the_test_gives(weather_upstream: WeatherUpstream) -> None:
    weather_upstream.misbehave("body", body=b"<html>", content_type="text/html")
    with get(weather_upstream) as answer:
        assert (answer.read(), answer.headers["Content-Type"]) == (b"<html>", "text/html")


def test_trouble_slow_never_ends_by_itself(weather_upstream: WeatherUpstream) -> None:
    weather_upstream.misbehave("slow")
    with get(weather_upstream) as answer:
        assert answer.read(3) == b"   "
        weather_upstream.reset()
        assert answer.read().strip() == b"{}"


def test_trouble_redirect_leads_to_a_page_that_is_counted(weather_upstream: WeatherUpstream) -> None:
    weather_upstream.misbehave("redirect", times=1)
    with pytest.raises(urllib.error.HTTPError) as caught:  # urllib follows
        get(weather_upstream)
    caught.value.close()
    assert [request.path for request in weather_upstream.requests] == ["/v1/forecast", "/secret"]


def test_an_unknown_trouble_is_refused(weather_upstream: WeatherUpstream) -> None:
    with pytest.raises(ValueError, match="no such trouble: storm"):
        weather_upstream.misbehave("storm")
    assert "hang" in TROUBLES


def test_the_program_serves_until_it_is_told_to_stop() -> None:
    command = [sys.executable, "-m", "devstack.weather"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with urllib.request.urlopen(f"{url}/v1/search?name=Oslo", timeout=60) as answer:  # noqa: S310
            assert json.load(answer)["results"]
        process.terminate()
        assert process.wait(60) == 0


def test_the_program_names_a_port_in_use(weather_upstream: WeatherUpstream) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "devstack.weather", "--port", str(weather_upstream.port)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr == f"cannot listen on port {weather_upstream.port}: Address already in use\n"
