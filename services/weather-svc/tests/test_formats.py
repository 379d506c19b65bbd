"""Each provider's documented format, from the answer's bytes to the model, and through the whole service."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from weather_svc.conditions import CODES
from weather_svc.handlers.forecast import coming
from weather_svc.model import Place
from weather_svc.places import Located
from weather_svc.providers import channel_item, met_norway, openweathermap, wttr
from weather_svc.providers.base import BadAnswer, Provider
from weather_svc.providers.channel_item import ChannelItem
from weather_svc.providers.met_norway import MetNorway
from weather_svc.providers.open_meteo import OpenMeteo
from weather_svc.providers.openweathermap import OpenWeatherMap
from weather_svc.providers.wttr import Wttr

if TYPE_CHECKING:
    from conftest import FormatServer, Serve

JSON = {"Accept": "application/json"}
NOW = datetime(2026, 6, 21, 10, 20, tzinfo=UTC)
OSLO = Place(
    latitude=59.913, longitude=10.746, name="Oslo", country_code="NO", timezone="Europe/Oslo", elevation=26.0
)


def met_norway_document(start: datetime = NOW) -> dict[str, Any]:
    """Two days by the hour, then steps of six hours."""
    begin = start.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    steps = []
    for number in range(48):
        moment = begin + timedelta(hours=number)
        steps.append(_met_step(moment, 10 + number % 24 / 2, "next_1_hours", "lightrainshowers_day", 0.4))
    for number in range(8):
        moment = begin + timedelta(hours=48 + 6 * number)
        steps.append(_met_step(moment, 12.0, "next_6_hours", "cloudy", 1.2))
    steps.append(
        {
            "time": _zulu(begin + timedelta(hours=96)),
            "data": {"instant": {"details": {"air_temperature": 9.0}}},
        }
    )
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [10.746, 59.913, 26]},
        "properties": {
            "meta": {
                "updated_at": _zulu(begin),
                "units": {"air_temperature": "celsius", "wind_speed": "m/s"},
            },
            "timeseries": steps,
        },
    }


def _met_step(moment: datetime, degrees: float, period: str, symbol: str, rain: float) -> dict[str, Any]:
    details = {
        "air_pressure_at_sea_level": 1012.3,
        "air_temperature": degrees,
        "cloud_area_fraction": 55.5,
        "relative_humidity": 61.0,
        "wind_from_direction": 181.2,
        "wind_speed": 3.4,
    }
    following = {"summary": {"symbol_code": symbol}, "details": {"precipitation_amount": rain}}
    return {"time": _zulu(moment), "data": {"instant": {"details": details}, period: following}}


def _zulu(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def wttr_document(now: datetime = NOW) -> dict[str, Any]:
    """Three days in steps of three hours, at a place two hours east of Greenwich."""
    local = now + timedelta(hours=2)
    hours = [
        {
            "time": str(300 * number),
            "tempC": str(10 + number),
            "weatherCode": "176",
            "precipMM": "0.3",
            "chanceofrain": "71",
            "humidity": "66",
            "windspeedKmph": "18",
            "winddirDegree": "200",
        }
        for number in range(8)
    ]
    return {
        "current_condition": [
            {
                "FeelsLikeC": "14",
                "cloudcover": "75",
                "humidity": "86",
                "localObsDateTime": local.strftime("%Y-%m-%d %I:%M %p"),
                "observation_time": now.strftime("%I:%M %p"),
                "precipMM": "0.1",
                "pressure": "1017",
                "temp_C": "15",
                "temp_F": "59",
                "weatherCode": "116",
                "weatherDesc": [{"value": "Partly cloudy"}],
                "winddirDegree": "30",
                "windspeedKmph": "36",
            }
        ],
        "weather": [
            {
                "date": (local.date() + timedelta(days=day)).isoformat(),
                "maxtempC": "17",
                "mintempC": "10",
                "astronomy": [{"sunrise": "03:54 AM", "sunset": "No sunset"}],
                "hourly": hours,
            }
            for day in range(3)
        ],
    }


def openweathermap_documents(now: datetime = NOW) -> tuple[dict[str, Any], dict[str, Any]]:
    """The present weather, and five days in steps of three hours."""
    begin = int(now.timestamp()) // 10800 * 10800 + 10800
    current = {
        "coord": {"lon": 10.746, "lat": 59.913},
        "weather": [{"id": 500, "main": "Rain", "description": "light rain", "icon": "10d"}],
        "main": {"temp": 14.6, "feels_like": 14.1, "pressure": 1009, "humidity": 83},
        "visibility": 10000,
        "wind": {"speed": 4.1, "deg": 80, "gust": 7.2},
        "rain": {"1h": 0.5},
        "clouds": {"all": 90},
        "dt": int(now.timestamp()),
        "timezone": 7200,
        "name": "Oslo",
    }
    steps = [
        {
            "dt": begin + 10800 * number,
            "main": {"temp": 10.0 + number % 8, "feels_like": 9.0, "pressure": 1010, "humidity": 70},
            "weather": [{"id": 801, "main": "Clouds", "description": "few clouds", "icon": "02d"}],
            "clouds": {"all": 20},
            "wind": {"speed": 3.0, "deg": 90},
            "pop": 0.25,
            **({"rain": {"3h": 0.6}} if number == 0 else {}),
        }
        for number in range(40)
    ]
    return current, {"cod": "200", "cnt": 40, "list": steps, "city": {"timezone": 7200}}


def channel_document() -> dict[str, Any]:
    """The old format, in the units that it used unless asked otherwise."""
    channel = {
        "units": {"distance": "mi", "pressure": "in", "speed": "mph", "temperature": "F"},
        "wind": {"chill": "57", "direction": "293", "speed": "10"},
        "atmosphere": {"humidity": "52", "pressure": "1005.0", "rising": "0"},
        "item": {
            "condition": {
                "code": "32",
                "date": "Sun, 21 Jun 2026 12:00 PM CEST",
                "temp": "59",
                "text": "Sunny",
            },
            "forecast": [
                {
                    "code": "30",
                    "date": "21 Jun 2026",
                    "day": "Sun",
                    "high": "68",
                    "low": "50",
                    "text": "Fine",
                },
                {"code": "11", "date": "22 Jun 2026", "day": "Mon", "high": "60.8", "low": "48.2"},
            ],
        },
    }
    return {"query": {"count": 1, "created": "2026-06-21T10:19:00Z", "results": {"channel": channel}}}


def test_open_meteo_tells_rain_of_the_hour_that_ends() -> None:
    begin = int(datetime(2026, 6, 21, tzinfo=UTC).timestamp())
    hours = {
        "time": [begin + 3600 * number for number in range(3)],
        "temperature_2m": [10.0, 11.0, 12.0],
        "relative_humidity_2m": [60, 61, 62],
        "precipitation_probability": [5, 50, 90],
        "precipitation": [0.0, 0.4, 2.5],
        "weather_code": [0, 51, 63],
        "wind_speed_10m": [1.0, 2.0, 3.0],
        "wind_direction_10m": [10, 20, 30],
    }
    days: dict[str, list[object]] = {
        name: []
        for name in (
            *("time", "weather_code", "temperature_2m_max", "temperature_2m_min", "sunrise", "sunset"),
            *("precipitation_sum", "precipitation_probability_max", "wind_speed_10m_max"),
        )
    }
    document = {
        "timezone": "GMT",
        "utc_offset_seconds": 0,
        "current": {"time": begin, "temperature_2m": 10.0},
        "hourly": hours,
        "daily": days,
    }
    report = OpenMeteo("https://h").parse([orjson.dumps(document)], OSLO, NOW)
    assert [
        (hour.temperature, hour.condition, hour.precipitation, hour.precipitation_probability)
        for hour in report.hours
    ] == [(10.0, 0, 0.4, 50), (11.0, 51, 2.5, 90), (12.0, 63, None, None)]


def test_met_norway() -> None:
    report = MetNorway("https://api.met.no", "x").parse([orjson.dumps(met_norway_document())], OSLO, NOW)
    assert report.current.model_dump(exclude_none=True) == {
        "time": datetime(2026, 6, 21, 10, tzinfo=UTC),
        "temperature": 10.5,
        "condition": 80,
        "is_day": True,
        "humidity": 61.0,
        "precipitation": 0.4,
        "cloud_cover": 55.5,
        "pressure": 1012.3,
        "wind_speed": 3.4,
        "wind_direction": 181.2,
    }
    assert [hour.hours for hour in report.hours] == [1] * 48 + [6] * 8
    assert [day.date.day for day in report.days] == [21, 22, 23, 24]
    assert report.days[1].precipitation == pytest.approx(24 * 0.4)


def test_met_norway_moves_on_while_nothing_is_modified() -> None:
    provider = MetNorway("https://api.met.no", "x")
    report = provider.parse([orjson.dumps(met_norway_document())], OSLO, NOW)
    later = provider.renew(report, NOW + timedelta(hours=3))
    assert (later.current.time.hour, later.current.temperature) == (13, 12.0)
    assert later.hours == report.hours
    assert provider.renew(report, NOW) == report


def test_wttr() -> None:
    report = Wttr("https://wttr.in").parse([orjson.dumps(wttr_document())], OSLO, NOW)
    assert report.current.time == NOW
    assert (report.current.temperature, report.current.condition) == (15.0, 2)
    assert report.current.wind_speed == 10.0
    assert report.hours[0].time == datetime(2026, 6, 20, 22, tzinfo=UTC)
    assert (report.hours[0].condition, report.hours[0].hours) == (80, 3)
    assert len(report.hours) == 24
    first = report.days[0]
    assert (first.temperature_max, first.precipitation, first.precipitation_probability) == (17.0, 2.4, 71.0)
    assert first.sunrise == datetime(2026, 6, 21, 1, 54, tzinfo=UTC)
    assert first.sunset is None


def test_wttr_around_midnight() -> None:
    shortly_after = datetime(2026, 6, 22, 0, 5, tzinfo=UTC)
    document = wttr_document(datetime(2026, 6, 21, 23, 50, tzinfo=UTC))
    report = Wttr("https://wttr.in").parse([orjson.dumps(document)], OSLO, shortly_after)
    assert report.current.time == datetime(2026, 6, 21, 23, 50, tzinfo=UTC)


def test_openweathermap() -> None:
    answers = [orjson.dumps(document) for document in openweathermap_documents()]
    report = OpenWeatherMap("https://api.openweathermap.org", "k").parse(answers, OSLO, NOW)
    assert (report.current.temperature, report.current.condition, report.current.is_day) == (14.6, 61, True)
    assert (report.current.precipitation, report.current.wind_gusts) == (0.5, 7.2)
    assert (report.hours[0].precipitation, report.hours[0].precipitation_probability) == (0.6, 25)
    assert len(report.hours) == 40
    assert report.days[0].date == date(2026, 6, 21)
    assert [day.date.day for day in report.days] == [21, 22, 23, 24, 25, 26]


def test_channel_item() -> None:
    report = ChannelItem("http://localhost/yql").parse([orjson.dumps(channel_document())], OSLO, NOW)
    assert report.current.time == datetime(2026, 6, 21, 10, 0, tzinfo=UTC)
    assert (report.current.temperature, report.current.condition) == (15.0, 0)
    assert report.current.pressure == 1005.0
    assert report.current.wind_speed == 4.47
    assert [(day.date.day, day.temperature_max, day.temperature_min) for day in report.days] == [
        (21, 20.0, 10.0),
        (22, 16.0, 9.0),
    ]


def test_channel_item_says_its_units() -> None:
    document = channel_document()
    channel = document["query"]["results"]["channel"]
    channel["units"] = {"pressure": "in", "speed": "km/h", "temperature": "C"}
    channel["atmosphere"]["pressure"] = "29.92"
    report = ChannelItem("http://localhost/yql").parse([orjson.dumps(document)], OSLO, NOW)
    assert report.current.temperature == 59.0
    assert report.current.wind_speed == 2.78
    assert report.current.pressure == pytest.approx(1013.2, abs=0.1)


def test_every_code_of_every_provider_has_words() -> None:
    met = [
        f"{strength}{kind}{shower}{thunder}"
        for strength in ("", "light", "heavy")
        for kind in ("rain", "sleet", "snow")
        for shower in ("", "showers")
        for thunder in ("", "andthunder")
    ]
    symbols = ["clearsky_day", "fair_night", "partlycloudy_polartwilight", "cloudy", "fog", *met]
    symbols += ["lightssleetshowersandthunder_day", "lightssnowshowersandthunder_night"]  # as MET spells them
    codes = {met_norway.wmo_code(symbol) for symbol in symbols}
    for table in (wttr._CODES, openweathermap._CODES, channel_item._CODES):
        codes |= set(table.values())
    assert codes <= CODES
    assert met_norway.wmo_code("frogs") is None
    assert openweathermap.wmo_code(211) == 95


@pytest.mark.parametrize(
    "provider",
    [
        OpenMeteo("https://h"),
        MetNorway("https://h", "x"),
        Wttr("https://h"),
        OpenWeatherMap("https://h", "k"),
        ChannelItem("https://h"),
    ],
    ids=lambda provider: provider.name,
)
@pytest.mark.parametrize(
    "answer",
    [b"", b"{}", b"[]", b"null", b"\x00", b'{"current": 1}', b'{"properties": {"timeseries": []}}'],
)
def test_what_is_not_in_the_format_is_refused(provider: Provider, answer: bytes) -> None:
    with pytest.raises((BadAnswer, ValueError)):
        provider.parse([answer, answer], OSLO, NOW)


def test_nonsense_in_the_right_format_is_refused() -> None:
    document = met_norway_document()
    for value in (1e308, -400.0):
        document["properties"]["timeseries"][1]["data"]["instant"]["details"]["air_temperature"] = value
        with pytest.raises(ValueError, match="temperature"):
            MetNorway("https://h", "x").parse([orjson.dumps(document)], OSLO, NOW)


HUGE = 10**30


@pytest.mark.parametrize("value", [HUGE, -HUGE, 10**12, 1e308, "9999-12-31T23:59:59Z", "0001-01-01"])
@pytest.mark.parametrize(
    ("provider", "documents", "path"),
    [
        (MetNorway("https://h", "x"), [met_norway_document()], ("properties", "timeseries", 1, "time")),
        (Wttr("https://h"), [wttr_document()], ("weather", 1, "hourly", 0, "time")),
        (Wttr("https://h"), [wttr_document()], ("weather", 0, "date")),
        (OpenWeatherMap("https://h", "k"), openweathermap_documents(), ("dt",)),
        (OpenWeatherMap("https://h", "k"), openweathermap_documents(), ("timezone",)),
        (ChannelItem("https://h"), [channel_document()], ("query", "created")),
    ],
    ids=lambda value: value.name if isinstance(value, Provider) else None,
)
async def test_numbers_and_times_beyond_all_bounds_are_refused(
    provider: Provider, documents: Sequence[Any], path: tuple[str | int, ...], value: object
) -> None:
    documents = orjson.loads(orjson.dumps(documents))
    at = documents[0]
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    answers = [json.dumps(document).encode() for document in documents]  # orjson knows no such numbers
    here = Place(latitude=1, longitude=1)
    try:
        report = provider.parse(answers, here, NOW)
    except (BadAnswer, ValueError, OverflowError):
        return
    coming(report, Located(here), 16)  # what is taken can be shown


async def test_an_answer_beyond_all_bounds_is_the_upstreams_fault(
    serve: Serve, format_server: FormatServer
) -> None:
    current, forecast = openweathermap_documents(datetime.now(UTC))
    current["dt"] = 2**63  # the largest whole number that the test's server can write is twice that
    format_server.documents = {"/data/2.5/weather": current, "/data/2.5/forecast": forecast}
    async with serve(
        WEATHER_PROVIDERS="openweathermap", WEATHER_OPENWEATHERMAP_URI=format_server.url
    ) as weather:
        answer = await weather.client.get("/v1/current", params={"latitude": "1", "longitude": "1"})
        assert answer.status_code == 502
        assert answer.json()["detail"] == "openweathermap sent an answer that cannot be read."


@pytest.mark.parametrize("hours_east", [-11, 13])
async def test_days_of_coordinates_follow_the_clock_there(
    serve: Serve, format_server: FormatServer, hours_east: int
) -> None:
    """Where the zone is known by its distance from UTC alone, today is today over there."""
    now, east = datetime.now(UTC), timedelta(hours=hours_east)
    current, forecast = openweathermap_documents(now)
    current["timezone"] = hours_east * 3600
    format_server.documents = {"/data/2.5/weather": current, "/data/2.5/forecast": forecast}
    async with serve(
        WEATHER_PROVIDERS="openweathermap", WEATHER_OPENWEATHERMAP_URI=format_server.url
    ) as weather:
        query = {"latitude": "1", "longitude": "1", "days": "1"}
        document = (await weather.client.get("/v1/forecast", params=query, headers=JSON)).json()
    first = datetime.fromtimestamp(forecast["list"][0]["dt"], UTC) + east
    today = [(now + east).date(), (datetime.now(UTC) + east).date()]
    assert document["timezone"] == f"{'-' if hours_east < 0 else '+'}{abs(hours_east):02}:00"
    dates = {day["date"] for day in document["days"]}
    assert dates <= {date.isoformat() for date in today}
    assert dates or first.date() not in today  # late in the day no step of it is left
    for hour in document["hours"]:
        assert (datetime.fromisoformat(hour["time"]) + east).date() in today


def test_places_never_become_hosts() -> None:
    for provider in (
        OpenMeteo("https://h"),
        MetNorway("https://h", "x"),
        Wttr("https://h"),
        OpenWeatherMap("https://h", "k"),
        ChannelItem("https://h"),
    ):
        for request in provider.requests(OSLO):
            assert request.full_url.startswith(("https://h/", "https://h?"))


async def test_each_format_through_the_service(format_server: FormatServer, serve: Serve) -> None:
    now = datetime.now(UTC)
    current, forecast = openweathermap_documents(now)
    format_server.documents = {
        "/weatherapi/locationforecast/2.0/compact": met_norway_document(now),
        "/59.9100,10.7500": wttr_document(now),
        "/data/2.5/weather": current,
        "/data/2.5/forecast": forecast,
        "/yql": channel_document(),
    }
    addresses = {
        "WEATHER_MET_NORWAY_URI": format_server.url,
        "WEATHER_WTTR_URI": format_server.url,
        "WEATHER_OPENWEATHERMAP_URI": format_server.url,
        "WEATHER_CHANNEL_URI": f"{format_server.url}/yql",
    }
    place = {"latitude": "59.91", "longitude": "10.75"}
    sentences = {
        "met-norway": "Currently 10 degrees and slight rain showers at 59.91, 10.75\n",
        "wttr": "Currently 15 degrees and partly cloudy at 59.91, 10.75\n",
        "openweathermap": "Currently 15 degrees and slight rain at 59.91, 10.75\n",
        "channel-item": "Currently 15 degrees and clear sky at 59.91, 10.75\n",
    }
    for provider, sentence in sentences.items():
        async with serve(WEATHER_PROVIDERS=provider, **addresses) as weather:
            answer = await weather.client.get("/v1/current", params=place)
            assert (answer.status_code, answer.text) == (200, sentence)
            document = await weather.client.get("/v1/forecast", params=place, headers=JSON)
            assert document.json()["provider"] == provider
            assert document.json()["simulated"] is False
    assert format_server.requests[2].headers["User-Agent"].startswith("storefronts-weather-svc/")
