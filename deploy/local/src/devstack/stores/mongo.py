"""An embedded MongoDB-compatible server: SecantusDB, from the wheel ``secantusdb``.

SecantusDB is licensed GPL-2.0, so it runs as a program of its own and is never imported.
"""

from __future__ import annotations

import socket
import ssl
import struct
import sys
from pathlib import Path

from devstack.stores.base import PROBE_SECONDS, Store

_OP_MSG = 2013


class Mongo(Store):
    """A SecantusDB server, which presents itself as the primary of a one-member replica set.

    Transactions and change streams therefore work. Writes with ``j=true`` are journaled before they are
    acknowledged; ``sync_on_commit`` does that for every write. With ``certificate``, the files of a chain and
    its key, it speaks TLS alone. With ``test_commands`` it can be told to fail (``configureFailPoint``).

    Two things to know when stopping it. Its listening thread notices the end at the next connection, or after
    two seconds. And its main thread sometimes sleeps through a signal that another thread has received, and
    the server serves on: whoever stops it has to look, and to ask again.
    """

    name = "mongo"

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        sync_on_commit: bool = False,
        certificate: tuple[Path, Path] | None = None,
        test_commands: bool = False,
    ) -> None:
        super().__init__(directory, port)
        self.test_commands = test_commands
        self.sync_on_commit = sync_on_commit
        self.certificate = certificate

    @property
    def url(self) -> str:
        """``mongodb://HOST:PORT/?directConnection=true``."""
        return f"mongodb://{self.host}:{self.port}/?directConnection=true"

    def prepare(self) -> None:
        """Create the directory; the server recovers from its journal by itself after a crash."""
        self.directory.mkdir(parents=True, exist_ok=True)
        # Naming a file keeps the server from picking up one from the home or working directory.
        self._configuration.touch()

    @property
    def _configuration(self) -> Path:
        return self.directory / "secantusd.toml"

    def command(self) -> list[str]:
        """Return the server's command line."""
        return [
            *(sys.executable, "-m", "secantus"),
            *("--config", str(self._configuration)),
            *("--host", self.host),
            *("--port", str(self.port)),
            *("--storage-path", str(self.directory / "db")),
            *(["--sync-on-commit"] if self.sync_on_commit else []),
            *(["--enable-test-commands"] if self.test_commands else []),
            *(self._tls_options()),
        ]

    def _tls_options(self) -> list[str]:
        if self.certificate is None:
            return []
        chain, key = self.certificate
        return ["--tls-cert-file", str(chain), "--tls-key-file", str(key)]

    def _connect(self, timeout: float = PROBE_SECONDS) -> socket.socket:
        plain = super()._connect(timeout)
        if self.certificate is None:
            return plain
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # it is our own child that is asked whether it is there
        return context.wrap_socket(plain)

    def probe(self) -> bool:
        """Send ``hello`` and see whether the server says that it takes writes."""
        try:
            with self._connect() as connection, connection.makefile("rb") as answers:
                connection.sendall(_hello())
                header = answers.read(4)
                if len(header) < 4:
                    return False
                (length,) = struct.unpack("<i", header)
                answer = answers.read(min(length, 1 << 16) - 4)
        except OSError:
            return False
        return b"\x08isWritablePrimary\x00\x01" in answer


def drop_database(url: str, name: str) -> None:
    """Delete one database of any MongoDB server."""
    from pymongo import MongoClient

    client: MongoClient[dict[str, object]] = MongoClient(url, serverSelectionTimeoutMS=10_000)
    try:
        client.drop_database(name)
    finally:
        client.close()


def _hello() -> bytes:
    """Return an OP_MSG with the command ``{hello: 1, $db: "admin"}`` (MongoDB wire protocol)."""
    elements = b"\x10hello\x00" + struct.pack("<i", 1) + b"\x02$db\x00" + struct.pack("<i", 6) + b"admin\x00"
    document = struct.pack("<i", len(elements) + 5) + elements + b"\x00"
    body = struct.pack("<i", 0) + b"\x00" + document  # no flags, one section of kind 0
    return struct.pack("<iiii", 16 + len(body), 1, 0, _OP_MSG) + body
