"""Simulated weather: plausible values that depend on nothing but place and time."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# WMO codes from fair to foul, with the precipitation in mm per hour that goes with each.
_SKIES = [
    (0.25, 0, 0.0),  # clear sky
    (0.45, 1, 0.0),  # mainly clear
    (0.60, 2, 0.0),  # partly cloudy
    (0.75, 3, 0.0),  # overcast
    (0.80, 45, 0.0),  # fog
    (0.87, 51, 0.2),  # light drizzle
    (0.93, 61, 0.8),  # slight rain
    (0.97, 63, 2.5),  # moderate rain
    (0.99, 80, 4.0),  # rain showers
    (1.01, 95, 8.0),  # thunderstorm
]
_AS_SNOW = {51: 71, 61: 71, 63: 73, 80: 85, 95: 75}


@dataclass(frozen=True)
class Weather:
    """The weather at one place and hour, in Open-Meteo's default units."""

    temperature: float  # °C
    apparent_temperature: float  # °C
    humidity: int  # %
    dew_point: float  # °C
    precipitation: float  # mm in the preceding hour
    snowfall: float  # cm in the preceding hour
    precipitation_probability: int  # %
    weather_code: int  # WMO
    cloud_cover: int  # %
    pressure: float  # hPa at sea level
    wind_speed: float  # km/h
    wind_gusts: float  # km/h
    wind_direction: int  # degrees the wind blows from
    visibility: float  # m
    uv_index: float
    is_day: bool


@dataclass(frozen=True)
class Sun:
    """Sunrise and sunset of one day, both None where the sun does not cross the horizon."""

    rise: datetime | None
    set: datetime | None
    daylight: float  # seconds


def weather(latitude: float, longitude: float, elevation: float, moment: datetime) -> Weather:
    """Return the weather at a place (degrees, metres) at an aware time."""
    moment = moment.astimezone(UTC)
    height = sun_height(latitude, longitude, moment)
    sky = _smooth("sky", latitude, longitude, moment, hours=9)
    code, rain = next((code, rain) for limit, code, rain in _SKIES if sky < limit)
    cloudiness = min(1.0, sky / 0.75)
    season = math.cos(2 * math.pi * (_day_of_year(moment) - 15) / 365.25)  # 1 in mid-January
    yearly = 27 - 0.006 * latitude**2 - math.copysign(min(abs(latitude) / 4.5, 13), latitude) * season
    daily = 6.0 * max(height, -0.3) * (1 - 0.5 * cloudiness)
    drift = 8 * (_smooth("warmth", latitude, longitude, moment, hours=60) - 0.5)
    temperature = yearly + daily + drift - elevation * 0.0055
    humidity = max(15, min(100, round(50 + 40 * sky - 15 * height)))
    dew_point = temperature - (100 - humidity) / 5
    wind = 3 + 32 * _smooth("wind", latitude, longitude, moment, hours=11) ** 2
    chill = 0.12 * wind if temperature < 18 else 0.03 * wind - 0.04 * (humidity - 50)
    snows = temperature < 0.5 and code in _AS_SNOW
    return Weather(
        temperature=round(temperature, 1),
        apparent_temperature=round(temperature - chill, 1),
        humidity=humidity,
        dew_point=round(dew_point, 1),
        precipitation=rain,
        snowfall=round(rain * 0.7, 2) if snows else 0.0,
        precipitation_probability=round(100 * max(0.0, (sky - 0.5) / 0.5)),
        weather_code=_AS_SNOW[code] if snows else code,
        cloud_cover=round(100 * cloudiness),
        pressure=round(1028 - 30 * sky, 1),
        wind_speed=round(wind, 1),
        wind_gusts=round(wind * 1.9, 1),
        wind_direction=round(360 * _smooth("direction", latitude, longitude, moment, hours=18)) % 360,
        visibility=200.0 if code == 45 else round(24000 * (1.2 - sky), -1),
        uv_index=round(max(0.0, 9 * height * (1 - 0.6 * cloudiness)), 2),
        is_day=height > 0,
    )


def sun_height(latitude: float, longitude: float, moment: datetime) -> float:
    """Return the sine of the sun's height over the horizon, between -1 and 1."""
    declination = _declination(moment)
    hours = moment.hour + moment.minute / 60 + longitude / 15 - 12
    place = math.radians(latitude)
    return math.sin(place) * math.sin(declination) + (
        math.cos(place) * math.cos(declination) * math.cos(math.radians(15 * hours))
    )


def sun(latitude: float, longitude: float, noon: datetime) -> Sun:
    """Return sunrise and sunset around the (aware) noon of a local day."""
    cosine = -math.tan(math.radians(latitude)) * math.tan(_declination(noon))
    if cosine >= 1:
        return Sun(None, None, 0.0)
    if cosine <= -1:
        return Sun(None, None, 86400.0)
    half = timedelta(hours=math.degrees(math.acos(cosine)) / 15)
    moment = noon.astimezone(UTC)
    # The sun's own noon nearest to the clock's.
    offset = ((12 - longitude / 15) - (moment.hour + moment.minute / 60) + 12) % 24 - 12
    middle = (moment + timedelta(hours=offset)).replace(second=0, microsecond=0)
    return Sun(middle - half, middle + half, round(2 * half.total_seconds(), 2))


def _declination(moment: datetime) -> float:
    return math.radians(-23.44) * math.cos(2 * math.pi * (_day_of_year(moment) + 10) / 365.25)


def _day_of_year(moment: datetime) -> int:
    return moment.timetuple().tm_yday


def _smooth(kind: str, latitude: float, longitude: float, moment: datetime, hours: float) -> float:
    """Return a number in [0, 1) that changes gradually over ``hours``."""
    position = moment.timestamp() / (hours * 3600)
    step = math.floor(position)
    weight = (1 - math.cos(math.pi * (position - step))) / 2
    before, after = (_chance(kind, latitude, longitude, step + number) for number in (0, 1))
    return before * (1 - weight) + after * weight


def _chance(kind: str, latitude: float, longitude: float, step: int) -> float:
    text = f"{kind} {latitude:.1f} {longitude:.1f} {step}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest()) / 2**48
