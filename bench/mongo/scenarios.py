"""mongo-svc beside Eve and FastAPI with PyMongo's asyncio driver, in front of the same embedded server.

That server is slow itself (about 2,000 reads a second, and it sorts a whole collection for a page), so the
CPU time of each service says more than its rate.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pymongo import MongoClient, WriteConcern
from pymongo.database import Database

from bench.harness import (
    PEERS,
    Bench,
    Contender,
    Goal,
    Lab,
    Request,
    Running,
    Server,
    Table,
    compare_table,
    free_port,
    service,
    uvicorn,
)
from bench.harness.results import Figures
from bench.mongo.streams import stream_table
from devstack.stores import Mongo

HERE = Path(__file__).parent
READ = 500  # documents in the collection that is read
CONNECTIONS = 16
OURS_NAME, EVE, FASTAPI, DRIVER = "mongo-svc", "Eve + gunicorn", "FastAPI + PyMongo", "the driver alone"
ITEMS = [
    {
        "name": f"n{number}",
        "content": {"title": f"document {number}", "price": number % 100, "tags": ["a", "b"]},
    }
    for number in range(10_000)
]
NAMES = tuple(f"n{number * 7 % READ}" for number in range(READ))  # each asked for once in so many requests
BY_NAME = {
    name: tuple(f"{prefix}/items/{one}" for one in NAMES)
    for name, prefix in ((OURS_NAME, "/v1"), (EVE, ""), (FASTAPI, ""))
}
PAGE = {
    OURS_NAME: ("/v1/items?limit=100",),
    EVE: ("/items?max_results=100",),
    FASTAPI: ("/items?limit=100",),
}
BULK = {OURS_NAME: "/v1/bulk", EVE: "/bulk", FASTAPI: "/bulk"}


def run(lab: Lab) -> Iterator[Table]:
    """Read by name, a page, insert; then a long import and export."""
    with ExitStack() as stack:
        lab.say("starting the store")
        store = Mongo(lab.folder / "mongo")
        stack.callback(store.discard)
        store.start()
        client: MongoClient[dict[str, Any]] = stack.enter_context(MongoClient(store.url))
        database = client.get_database("storefronts", write_concern=WriteConcern("majority", j=True))
        database.items.create_index("name", unique=True, sparse=True)
        database.items.insert_many(_stored()[:READ])
        servers = lab.start(stack, _servers(store.url))
        for title, paths, factors in (
            ("A document by its name", BY_NAME, {EVE: 2.0, FASTAPI: 1.2}),
            (f"A page of 100 of {READ} documents", PAGE, {}),
        ):
            contenders = [Contender(one, tuple(map(Request, paths[name]))) for name, one in servers.items()]
            goals = [Goal(peer, factor) for peer, factor in factors.items()]
            if factors:
                goals.append(Goal(FASTAPI, 1.5, ("cpu",)))
            yield lab.compare(title, contenders, goals, connections=CONNECTIONS)
        yield _inserts(lab, servers, database)
        yield stream_table(lab, servers[OURS_NAME])


def _servers(url: str) -> list[Server]:
    store, port = {"MONGODB_URI": url}, free_port()
    # The embedded server looks at a whole collection before it gives its first document away, and meanwhile
    # does not even say that it is there
    patient = {**store, "QUERY_TIMEOUT": "1800", "STORE_TIMEOUT": "120"}
    gunicorn = ("-m", "gunicorn", "eve_peer:app", "--chdir", str(HERE / "peers"), "-w", "1")
    return [
        service(OURS_NAME, "-m", "mongo_svc", probe=BY_NAME[OURS_NAME][0], **patient),
        Server(EVE, (PEERS, *gunicorn, "-b", f"127.0.0.1:{port}"), store, BY_NAME[EVE][0], port=port),
        uvicorn(
            FASTAPI, "fastapi_peer:app", HERE / "peers", "--no-access-log", probe=BY_NAME[FASTAPI][0], **store
        ),
    ]


def _inserts(lab: Lab, servers: dict[str, Running], database: Database[dict[str, Any]]) -> Table:
    """One request that inserts all; the driver's own ``insert_many`` is the measure."""
    cpu: dict[str, list[float]] = {name: [] for name in (*servers, DRIVER)}
    rate: dict[str, list[float]] = {name: [] for name in cpu}
    for number in range(1, min(lab.rounds, 3) + 1):
        for name in cpu:
            lab.say(f"insert of {len(ITEMS):,} documents: round {number}, {name}")
            database.drop_collection("bulk")
            database.bulk.create_index("name", unique=True, sparse=True)
            before = servers[name].cpu_seconds() if name in servers else 0.0
            start = time.monotonic()
            if name in servers:
                _insert(servers[name], BULK[name], name == OURS_NAME)
            else:
                database.bulk.insert_many(_stored(), ordered=False)
            rate[name].append(len(ITEMS) / (time.monotonic() - start))
            if name in servers:
                cpu[name].append((servers[name].cpu_seconds() - before) / len(ITEMS) * 1e6)
    figures = {name: Figures(tuple(cpu[name]), tuple(rate[name])) for name in cpu}
    title = f"Insert of {len(ITEMS):,} documents in one request"
    return compare_table(title, figures, [Goal(DRIVER, 0.8, ("rate",))], unit="document")


def _insert(server: Running, path: str, lines: bool) -> None:
    if lines:
        body, kind = b"".join(json.dumps(item).encode() + b"\n" for item in ITEMS), "application/x-ndjson"
    else:
        body, kind = json.dumps(ITEMS).encode(), "application/json"
    request = urllib.request.Request(  # noqa: S310 - our own loopback address
        server.url + path, body, {"Content-Type": kind}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
        text = answer.read()
    assert not lines or json.loads(text.splitlines()[-1])["inserted"] == len(ITEMS), text


def _stored() -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    return [{**item, "revision": 1, "created": now, "updated": now} for item in ITEMS]


BENCH = Bench(
    "mongo", "MongoDB over HTTP", ("eve", "gunicorn", "fastapi", "uvicorn[standard]", "pymongo"), run
)
