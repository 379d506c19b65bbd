"""The forecast as a picture, drawn by matplotlib: temperature as a line, precipitation as bars.

Drawing takes a tenth of a second and the first import some seconds, so this module is only imported and
used by the thread of ``pool``.
"""

from __future__ import annotations

import io
import warnings
from datetime import datetime, time, timedelta
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..units import unit
from .pool import Chart

_WARM = "#c2410c"
_WET = "#2563eb"
_FAINT = "#94a3b8"
_TEXT = "#1e293b"
_INCHES = (9.0, 3.6)
_DPI = 120
_BAR_SHARE = 0.9
_LEAST_RAIN_SCALE = 4.0  # mm an hour: light rain must not look like a flood
_MOST_LABELS = 9

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "sans-serif"],
    "font.size": 9,
    "svg.fonttype": "none",  # text stays text: small, searchable, read aloud
    "svg.hashsalt": "weather-svc",
    "text.parse_math": False,  # a place's name is not a formula
    "axes.edgecolor": _FAINT,
    "text.color": _TEXT,
    "axes.labelcolor": _TEXT,
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
}
_LABELS = {
    "en": ("Temperature", "Precipitation", "Mon Tue Wed Thu Fri Sat Sun"),
    "de": ("Temperatur", "Niederschlag", "Mo Di Mi Do Fr Sa So"),
    "fr": ("Température", "Précipitations", "lun. mar. mer. jeu. ven. sam. dim."),
    "es": ("Temperatura", "Precipitación", "lun mar mié jue vie sáb dom"),
}


def draw(chart: Chart, *, png: bool) -> bytes:
    """The chart as SVG or PNG. The same chart gives the same bytes."""
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # a reader's own fonts may have it
        figure = Figure(figsize=_INCHES, layout="constrained")
        _plot(figure, chart)
        out = io.BytesIO()
        if png:
            figure.savefig(out, format="png", dpi=_DPI, metadata={"Software": "weather-svc"})
        else:
            metadata = {"Date": None, "Title": chart.title, "Creator": "weather-svc"}
            figure.savefig(out, format="svg", metadata=metadata)
        return out.getvalue()


def _plot(figure: Figure, chart: Chart) -> None:
    temperature, rain = unit(chart.system, "temperature"), unit(chart.system, "precipitation")
    warm_label, wet_label, _ = _LABELS[chart.language]
    warmth = figure.add_subplot()
    wetness = warmth.twinx()
    warmth.set_zorder(wetness.get_zorder() + 1)  # the line before the bars
    warmth.patch.set_visible(False)

    times = [hour.time.timestamp() for hour in chart.hours]
    # Per hour, so that steps of different lengths compare
    rains = [(hour.precipitation or 0.0) / hour.hours for hour in chart.hours]
    warmth.plot(
        times, [temperature.convert(hour.temperature) for hour in chart.hours], color=_WARM, linewidth=1.8
    )
    wetness.bar(
        times,
        [rain.convert(amount) for amount in rains],
        width=[hour.hours * 3600 * _BAR_SHARE for hour in chart.hours],
        align="edge",
        color=_WET,
        alpha=0.55,
        linewidth=0,
    )
    wetness.set_ylim(0, rain.convert(max(max(rains) * 1.3, _LEAST_RAIN_SCALE)))
    warmth.margins(x=0.01, y=0.15)
    warmth.set_title(chart.title, loc="left", fontweight="bold")
    warmth.set_ylabel(f"{warm_label} ({temperature.symbol})", color=_WARM)
    wetness.set_ylabel(f"{wet_label} ({rain.symbol}/h)", color=_WET)
    _mark_days(warmth, chart)
    warmth.grid(True, axis="both", color=_FAINT, alpha=0.35, linewidth=0.6)
    for axes in (warmth, wetness):
        axes.spines["top"].set_visible(False)
        axes.tick_params(length=3)
    figure.supxlabel(chart.note, fontsize=7, color=_FAINT, ha="right", x=0.99)


def _mark_days(axes: Axes, chart: Chart) -> None:
    """A tick at each midnight of the place, with the day that begins there."""
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
    midnights = midnights[::step]
    axes.set_xticks(
        [midnight.timestamp() for midnight in midnights],
        [f"{names[midnight.weekday()]} {midnight.day}" for midnight in midnights],
        ha="left",
    )
