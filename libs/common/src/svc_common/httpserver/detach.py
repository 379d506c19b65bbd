"""A connection as an ``IOStream``: what ``detach()`` gives to a WebSocket handler.

A plain connection is handed over as a second descriptor of its socket, and the transport lets go of its own.
Where that cannot be (the bytes on the socket are encrypted, or some are still to be sent) the stream is
one end of a socket pair, and bytes are carried between the other end and the transport.
"""

from __future__ import annotations

import asyncio
import os
import socket

from tornado.iostream import IOStream


class _ResumedStream(IOStream):
    """A stream that first reads what the server had read already."""

    def __init__(self, sock: socket.socket, unread: bytes) -> None:
        self._unread = bytearray(unread)
        super().__init__(sock)

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """As IOStream's, from the bytes that were read already while there are any."""
        if not self._unread:
            return super().read_from_fd(buf)
        size = min(len(buf), len(self._unread))
        buf[:size] = self._unread[:size]
        del self._unread[:size]
        return size


def take_over(transport: asyncio.Transport, unread: bytes) -> IOStream:
    """The transport's connection as a stream; ``unread`` is what was read from it and not used."""
    transport.pause_reading()
    if transport.get_write_buffer_size() or transport.get_extra_info("sslcontext") is not None:
        return _relayed(transport, unread)
    sock = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
    sock.setblocking(False)
    stream = _ResumedStream(sock, unread)
    transport.abort()  # closes its own descriptor and nothing else
    return stream


def _relayed(transport: asyncio.Transport, unread: bytes) -> IOStream:
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setblocking(False)
    stream = _ResumedStream(theirs, unread)
    task = asyncio.ensure_future(_connect_relay(transport, ours))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return stream


_tasks: set[asyncio.Future[None]] = set()  # the loop itself holds tasks weakly


async def _connect_relay(transport: asyncio.Transport, ours: socket.socket) -> None:
    inward = _Relay(transport)
    near, _ = await asyncio.get_running_loop().connect_accepted_socket(lambda: inward, ours)
    transport.set_protocol(_Relay(near))
    if transport.is_closing():
        near.close()
    else:
        transport.resume_reading()


class _Relay(asyncio.Protocol):
    """Passes on what arrives at one transport to the other, no faster than that takes it."""

    def __init__(self, other: asyncio.Transport) -> None:
        self._other = other

    def data_received(self, data: bytes) -> None:
        if not self._other.is_closing():
            self._other.write(data)

    def pause_writing(self) -> None:
        if not self._other.is_closing():
            self._other.pause_reading()

    def resume_writing(self) -> None:
        if not self._other.is_closing():
            self._other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._other.close()
