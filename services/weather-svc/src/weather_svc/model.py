"""What the service knows about places and weather, in one system of units whatever the provider speaks.

Temperatures are in °C, precipitation in mm, pressure in hPa at sea level, speeds in m/s, directions in
degrees the wind blows from, shares in %, coordinates in degrees, heights in m. Times are aware. A value that
a provider does not give is None. The bounds are there to refuse nonsense, not to judge the weather.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

Temperature = Annotated[float, Field(ge=-150, le=100, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, le=5000, allow_inf_nan=False)]
Speed = Annotated[float, Field(ge=0, le=250, allow_inf_nan=False)]
Direction = Annotated[float, Field(ge=0, le=360, allow_inf_nan=False)]
Pressure = Annotated[float, Field(ge=500, le=1200, allow_inf_nan=False)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
WmoCode = Annotated[int, Field(ge=0, le=99)]
Name = Annotated[str, Field(max_length=200)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Height = Annotated[float, Field(ge=-20000, le=20000, allow_inf_nan=False)]
Moment = Annotated[
    AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))
]


class Record(BaseModel):
    """A value object: it does not change once made."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Place(Record):
    """A place on Earth. ``id`` is its GeoNames number; a mere pair of coordinates has neither id nor name."""

    latitude: Latitude
    longitude: Longitude
    id: Count | None = None
    name: Name = ""
    region: Name = ""
    country: Name = ""
    country_code: Annotated[str, Field(max_length=2)] = ""
    timezone: Annotated[str, Field(max_length=64)] = ""
    elevation: Height | None = None
    population: Count | None = None

    @property
    def label(self) -> str:
        """``Berlin, DE``, or the coordinates of a place without a name."""
        if not self.name:
            return f"{self.latitude:g}, {self.longitude:g}"
        return f"{self.name}, {self.country_code}" if self.country_code else self.name

    @property
    def full_label(self) -> str:
        """``Berlin, New Hampshire, US``: enough to tell places of one name apart."""
        return ", ".join(part for part in (self.name, self.region, self.country_code) if part) or self.label


class Observation(Record):
    """The weather at one moment. ``condition`` is a WMO code (table 4677, as Open-Meteo uses it)."""

    time: Moment
    temperature: Temperature
    condition: WmoCode | None = None
    is_day: bool | None = None
    apparent_temperature: Temperature | None = None
    humidity: Share | None = None
    precipitation: Amount | None = None
    cloud_cover: Share | None = None
    pressure: Pressure | None = None
    wind_speed: Speed | None = None
    wind_gusts: Speed | None = None
    wind_direction: Direction | None = None


class Hour(Record):
    """The forecast from ``time`` on, for as many ``hours`` as the provider's steps are long."""

    time: Moment
    temperature: Temperature
    hours: Annotated[int, Field(ge=1, le=24)] = 1
    condition: WmoCode | None = None
    precipitation: Amount | None = None
    precipitation_probability: Share | None = None
    humidity: Share | None = None
    wind_speed: Speed | None = None
    wind_direction: Direction | None = None


class Day(Record):
    """The forecast for one day at the place."""

    date: date
    temperature_max: Temperature
    temperature_min: Temperature
    condition: WmoCode | None = None
    precipitation: Amount | None = None
    precipitation_probability: Share | None = None
    wind_speed_max: Speed | None = None
    sunrise: Moment | None = None
    sunset: Moment | None = None


_HOURS: TypeAdapter[tuple[Hour, ...]] = TypeAdapter(tuple[Hour, ...])
_MOST_BYTES = 4 * 2**20  # many times what 384 hours have


class Report(Record):
    """Everything that a provider says about one place. ``timezone`` is the place's, where it is told.

    Sixteen days have 384 hours, which few requests look at and thousands of kept reports would fill the
    memory with (a quarter of a megabyte each); so they are kept packed.
    """

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    current: Observation
    packed_hours: bytes
    days: tuple[Day, ...] = ()
    timezone: str = ""

    @classmethod
    def of(
        cls, current: Observation, hours: Iterable[Hour] = (), days: Iterable[Day] = (), timezone: str = ""
    ) -> Report:
        """A report from its parts."""
        packed = zlib.compress(_HOURS.dump_json(tuple(hours), exclude_none=True))
        return cls(current=current, packed_hours=packed, days=tuple(days), timezone=timezone)

    @property
    def hours(self) -> tuple[Hour, ...]:
        """The hours, unpacked; that takes a millisecond or two. ValueError where they are damaged."""
        try:
            unpacked = zlib.decompressobj().decompress(self.packed_hours, _MOST_BYTES)
        except zlib.error as error:
            raise ValueError("the hours cannot be unpacked") from error
        return _HOURS.validate_json(unpacked)
