"""Statements that come again and again: prepared on the server, so that it parses and plans them only once.

A text that has succeeded a few times is PREPAREd by the session that comes to it next, in the same message as
its first EXECUTE, so there is no round trip more. One row by its key costs the server 35 µs this way, and
106 µs as plain text.

* A statement is named after its text: whatever else has prepared that name has prepared the same, even
  where a pooler lends one session of the server to several of ours.
* Values are literals that the driver has quoted. Repeated calls are kept as they are sent (4 µs each).
* A text that the server does not prepare (the type of a value cannot be told) stays plain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeVar

from pg_svc.sql.builder import Sql

OFTEN = 3
"""So often has a text succeeded before it is worth a place on the server."""

TEXTS = 100
"""Texts that are known, and statements that one session keeps prepared: each takes 10 to 50 KiB there."""

CALLS = 512
_LONGEST_TEXT = 16 * 1024
_LONGEST_CALL = 2048
_LOST = ("26000", "0A000")
"""There is no such statement (DEALLOCATE, a pooler); its result would have another type by now."""
_THERE_ALREADY = "42P05"
_DENIED = "42501"

Quote = Callable[[str, tuple[Any, ...]], bytes]
"""The driver's own way to put values into a text."""

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(slots=True)
class Text:
    """A text, how often it has succeeded, and what prepares it."""

    name: str
    preparing: bytes
    uses: int = 0
    refused: bool = False

    @property
    def often(self) -> bool:
        """Whether it is to be prepared."""
        return self.uses >= OFTEN and not self.refused


class Bounded(dict[Key, Value]):
    """At most ``size`` values; the oldest goes. What is used often is soon there again.

    To move what is used to the end, as one would, costs 1 µs for each of the six that a request asks for.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def keep(self, key: Key, value: Value) -> Value | None:
        """Keep a value; the one that has to go for it, if any."""
        self[key] = value
        return self.pop(next(iter(self))) if len(self) > self._size else None


class Texts:
    """The texts of a pool: which come often, and their calls."""

    def __init__(self) -> None:
        self._texts: Bounded[str, Text] = Bounded(TEXTS)
        self._calls: Bounded[tuple[str, tuple[str, ...]], bytes] = Bounded(CALLS)
        self.generation = 0

    def renew(self) -> None:
        """The catalog has changed: a value may have another type than when its text was prepared."""
        self._texts.clear()
        self.generation += 1

    def find(self, sql: Sql) -> Text | None:
        """What is known of a text; None for one that is never prepared."""
        found = self._texts.get(sql.text)
        if found is None:
            if not _may_be_prepared(sql.text):
                return None
            found = _text(sql)
            self._texts.keep(sql.text, found)
        return found

    def call(self, text: Text, values: tuple[Any, ...], quote: Quote) -> bytes | None:
        """``EXECUTE name(values)``; None where a value is not text: it would be prepared without its type."""
        for value in values:
            if type(value) is not str:
                return None
        key = (text.name, values)
        found = self._calls.get(key)
        if found is None:
            marks = f"({', '.join(['%s'] * len(values))})" if values else ""
            found = quote(f"EXECUTE {text.name}{marks}", values)
            if len(found) <= _LONGEST_CALL:
                self._calls.keep(key, found)
        return found


@dataclass(slots=True)
class Batch:
    """Several statements as one message. ``prepares``, ``calls``: something is PREPAREd or EXECUTEd in it."""

    message: bytes
    texts: list[Text]
    prepares: bool = False
    calls: bool = False


class Statements:
    """What one session of the server has prepared."""

    def __init__(self, texts: Texts | None, quote: Quote) -> None:
        self._texts = texts
        self._quote = quote
        self._prepared: Bounded[str, str] = Bounded(TEXTS)
        self._generation = texts.generation if texts is not None else 0
        self._unknown = False

    def batch(self, head: bytes, parts: Iterable[Sql]) -> Batch:
        """``head`` and the parts, each as short as it can be said. Raises ValueError as the driver does."""
        if self._texts is None:
            return self.plain(head, parts)
        batch = Batch(b"", [])
        pieces = [head]
        if self._unknown or self._generation != self._texts.generation:
            pieces.insert(0, b"DEALLOCATE ALL; ")
            self._prepared.clear()
            self._generation = self._texts.generation
            self._unknown = False
        for sql in parts:
            pieces.append(self._part(self._texts, sql, batch, pieces))
        batch.message = b"; ".join(pieces)
        return batch

    def _part(self, texts: Texts, sql: Sql, batch: Batch, pieces: list[bytes]) -> bytes:
        text = texts.find(sql)
        if text is None:
            return self._quote(sql.text, sql.params)
        batch.texts.append(text)
        call = texts.call(text, sql.params, self._quote) if text.often else None
        if call is None:
            return self._quote(sql.text, sql.params)
        if text.name not in self._prepared:
            pieces.append(text.preparing)
            gone = self._prepared.keep(text.name, text.name)
            if gone is not None:
                pieces.append(f"DEALLOCATE {gone}".encode())
            batch.prepares = True
        batch.calls = True
        return call

    def plain(self, head: bytes, parts: Iterable[Sql]) -> Batch:
        """The same without anything prepared."""
        return Batch(b"; ".join([head, *(self._quote(sql.text, sql.params) for sql in parts)]), [])

    def succeeded(self, batch: Batch) -> None:
        """Every text of it has."""
        for text in batch.texts:
            text.uses += 1

    def failed(self, batch: Batch, code: str) -> bool:
        """Whether the server may have refused what is prepared, not what is asked: ask again in plain text.

        What the session has prepared is not certain then, and is prepared anew.
        """
        denied = code == _DENIED and not batch.prepares  # it would be in plain text, too
        again = batch.calls and (code in _LOST or code.startswith("42")) and not denied
        if batch.prepares or again:
            self._unknown = True
        return again

    def does_without(self, batch: Batch, code: str) -> None:
        """It succeeded in plain text after ``code``: what was prepared in it last is not to be prepared."""
        if batch.prepares and code not in _LOST and code != _THERE_ALREADY:
            batch.texts[-1].refused = True


def _may_be_prepared(text: str) -> bool:
    return text.startswith(("WITH ", "SELECT ")) and len(text) <= _LONGEST_TEXT


def _text(sql: Sql) -> Text:
    numbered = sql.text % tuple(f"${number}" for number in range(1, len(sql.params) + 1))
    name = "pgrst_" + blake2b(numbered.encode(), digest_size=12).hexdigest()
    return Text(name, f"PREPARE {name} AS {numbered}".encode())
