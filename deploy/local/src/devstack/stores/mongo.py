"""An embedded MongoDB-compatible server: SecantusDB, from the wheel ``secantusdb``.

SecantusDB is licensed GPL-2.0, so it runs as a program of its own and is never imported.
"""

from __future__ import annotations

import socket
import struct
import sys
from pathlib import Path

from devstack.stores.base import Store

_OP_MSG = 2013


class Mongo(Store):
    """A SecantusDB server, which presents itself as the primary of a one-member replica set.

    Transactions and change streams therefore work. Writes with ``j=true`` are journaled before they are
    acknowledged; ``sync_on_commit`` does that for every write.

    Two things to know when stopping it. Its listening thread notices the end at the next connection, or after
    two seconds. And its main thread sometimes sleeps through a signal that another thread has received, and
    the server serves on: whoever stops it has to look, and to ask again.
    """

    name = "mongo"

    def __init__(self, directory: Path, port: int | None = None, *, sync_on_commit: bool = False) -> None:
        super().__init__(directory, port)
        self.sync_on_commit = sync_on_commit

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
        ]

    def probe(self) -> bool:
        """Send ``hello`` and see whether the server says that it takes writes."""
        try:
            with self._connect() as connection:
                connection.sendall(_hello())
                header = connection.recv(4, socket.MSG_WAITALL)
                if len(header) < 4:
                    return False
                (length,) = struct.unpack("<i", header)
                answer = connection.recv(min(length, 1 << 16) - 4, socket.MSG_WAITALL)
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
