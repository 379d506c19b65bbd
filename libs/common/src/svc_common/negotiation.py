"""Content negotiation: which media type an ``Accept`` header asks for (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence


def best_type(accept: str | None, offers: Sequence[str]) -> str | None:
    """The offer that the header prefers; the first offer among equals; None when it takes none of them.

    A missing or empty header takes the first offer.
    """
    if accept is None or not accept.strip():
        return offers[0]
    ranges = parse_accept(accept)
    best, best_quality = None, 0.0
    for offer in offers:
        quality = _quality(offer, ranges)
        if quality > best_quality:
            best, best_quality = offer, quality
    return best


def media_type(content_type: str | None) -> str:
    """``Application/JSON; charset=utf-8`` → ``application/json``; empty for a missing header."""
    return (content_type or "").partition(";")[0].strip().lower()


def parse_accept(accept: str) -> list[tuple[str, float]]:
    """The names in an ``Accept`` or ``Accept-Encoding`` header, in lower case, and their qualities."""
    ranges = []
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        if name:
            ranges.append((name, quality))
    return ranges


def _quality(offer: str, ranges: list[tuple[str, float]]) -> float:
    """How much the most specific range that fits the offer wants it."""
    main = offer.partition("/")[0]
    found = {name: quality for name, quality in ranges if name in (offer, f"{main}/*", "*/*", "*")}
    for name in (offer, f"{main}/*", "*/*", "*"):
        if name in found:
            return found[name]
    return 0.0
