"""Which TCP ports are free on the loopback interface, and who holds the others."""

from __future__ import annotations

import errno
import os
import secrets
import socket
from collections import deque

LOOPBACK = "127.0.0.1"

# Below the range from which systems take the local ports of outgoing connections (32768 and up on Linux): a
# store that is down keeps its port for itself, and no client can end up connected to its own socket. The
# upper bound leaves room for Redis Cluster, whose bus listens 10000 ports higher.
_LOWEST, _HIGHEST = 15000, 22000

_MOST_RESERVED = 500  # each is an open file; those of long ago have been released by their users, too
_reserved: deque[int] = deque()


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

    Nobody else is given the port by this function, in whatever process, while this process runs: neither
    before its server listens, nor while it is down. Other programs may take it still.
    """
    if preferred is not None and _reserve(preferred):
        return preferred
    for _ in range(1000):
        port = _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST + 1)
        if _reserve(port):
            return port
    raise OSError(f"no free TCP port between {_LOWEST} and {_HIGHEST}")


def _reserve(port: int) -> bool:
    """Keep a free port from others who ask here; tell whether it was to be had.

    The UDP port of the same number is what is held: TCP servers do not mind, and it is free again when this
    process ends, however that happens.
    """
    holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        holder.bind((LOOPBACK, port))
    except OSError:
        holder.close()
        return False
    if not is_free(port):
        holder.close()
        return False
    _reserved.append(holder.detach())
    if len(_reserved) > _MOST_RESERVED:
        os.close(_reserved.popleft())
    return True
