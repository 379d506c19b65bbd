"""Units: from what providers speak to what ``model`` keeps, and from there to what people read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

System = Literal["metric", "imperial"]
SYSTEMS: tuple[System, ...] = ("metric", "imperial")

Quantity = Literal[
    "temperature", "precipitation", "pressure", "speed", "direction", "share", "height", "duration"
]


def celsius(fahrenheit: float) -> float:
    """°F → °C."""
    return (fahrenheit - 32) / 1.8


def from_kmh(speed: float) -> float:
    """km/h → m/s."""
    return speed / 3.6


def from_mph(speed: float) -> float:
    """mph → m/s."""
    return speed * 0.44704


def from_inches_of_mercury(pressure: float) -> float:
    """inHg → hPa."""
    return pressure * 33.8639


@dataclass(frozen=True, slots=True)
class Unit:
    """How a quantity is shown: its symbol, its value from the model's, and its decimals."""

    symbol: str
    convert: Callable[[float], float]
    digits: int

    def show(self, value: float) -> float:
        """The value in this unit, rounded as the unit deserves."""
        return round(self.convert(value), self.digits) + 0.0  # no minus zero


def _same(value: float) -> float:
    return value


_UNITS: dict[System, dict[Quantity, Unit]] = {
    "metric": {
        "temperature": Unit("°C", _same, 1),
        "precipitation": Unit("mm", _same, 1),
        "pressure": Unit("hPa", _same, 1),
        "speed": Unit("m/s", _same, 1),
        "direction": Unit("°", _same, 0),
        "share": Unit("%", _same, 0),
        "height": Unit("m", _same, 0),
        "duration": Unit("h", _same, 0),
    },
    "imperial": {
        "temperature": Unit("°F", lambda value: value * 1.8 + 32, 1),
        "precipitation": Unit("in", lambda value: value / 25.4, 2),
        "pressure": Unit("inHg", lambda value: value / 33.8639, 2),
        "speed": Unit("mph", lambda value: value / 0.44704, 1),
        "direction": Unit("°", _same, 0),
        "share": Unit("%", _same, 0),
        "height": Unit("ft", lambda value: value / 0.3048, 0),
        "duration": Unit("h", _same, 0),
    },
}


def unit(system: System, quantity: Quantity) -> Unit:
    """The unit in which a system shows a quantity."""
    return _UNITS[system][quantity]
