"""Weather in sentences: the first line is for a glance, the others say what to know about it."""

from __future__ import annotations

from collections.abc import Sequence

from ..conditions import words
from ..keeping.entry import Entry
from ..model import Day, Observation, Place, Report
from ..places import Located
from ..units import System, unit

_SENTENCES = {
    "en": ("Currently {degrees} {degree} and {condition} in {place}", "degree", "degrees"),
    "de": ("Aktuell {degrees} {degree} und {condition} in {place}", "Grad", "Grad"),
    "fr": ("Actuellement {degrees} {degree} et {condition} à {place}", "degré", "degrés"),
    "es": ("Actualmente {degrees} {degree} y {condition} en {place}", "grado", "grados"),
}
_TITLES = {
    "en": "Forecast for {place}",
    "de": "Vorhersage für {place}",
    "fr": "Prévisions pour {place}",
    "es": "Pronóstico para {place}",
}
_NOTES = {
    "en": {
        "simulated": "(simulated)",
        "stale": "({minutes} minutes old; nothing newer is known yet)",
        "largest": "(the largest place of this name; others: {others})",
    },
    "de": {
        "simulated": "(simuliert)",
        "stale": "({minutes} Minuten alt; Neueres ist noch nicht bekannt)",
        "largest": "(der größte Ort dieses Namens; andere: {others})",
    },
    "fr": {
        "simulated": "(simulé)",
        "stale": "(vieux de {minutes} minutes ; rien de plus récent pour l'instant)",
        "largest": "(le plus grand lieu de ce nom ; autres : {others})",
    },
    "es": {
        "simulated": "(simulado)",
        "stale": "(de hace {minutes} minutos; aún no hay nada más reciente)",
        "largest": "(el mayor lugar con este nombre; otros: {others})",
    },
}
_MOST_OTHERS = 3


def current_text(entry: Entry[Report], located: Located, system: System, language: str, now: float) -> str:
    """The sentence, and what is to know about it."""
    sentence = current_sentence(entry.value.current, located.place, system, language)
    return _lines([sentence, *_notes(entry, located, language, now)])


def forecast_text(
    entry: Entry[Report],
    located: Located,
    days: Sequence[Day],
    system: System,
    language: str,
    now: float,
) -> str:
    """A line for each day: the date, the lowest and highest temperature, rain and the weather in words."""
    title = _TITLES[language].format(place=located.place.label)
    return _lines(
        [title, *(_day(day, system, language) for day in days), *_notes(entry, located, language, now)]
    )


def current_sentence(observation: Observation, place: Place, system: System, language: str) -> str:
    """``Currently 21 degrees and clear sky in Berlin, DE``."""
    template, one, many = _SENTENCES[language]
    degrees = round(unit(system, "temperature").convert(observation.temperature))
    if not place.name and language == "en":
        template = template.replace(" in {place}", " at {place}")
    return template.format(
        degrees=degrees,
        degree=one if abs(degrees) == 1 else many,
        condition=words(observation.condition, language),
        place=place.label,
    )


def _day(day: Day, system: System, language: str) -> str:
    temperature, rain = unit(system, "temperature"), unit(system, "precipitation")
    low, high = (
        round(temperature.convert(day.temperature_min)),
        round(temperature.convert(day.temperature_max)),
    )
    fallen = "" if day.precipitation is None else f"{rain.show(day.precipitation):g} {rain.symbol}"
    return (
        f"{day.date.isoformat()}  {low:>3} … {high:>3} {temperature.symbol}  {fallen:>8}  "
        f"{words(day.condition, language)}"
    )


def _notes(entry: Entry[Report], located: Located, language: str, now: float) -> list[str]:
    notes, lines = _NOTES[language], []
    if entry.simulated:
        lines.append(notes["simulated"])
    if not entry.fresh(now):
        lines.append(notes["stale"].format(minutes=int(entry.age(now) // 60)))
    if located.alternatives:
        others = "; ".join(place.full_label for place in located.alternatives[:_MOST_OTHERS])
        lines.append(notes["largest"].format(others=others))
    return lines


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
