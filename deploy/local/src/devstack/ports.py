"""Which TCP ports are free on the loopback interface, and who holds the others."""

from __future__ import annotations

import errno
import os
import secrets
import socket

LOOPBACK = "127.0.0.1"

# Below the range from which systems take the local ports of outgoing connections (32768 and up on Linux): a
# store that is down keeps its port for itself, and no client can end up connected to its own socket. The
# upper bound leaves room for Redis Cluster, whose bus listens 10000 ports higher.
_LOWEST, _HIGHEST = 15000, 22000


def is_free(port: int) -> bool:
    """Tell whether a server could listen on ``port`` of the loopback interface now."""
    return bind_error(port) is None


def bind_error(port: int) -> str | None:
    """Say why no server could listen on ``port`` of the loopback interface now; None if one could."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
        # As servers do: a port whose last connections are in TIME_WAIT is free.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((LOOPBACK, port))
            # Binding alone succeeds beside another socket that is bound but does not listen yet.
            candidate.listen(1)
        except OSError as error:
            return "is in use" if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0)
    return None


def free_port(preferred: int | None = None) -> int:
    """Return ``preferred`` if it is free, else some free port.

    Nothing reserves the port: whoever asked should listen on it soon, and ask again if that fails.
    """
    if preferred is not None and is_free(preferred):
        return preferred
    for _ in range(1000):
        port = _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST + 1)
        if is_free(port):
            return port
    raise OSError(f"no free TCP port between {_LOWEST} and {_HIGHEST}")
