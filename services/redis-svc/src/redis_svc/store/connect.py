"""Opening a connection: TCP, TLS or a Unix socket, and what is said first."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

from svc_common import StoreUnavailable

from ..address import Endpoint, Login
from ..replies import Command, ConnectionLost, ServerError
from .wire import Wire

CLIENT_NAME = b"redis-svc"


async def open_wire(
    endpoint: Endpoint, login: Login, *, timeout: float, max_reply: int, patience: float | None = None
) -> Wire:
    """A connection that is logged in. Raises StoreUnavailable within ``timeout`` seconds.

    ``patience`` is the wire's; it is ``timeout`` where it is not given, and 0 for no limit.
    """

    def make() -> Wire:
        return Wire(patience=timeout if patience is None else patience, max_reply=max_reply)

    loop = asyncio.get_running_loop()
    wire: Wire | None = None
    try:
        async with asyncio.timeout(timeout):
            if endpoint.path:
                _, wire = await loop.create_unix_connection(make, endpoint.path)
            else:
                transport, wire = await loop.create_connection(
                    make, endpoint.host, endpoint.port, ssl=login.ssl_context
                )
                _keep_alive(transport.get_extra_info("socket"))
            await _log_in(wire, login)
    except (OSError, TimeoutError, ConnectionLost) as error:
        if wire is not None:
            wire.close()
        trouble = _tls_trouble(error) if login.tls and wire is None else ""
        raise StoreUnavailable("redis", trouble) from error
    except BaseException:
        if wire is not None:
            wire.close()
        raise
    return wire


async def _log_in(wire: Wire, login: Login) -> None:
    commands: list[Command] = []
    if login.password:
        user = (login.username.encode(),) if login.username else ()
        commands.append((b"AUTH", *user, login.password.encode()))
    if login.db:
        commands.append((b"SELECT", str(login.db).encode()))
    commands.append((b"PING",))
    commands.append((b"CLIENT", b"SETNAME", CLIENT_NAME))  # a server without it serves us all the same
    *replies, _ = await wire.request(commands)
    for reply in replies:
        if isinstance(reply, ServerError):
            # NOAUTH, WRONGPASS, LOADING, a database number out of range
            raise StoreUnavailable(
                "redis", f"The store redis does not take the connection ({reply.code})."
            ) from reply


def _tls_trouble(error: BaseException) -> str:
    """What a person has to know when a connection could not be secured."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "The certificate of the store redis is not trusted, or is for another name."
    return "The store redis does not answer, or does not speak TLS as REDIS_URL asks for."


def _keep_alive(sock: socket.socket | None) -> None:
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
