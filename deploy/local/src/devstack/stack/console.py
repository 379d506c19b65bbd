"""What the user reads: one line of progress at a time, then the table of addresses and lines to paste."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from devstack.stack.layout import Layout
from devstack.stack.plan import Plan

TAIL_LINES = 8


def say(text: str = "", *, file: IO[str] | None = None) -> None:
    """Print at once, also into a pipe; a reader that has gone away stops nothing."""
    try:
        print(text, file=file, flush=True)
    except BrokenPipeError:
        # Further writes, and Python's own at exit, go nowhere.
        sys.stdout = Path("/dev/null").open("w")  # noqa: SIM115


def ready(name: str, seconds: float) -> None:
    """A program has become ready."""
    say(f"  {name:<13} ready after {seconds:.1f} s")


def size(log: Path) -> int:
    """Return the size of a log in bytes, 0 if there is none."""
    return log.stat().st_size if log.exists() else 0


def log_tail(log: Path, since: int = 0, lines: int = TAIL_LINES) -> list[str]:
    """Return the last lines that were written after byte ``since``: shortened, and each one only once."""
    if since > size(log):
        since = 0  # a new file since then
    try:
        with log.open("rb") as file:
            file.seek(since)
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    different = dict.fromkeys(line[:300] for line in text.splitlines() if line.strip())
    return list(different)[-lines:]


def trouble(name: str, what: str, log: Path, since: int = 0) -> None:
    """A program is in trouble: say what and show the end of its log, as far as it is of this run."""
    tail = log_tail(log, since)
    say(f"  {name:<13} {what}; {shown_path(log)} {'ends:' if tail else 'is empty'}")
    for line in tail:
        say(f"      {line}")


def curl_lines(plan: Plan) -> list[str]:
    """Return lines to paste into a shell, about one for each service that runs."""
    token = ' -H "Authorization: Bearer $TOKEN"' if plan.asks_for_token else ""
    curl, url = f"curl{token}", plan.url
    json = "-H 'Content-Type: application/json'"
    lines = {
        "mongo": [
            f'{curl} -X PUT {url}/mongo/v1/notes/first {json} -d \'{{"text": "hello"}}\''
            f" && {curl} {url}/mongo/v1/notes/first"
        ],
        "redis": [
            f"{curl} -X PUT {url}/redis/v1/records/greeting -H 'Content-Type: text/plain' -d 'hello'"
            f" && {curl} {url}/redis/v1/records/greeting"
        ],
        "pg": [
            f'{curl} -X POST {url}/pg/rest/todos {json} -d \'{{"task": "try it"}}\'',
            f"{curl} {url}/pg/rest/todos",
        ],
        "weather": [f"{curl} '{url}/weather/v1/current?city=Berlin,DE'"],
    }
    return [line for service in plan.services for line in lines[service.kind.name]]


def summary(plan: Plan, layout: Layout, seconds: float, unready: Sequence[str]) -> None:
    """Print where everything is."""
    from rich.console import Console
    from rich.table import Table

    # Into a pipe or a log, nothing needs to be folded.
    console = Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 240)
    docs_base = plan.url if console.width >= 100 else ""
    table = Table(show_edge=False, pad_edge=False, header_style="bold")
    for title in ("", "address", "direct", "admin", "documentation"):
        table.add_column(title, overflow="fold")
    table.add_row("front door", f"{plan.url}/", "", "", "")
    for service in plan.services:
        path = service.kind.base_path
        table.add_row(
            service.kind.program,
            f"{plan.url}{path}",
            f":{service.port}",
            f":{service.admin_port}",
            f"{docs_base}{path}/docs",
        )
    stores = Table(show_edge=False, pad_edge=False, header_style="bold")
    for title in ("store", "address", "data"):
        stores.add_column(title, overflow="fold")
    for store in plan.stores:
        where = shown_path(store.embedded.directory) if store.embedded else "given by the environment"
        stores.add_row(store.kind.title, store.shown_url, where)
    if plan.simulated_weather:
        stores.add_row("Weather", plan.simulated_weather, "simulated (OFFLINE=1)")

    say()
    say(f"Storefronts is {'up, but not complete' if unready else 'ready'} after {seconds:.1f} s.\n")
    console.print(table)
    say()
    console.print(stores)
    say("\nTry it:\n")
    for line in curl_lines(plan):
        say(f"  {line}")
    say()
    if plan.asks_for_token:
        say("Requests need a token: export TOKEN=… with a secret of AUTH_TOKENS, or with what a login gives.")
    elif plan.open_by_default:
        say("AUTH_MODE=none: everyone on this machine may do everything. Set AUTH_TOKENS to ask for tokens.")
    say(f"Logs are in {shown_path(layout.logs)}. Ctrl-C stops everything; the data stay.")


def shown_path(path: Path) -> str:
    """Return a path as the user would type it: relative if it is below the working directory."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
