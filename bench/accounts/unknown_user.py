"""Can the time of a refused login tell whether a user exists?

Asks pg-svc, on an embedded PostgreSQL, for logins of a user that exists with a wrong password and of users
that do not exist, in random order, and compares the two samples: their medians, and a permutation test of
the difference of their means. Run: ``python bench/accounts/unknown_user.py [REQUESTS]``.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

from devstack.stores import Postgres
from devstack.stores.postgres import run_sql
from pg_svc.accounts.keys import create_key
from svc_common.testing import ServiceProcess

PERMUTATIONS = 10_000


async def sample(url: str, database: str, requests: int) -> tuple[list[float], list[float]]:
    """Milliseconds of refusals: of the user that exists, and of users that do not."""
    known: list[float] = []
    unknown: list[float] = []
    kinds = [known, unknown] * (requests // 2)
    random.shuffle(kinds)
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        body = {"name": "ada", "password": "four words nobody guesses"}
        assert (await client.post("/auth/signup", json=body)).status_code == 201
        for number, kind in enumerate(kinds):
            run_sql(database, "DELETE FROM storefronts.attempts")
            # Names of one length: both kinds of request have the same size
            name = "ada" if kind is known else f"{number:03d}"[-3:]
            start = time.perf_counter()
            answer = await client.post("/auth/login", json={"name": name, "password": "wrong"})
            kind.append((time.perf_counter() - start) * 1000)
            assert answer.status_code == 401
    return known, unknown


def p_value(one: list[float], other: list[float]) -> float:
    """How often a difference of means as large as this comes about by chance."""
    both, size = one + other, len(one)
    seen = abs(statistics.fmean(one) - statistics.fmean(other))
    hits = 0
    for _ in range(PERMUTATIONS):
        random.shuffle(both)
        hits += abs(statistics.fmean(both[:size]) - statistics.fmean(both[size:])) >= seen
    return (hits + 1) / (PERMUTATIONS + 1)


def main() -> None:
    """Measure and print."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory(prefix="storefronts-bench-") as folder:
        key = Path(folder) / "signing.pem"
        create_key(key)
        postgres = Postgres(Path(folder) / "postgres")
        postgres.start()
        try:
            settings = {
                "DATABASE_URL": postgres.url,
                "AUTH_MODE": "jwt",
                "AUTH_SIGNING_KEY_FILES": str(key),
                "SIGNUP": "open",
            }
            with ServiceProcess("pg_svc", **settings) as service:
                known, unknown = asyncio.run(sample(service.url, postgres.url, requests))
        finally:
            postgres.discard()
    for name, values in (("known user, wrong password", known), ("unknown user", unknown)):
        deciles = statistics.quantiles(values, n=10)
        median = statistics.median(values)
        print(f"{name:28} median {median:7.2f} ms  p10 {deciles[0]:7.2f}  p90 {deciles[8]:7.2f}")
    print(f"difference of the means {statistics.fmean(known) - statistics.fmean(unknown):+.2f} ms,", end=" ")
    print(f"by chance with p = {p_value(known, unknown):.3f} (below 0.01 would tell them apart)")


if __name__ == "__main__":
    main()
