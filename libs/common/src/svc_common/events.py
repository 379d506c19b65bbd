"""Event streams (server-sent events, WHATWG HTML section 9.2): encoding and pacing.

A handler gives an asynchronous iterator of events to ``ServiceHandler.stream_events``. What happens then:

* the headers leave at once, so the client knows that it is connected;
* each event leaves when the one before it has left, so a slow reader slows its own producer and nothing is
  buffered for it (a source that waits for nobody is ``PushedEvents``); a reader that takes nothing for
  ``SLOW_READER_SECONDS`` is cut off;
* a comment leaves every ``HEARTBEAT_SECONDS`` of silence, so proxies keep the connection;
* when the service shuts down, or the iterator ends, the stream ends cleanly and clients reconnect with
  ``Last-Event-ID``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HEARTBEAT_SECONDS = 15.0
SLOW_READER_SECONDS = 30.0
HEARTBEAT = b":\n\n"
CONTENT_TYPE = "text/event-stream"

_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``id`` is what the client sends back as ``Last-Event-ID``; ``retry`` is in milliseconds."""

    data: str = ""
    event: str | None = None
    id: str | None = None
    retry: int | None = None

    def encode(self) -> bytes:
        """The event on the wire. ValueError for a name or id that would break the framing."""
        lines = []
        if self.event is not None:
            lines.append(f"event: {_one_line(self.event)}")
        if self.id is not None:
            if "\0" in self.id:
                raise ValueError("an event id cannot hold NUL")
            lines.append(f"id: {_one_line(self.id)}")
        if self.retry is not None:
            lines.append(f"retry: {self.retry}")
        lines.extend(f"data: {line}" for line in _LINE_END.split(self.data))
        return ("\n".join(lines) + "\n\n").encode()


GOODBYE = Event(event="goodbye", data='{"reason":"shutdown"}', retry=1000)
"""What a stream says when its service shuts down."""


def _one_line(value: str) -> str:
    if _LINE_END.search(value):
        raise ValueError("an event's name and id are one line each")
    return value
