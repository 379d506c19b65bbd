"""One stack at a time on a data folder: the lock, and what a killed stack may have left running."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from devstack.stack.layout import Layout
from devstack.stack.supervision import MARKER

GRACE = 45.0  # seconds; a supervisord that lost its parent is stopping everything in order


class AlreadyRunning(Exception):
    """Another stack runs on the same data; ``pid`` and ``url`` are its own (0 and "" if unknown)."""

    def __init__(self, pid: int, url: str) -> None:
        super().__init__(f"already running, pid {pid}, {url}")
        self.pid = pid
        self.url = url


@contextmanager
def only_one(layout: Layout, url: str) -> Iterator[None]:
    """Hold the data folder's lock; raises ``AlreadyRunning``. The system frees it if we are killed."""
    with layout.lock.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise AlreadyRunning(*_read(lock.read())) from None
        lock.truncate(0)
        lock.write(json.dumps({"pid": os.getpid(), "url": url}) + "\n")
        lock.flush()
        yield


def _read(content: str) -> tuple[int, str]:
    try:
        holder = json.loads(content)
        return int(holder["pid"]), str(holder["url"])
    except (ValueError, KeyError, TypeError):
        return 0, ""  # it has not written it yet


def find(layout: Layout) -> list[psutil.Process]:
    """Return the processes of any stack on this very data folder, ourselves apart."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARKER) == str(layout.data):
                found[process.pid] = process
                # PostgreSQL's sessions overwrite their environment, but not their parent.
                found |= {child.pid: child for child in process.children(recursive=True)}
    return list(found.values())


def stop(processes: list[psutil.Process]) -> None:
    """Stop processes: supervisord first, which stops the others in order; by force if that does not do."""
    parents = {process.pid for process in processes}
    for process in processes:
        with suppress(psutil.Error):
            if process.ppid() not in parents:
                process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=GRACE)
    kill(alive)


def kill(processes: list[psutil.Process]) -> None:
    """End processes at once."""
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=10)


def holder_of(port: int) -> str | None:
    """Say who listens on a port, as ``name (pid N)``, as far as we are allowed to know."""
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
            if listens and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return None
