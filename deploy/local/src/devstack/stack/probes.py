"""Is it up? One question to a port of the loopback interface, with a short time-out; never raises."""

from __future__ import annotations

import socket

from devstack.ports import LOOPBACK

TIMEOUT = 3.0  # longer than a service's own health checks take


def http_get(port: int, path: str) -> tuple[int, bytes] | None:
    """Return status and body of ``GET path``, or None if there is no HTTP answer."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
    answer = bytearray()
    try:
        with socket.create_connection((LOOPBACK, port), timeout=TIMEOUT) as connection:
            connection.sendall(request.encode())
            while part := connection.recv(65536):
                answer += part
    except OSError:
        return None
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if not head.startswith(b"HTTP/") or not status or not status[0].isdigit():
        return None
    return int(status[0]), body


def http_ok(port: int, path: str) -> bool:
    """Tell whether ``GET path`` is answered with 200."""
    answer = http_get(port, path)
    return answer is not None and answer[0] == 200


def tcp_open(port: int) -> bool:
    """Tell whether something listens."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=TIMEOUT).close()
    except OSError:
        return False
    return True
