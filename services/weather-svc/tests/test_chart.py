"""The picture, and the one of simulated weather that the documents show."""

from __future__ import annotations

import asyncio
import os
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from devstack.weather import places
from devstack.weather.climate import weather
from svc_common import Unavailable
from weather_svc.model import Hour
from weather_svc.render.chart import Chart, draw
from weather_svc.render.pool import ChartPool
from weather_svc.units import System

DOCUMENT = Path(__file__).parents[3] / "docs" / "weather-forecast.svg"
SVG = "{http://www.w3.org/2000/svg}"
ZONE = ZoneInfo("Europe/Berlin")
NOTE = "SIMULATED DATA · drawn by weather-svc's tests"


def simulated_hours(days: int, step: int = 1) -> list[Hour]:
    """The simulated weather of Berlin from a fixed midnight on."""
    berlin = places.search("Berlin", 1)[0]
    begin = datetime(2026, 4, 13, tzinfo=ZONE).astimezone(UTC)
    hours = []
    for number in range(0, 24 * days, step):
        moment = begin + timedelta(hours=number)
        now = weather(berlin.latitude, berlin.longitude, berlin.elevation, moment)
        hours.append(
            Hour(time=moment, hours=step, temperature=now.temperature, precipitation=now.precipitation * step)
        )
    return hours


def chart(days: int = 7, title: str = "Berlin, DE", system: System = "metric", language: str = "en") -> Chart:
    return Chart(simulated_hours(days), title, NOTE, ZONE, system, language)


def texts(svg: bytes) -> list[str]:
    """The text elements in the order of the document."""
    tree = ET.fromstring(svg)  # noqa: S314
    return ["".join(element.itertext()).strip() for element in tree.iter(f"{SVG}text")]


def test_the_picture_in_the_documents() -> None:
    """Drawn anew it says the same. ``UPDATE_DOCS=1`` writes it."""
    picture = draw(chart(), png=False)
    if os.environ.get("UPDATE_DOCS") == "1":
        DOCUMENT.write_bytes(picture)
    assert texts(DOCUMENT.read_bytes()) == texts(picture)
    assert NOTE in texts(picture)


def test_what_the_picture_shows() -> None:
    svg = draw(chart(), png=False)
    found = texts(svg)
    days = [text for text in found if text[-3:] in (" 13", " 14", " 15", " 16", " 17", " 18", " 19")]
    assert days == ["Mon 13", "Tue 14", "Wed 15", "Thu 16", "Fri 17", "Sat 18", "Sun 19"]
    for text in ("Berlin, DE", "Temperature (°C)", "Precipitation (mm/h)"):
        assert text in found
    tree = ET.fromstring(svg)  # noqa: S314
    line = tree.find(f".//{SVG}g[@class='series serie-0 color-0']/{SVG}path")
    assert line is not None
    points = [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", line.attrib["d"])]
    hours = simulated_hours(7)
    assert len(points) == len(hours)
    heights = [y for _, y in points]
    temperatures = [hour.temperature for hour in hours]
    assert points[heights.index(min(heights))] == points[temperatures.index(max(temperatures))]
    assert points[heights.index(max(heights))] == points[temperatures.index(min(temperatures))]
    left, right = points[0][0], points[-1][0]
    for number, (x, _) in enumerate(points):
        assert x == pytest.approx(left + (right - left) * number / (len(hours) - 1))


def test_rain_stands_on_the_axis_and_reads_on_its_own_scale() -> None:
    tree = ET.fromstring(draw(chart(), png=False))  # noqa: S314
    bars = tree.find(f".//{SVG}g[@class='series serie-1 color-1']/{SVG}path")
    assert bars is not None
    heights = [float(y) for _, y in re.findall(r"([\d.]+) ([\d.]+)", bars.attrib["d"])]
    marks = {}
    for mark in tree.findall(f".//{SVG}g[@class='axis y2']//{SVG}text"):
        marks[float(mark.text or "")] = float(mark.attrib["y"])
    zero, one = marks[0], marks[1]
    highest = max((hour.precipitation or 0.0) for hour in simulated_hours(7))
    # The labels' text stands a little below their line; the distances are those of the scale
    assert (max(heights) - min(heights)) / (zero - one) == pytest.approx(highest)


@pytest.mark.parametrize("days", [1, 3, 10, 16])
def test_every_length_has_a_readable_axis(days: int) -> None:
    found = texts(draw(chart(days), png=False))
    labels = [text for text in found if text[:4] in ("Mon ", "Tue ", "Wed ", "Thu ", "Fri ", "Sat ", "Sun ")]
    assert 1 <= len(labels) <= 10


@pytest.mark.parametrize("temperature", [-40.0, 0.0, 21.5])
def test_weather_that_does_not_change_is_a_line_in_the_middle(temperature: float) -> None:
    begin = datetime(2026, 4, 13, tzinfo=UTC)
    hours = [Hour(time=begin + timedelta(hours=hour), temperature=temperature) for hour in range(24)]
    tree = ET.fromstring(draw(Chart(hours, "x", "", UTC, "metric", "en"), png=False))  # noqa: S314
    marks = [
        float(mark.text or "") for mark in tree.findall(f".//{SVG}g[@class='axis y always_show']//{SVG}text")
    ]
    assert min(marks) < temperature < max(marks)
    assert len(marks) <= 8


def test_the_same_chart_gives_the_same_bytes() -> None:
    assert draw(chart(), png=False) == draw(chart(), png=False)
    assert draw(chart(), png=True) == draw(chart(), png=True)


def test_names_are_text_and_nothing_else() -> None:
    name = "$\\frac{1}{0}$ <script>alert(1)</script> & “東京”"
    assert name in texts(draw(chart(title=name), png=False))
    assert b"<script" not in draw(chart(title=name), png=False)
    assert "Berlin" in texts(draw(chart(title="Ber\x00\x1blin"), png=False))


def test_other_units_and_languages() -> None:
    found = texts(draw(chart(system="imperial", language="de"), png=False))
    assert "Temperatur (°F)" in found
    assert "Niederschlag (in/h)" in found
    assert "Mo 13" in found


def test_one_hour_without_rain_can_be_drawn() -> None:
    hour = Hour(time=datetime(2026, 4, 13, tzinfo=UTC), temperature=3.0)
    assert draw(Chart([hour], "x", "", UTC, "metric", "fr"), png=True).startswith(b"\x89PNG")


async def test_one_drawing_for_all_who_ask_and_a_limit_for_those_who_wait() -> None:
    pool = ChartPool()
    hour = Hour(time=datetime(2026, 4, 13, tzinfo=UTC), temperature=3.0)
    try:
        small = Chart([hour], "x", "", UTC, "metric", "en")
        same = await asyncio.gather(*(pool.picture("same", small, png=True) for _ in range(100)))
        assert all(picture is same[0] for picture in same)
        drawn = await asyncio.gather(
            *(pool.picture(str(number), small, png=True) for number in range(40)), return_exceptions=True
        )
        refused = [picture for picture in drawn if isinstance(picture, Unavailable)]
        assert len(refused) == 8
        assert sum(isinstance(picture, bytes) for picture in drawn) == 32
    finally:
        pool.close()
