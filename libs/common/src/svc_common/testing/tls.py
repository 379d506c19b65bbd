"""TLS in front of a store: an authority of the test's own, and a terminator for stores built without TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
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
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()
    accepted: list[socket.socket] = []
    opened: list[asyncio.WriteTransport] = []

    async def serve(client: socket.socket) -> None:
        reader, writer = await _streams(client)
        opened.append(writer.transport)
        with contextlib.closing(writer):
            try:
                if postgres:
                    await _asked_for_tls(reader, writer)
                await writer.start_tls(context)
            except (OSError, asyncio.IncompleteReadError):
                front.refused += 1
                return
            front.secured += 1
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
            opened.append(inner_writer.transport)
            await asyncio.gather(_pass(reader, inner_writer), _pass(inner_reader, writer))

    def accept(listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except OSError:  # it has gone again
            return
        client.setblocking(False)
        accepted.append(client)
        task = loop.create_task(serve(client))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    # Not by asyncio's server: what that has accepted while it is closed stays open
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        front.port = listener.getsockname()[1]
        loop.add_reader(listener, accept, listener)
        try:
            yield front
        finally:
            loop.remove_reader(listener)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # Without the farewell of TLS, for which some clients would let us wait
            for transport in opened:
                transport.abort()
            await asyncio.sleep(0)  # each transport lets go of its socket
            for client in accepted:
                client.close()


async def _streams(client: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    made: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader, lambda *pair: made.append(pair))
    await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, client)
    return made[0]


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
