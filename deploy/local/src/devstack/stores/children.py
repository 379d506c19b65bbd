"""Child processes which do not outlive their parent, under another account where needed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import psutil

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

# Linux sends the parent-death signal when the *thread* that created the child ends. All children are
# therefore created by one thread that lives as long as this process, whichever thread asked for them.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="devstack-spawner")


@dataclass(frozen=True)
class Account:
    """A system account, as far as starting a process under it goes."""

    uid: int
    gid: int

    @classmethod
    def named(cls, name: str) -> Account:
        """Look an account up; raises ``KeyError`` if the system has none of that name."""
        entry = pwd.getpwnam(name)
        return cls(entry.pw_uid, entry.pw_gid)

    @classmethod
    def owning(cls, path: Path) -> Account:
        """Return the account and group that own ``path``."""
        state = path.stat()
        return cls(state.st_uid, state.st_gid)


def end_with_parent(number: signal.Signals, parent: int) -> Callable[[], None]:
    """Return a function for a child to run, after which it gets a signal when its ``parent`` ends.

    Exists on Linux; elsewhere the function does nothing. Changing the account undoes it, exec does not.
    """
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it ended before the call
            os._exit(1)

    return arm


def spawn(
    command: Sequence[str], *, log: IO[bytes], cwd: Path, account: Account | None, end: signal.Signals
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, so that Ctrl-C does not reach it; it writes to ``log``.

    It gets the signal ``end`` when this process ends without having stopped it.
    """

    def create() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            preexec_fn=end_with_parent(end, os.getpid()),
        )

    return _spawner.submit(create).result()


def replace_this_process(
    command: Sequence[str],
    *,
    cwd: Path,
    account: Account | None,
    before_exec: Callable[[], None] | None = None,
) -> NoReturn:
    """Become the server: change folder and account, then exec."""
    os.chdir(cwd)
    if account:
        os.setgroups([])
        os.setgid(account.gid)
        os.setuid(account.uid)
    if before_exec:
        before_exec()
    os.execv(command[0], list(command))  # noqa: S606 - there is no shell to go through


def descendants(pid: int) -> list[psutil.Process]:
    """Return the processes below ``pid``, children and their children."""
    import psutil

    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def listens(pid: int, port: int) -> bool:
    """Tell whether a process listens on a TCP port."""
    import psutil

    try:
        connections = psutil.Process(pid).net_connections(kind="tcp")
    except psutil.Error:
        return False
    return any(
        connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
        for connection in connections
    )


def kill_all(processes: Sequence[psutil.Process], timeout: float = 10.0) -> None:
    """End the processes with SIGKILL and wait until they have ended; some may have ended by themselves."""
    import psutil

    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=timeout)


def let_pass(account: Account, path: Path) -> list[Path]:
    """Let ``account`` pass through every folder above ``path``; return the folders that were changed.

    Adds the permission to traverse for others (o+x) and nothing else: names in the folder stay hidden.
    """
    changed = []
    for folder in path.resolve().parents:
        state = folder.stat()
        if state.st_uid == account.uid:
            needed = stat.S_IXUSR
        elif state.st_gid == account.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not state.st_mode & needed:
            folder.chmod(stat.S_IMODE(state.st_mode) | needed)
            changed.append(folder)
    return changed
