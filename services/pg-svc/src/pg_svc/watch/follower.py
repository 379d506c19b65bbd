"""The events that bring a listener up to date."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import orjson

from pg_svc.watch.log import Digests, Known, WatchLog
from svc_common import Event

RESET = Event(
    orjson.dumps(
        {
            "code": "WATCH03",
            "message": "The changes since the last event are not known any more",
            "details": None,
            "hint": "All rows follow.",
        }
    ).decode(),
    event="reset",
)


class Follower:
    """Compares rows, each the text of a JSON object, with those that the listener knows.

    The id of an event names everything that was known after it. Among several events of one comparison only
    the last has an id, so a listener that was cut off between them continues from before all of them.
    """

    def __init__(self, key: Sequence[str], log: WatchLog, owner: bytes) -> None:
        self._key = tuple(key)
        self._log = log
        self._owner = owner
        self._known: Known | None = None

    def first(self, rows: Sequence[str], last_event_id: str | None) -> list[Event]:
        """``rows``: everything there is; for one that comes back only what is different since its last event.

        Where that is not known any more, ``reset`` and then everything.
        """
        if last_event_id:
            self._known = self._log.resume(last_event_id, self._owner)
            if self._known is not None:
                return self.later(rows)
        self._known = self._log.begin(self._owner, self._digests(rows))
        everything = Event("[" + ",".join(rows) + "]", event="rows", id=self._known.id)
        return [RESET, everything] if last_event_id else [everything]

    def later(self, rows: Sequence[str]) -> list[Event]:
        """``changed`` with a new or changed row, ``removed`` with the key of one that is gone."""
        assert self._known is not None  # ``first`` comes first
        before, now = self._known.rows, self._digests(rows)
        events = [("removed", key.decode()) for key in before if key not in now]
        events += [
            ("changed", row)
            for row, (key, digest) in zip(rows, now.items(), strict=True)
            if before.get(key) != digest
        ]
        if not events:
            return []
        self._log.learn(self._known, now)
        *others, (kind, data) = events
        return [
            *(Event(text, event=name) for name, text in others),
            Event(data, event=kind, id=self._known.id),
        ]

    def leave(self) -> None:
        """The listener has left."""
        if self._known is not None:
            self._log.leave(self._known)

    def _digests(self, rows: Sequence[str]) -> Digests:
        return {self._key_of(row): blake2b(row.encode(), digest_size=16).digest() for row in rows}

    def _key_of(self, row: str) -> bytes:
        values = orjson.loads(row)
        return orjson.dumps({name: values[name] for name in self._key})
