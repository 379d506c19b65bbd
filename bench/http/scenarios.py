"""``GET /v1/hello`` answers ``{"message":"hello"}`` from one process of each server."""

from __future__ import annotations

import asyncio
import resource
import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench.harness import (
    OURS,
    PORT,
    Bench,
    Contender,
    Goal,
    Lab,
    Request,
    Running,
    Server,
    Table,
    measure,
    service,
    uvicorn,
)

HERE = Path(__file__).parent
PATH = "/v1/hello"
HELLO = Request(PATH)
IDLE, SLOW = 10_000, 5_000
IDLE_KIB, SLOWED = 8, 1.1
SERVICE = str(HERE / "apps/service.py")

FAST = service("svc_common", SERVICE, probe=PATH)
TORNADO = service("svc_common, Tornado's server", SERVICE, http_server="tornado", probe=PATH)
SERVERS = [
    FAST,
    TORNADO,
    Server("Tornado", (OURS, str(HERE / "apps/stock.py"), PORT), probe=PATH),
    uvicorn("FastAPI + uvicorn", "asgi:fastapi", HERE / "peers", probe=PATH),
    uvicorn("FastAPI + uvicorn, no log", "asgi:fastapi", HERE / "peers", "--no-access-log", probe=PATH),
    uvicorn("starlette + uvicorn, no log", "asgi:starlette", HERE / "peers", "--no-access-log", probe=PATH),
]
GOALS = [Goal("Tornado", 2), Goal("FastAPI + uvicorn", 1.4), Goal("FastAPI + uvicorn, no log", 1.4)]


def run(lab: Lab) -> Iterator[Table]:
    """As fast as they answer, then at half of that, then with many idle connections."""
    with ExitStack() as stack:
        servers = lab.start(stack, SERVERS)
        contenders = [Contender(one, (HELLO,)) for one in servers.values()]
        yield lab.compare("A small answer", contenders, GOALS)
        yield lab.at_half_rate("Latency at half of that rate", contenders)
    yield _idle(lab)


def _idle(lab: Lab) -> Table:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the servers inherit it
    count = min(IDLE // 10 if lab.quick else IDLE, most - 200)
    slow = min(count, SLOW // 10 if lab.quick else SLOW)
    rows = []
    for server in (FAST, TORNADO):
        patient = {**server.environment, "IDLE_TIMEOUT": "600", "HEADER_TIMEOUT": "600"}
        with ExitStack() as stack:
            known = Server(server.name, server.command, patient, server.probe)
            running = lab.start(stack, [known])[server.name]
            lab.say(f"{count:,} idle connections, {server.name}")
            rows.append(asyncio.run(_idle_row(lab, running, count, slow)))
    columns = ("server", "connections", "KiB each", "CPU µs/request", "with slow senders", "×")
    notes = (
        f"Each connection has had one answer. Slow senders: {slow:,} of them have begun a request and send a "
        "byte of it every five seconds, while 32 others are served; × is what that adds to the cost of an "
        "answer, which is asked for with all connections open either way.",
        *(_idle_verdict(*row) for row in rows),
    )
    return Table("Idle connections and slow senders", columns, tuple(rows), notes)


def _idle_verdict(name: str, _count: str, each: str, _one: str, _other: str, ratio: str) -> str:
    small, steady = float(each) < IDLE_KIB, float(ratio) <= SLOWED
    return (
        f"Goals, {name}: under {IDLE_KIB} KiB each, **{'met' if small else 'not met'}**; "
        f"others slowed by at most a tenth, **{'met' if steady else 'not met'}**."
    )


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _idle_row(lab: Lab, server: Running, count: int, slow: int) -> tuple[str, ...]:
    async def cost() -> float:
        return (await asyncio.to_thread(measure, server, [HELLO], min(lab.seconds, 2), 32)).cpu_us

    await cost()  # everything is loaded
    before = server.resident_bytes()
    connections = [await _connect(server.port) for _ in range(count)]
    each = (server.resident_bytes() - before) / count / 1024
    with_slow, without = [], [await cost()]
    for _, writer in connections[:slow]:
        writer.write(HELLO.encode()[:-2] + b"X: ")
    for _ in range(min(lab.rounds, 3)):
        without.append(await cost())
        senders = asyncio.create_task(_trickle(connections[:slow]))
        with_slow.append(await cost())
        senders.cancel()
    for _, writer in connections:
        writer.transport.abort()
    one, other = statistics.median(without), statistics.median(with_slow)
    return (server.name, f"{count:,}", f"{each:.1f}", f"{one:.1f}", f"{other:.1f}", f"{other / one:.2f}")


async def _connect(port: int) -> Connection:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HELLO.encode())
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


BENCH = Bench("http", "A small answer, without a store", ("fastapi", "starlette", "uvicorn[standard]"), run)
