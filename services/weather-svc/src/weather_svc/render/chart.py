"""The forecast as a picture, drawn by pygal: temperature as a line, precipitation as bars.

SVG is what pygal draws; PNG is the same picture, rasterised by resvg with the font beside this module.
Drawing takes hundredths of a second, so this is only used by the thread of ``pool``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import resvg_py
from pygal import XY
from pygal.style import Style

from ..model import Hour
from ..units import System, unit

# pygal leaves an importer of plugins behind, of a kind that Python 3.11 warns of at every later import.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]

_WARM = "#c2410c"
_WET = "#2563eb"
_FAINT = "#94a3b8"
_TEXT = "#1e293b"
_GRID = "#e2e8f0"
_SIZE = (900, 360)
_PNG_ZOOM = 1.2
_BAR_SHARE = 0.9
_LEAST_RAIN_SCALE = 4.0  # mm an hour: light rain must not look like a flood
_LEAST_SPAN = 1.0  # degrees: a day of one temperature is a line in the middle
_MOST_LABELS = 9
_INTERVALS = 6  # of the grid, at most, from bottom to top
_FONT = Path(__file__).parent / "fonts" / "DejaVuSans.ttf"
_FAMILY = "DejaVu Sans, sans-serif"

_STYLE = Style(
    background="#fff",
    plot_background="#fff",
    foreground=_TEXT,
    foreground_strong=_TEXT,
    foreground_subtle=_FAINT,
    colors=(_WARM, _WET),
    opacity=".55",
    font_family=_FAMILY,
    title_font_size=14,
    legend_font_size=12,
    label_font_size=11,
    major_label_font_size=11,
    guide_stroke_color=_GRID,
    guide_stroke_dasharray="none",
    major_guide_stroke_color=_GRID,
    major_guide_stroke_dasharray="none",
)
_ID = "forecast"  # pygal's own, a random one, would make each drawing different
# The title below the x axis is the note. Bars have no outline, which would be a line along the axis, too.
_CSS = f"""inline:
#chart-{_ID} .title {{font-size: 9px; fill: #64748b}}
#chart-{_ID} .plot_title {{font-size: 16px; fill: {_TEXT}}}
#chart-{_ID} .serie-0 .line {{stroke-width: 2; stroke-opacity: 1}}
#chart-{_ID} .serie-1 .line {{stroke: none}}
"""
_LABELS = {
    "en": ("Temperature", "Precipitation", "Mon Tue Wed Thu Fri Sat Sun"),
    "de": ("Temperatur", "Niederschlag", "Mo Di Mi Do Fr Sa So"),
    "fr": ("Température", "Précipitations", "lun. mar. mer. jeu. ven. sam. dim."),
    "es": ("Temperatura", "Precipitación", "lun mar mié jue vie sáb dom"),
}


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn. ``hours`` are one at least; ``note`` stands small below."""

    hours: Sequence[Hour]
    title: str
    note: str
    zone: tzinfo
    system: System
    language: str


def draw(chart: Chart, *, png: bool) -> bytes:
    """The chart as SVG or PNG. The same chart gives the same bytes."""
    svg: bytes = _plot(chart).render()
    if not png:
        return svg
    return resvg_py.svg_to_bytes(
        svg_string=svg.decode(),
        zoom=_PNG_ZOOM,
        skip_system_fonts=True,  # the same picture on every machine, and in an image that has no fonts
        font_files=[str(_FONT)],
        font_family="DejaVu Sans",
        sans_serif_family="DejaVu Sans",
    )


def _plot(chart: Chart) -> Any:
    temperature, rain = unit(chart.system, "temperature"), unit(chart.system, "precipitation")
    warm_label, wet_label, _ = _LABELS[chart.language]
    warmth = [temperature.convert(hour.temperature) for hour in chart.hours]
    # Per hour, so that steps of different lengths compare
    wetness = [rain.convert((hour.precipitation or 0.0) / hour.hours) for hour in chart.hours]
    begins = [hour.time.timestamp() for hour in chart.hours]
    end = begins[-1] + chart.hours[-1].hours * 3600
    ticks = _ticks(min(warmth), max(warmth))
    # Both scales share the lines of the grid, so that each line is a round number on either side
    rain_step = _round_up(max(max(wetness) * 1.1, rain.convert(_LEAST_RAIN_SCALE)) / (len(ticks) - 1))
    picture = XY(
        style=_STYLE,
        css=("file://style.css", "file://graph.css", _CSS),
        js=(),
        width=_SIZE[0],
        height=_SIZE[1],
        explicit_size=True,
        margin=12,
        spacing=6,
        title=_printable(chart.title),
        x_title=_printable(chart.note),
        legend_at_bottom=True,
        legend_at_bottom_columns=2,
        truncate_legend=-1,
        truncate_label=-1,
        show_dots=False,
        show_x_guides=True,
        xrange=(begins[0], end),
        range=(ticks[0], ticks[-1]),
        zero=ticks[0],  # where the bars stand
        secondary_range=(0.0, rain_step * (len(ticks) - 1)),
        value_formatter=lambda value: f"{value:.10g}",
    )
    picture.uuid = _ID
    picture.add_xml_filter(_without_scripts)
    picture.x_labels = _days(chart)
    picture.y_labels = ticks
    picture.add(f"{warm_label} ({temperature.symbol})", list(zip(begins, warmth, strict=True)))
    picture.add(
        f"{wet_label} ({rain.symbol}/h)",
        [
            corner
            for hour, begin, amount in zip(chart.hours, begins, wetness, strict=True)
            for corner in _bar(begin, hour.hours * 3600 * _BAR_SHARE, amount)
        ],
        secondary=True,
        fill=True,
    )
    return picture


def _bar(begin: float, width: float, height: float) -> list[tuple[float, float]]:
    """The corners of a bar that stands on the axis; the filled line through all of them is the bars."""
    return [(begin, 0.0), (begin, height), (begin + width, height), (begin + width, 0.0)]


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers, evenly spaced, from below the lowest value to above the highest."""
    if high - low < _LEAST_SPAN:
        low, high = (low + high - _LEAST_SPAN) / 2, (low + high + _LEAST_SPAN) / 2
    step = _round_up((high - low) / _INTERVALS)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, last + 1)]


def _round_up(step: float) -> float:
    """The next of …, 0.5, 1, 2, 5, 10, …"""
    power: float = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


def _days(chart: Chart) -> list[dict[str, object]]:
    """A label at each midnight of the place, with the day that begins there."""
    first, last = (chart.hours[index].time.astimezone(chart.zone) for index in (0, -1))
    names = _LABELS[chart.language][2].split()
    midnights = []
    day = first.date()
    while day <= last.date():
        midnight = datetime.combine(day, time(), chart.zone)
        if midnight >= first:
            midnights.append(midnight)
        day += timedelta(days=1)
    step = 1 + len(midnights) // (_MOST_LABELS + 1)
    return [
        {"value": midnight.timestamp(), "label": f"{names[midnight.weekday()]} {midnight.day}"}
        for midnight in midnights[::step]
    ]


def _printable(text: str) -> str:
    """Without control characters, which XML has no way to write."""
    return "".join(character for character in text if character.isprintable())


def _without_scripts(root: ET.Element) -> ET.Element:
    """A picture runs nothing, and says nothing about when it was drawn."""
    for parent in list(root.iter()):
        for child in list(parent):
            if callable(child.tag) or child.tag.rpartition("}")[2] == "script":  # a comment, or a script
                parent.remove(child)
    return root
