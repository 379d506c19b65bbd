"""TLS in front of a store: an authority of the test's own, and a terminator for stores built without TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

_PG_CODES = {b"\x04\xd2\x16\x2f": b"S", b"\x04\xd2\x16\x30": b"N"}
"""What PostgreSQL says to SSLRequest (yes) and GSSENCRequest (no)."""


class Authority:
    """An authority that only the test trusts, with files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self._folder = folder
        self.file = folder / "authority.pem"
        self._ca.cert_pem.write_to_path(self.file)

    def certificate(self, *names: str) -> tuple[Path, Path]:
        """The files of a new certificate for names and addresses: the chain and its key."""
        leaf = self._ca.issue_cert(*names)
        chain, key = self._folder / f"{names[0]}.crt", self._folder / f"{names[0]}.key"
        chain.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(key)
        return chain, key


@dataclass
class TlsFront:
    """Where it listens on the loopback interface, and what came to it."""

    port: int = 0
    secured: int = 0
    """Connections that were secured."""
    refused: int = 0
    """Connections that were not: the client broke the handshake off, or did not speak TLS at all."""


@asynccontextmanager
async def tls_front(
    port: int, certificate: tuple[Path, Path], *, postgres: bool = False
) -> AsyncIterator[TlsFront]:
    """Terminate TLS for the store on ``port``; ``postgres`` for the protocol that asks for TLS first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    front = TlsFront()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closing(writer):
            try:
                if postgres:
                    await _asked_for_tls(reader, writer)
                await writer.start_tls(context)
            except (OSError, asyncio.IncompleteReadError):
                front.refused += 1
                return
            front.secured += 1
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
            async with _closing(inner_writer):
                await asyncio.gather(_pass(reader, inner_writer), _pass(inner_reader, writer))

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1")
    front.port = server.sockets[0].getsockname()[1]
    try:
        yield front
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _asked_for_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        request = await reader.readexactly(8)
        answer = _PG_CODES.get(request[4:])
        if answer is None:  # a start-up message in the clear
            raise ConnectionError
        writer.write(answer)
        if answer == b"S":
            return


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
