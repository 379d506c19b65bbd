"""What a listener has seen, and the events that bring it up to date."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import orjson

from svc_common import Event


class Follower:
    """Compares rows, each the text of a JSON object, with those of the last time.

    The id of an event names everything that was known after it. Among several events of one comparison only
    the last has an id, so a listener that was cut off between them starts from before all of them.
    """

    def __init__(self, key: Sequence[str]) -> None:
        self._key = tuple(key)
        self._seen: dict[bytes, bytes] = {}

    def first(self, rows: Sequence[str], last_event_id: str | None) -> list[Event]:
        """``rows``: everything there is; nothing for a listener that knows it already."""
        self._seen = self._digests(rows)
        tag = _tag(self._seen)
        if tag == last_event_id:
            return []
        return [Event("[" + ",".join(rows) + "]", event="rows", id=tag)]

    def later(self, rows: Sequence[str]) -> list[Event]:
        """``changed`` with a new or changed row, ``removed`` with the key of one that is gone."""
        before, self._seen = self._seen, self._digests(rows)
        events = [("removed", key.decode()) for key in before if key not in self._seen]
        events += [
            ("changed", row)
            for row, (key, digest) in zip(rows, self._seen.items(), strict=True)
            if before.get(key) != digest
        ]
        last = len(events) - 1
        tag = _tag(self._seen) if events else None
        return [
            Event(data, event=kind, id=tag if number == last else None)
            for number, (kind, data) in enumerate(events)
        ]

    def _digests(self, rows: Sequence[str]) -> dict[bytes, bytes]:
        return {self._key_of(row): blake2b(row.encode(), digest_size=16).digest() for row in rows}

    def _key_of(self, row: str) -> bytes:
        values = orjson.loads(row)
        return orjson.dumps({name: values[name] for name in self._key})


def _tag(seen: dict[bytes, bytes]) -> str:
    whole = blake2b(digest_size=12)
    for key, digest in seen.items():
        whole.update(len(key).to_bytes(4) + key + digest)
    return whole.hexdigest()
