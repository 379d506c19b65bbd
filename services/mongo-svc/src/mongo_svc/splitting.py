"""Cuts a body of any length into its JSON documents while it arrives: lines (NDJSON) or an array's items.

What is kept is the unfinished document alone, and that may not be longer than ``most`` bytes.
"""

from __future__ import annotations

import re
from typing import Protocol

from svc_common import BadRequest, PayloadTooLarge

# A whole string, or one mark; a string that is not whole yet is a mark by itself
_STRUCTURE = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\[\],]', re.DOTALL)
_QUOTE = 0x22
_STRING_END = re.compile(rb'["\\]')


class Splitter(Protocol):
    """Takes pieces of a body and gives whole documents, as text that is still to be parsed."""

    def feed(self, data: bytes) -> list[bytes]:
        """The documents that end in this piece; BadRequest or PayloadTooLarge."""
        ...

    def end(self) -> list[bytes]:
        """The documents that end with the body; BadRequest when one is cut off."""
        ...


class Lines:
    """NDJSON: a document on each line; empty lines count for nothing."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that end in this piece."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > self._most or any(len(line) > self._most for line in lines):
            raise PayloadTooLarge(f"A line is longer than {self._most} bytes.")
        return [line for line in lines if line.strip()]

    def end(self) -> list[bytes]:
        """The last line, if it has no line end."""
        rest, self._rest = self._rest, b""
        return [rest] if rest.strip() else []


class Items:
    """A JSON array: its items."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rest = b""
        self._at = 0  # how far the rest was looked at
        self._depth = 0
        self._in_string = False
        self._done = False
        self._count = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The items that end in this piece."""
        self._rest += data
        items: list[bytes] = []
        begin = 0
        if self._leave_string():
            for match in _STRUCTURE.finditer(self._rest, self._at):
                mark = match.group()
                if self._depth == 0:
                    self._begin_array(mark, match.start())
                    begin = match.end()
                elif mark[0] == _QUOTE:
                    self._in_string = len(mark) == 1
                    self._at = match.end()
                elif mark in b"{[":
                    self._depth += 1
                elif mark in b"}]":
                    self._depth -= 1
                    if self._depth == 0:
                        if mark == b"}":
                            raise BadRequest("The array ends with a brace.")
                        self._add(items, self._rest[begin : match.start()], last=True)
                        begin = match.end()
                        self._done = True
                elif self._depth == 1:
                    self._add(items, self._rest[begin : match.start()], last=False)
                    begin = match.end()
                if self._in_string:  # to the end of what is here
                    self._leave_string()
                    break
        if not self._in_string:
            self._at = len(self._rest)
        self._rest = self._rest[begin:]
        self._at -= begin
        if len(self._rest) > self._most:
            raise PayloadTooLarge(f"An item is longer than {self._most} bytes.")
        return items

    def end(self) -> list[bytes]:
        """Nothing: an array ends with its bracket."""
        if not self._done:
            raise BadRequest("The body ends within the array.")
        if self._rest.strip():
            raise BadRequest("There is something behind the array.")
        return []

    def _leave_string(self) -> bool:
        """Go on to the end of an open string; False when it is not here yet."""
        while self._in_string:
            match = _STRING_END.search(self._rest, self._at)
            if match is None:
                self._at = len(self._rest)
                return False
            if match.group() == b'"':
                self._at = match.end()
                self._in_string = False
            elif match.end() == len(self._rest):  # the escaped character is still to come
                self._at = match.start()
                return False
            else:
                self._at = match.end() + 1
        return True

    def _begin_array(self, mark: bytes, start: int) -> None:
        if self._done:
            raise BadRequest("There is something behind the array.")
        if mark != b"[" or self._rest[:start].strip():
            raise BadRequest("The body is not a JSON array.")
        self._depth = 1

    def _add(self, items: list[bytes], item: bytes, *, last: bool) -> None:
        if item.strip():
            items.append(item)
            self._count += 1
        elif not last or self._count:
            raise BadRequest("The array has an empty item.")
