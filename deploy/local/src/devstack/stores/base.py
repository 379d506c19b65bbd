"""What all embedded stores have in common: a folder, a port, a log, and a life as a child process."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from devstack.ports import LOOPBACK, free_port
from devstack.stores.children import Account, descendants, kill_all, listens, spawn

logger = logging.getLogger("devstack")

POLL_SECONDS = 0.02
PROBE_SECONDS = 2.0
STOP_POLL_SECONDS = 0.1
ASK_AGAIN_SECONDS = 1.0


class StoreError(RuntimeError):
    """A store did not come up or did not stop; the message ends with the last lines of its log."""


class Store(ABC):
    """One server in a child process.

    ``directory`` holds everything the store writes, its log included. It is created on the first start, and a
    store made again on the same directory finds its data. Without ``port`` a free one is chosen; it stays the
    same over ``restart``.

    All methods block. A coroutine calls the slow ones (``start``, ``stop``, ``restart``) through
    ``asyncio.to_thread``; ``kill`` takes only milliseconds.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.directory = directory.absolute()
        self.host = LOOPBACK
        self.port = port if port is not None else free_port()
        self.log = self.directory / f"{self.name}.log"
        self._port_is_ours_to_choose = port is None
        self._process: subprocess.Popen[bytes] | None = None

    # What each kind of store knows.

    @property
    @abstractmethod
    def url(self) -> str:
        """The address in the form that the store's usual drivers take."""

    @abstractmethod
    def prepare(self) -> None:
        """Make the directory ready for ``command``: create it, or clear away what a crash left behind."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the server's command line; it runs in the foreground."""

    @abstractmethod
    def probe(self) -> bool:
        """Tell whether the server answers commands now, by asking it in its own protocol. Never raises."""

    def account(self) -> Account | None:
        """Return the account the server must run as, or None for the present one."""
        return None

    def grant_access(self) -> list[Path]:
        """Let the server's account reach its files; return the folders whose permissions that changed."""
        return []

    # The life of a store.

    @property
    def pid(self) -> int | None:
        """The process id of the server, or None if it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def running(self) -> bool:
        """Whether the server's process is alive (it may be not ready yet)."""
        return self.pid is not None

    def start(self, timeout: float = 60.0) -> None:
        """Start the server and return when it answers commands.

        Does nothing if it runs already. Raises ``StoreError`` if it ends early or is not ready in ``timeout``
        seconds; it is stopped then.
        """
        if self.running:
            return
        tries = 3 if self._port_is_ours_to_choose else 1
        for remaining in reversed(range(tries)):
            try:
                self._start_once(timeout)
            except StoreError:
                # Somebody may have taken the port between choosing and using it.
                if remaining == 0 or not self._port_is_taken():
                    raise
                self.port = free_port()
            else:
                # From now on clients know the port.
                self._port_is_ours_to_choose = False
                return

    def _start_once(self, timeout: float) -> None:
        for folder in self.grant_access():
            logger.info("%s: other accounts may now pass through (not list) %s", self.name, folder)
        self.prepare()
        with self.log.open("ab") as log:
            self._process = spawn(
                self.command(), log=log, cwd=self.directory, account=self.account(), end=self.stop_signal
            )
        try:
            self.wait_ready(timeout)
        except BaseException:
            self.kill()
            raise

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Return when the server answers commands; raise ``StoreError`` if it ends or the time is over."""
        deadline = time.monotonic() + timeout
        while not (self.probe() and self._listens()):
            if not self.running:
                status = self._process.returncode if self._process is not None else "unknown"
                raise StoreError(f"{self.name} ended with status {status} while starting{self._log_tail()}")
            if time.monotonic() > deadline:
                raise StoreError(f"{self.name} did not answer within {timeout:g} s{self._log_tail()}")
            time.sleep(POLL_SECONDS)

    def stop(self, timeout: float = 60.0) -> None:
        """Stop the server as its makers mean it to be stopped; does nothing if it does not run."""
        if self._process is None:
            return
        began, asked = time.monotonic(), 0.0
        while self._process.poll() is None:
            now = time.monotonic()
            if now > began + timeout:
                self.kill()
                raise StoreError(f"{self.name} did not stop within {timeout:g} s{self._log_tail()}")
            # Probing also wakes a server that would notice the end only at its next connection. One that
            # serves on as if nothing had been said is asked again; see Mongo for both.
            serves = self.probe()
            if not asked or (serves and now > asked + ASK_AGAIN_SECONDS):
                self._process.send_signal(self.stop_signal)
                asked = now
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_POLL_SECONDS)
        self._process = None

    def kill(self) -> None:
        """End the server and all its child processes at once with SIGKILL, as a crash would."""
        if self._process is None:
            return
        if self._process.poll() is None:
            children = descendants(self._process.pid)
            # The parent first, so that it cannot replace the children.
            self._process.kill()
            self._process.wait()
            kill_all(children)
        self._process = None

    def restart(self, timeout: float = 60.0) -> None:
        """Stop the server if it runs, and start it on the same port and data."""
        self.stop()
        self.start(timeout)

    def discard(self) -> None:
        """End the server without ceremony and delete its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url} {'running' if self.running else 'stopped'}>"

    # Helpers for the kinds of stores.

    def _connect(self, timeout: float = PROBE_SECONDS) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=timeout)

    def _listens(self) -> bool:
        """Whether it is our own process that listens, and not a stranger's on the port that we wanted."""
        return self._process is not None and listens(self._process.pid, self.port)

    def _port_is_taken(self) -> bool:
        try:
            self._connect().close()
        except OSError:
            return False
        return True

    def _log_tail(self, lines: int = 15) -> str:
        try:
            tail = self.log.read_text(errors="replace").splitlines()[-lines:]
        except OSError:
            tail = []
        return "; the end of " + os.fspath(self.log) + ":\n" + "\n".join(tail or ["(the log is empty)"])
