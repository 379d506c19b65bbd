"""WMO weather codes in words: one table for all providers.

The codes are those that Open-Meteo uses (WMO 4677, some of them merged), and those for what others tell
beyond them: smoke, haze, dust, mist, squalls, tornadoes and sleet.
"""

from __future__ import annotations

LANGUAGES = ("en", "de", "fr", "es")

_WORDS: dict[int, tuple[str, str, str, str]] = {
    0: ("clear sky", "klarer Himmel", "ciel dégagé", "cielo despejado"),
    1: ("mainly clear", "überwiegend klar", "plutôt dégagé", "mayormente despejado"),
    2: ("partly cloudy", "teilweise bewölkt", "partiellement nuageux", "parcialmente nublado"),
    3: ("overcast", "bedeckt", "couvert", "cubierto"),
    4: ("smoke", "Rauch", "fumée", "humo"),
    5: ("haze", "Dunst", "brume sèche", "calima"),
    6: ("dust", "Staub", "poussière", "polvo"),
    10: ("mist", "feuchter Dunst", "brume", "neblina"),
    18: ("squalls", "Böen", "grains", "turbonadas"),
    19: ("tornado", "Tornado", "tornade", "tornado"),
    45: ("fog", "Nebel", "brouillard", "niebla"),
    48: ("depositing rime fog", "Nebel mit Reif", "brouillard givrant", "niebla con escarcha"),
    51: ("light drizzle", "leichter Nieselregen", "bruine légère", "llovizna ligera"),
    53: ("moderate drizzle", "mäßiger Nieselregen", "bruine modérée", "llovizna moderada"),
    55: ("dense drizzle", "dichter Nieselregen", "bruine dense", "llovizna densa"),
    56: (
        "light freezing drizzle",
        "leichter gefrierender Nieselregen",
        "bruine verglaçante légère",
        "llovizna helada ligera",
    ),
    57: (
        "dense freezing drizzle",
        "dichter gefrierender Nieselregen",
        "bruine verglaçante dense",
        "llovizna helada densa",
    ),
    61: ("slight rain", "leichter Regen", "pluie faible", "lluvia ligera"),
    63: ("moderate rain", "mäßiger Regen", "pluie modérée", "lluvia moderada"),
    65: ("heavy rain", "starker Regen", "forte pluie", "lluvia intensa"),
    66: (
        "light freezing rain",
        "leichter gefrierender Regen",
        "pluie verglaçante faible",
        "lluvia helada ligera",
    ),
    67: (
        "heavy freezing rain",
        "starker gefrierender Regen",
        "forte pluie verglaçante",
        "lluvia helada intensa",
    ),
    68: ("slight sleet", "leichter Schneeregen", "faible pluie et neige mêlées", "aguanieve ligera"),
    69: ("heavy sleet", "starker Schneeregen", "forte pluie et neige mêlées", "aguanieve intensa"),
    71: ("slight snowfall", "leichter Schneefall", "faibles chutes de neige", "nevada ligera"),
    73: ("moderate snowfall", "mäßiger Schneefall", "chutes de neige modérées", "nevada moderada"),
    75: ("heavy snowfall", "starker Schneefall", "fortes chutes de neige", "nevada intensa"),
    77: ("snow grains", "Schneegriesel", "neige en grains", "granos de nieve"),
    80: ("slight rain showers", "leichte Regenschauer", "faibles averses", "chubascos ligeros"),
    81: ("moderate rain showers", "mäßige Regenschauer", "averses modérées", "chubascos moderados"),
    82: ("violent rain showers", "heftige Regenschauer", "violentes averses", "chubascos violentos"),
    83: (
        "slight sleet showers",
        "leichte Schneeregenschauer",
        "faibles averses de pluie et neige",
        "chubascos de aguanieve ligeros",
    ),
    84: (
        "heavy sleet showers",
        "starke Schneeregenschauer",
        "fortes averses de pluie et neige",
        "chubascos de aguanieve intensos",
    ),
    85: (
        "slight snow showers",
        "leichte Schneeschauer",
        "faibles averses de neige",
        "chubascos de nieve ligeros",
    ),
    86: (
        "heavy snow showers",
        "starke Schneeschauer",
        "fortes averses de neige",
        "chubascos de nieve intensos",
    ),
    95: ("thunderstorm", "Gewitter", "orage", "tormenta"),
    96: (
        "thunderstorm with slight hail",
        "Gewitter mit leichtem Hagel",
        "orage avec faible grêle",
        "tormenta con granizo ligero",
    ),
    99: (
        "thunderstorm with heavy hail",
        "Gewitter mit starkem Hagel",
        "orage avec forte grêle",
        "tormenta con granizo intenso",
    ),
}
_UNKNOWN = ("unknown weather", "unbekanntes Wetter", "temps inconnu", "tiempo desconocido")

CODES = frozenset(_WORDS)
"""The codes that have words of their own."""


def words(code: int | None, language: str = "en") -> str:
    """What a code means, in one of LANGUAGES."""
    index = LANGUAGES.index(language)
    return _UNKNOWN[index] if code is None else _WORDS.get(code, _UNKNOWN)[index]
