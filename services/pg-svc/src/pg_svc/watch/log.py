"""What listeners know: the rows that each has been sent, and a bounded log of how that came about.

A listener that comes back with the id of an event continues from what it knew after that event, and is told
what is different by now. Rows are kept as their keys and digests, never as text: what a listener is told is
always read anew, as itself.
"""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass, field

Digests = dict[bytes, bytes]
"""The digest of each row by its key."""

_LONGEST_NUMBER = 15  # digits


@dataclass(slots=True)
class Known:
    """What one listener knows after its last event, and the way back from there, newest last.

    ``owner`` names the request and the caller: nobody else continues from here.
    """

    token: str
    owner: bytes
    number: int = 0
    rows: Digests = field(default_factory=dict)
    _back: deque[tuple[int, dict[bytes, bytes | None]]] = field(default_factory=deque)
    _changes: int = 0

    @property
    def id(self) -> str:
        """The id of the last event."""
        return f"{self.token}.{self.number}"

    def learn(self, rows: Digests, most: int) -> None:
        """The listener is told of ``rows``; the way back is kept for ``most`` changes at most."""
        undo: dict[bytes, bytes | None] = {
            key: digest for key, digest in self.rows.items() if rows.get(key) != digest
        }
        undo.update((key, None) for key in rows if key not in self.rows)
        self._back.append((self.number, undo))
        self._changes += len(undo)
        self.number += 1
        self.rows = rows
        while self._changes > most:
            self._changes -= len(self._back.popleft()[1])

    def continued(self, token: str, number: int, rows: Digests) -> Known:
        """Another listener that goes on from ``rows_at(number)``. No number stands for two states."""
        back = deque(step for step in self._back if step[0] < number)
        changes = sum(len(undo) for _, undo in back)
        if number == self.number:
            return Known(token, self.owner, number, rows, back, changes)
        back.append((number, {}))
        return Known(token, self.owner, self.number + 1, rows, back, changes)

    def rows_at(self, number: int) -> Digests | None:
        """What it knew after an earlier event; None where that is no longer known."""
        rows, here = dict(self.rows), self.number
        for before, undo in reversed(self._back):
            if here == number:
                break
            for key, digest in undo.items():
                if digest is None:
                    rows.pop(key, None)
                else:
                    rows[key] = digest
            here = before
        return rows if here == number else None


def _token() -> str:
    return secrets.token_hex(12)  # nobody guesses what others have seen


class WatchLog:
    """The listeners of this process, and those that left last, ``gone_rows`` rows of theirs in total."""

    def __init__(self, *, changes: int, gone_rows: int) -> None:
        self._most_changes = changes
        self._most_gone = gone_rows
        self._known: dict[str, Known] = {}
        self._gone: dict[str, Known] = {}
        self._gone_rows = 0

    def begin(self, owner: bytes, rows: Digests) -> Known:
        """A listener that is told of ``rows`` first."""
        known = Known(_token(), owner, 1, rows)
        self._known[known.token] = known
        return known

    def resume(self, last_event_id: str, owner: bytes) -> Known | None:
        """A listener that knows what it did after that event; None where that is not known any more.

        Whoever else still listens under the same name gets another one.
        """
        token, _, text = last_event_id.rpartition(".")
        known = self._known.get(token)
        if known is None or known.owner != owner:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER):
            return None
        rows = known.rows_at(int(text))
        if rows is None:
            return None
        if token in self._gone:
            self._forget(known)
        else:
            known.token = _token()
            self._known[known.token] = known
        again = self._known[token] = known.continued(token, int(text), rows)
        return again

    def learn(self, known: Known, rows: Digests) -> None:
        """The listener is told of ``rows``."""
        known.learn(rows, self._most_changes)

    def leave(self, known: Known) -> None:
        """The listener has left; perhaps it comes back."""
        self._gone[known.token] = known
        self._gone_rows += len(known.rows)
        while self._gone_rows > self._most_gone:
            self._forget(next(iter(self._gone.values())))

    def _forget(self, known: Known) -> None:
        self._known.pop(known.token, None)
        if self._gone.pop(known.token, None) is not None:
            self._gone_rows -= len(known.rows)
