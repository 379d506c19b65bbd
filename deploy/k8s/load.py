"""A steady load on addresses that must not fail, and the count of what failed."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType

import httpx


@dataclass
class Tally:
    """What came back. ``failures`` counts by what was seen: ``GET /redis/… 503`` or an error's name."""

    answered: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        """How many requests did not get an answer below 400."""
        return self.failures.total()

    def __str__(self) -> str:
        text = f"{self.answered + self.failed} requests, {self.failed} failed"
        return text + "".join(f"\n    {count} × {what}" for what, count in self.failures.most_common(10))


@dataclass(frozen=True)
class Call:
    """A request that is sent again and again; with content it is a write."""

    method: str
    path: str
    content: bytes | None = None
    content_type: str = "application/json"


class Load:
    """``with Load(url, calls) as load: …`` sends all the while; ``load.tally`` has the count afterwards."""

    def __init__(self, url: str, calls: tuple[Call, ...], clients_each: int = 2, pause: float = 0.02) -> None:
        self.tally = Tally()
        self._url = url
        self._calls = calls
        self._pause = pause
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._send, args=(call,), daemon=True)
            for call in calls
            for _ in range(clients_each)
        ]

    def __enter__(self) -> Load:
        with self._client() as client:
            for call in self._calls:  # the writes go first, once: the reads look for what they leave behind
                if call.content is not None:
                    self._request(client, call)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def _send(self, call: Call) -> None:
        with self._client() as client:
            while not self._stop.wait(self._pause):
                seen = self._request(client, call)
                with self._lock:
                    if seen:
                        self.tally.failures[f"{call.method} {call.path} {seen}"] += 1
                    else:
                        self.tally.answered += 1

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self._url, timeout=30, verify=False)  # noqa: S501 - a test's own certificate

    def _request(self, client: httpx.Client, call: Call) -> str:
        """Send it; returns what was wrong with the answer, nothing when it was right."""
        headers = {"Content-Type": call.content_type} if call.content is not None else {}
        try:
            answer = client.request(call.method, call.path, content=call.content, headers=headers)
        except httpx.HTTPError as error:
            return type(error).__name__
        return "" if answer.status_code < 400 else str(answer.status_code)
