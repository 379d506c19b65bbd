"""What connections cost that do nothing: ``python bench/http/idle.py [--connections N]``.

Opens N connections to one service process, each of which has had one answer, and reads off how much memory
that took. Then all of them begin a request and send a byte of it now and then, while others are served: what
an answer costs the server with and without them, in interleaved rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
from pathlib import Path

from load import measure
from servers import PATH, PEERS, Peers, Server, running_servers

REQUEST = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def main() -> None:
    """Measure both servers of svc_common and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2)
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the servers inherit it
    print("| server | connections | KiB each | CPU µs/request | with slow senders | ratio |")
    print("|---|--:|--:|--:|--:|--:|")
    for server in PEERS[:2]:
        server.environment |= {"IDLE_TIMEOUT": "600", "HEADER_TIMEOUT": "600"}
        with running_servers([server], Peers("", "")):
            print(
                asyncio.run(_row(server, arguments.connections, arguments.rounds, arguments.seconds)),
                flush=True,
            )


async def _row(server: Server, count: int, rounds: int, seconds: int) -> str:
    await asyncio.to_thread(measure, server, 1, 32)  # everything is loaded
    before = _resident(server.pid)
    connections = [await _idle(server.port) for _ in range(count)]
    each = (_resident(server.pid) - before) / count
    for _, writer in connections:
        writer.write(REQUEST[:-4] + b"\r\nX: ")
    with_slow, without = [], []
    for _ in range(rounds):
        without.append((await asyncio.to_thread(measure, server, seconds, 32)).cpu_us)
        senders = asyncio.create_task(_trickle(connections))
        with_slow.append((await asyncio.to_thread(measure, server, seconds, 32)).cpu_us)
        senders.cancel()
    for _, writer in connections:
        writer.transport.abort()
    one, other = statistics.median(without), statistics.median(with_slow)
    return f"| {server.name} | {count} | {each:.1f} | {one:.1f} | {other:.1f} | {other / one:.2f} |"


async def _idle(port: int) -> Connection:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    await reader.readuntil(b"}")
    return reader, writer


async def _trickle(connections: list[Connection]) -> None:
    """Each connection sends a byte every five seconds."""
    pause = 5 / len(connections)
    while True:
        for number, (_, writer) in enumerate(connections):
            writer.write(b"x")
            if number % 20 == 0:
                await asyncio.sleep(20 * pause)


def _resident(pid: int) -> float:
    """A process's memory in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1])
    raise AssertionError(pid)


if __name__ == "__main__":
    main()
