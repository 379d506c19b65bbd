"""Answers as bytes, kept for a second for those who ask the very same: most of a busy service's requests."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass

from cachetools import TLRUCache

from .keeping.entry import Entry
from .model import Report

KEPT_SECONDS = 1.0
_KEPT = 4096
_LONGEST_ADDRESS = 512


@dataclass(frozen=True, slots=True)
class Answer:
    """A rendered answer. ``tag`` names what it says; ``fetched`` and ``fresh_until`` are of its weather."""

    content_type: str
    body: bytes
    tag: str
    fetched: float
    fresh_until: float

    @property
    def lifetime(self) -> int:
        """Seconds for which the weather is fresh, from when it was fetched."""
        return max(0, math.ceil(self.fresh_until - self.fetched))

    @property
    def age(self) -> int:
        """Seconds since the weather was fetched."""
        return max(0, int(time.time() - self.fetched))


def answer(entry: Entry[Report], content_type: str, body: bytes, *variant: object) -> Answer:
    """The answer that shows an entry in a variant (a form, units, a language, a place).

    The tag is the same as long as the weather is and its freshness: the age in the body does not count.
    """
    text = repr((entry.digest, entry.fresh(time.time()), content_type, variant))
    return Answer(
        content_type,
        body,
        hashlib.blake2b(text.encode(), digest_size=10).hexdigest(),
        entry.fetched,
        entry.fresh_until,
    )


class RecentAnswers:
    """Fresh answers of the last second by what was asked: an address and a form."""

    def __init__(self) -> None:
        self._answers: TLRUCache[tuple[str, str], Answer] = TLRUCache(
            _KEPT, lambda _, answer, now: min(now + KEPT_SECONDS, answer.fresh_until), time.time
        )

    def get(self, address: str, form: str) -> Answer | None:
        """The answer, if the same was just asked."""
        return self._answers.get((address, form))

    def keep(self, address: str, form: str, answer: Answer) -> None:
        """Keep an answer for a moment."""
        if len(address) <= _LONGEST_ADDRESS:
            self._answers[address, form] = answer
