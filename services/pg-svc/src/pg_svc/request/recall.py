"""Remembering what short texts were understood as."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

LONGEST = 1024

_Made = TypeVar("_Made")


def remembered(size: int) -> Callable[[Callable[[str], _Made]], Callable[[str], _Made]]:
    """As ``lru_cache``, but not for long texts: ever new ones of one client would fill the memory."""

    def decorate(parse: Callable[[str], _Made]) -> Callable[[str], _Made]:
        recall = lru_cache(maxsize=size)(parse)

        def understood(text: str) -> _Made:
            return recall(text) if len(text) <= LONGEST else parse(text)

        return understood

    return decorate
