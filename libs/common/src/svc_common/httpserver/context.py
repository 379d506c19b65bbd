"""Who is at the other end of a connection: what ``HTTPServerRequest`` reads as ``connection.context``."""

from __future__ import annotations

import socket
from asyncio import BaseTransport
from collections.abc import Collection

from tornado.httputil import HTTPHeaders
from tornado.netutil import is_valid_ip


class ConnectionContext:
    """The address and the protocol (``http`` or ``https``) of a client. ``str`` of it is for logs."""

    __slots__ = ("address", "protocol", "remote_ip")

    def __init__(self, address: object, remote_ip: str, protocol: str) -> None:
        self.address = address
        self.remote_ip = remote_ip
        self.protocol = protocol

    @classmethod
    def of(cls, transport: BaseTransport, protocol: str | None) -> ConnectionContext:
        """The context of an accepted connection; ``protocol`` overrides what the transport says."""
        address = transport.get_extra_info("peername")
        sock = transport.get_extra_info("socket")
        if protocol is None:
            protocol = "http" if transport.get_extra_info("sslcontext") is None else "https"
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6) and address:
            return cls(address[0], address[0], protocol)
        return cls(address, "0.0.0.0", protocol)  # noqa: S104  # Tornado's stand-in for a Unix socket's peer

    def behind_proxy(
        self, headers: HTTPHeaders, trusted: Collection[str], *, forwarded_only: bool = False
    ) -> ConnectionContext:
        """The client as the proxy in front describes it, in the headers that ``tornado.httpserver`` reads.

        The address is ``X-Real-Ip``, or the last of ``X-Forwarded-For`` that is not ``trusted``; the protocol
        is ``X-Scheme`` or the last of ``X-Forwarded-Proto``. What is not an address or protocol is ignored.
        With ``forwarded_only`` those of ``X-Forwarded-*`` alone: every proxy writes these, and many pass the
        other two on as a client made them up.
        """
        remote_ip, protocol = self.remote_ip, self.protocol
        ip = remote_ip
        for ip in map(str.strip, reversed(headers.get("X-Forwarded-For", remote_ip).split(","))):
            if ip not in trusted:
                break
        if not forwarded_only:
            ip = headers.get("X-Real-Ip", ip)
        if is_valid_ip(ip):
            remote_ip = ip
        scheme = headers.get("X-Forwarded-Proto", protocol)
        if not forwarded_only:
            scheme = headers.get("X-Scheme", scheme)
        scheme = scheme.rpartition(",")[2].strip()
        if scheme in ("http", "https"):
            protocol = scheme
        return ConnectionContext(self.address, remote_ip, protocol)

    def __str__(self) -> str:
        address = self.address
        return address.decode(errors="replace") if isinstance(address, bytes) else str(address)
