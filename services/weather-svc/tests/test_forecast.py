"""``GET /v1/forecast`` in all its forms."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from PIL import Image

from devstack.weather.upstream import WeatherUpstream

if TYPE_CHECKING:
    from conftest import Serve

JSON = {"Accept": "application/json"}
LINE = re.compile(r"\d{4}-\d\d-\d\d +-?\d+ … +-?\d+ °C +[\d.]+ mm  [a-z ]+")


async def test_a_line_for_each_day(serve: Serve) -> None:
    async with serve() as weather:
        answer = await weather.client.get("/v1/forecast", params={"days": "3"})
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        title, *days, note = answer.text.splitlines()
        assert title == "Forecast for Berlin, DE"
        assert len(days) == 3
        assert all(LINE.fullmatch(day) for day in days)
        assert note == "(simulated)"


@pytest.mark.parametrize("days", [1, 7, 16])
async def test_days_and_hours_as_json(serve: Serve, days: int) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    today = [datetime.now(berlin).date().isoformat()]
    async with serve() as weather:
        answer = await weather.client.get("/v1/forecast", params={"days": str(days)}, headers=JSON)
        document = answer.json()
    today.append(datetime.now(berlin).date().isoformat())  # another one, around midnight
    assert document["timezone"] == "Europe/Berlin"
    assert document["days"][0]["date"] in today
    assert len(document["days"]) == days
    assert len(document["hours"]) in (days * 24 - 1, days * 24, days * 24 + 1)  # the clocks may change
    first = document["days"][0]
    assert first["temperature_min"]["value"] <= first["temperature_max"]["value"]
    assert first["precipitation"]["unit"] == "mm"
    assert first["sunrise"] < first["sunset"]
    assert set(document["hours"][0]) == {
        "time",
        "hours",
        "condition",
        "temperature",
        "precipitation",
        "precipitation_probability",
        "humidity",
        "wind_speed",
        "wind_direction",
    }
    assert (document["provider"], document["simulated"], document["stale"]) == ("open-meteo", True, False)


@pytest.mark.parametrize("days", ["0", "17", "-1", "x", "", "1.5"])
async def test_days_out_of_range(serve: Serve, weather_upstream: WeatherUpstream, days: str) -> None:
    async with serve() as weather:
        answer = await weather.client.get("/v1/forecast", params={"days": days})
        assert answer.status_code == 400
        assert answer.json()["detail"] == "days must be a whole number from 1 to 16."
    assert weather_upstream.requests == []


async def test_imperial_units_and_words_in_german(serve: Serve) -> None:
    async with serve() as weather:
        query = {"units": "imperial", "lang": "de", "days": "2"}
        document = (await weather.client.get("/v1/forecast", params=query, headers=JSON)).json()
        assert document["days"][0]["temperature_max"]["unit"] == "°F"
        assert document["days"][0]["precipitation"]["unit"] == "in"
        assert document["days"][0]["wind_speed_max"]["unit"] == "mph"
        text = (await weather.client.get("/v1/forecast", params=query)).text
        assert text.startswith("Vorhersage für Berlin, DE\n")
        assert text.endswith("(simuliert)\n")


async def test_the_chart_as_svg(serve: Serve) -> None:
    async with serve() as weather:
        by_address = await weather.client.get("/v1/forecast.svg", headers={"Accept": "*/*"})
        by_accept = await weather.client.get("/v1/forecast", headers={"Accept": "image/svg+xml"})
        assert by_address.headers["Content-Type"] == "image/svg+xml"
        assert by_address.content == by_accept.content
        texts = svg_texts(by_address.text)
        assert "Berlin, DE" in texts
        assert "Temperature (°C)" in texts
        assert any(text.startswith("SIMULATED DATA") for text in texts)
        assert "default-src 'none'" in by_address.headers["Content-Security-Policy"]
        tag = by_address.headers["ETag"]
        again = await weather.client.get("/v1/forecast.svg", headers={"If-None-Match": tag})
        assert again.status_code == 304


async def test_the_chart_as_png(serve: Serve) -> None:
    async with serve() as weather:
        answer = await weather.client.get("/v1/forecast.png", params={"units": "imperial", "days": "2"})
        assert answer.headers["Content-Type"] == "image/png"
        with Image.open(io.BytesIO(answer.content)) as picture:
            assert picture.format == "PNG"
            assert picture.size == (1080, 432)


async def test_no_other_media_type(serve: Serve) -> None:
    async with serve() as weather:
        answer = await weather.client.get("/v1/forecast", headers={"Accept": "image/webp"})
        assert answer.status_code == 406


def svg_texts(svg: str) -> set[str]:
    """All text elements of an SVG."""
    tree = ET.fromstring(svg)  # noqa: S314
    return {"".join(element.itertext()).strip() for element in tree.iter("{http://www.w3.org/2000/svg}text")}
