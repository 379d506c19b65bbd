"""Weather in sentences."""

from __future__ import annotations

from ..conditions import words
from ..model import Observation, Place
from ..units import System, unit

_SENTENCES = {
    "en": ("Currently {degrees} {degree} and {condition} in {place}", "degree", "degrees"),
    "de": ("Aktuell {degrees} {degree} und {condition} in {place}", "Grad", "Grad"),
    "fr": ("Actuellement {degrees} {degree} et {condition} à {place}", "degré", "degrés"),
    "es": ("Actualmente {degrees} {degree} y {condition} en {place}", "grado", "grados"),
}


def current_sentence(observation: Observation, place: Place, system: System, language: str) -> str:
    """``Currently 21 degrees and clear sky in Berlin, DE``."""
    template, one, many = _SENTENCES[language]
    degrees = round(unit(system, "temperature").convert(observation.temperature))
    return template.format(
        degrees=degrees,
        degree=one if abs(degrees) == 1 else many,
        condition=words(observation.condition, language),
        place=place.label,
    )
