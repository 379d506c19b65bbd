"""redis-svc beside webdis and FastAPI with redis-py, all in front of the same Redis."""

from __future__ import annotations

import json
import os
import resource
import socket
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
    LoadError,
    Request,
    Running,
    Server,
    Table,
    broadcast,
    free_port,
    service,
    uvicorn,
)
from devstack.stores import Redis

HERE = Path(__file__).parent
BATCH = 100
LISTENERS = 18_000
STOCK = "Tornado + redis-py"
TORNADO = "redis-svc, Tornado's server"
SERVICE = ("-m", "redis_svc")
PROBE = "/v1/records/bench"

GET = Request(PROBE)
PIPELINE = Request(
    "/pipeline", "POST", {"Content-Type": "application/json"}, json.dumps([["GET", "bench"]] * BATCH)
)
WEBDIS_GET = Request("/GET/bench")
# webdis has no request that holds several commands; the most it can do is HTTP/1.1 pipelining.
WEBDIS_PIPELINE = Request("/GET/bench", pipelined=BATCH)


def run(lab: Lab) -> Iterator[Table]:
    """One command a request, also at half of the largest rate; a hundred; one message to all who listen."""
    with ExitStack() as stack:
        redis = stack.enter_context(Redis(lab.folder / "redis"))
        _set_value(redis.port)
        servers = lab.start(stack, _servers(lab.folder, redis))
        http = [one for name, one in servers.items() if name != "webdis"]
        webdis = servers.get("webdis")
        one_each = [Contender(one, (GET,)) for one in http]
        hundred_each = [Contender(one, (PIPELINE,), BATCH) for one in http if one.name != STOCK]
        if webdis:
            one_each.append(Contender(webdis, (WEBDIS_GET,)))
            hundred_each += [
                Contender(webdis, (WEBDIS_GET,), label="webdis, one by one"),
                Contender(webdis, (WEBDIS_PIPELINE,), label=f"webdis, {BATCH} requests in one write"),
            ]
        fastapi = "FastAPI + redis-py"
        yield lab.compare(
            "GET of 100 bytes", one_each, [Goal(fastapi, 2), Goal(f"{fastapi}, no log", 2)], unit="command"
        )
        yield lab.at_half_rate("Latency at half of that rate, GET of 100 bytes", one_each)
        yield lab.compare(
            f"{BATCH} GETs in one request",
            hundred_each,
            [Goal("webdis, one by one", 3), Goal(f"webdis, {BATCH} requests in one write", 3)],
            unit="command",
            notes=("A latency is that of a whole request; those that share a write are not timed.",),
        )
    yield _broadcast(lab)


def _servers(folder: Path, redis: Redis) -> list[Server]:
    store = {"REDIS_URL": redis.url}
    port, configuration = free_port(), folder / "webdis.json"
    settings = {
        "redis_host": "127.0.0.1",
        "redis_port": redis.port,
        "http_host": "127.0.0.1",
        "http_port": port,
        "threads": 1,
        "pool_size": 20,
        "daemonize": False,
        "database": 0,
        "acl": [{"disabled": ["DEBUG"]}],
        "verbosity": 1,
        "logfile": os.devnull,
    }
    configuration.write_text(json.dumps(settings))
    peer, peers = "fastapi_peer:app", HERE / "peers"
    return [
        service("redis-svc", *SERVICE, probe=PROBE, **store),
        service(TORNADO, *SERVICE, http_server="tornado", probe=PROBE, **store),
        Server(STOCK, (OURS, str(HERE / "apps/stock.py"), PORT), store, PROBE),
        uvicorn("FastAPI + redis-py", peer, peers, probe=PROBE, **store),
        uvicorn("FastAPI + redis-py, no log", peer, peers, "--no-access-log", probe=PROBE, **store),
        Server("webdis", ("webdis", str(configuration)), {}, needs="webdis", port=port),
    ]


def _broadcast(lab: Lab) -> Table:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the servers inherit it
    count = min(1000 if lab.quick else LISTENERS, most - 1000)
    rows = []
    with ExitStack() as stack:
        redis = stack.enter_context(Redis(lab.folder / "broadcast"))
        wide = {"REDIS_URL": redis.url, "MAX_IN_FLIGHT": "100000"}
        for server in (
            service("redis-svc", *SERVICE, **wide),
            service(TORNADO, *SERVICE, http_server="tornado", **wide),
            uvicorn("FastAPI + redis-py", "fastapi_peer:app", HERE / "peers", REDIS_URL=redis.url),
        ):
            with ExitStack() as one:
                for running in lab.start(one, [server]).values():
                    lab.say(f"{count:,} listeners, {running.name}")
                    rows.append(_broadcast_row(running, count))
    columns = ("server", "listeners", "KiB each", "middle ms", "last ms", "CPU µs/listener")
    notes = (
        "`GET /v1/channels/bench` as an event stream, and one `POST` to it: milliseconds from sending it to "
        "the listener in the middle and to the last one, the best of three; CPU time of the server for each.",
        "The peer has an unbounded queue for each listener, no heartbeat and no check for slow readers.",
    )
    return Table("One message to many idle listeners", columns, tuple(rows), notes)


def _broadcast_row(server: Running, count: int) -> tuple[str, ...]:
    try:
        found = broadcast(server, "/v1/channels/bench", count, 3)
    except LoadError as error:
        return (server.name, f"{count:,}", str(error).partition(": ")[2], "", "", "")
    kib = f"{found.bytes_each / 1024:.1f}"
    times = (f"{found.middle_ms:,.0f}", f"{found.last_ms:,.0f}", f"{found.cpu_us:.1f}")
    return (server.name, f"{count:,}", kib, *times)


def _set_value(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(f"SET bench {'x' * 100}\r\n".encode())
        assert connection.recv(16) == b"+OK\r\n"


BENCH = Bench("redis", "Redis over HTTP", ("fastapi", "uvicorn[standard]", "redis[hiredis]"), run)
