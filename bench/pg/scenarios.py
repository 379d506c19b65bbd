"""pg-svc beside FastAPI with psycopg 3, both in front of the same PostgreSQL."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench.harness import Bench, Contender, Goal, Lab, Request, Running, Table, service, uvicorn
from devstack.stores import Postgres

HERE = Path(__file__).parent
TITLES = ("One row by its key", "100 rows", "20 rows with 5 each", "Insert of 1,000 rows")
KEYS = 900  # more than plans are remembered
FLAT = 24  # MiB
CONNECTIONS = 16

_JSON = {"Content-Type": "application/json"}
_ENTRIES = json.dumps([{"name": f"entry {number}", "value": number} for number in range(1000)])


def _keys(path: str) -> tuple[Request, ...]:
    return tuple(Request(f"{path}{key}") for key in range(1, KEYS + 1))


def _requests(one: str, many: str, embed: str, insert: str) -> tuple[Request, ...]:
    return (Request(one), Request(many), Request(embed), Request(insert, "POST", _JSON, _ENTRIES))


def _peer_requests(kind: str) -> tuple[Request, ...]:
    paths = ("one?id=7", "many?limit=100", "embed?limit=20", "bulk")
    return _requests(*(f"/{kind}/{path}" for path in paths))


REST = _requests(
    "/rest/authors?id=eq.7",
    "/rest/books?order=id&limit=100",
    "/rest/authors?select=id,name,books(id,title)&order=id&limit=20",
    "/rest/entries",
)
PLAIN = "pg-svc, nothing prepared"
OBJECTS = "FastAPI, rows as objects"
BY_DATABASE = "FastAPI, JSON by the database"


def run(lab: Lab) -> Iterator[Table]:
    """Four requests, and a million rows in one answer."""
    with ExitStack() as stack:
        lab.say("starting PostgreSQL")
        store = Postgres(lab.folder / "postgres")
        stack.callback(store.discard)
        store.start()
        store.sql((HERE / "data.sql").read_text())
        settings = {
            "DATABASE_URL": store.url,
            "MIGRATE": "never",
            "PGRST_DB_ANON_ROLE": "reader",
            "REQUEST_TIMEOUT": "300",
        }
        app, folder = "peer:app", HERE / "peers"
        quiet = "--no-access-log"
        database = {"DATABASE_URL": store.url}
        servers = lab.start(
            stack,
            [
                service("pg-svc", "-m", "pg_svc", probe=REST[0].path, **settings),
                service(
                    PLAIN,
                    "-m",
                    "pg_svc",
                    probe=REST[0].path,
                    PGRST_DB_PREPARED_STATEMENTS="false",
                    **settings,
                ),
                uvicorn(OBJECTS, app, folder, quiet, probe="/rows/one?id=7", **database),
                uvicorn(BY_DATABASE, app, folder, quiet, probe="/json/one?id=7", **database),
            ],
        )
        asked = {
            "pg-svc": REST,
            PLAIN: REST,
            OBJECTS: _peer_requests("rows"),
            BY_DATABASE: _peer_requests("json"),
        }
        for which, title in enumerate(TITLES):
            contenders = [Contender(one, (asked[name][which],)) for name, one in servers.items()]
            factor = 1.3 if which == len(TITLES) - 1 else 1.5
            goals = [Goal(peer, 1.3, ("rate",)) for peer in (OBJECTS, BY_DATABASE)]
            if which < len(TITLES) - 1:
                goals += [Goal(peer, factor, ("cpu",)) for peer in (OBJECTS, BY_DATABASE)]
            yield lab.compare(title, contenders, goals, connections=CONNECTIONS)
        keys = {"pg-svc": _keys("/rest/authors?id=eq."), OBJECTS: _keys("/rows/one?id=")}
        yield lab.compare(
            f"One row by each of {KEYS} keys in turn",
            [Contender(servers[name], requests) for name, requests in keys.items() if name in servers],
            [Goal(OBJECTS, 1.3)],
            connections=CONNECTIONS,
        )
        lab.say("a million rows")
        yield _stream(servers["pg-svc"])


def _stream(server: Running) -> Table:
    """Read a million rows from one answer."""
    request = urllib.request.Request(  # noqa: S310 - our own loopback address
        f"{server.url}/rest/numbers", headers={"Accept": "application/x-ndjson"}
    )
    before, start, most, lines = server.resident_bytes(), time.monotonic(), 0, 0
    with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
        while chunk := answer.read(1 << 18):
            lines += chunk.count(b"\n")
            most = max(most, server.resident_bytes())
    seconds = time.monotonic() - start
    grown = (most - before) / 2**20
    row = ("pg-svc", f"{lines:,}", f"{seconds:.1f}", f"{lines / seconds:,.0f}", f"{grown:.1f}")
    columns = ("server", "rows", "seconds", "rows/s", "MiB")
    notes = (
        "NDJSON; MiB are what the service's memory grew by at most meanwhile.",
        f"Goal, under {FLAT} MiB: **{'met' if grown < FLAT else 'not met'}**.",
    )
    return Table("One answer of a million rows", columns, (row,), notes)


BENCH = Bench("pg", "PostgreSQL over HTTP", ("fastapi", "uvicorn[standard]", "psycopg[binary,pool]"), run)
