"""The server: its sockets, its limits and the connections that are open."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import errno
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any

from tornado.httputil import HTTPServerConnectionDelegate
from tornado.log import gen_log
from tornado.netutil import bind_sockets, ssl_options_to_context

from .protocol import ServerConnection
from .wire import LINGER_SECONDS, Wire

ACCEPT_AT_ONCE = 128
"""Connections accepted in one turn of the loop, so that a rush of them does not hold up the others."""

_FULL = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_FULL_SECONDS = 1.0


class HTTPServer:
    """An HTTP/1 server for a ``HTTPServerConnectionDelegate``, such as a ``tornado.web.Application``.

    The arguments are those of ``tornado.httpserver.HTTPServer``, as far as they make sense here, with the
    same meaning, and two more: ``header_timeout`` is the seconds that a request's head may take from its
    first byte on, ``max_header_count`` the most lines in it. Sizes are bytes, times are seconds.
    """

    def __init__(
        self,
        request_callback: HTTPServerConnectionDelegate,
        *,
        no_keep_alive: bool = False,
        xheaders: bool = False,
        ssl_options: dict[str, Any] | ssl.SSLContext | None = None,
        protocol: str | None = None,
        chunk_size: int | None = None,
        max_header_size: int | None = None,
        max_header_count: int = 20_000,
        idle_connection_timeout: float | None = None,
        header_timeout: float = 10.0,
        body_timeout: float | None = None,
        max_body_size: int | None = None,
        trusted_downstream: Iterable[str] = (),
        forwarded_only: bool = False,
    ) -> None:
        self.request_callback = request_callback
        self.no_keep_alive = no_keep_alive
        self.xheaders = xheaders
        self.protocol = protocol
        self.chunk_size = chunk_size or 64 * 1024
        self.max_header_size = max_header_size or 64 * 1024
        self.max_header_count = max_header_count
        self.idle_timeout = idle_connection_timeout or 3600.0
        self.header_timeout = header_timeout
        self.body_timeout = body_timeout
        self.max_body_size = 100 * 2**20 if max_body_size is None else max_body_size
        self.trusted_downstream = frozenset(trusted_downstream)
        self.forwarded_only = forwarded_only
        if isinstance(ssl_options, dict) and "certfile" not in ssl_options:
            raise KeyError('missing key "certfile" in ssl_options')
        self._ssl = None if ssl_options is None else ssl_options_to_context(ssl_options, server_side=True)
        self._sockets: list[socket.socket] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connections: set[Wire] = set()
        self._opening: dict[asyncio.Task[None], socket.socket] = {}
        self._stopped = False

    # -- sockets ------------------------------------------------------------------------------------

    def listen(self, port: int, address: str | None = None, **options: Any) -> None:
        """Accept connections on a port; the arguments are those of ``tornado.netutil.bind_sockets``."""
        self.add_sockets(bind_sockets(port, address, **options))

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Accept connections on sockets that listen already; they are closed by ``stop``."""
        loop = self._loop = asyncio.get_event_loop()
        self.context = contextvars.copy_context()
        # A future that is done is never changed again: all writes that need no waiting share this one
        self.done: asyncio.Future[None] = loop.create_future()
        self.done.set_result(None)
        for sock in sockets:
            sock.setblocking(False)
            self._sockets.append(sock)
            loop.add_reader(sock, self._accept, loop, sock)

    def add_socket(self, sock: socket.socket) -> None:
        """As ``add_sockets``, for one."""
        self.add_sockets([sock])

    def stop(self) -> None:
        """Accept no more connections. Those that are open go on."""
        self._stopped = True
        for sock in self._sockets:
            assert self._loop is not None
            self._loop.remove_reader(sock)
            sock.close()
        self._sockets.clear()

    async def close_all_connections(self) -> None:
        """Close every connection, requests in progress included; returns when all are closed.

        What is already on its way to a client has ``LINGER_SECONDS`` to leave.
        """
        for client in self._opening.values():
            # Not by cancelling the task: uvloop would close the socket without telling the connection
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        while self._opening or self._connections:
            if self._opening:
                await asyncio.wait(self._opening)
            closing = [asyncio.ensure_future(connection.close()) for connection in self._connections]
            if closing:
                await asyncio.wait(closing, timeout=LINGER_SECONDS)
            for connection in list(self._connections):
                connection.abort()

    @property
    def opening(self) -> int:
        """How many connections are accepted and not ready for requests yet."""
        return len(self._opening)

    def _accept(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        for _ in range(ACCEPT_AT_ONCE):
            try:
                client, _address = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                gen_log.error("Cannot accept connections for a while: %s", error)
                loop.remove_reader(sock)
                loop.call_later(_FULL_SECONDS, self._accept_again, loop, sock)
                return
            client.setblocking(False)
            task = loop.create_task(self._open(loop, client))
            self._opening[task] = client
            task.add_done_callback(self._opening.pop)

    def _accept_again(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        if not self._stopped:
            loop.add_reader(sock, self._accept, loop, sock)

    async def _open(self, loop: asyncio.AbstractEventLoop, client: socket.socket) -> None:
        factory: Callable[[], ServerConnection] = lambda: ServerConnection(self, loop)  # noqa: E731
        try:
            if self._ssl is None:
                await loop.connect_accepted_socket(factory, client)
            else:
                await loop.connect_accepted_socket(
                    factory, client, ssl=self._ssl, ssl_handshake_timeout=self.header_timeout
                )
        except ssl.SSLError as error:
            gen_log.warning("SSL Error on a new connection: %s", error)
        except OSError as error:  # gone already
            gen_log.debug("Connection lost while it was opened: %s", error)

    # -- called by connections ----------------------------------------------------------------------

    def opened(self, connection: Wire) -> None:
        """A connection is ready for requests."""
        self._connections.add(connection)

    def closed(self, connection: Wire) -> None:
        """A connection is closed, or is not the server's any more."""
        if connection in self._connections:
            self._connections.remove(connection)
            self.request_callback.on_close(connection)
