"""The headers of requests and answers, kept for less.

``HTTPHeaders`` keeps two dictionaries and a list for each header, and finds out that one is missing by an
exception. A request asks for about twenty: 12 µs of them, and 5 µs here (``bench/http``, a small answer).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tornado.httputil import HTTPHeaders, _normalize_header


class Headers(HTTPHeaders):
    """``HTTPHeaders`` with one dictionary, and lists only for headers that stand on several lines."""

    __slots__ = ("_several", "one")

    def __init__(self, fields: dict[str, str] | None = None) -> None:
        """``fields`` have names in Http-Header-Case; the dictionary is taken over, not copied."""
        self.one: dict[str, str] = {} if fields is None else fields
        """Values by names in Http-Header-Case, for those who know that they have such a name."""
        self._several: dict[str, list[str]] | None = None

    def add(self, name: str, value: str, *, _chars_are_bytes: bool = True) -> None:
        """One more line of a header. HTTPInputError for what cannot be one."""
        HTTPHeaders().add(name, value, _chars_are_bytes=_chars_are_bytes)  # the checks are Tornado's
        self.append(_normalize_header(name), value)
        self.combine()

    def append(self, name: str, value: str) -> None:
        """As ``add``, for a name in Http-Header-Case, and checked; ``combine`` must come after."""
        if name not in self.one:
            self.one[name] = value
            return
        if self._several is None:
            self._several = {}
        self._several.setdefault(name, [self.one[name]]).append(value)

    def combine(self) -> None:
        """Put lines together. Once for all: one by one would be quadratic in what a hostile client sends."""
        if self._several is not None:
            for name, lines in self._several.items():
                self.one[name] = ",".join(lines)

    def get_list(self, name: str) -> list[str]:
        """The lines of a header."""
        name = _normalize_header(name)
        if self._several is not None and name in self._several:
            return self._several[name]
        return [self.one[name]] if name in self.one else []

    def get_all(self) -> Iterable[tuple[str, str]]:
        """All lines as names and values."""
        if self._several is None:
            return self.one.items()
        return [(name, line) for name in self.one for line in self.get_list(name)]

    def get(self, name: str, default: Any = None) -> Any:
        """As Mapping.get."""
        return self.one.get(_normalize_header(name), default)

    def __setitem__(self, name: str, value: str) -> None:
        name = _normalize_header(name)
        self.one[name] = value
        if self._several is not None:
            self._several.pop(name, None)

    def __getitem__(self, name: str) -> str:
        return self.one[_normalize_header(name)]

    def __delitem__(self, name: str) -> None:
        name = _normalize_header(name)
        del self.one[name]
        if self._several is not None:
            self._several.pop(name, None)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _normalize_header(name) in self.one

    def __len__(self) -> int:
        return len(self.one)

    def __iter__(self) -> Iterator[str]:
        return iter(self.one)

    def copy(self) -> HTTPHeaders:
        """A copy that changes by itself."""
        copied = Headers(dict(self.one))
        if self._several is not None:
            copied._several = {name: list(lines) for name, lines in self._several.items()}
        return copied

    __copy__ = copy


def as_headers(headers: HTTPHeaders) -> Headers:
    """Any headers as these."""
    found = Headers()
    for name, value in headers.get_all():
        found.append(name, value)
    found.combine()
    return found
