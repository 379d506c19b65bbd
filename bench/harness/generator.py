"""The load generator: an order on standard input (JSON), what was found on standard output (JSON).

Without a rate every connection sends its next batch of requests when the last one is answered. With a rate
the batches have times at which they are due; one that finds no idle connection waits, and its latency counts
from the time it was due, so that a server which stalls cannot hide it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from base64 import b64decode
from collections import deque
from dataclasses import dataclass, field
from itertools import cycle
from typing import cast

import httptools
import uvloop


@dataclass
class Tally:
    """What has happened so far."""

    times: list[float] = field(default_factory=list)
    count: int = 0
    refused: int = 0
    broken: int = 0


class Plan:
    """What is to be sent: batches in turn, and when."""

    def __init__(self, batches: list[tuple[bytes, int]], rate: float) -> None:
        self._batches = cycle(batches)
        self.rate = rate
        self.tally = Tally()
        self.idle: deque[Connection] = deque()
        self._due: deque[float] = deque()
        self.over = False

    def rest(self, connection: Connection) -> None:
        """A connection has nothing to do: give it the next batch, or keep it for one."""
        if self.over:
            return
        if not self.rate:
            connection.send(*next(self._batches), time.perf_counter())
        elif self._due:
            connection.send(*next(self._batches), self._due.popleft())
        else:
            self.idle.append(connection)

    async def keep_time(self, until: float) -> None:
        """Let batches fall due at the rate."""
        due = time.perf_counter()
        while due < until:
            now = time.perf_counter()
            while due <= now:
                if self.idle:
                    self.idle.popleft().send(*next(self._batches), due)
                else:
                    self._due.append(due)
                due += 1 / self.rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))


class Connection(asyncio.Protocol):
    """One connection, with one batch on its way at a time."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting = 0
        self._since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._plan.tally.broken += 1
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._plan.over:
            self._plan.tally.broken += 1

    def on_message_complete(self) -> None:
        """An answer is there (called by the parser)."""
        tally = self._plan.tally
        tally.count += 1
        tally.refused += self._parser.get_status_code() >= 400
        self._waiting -= 1
        if not self._waiting:
            tally.times.append(time.perf_counter() - self._since)
            self._plan.rest(self)

    def send(self, data: bytes, count: int, since: float) -> None:
        """Send a batch of ``count`` requests that was due at ``since``."""
        assert self._transport is not None
        self._waiting, self._since = count, since
        self._transport.write(data)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()


async def generate(
    port: int, batches: list[tuple[bytes, int]], seconds: float, connections: int, rate: float
) -> dict[str, float]:
    """Send for a number of seconds and sum up; times in milliseconds."""
    loop, plan = asyncio.get_running_loop(), Plan(batches, rate)
    made = [
        (await loop.create_connection(lambda: Connection(plan), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    start = time.perf_counter()
    for connection in made:
        plan.rest(connection)
    if rate:
        await plan.keep_time(start + seconds)
    else:
        await asyncio.sleep(seconds)
    plan.over = True
    elapsed = time.perf_counter() - start
    for connection in made:
        connection.close()
    times = sorted(plan.tally.times)
    return {
        "count": plan.tally.count,
        "seconds": elapsed,
        "refused": plan.tally.refused,
        "broken": plan.tally.broken,
        "p50": _percentile(times, 0.5),
        "p99": _percentile(times, 0.99),
        "p999": _percentile(times, 0.999),
    }


def _percentile(times: list[float], part: float) -> float:
    return times[min(len(times) - 1, int(len(times) * part))] * 1000 if times else 0.0


def main() -> None:
    """Read the order, carry it out, print what was found."""
    order = json.load(sys.stdin)
    batches = [(b64decode(data) * count, count) for data, count in order["batches"]]
    found = uvloop.run(
        generate(order["port"], batches, order["seconds"], order["connections"], order["rate"])
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
