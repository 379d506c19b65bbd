"""The nearest known name, for the hints in errors.

Similarity as the protocol measures it: names that share letter pairs or triples are candidates, and a
candidate's score is one minus its edit distance relative to the longer name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from math import sqrt

MIN_SCORE = 0.33
STRICT_SCORE = 0.75

_IGNORED = re.compile(r"[^a-zA-Z0-9\u00c0-\u00ff, ]+")
_CANDIDATES = 50


def nearest(wanted: str, known: Iterable[str], *, least: float = MIN_SCORE, exact: bool = True) -> str | None:
    """The known name that is most like ``wanted``; None where none scores ``least``.

    Without ``exact`` the very same name does not count.
    """
    names = list(dict.fromkeys(known))
    lowered = wanted.lower()
    same = next((name for name in names if name.lower() == lowered), None)
    if same is not None:
        return same if exact else None
    names = [name for name in names if _may_score(len(lowered), len(name), least)]
    for size in (3, 2):
        grams = Counter(_grams(lowered, size))
        scored = [(score, name) for name in names if (score := _likeness(grams, name.lower(), size)) > 0]
        scored.sort(key=lambda entry: -entry[0])
        ranked = [
            (1 - _distance(lowered, name.lower()) / max(len(lowered), len(name)), name)
            for _, name in scored[:_CANDIDATES]
        ]
        ranked = [entry for entry in ranked if entry[0] >= least]
        if ranked:
            return max(ranked, key=lambda entry: entry[0])[1]
    return None


def _may_score(first: int, second: int, least: float) -> bool:
    """Whether names of these lengths can be that much alike.

    The distance is at least the difference of their lengths. A client's name of thousands of letters would
    otherwise take the time of all of them for each letter of fifty others.
    """
    return min(first, second) >= least * max(first, second)


def _grams(text: str, size: int) -> list[str]:
    padded = "-" + _IGNORED.sub("", text) + "-"
    padded = padded.ljust(size, "-")
    return [padded[i : i + size] for i in range(len(padded) - size + 1)]


def _likeness(wanted: Counter[str], name: str, size: int) -> float:
    """The cosine of two names' grams, in the unit of the wanted name's length."""
    grams = _grams(name, size)
    shared = sum([wanted[gram] for gram in grams if gram in wanted])
    return shared / _length(Counter(grams)) if shared else 0.0


def _length(grams: Counter[str]) -> float:
    return sqrt(sum(count * count for count in grams.values()))


def _distance(first: str, second: str) -> int:
    """Levenshtein's distance."""
    row = list(range(len(second) + 1))
    for i, left in enumerate(first, start=1):
        previous, row[0] = row[0], i
        for j, right in enumerate(second, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (left != right))
    return row[-1]
