"""Run benchmarks: ``python -m bench [NAMES…] [--quick] [--full] [--rounds N]``, from the project's folder."""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench.harness import Bench, Lab, LoadError
from bench.harness.machine import machine, programs, revision
from bench.harness.peers import PeersError, prepare, versions
from bench.harness.report import section, show, write_section
from bench.http.scenarios import BENCH as HTTP
from bench.mongo.scenarios import BENCH as MONGO
from bench.pg.scenarios import BENCH as PG
from bench.redis.scenarios import BENCH as REDIS
from bench.weather.scenarios import BENCH as WEATHER

BENCHES = {bench.name: bench for bench in (HTTP, REDIS, PG, MONGO, WEATHER)}
RESULTS = Path(__file__).parent / "results.md"
OURS = ("tornado", "uvloop", "httptools", "redis", "hiredis", "aiopg", "psycopg2-binary", "motor", "pymongo")


def main() -> int:
    """Run what was asked for; 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Storefronts beside its peers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="a short look, not written to results.md")
    parser.add_argument("--full", action="store_true", help="the long runs too (a million documents)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each server is asked (5)")
    parser.add_argument("--seconds", type=float, default=3, help="how long each time (3)")
    parser.add_argument(
        "--note", action="append", default=[], help="a line for results.md, such as what else ran"
    )
    parser.add_argument("--connections", type=int, default=32, help="connections at once (32)")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BENCHES]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    console = Console(width=None if sys.stdout.isatty() else 130)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    failed = 0
    try:
        for name in arguments.names or BENCHES:
            failed += not _run(console, BENCHES[name], arguments)
    except KeyboardInterrupt:
        console.print("Stopped; every server has ended.")
        return 130
    return 1 if failed else 0


def _run(console: Console, bench: Bench, arguments: argparse.Namespace) -> bool:
    """Run one; False when it could not be finished."""
    columns = (SpinnerColumn(), TextColumn("{task.fields[bench]}"), BarColumn(20), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory(prefix="storefronts-bench-") as folder,
        Progress(*columns, TextColumn("{task.description}"), console=console, transient=True) as progress,
    ):
        task = progress.add_task("preparing the peers", total=None, bench=bench.name)
        notes: list[str] = list(arguments.note)
        try:
            python = prepare(bench.name, bench.packages)
        except PeersError as error:
            python = ""
            notes.append(f"The peers could not be installed: {error}")
        lab = Lab(
            Path(folder),
            python,
            progress,
            task,
            rounds=1 if arguments.quick else arguments.rounds,
            seconds=1 if arguments.quick else arguments.seconds,
            connections=arguments.connections,
            quick=arguments.quick,
            full=arguments.full,
            notes=notes,
        )
        tables = []
        try:
            for table in bench.run(lab):
                tables.append(table)
                show(progress.console, table)
        except (LoadError, RuntimeError, subprocess.CalledProcessError) as error:
            console.print(f"{bench.name} stopped: {error}", style="red", markup=False)
            return False
    for note in lab.notes:
        console.print(note, markup=False, highlight=False)
    if not arguments.quick:
        order = [each.title for each in BENCHES.values()]
        write_section(RESULTS, section(bench.title, tables, _facts(bench, lab)), order)
    return True


def _facts(bench: Bench, lab: Lab) -> list[str]:
    """When, on what, and which versions."""
    names = [package.partition("[")[0] for package in bench.packages]
    peers = versions(lab.peers, [*names, "starlette", "uvloop", "httptools"]) if lab.peers else {}
    ours = versions(sys.executable, OURS)
    load = "wrk" if shutil.which("wrk") else "the harness's own generator (wrk is not installed)"
    facts = [
        f"{datetime.now(UTC):%Y-%m-%d}; {machine()}",
        f"{lab.rounds} rounds of {lab.seconds:g} s, load from {load}",
        f"ours: revision {revision()}, {_listed(ours)}",
    ]
    if peers:
        facts.append(f"peers: {_listed(peers)}")
    if found := programs():
        facts.append(f"Debian packages: {_listed(found)}")
    return [*facts, *lab.notes]


def _listed(found: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in found.items())


if __name__ == "__main__":
    sys.exit(main())
