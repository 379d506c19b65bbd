"""Units, words and days made of hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from weather_svc.conditions import CODES, LANGUAGES, words
from weather_svc.model import Hour, Observation, Place
from weather_svc.render.text import current_sentence
from weather_svc.summary import offset_name, summarize, zone_of
from weather_svc.units import celsius, from_inches_of_mercury, from_kmh, from_mph, unit

BERLIN = Place(latitude=52.52, longitude=13.41, name="Berlin", country_code="DE")


def test_into_the_model() -> None:
    assert celsius(212) == pytest.approx(100)
    assert celsius(-40) == pytest.approx(-40)
    assert from_kmh(36) == pytest.approx(10)
    assert from_mph(100) == pytest.approx(44.704)
    assert from_inches_of_mercury(29.92) == pytest.approx(1013.2, abs=0.05)


def test_out_of_the_model() -> None:
    assert unit("imperial", "temperature").show(-40) == -40
    assert unit("imperial", "temperature").show(21.34) == 70.4
    assert unit("imperial", "precipitation").show(25.4) == 1.0
    assert unit("imperial", "speed").show(10) == 22.4
    assert unit("imperial", "pressure").show(1013.25) == 29.92
    assert unit("metric", "temperature").show(21.34) == 21.3
    for shown in (unit("metric", "temperature").show(-0.04), unit("imperial", "temperature").show(-17.78)):
        assert str(shown) == "0.0"  # not -0.0


@pytest.mark.parametrize(
    ("degrees", "text"),
    [
        (21.4, "Currently 21 degrees and clear sky in Berlin, DE"),
        (-0.4, "Currently 0 degrees and clear sky in Berlin, DE"),
        (1.2, "Currently 1 degree and clear sky in Berlin, DE"),
        (-1.0, "Currently -1 degree and clear sky in Berlin, DE"),
    ],
)
def test_the_sentence(degrees: float, text: str) -> None:
    observation = Observation(time=datetime(2026, 1, 1, tzinfo=UTC), temperature=degrees, condition=0)
    assert current_sentence(observation, BERLIN, "metric", "en") == text


def test_words_in_every_language() -> None:
    for code in CODES:
        assert len({words(code, language) for language in LANGUAGES}) >= 1
        assert all(words(code, language) for language in LANGUAGES)
    assert words(None) == words(98) == "unknown weather"
    assert words(0, "de") == "klarer Himmel"


def test_days_follow_the_clock_of_the_place() -> None:
    begin = datetime(2026, 10, 24, 22, tzinfo=UTC)  # midnight in Berlin, and a day of 25 hours
    hours = [
        Hour(
            time=begin + timedelta(hours=number), temperature=float(number), precipitation=0.1, condition=code
        )
        for number, code in zip(range(49), [0, 3, 61] * 20, strict=False)
    ]
    first, second = summarize(hours, ZoneInfo("Europe/Berlin"))
    assert (first.date, first.temperature_min, first.temperature_max) == (date(2026, 10, 25), 0.0, 24.0)
    assert (first.precipitation, first.condition) == (2.5, 61)
    assert (second.date, second.temperature_max) == (date(2026, 10, 26), 48.0)


def test_a_day_that_is_hardly_covered_is_left_out() -> None:
    begin = datetime(2026, 6, 1, 20, tzinfo=UTC)
    hours = [Hour(time=begin + timedelta(hours=number), temperature=1.0) for number in range(4 + 24 + 11)]
    assert [day.date.day for day in summarize(hours, UTC)] == [1, 2]


def test_what_is_unknown_stays_unknown() -> None:
    (day,) = summarize([Hour(time=datetime(2026, 6, 1, tzinfo=UTC), temperature=1.0)], UTC)
    assert (day.precipitation, day.condition, day.wind_speed_max) == (None, None, None)


def test_zones() -> None:
    assert zone_of("Europe/Oslo") == ZoneInfo("Europe/Oslo")
    for minutes, name in ((0, "+00:00"), (345, "+05:45"), (-210, "-03:30"), (720, "+12:00")):
        zone = timezone(timedelta(minutes=minutes))
        assert offset_name(zone) == name
        assert zone_of(name) == zone
    for odd in ("", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "\x00", "+99:99", "+5", "+05:45:00"):
        assert zone_of(odd) is UTC
