"""Where the server is, as libpq is told: names are looked up here, and a peer that is gone is noticed.

libpq looks names up while everything else stands still. Where a name server does not answer, that would be
many seconds, for ``/livez``, too.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import time
from collections.abc import Iterable
from typing import Any

from psycopg2 import ProgrammingError, extensions

from svc_common import SettingsError

# A machine that vanishes says no goodbye, and whoever only listens would wait for hours. Where the address
# itself says something about these, that counts.
_PATIENCE = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}

_REMEMBERED = 30.0
_SILENT: dict[str, tuple[int, float]] = {}
"""Of an address, how many of its places are to be tried last, and until when. libpq, where it is not to stop
everything, waits for ever for a place that says nothing, so that the next never has its turn."""

Place = dict[str, str]
"""Parameters of libpq that lead to one server, where the address may lead to several."""


def check_addresses(**addresses: str) -> None:
    """SettingsError for what libpq cannot read, not in its own words: they would show the password."""
    wrong = []
    for name, address in addresses.items():
        try:
            extensions.parse_dsn(address)
        except ProgrammingError:
            wrong.append(f"{name}: is no address such as postgresql://user@host/database")
    if wrong:
        raise SettingsError(wrong)


async def connect_parameters(dsn: str, turn: int) -> dict[str, Any]:
    """What to tell libpq besides the address. Raises OSError when none of its names can be looked up.

    ``turn``: how many of its places are to be tried last, and not first.
    """
    said = extensions.parse_dsn(dsn)
    return {
        **{name: given for name, given in _PATIENCE.items() if name not in said},
        **await _looked_up(said, turn),
    }


async def _looked_up(said: dict[str, str], turn: int) -> dict[str, str]:
    """Each name once for each of its addresses; libpq tries them in turn, as it does with its own."""
    hosts = said.get("host", "").split(",")
    if "hostaddr" in said or not (len(hosts) > 1 or _is_name(hosts[0])):
        return {}
    ports = said.get("port", "").split(",")
    one_port = len(ports) == 1  # or none, and libpq knows where else to look
    if not one_port and len(ports) != len(hosts):
        return {}  # libpq says what is wrong with that
    found: list[tuple[str, str, str]] = []
    failure: OSError | None = None
    for host, port in zip(hosts, ports * len(hosts) if one_port else ports, strict=True):
        try:
            found += [(host, address, port) for address in await _addresses(host)]
        except OSError as error:
            failure = error  # another host may do
    if failure is not None and not found:
        raise failure
    turn %= len(found)
    names, addresses, numbers = zip(*found[turn:], *found[:turn], strict=True)
    places = {"host": ",".join(names), "hostaddr": ",".join(addresses)}
    return places if one_port else {**places, "port": ",".join(numbers)}


def turn_of(dsn: str) -> int:
    """How many places of an address have been silent lately, and are to be tried last."""
    turn, until = _SILENT.get(dsn, (0, 0.0))
    return turn if time.monotonic() < until else 0


def was_silent(dsn: str, turn: int) -> None:
    """The place that was tried first never said anything, and kept the others from their turn."""
    if turn == turn_of(dsn):
        _SILENT[dsn] = turn + 1, time.monotonic() + _REMEMBERED


def place_of(connection: extensions.connection) -> Place:
    """The place of the server that a connection leads to."""
    info = connection.info
    place = {"host": info.host, "port": str(info.port), "target_session_attrs": "any"}
    with socket.socket(fileno=os.dup(connection.fileno())) as copy:
        if copy.family != socket.AF_UNIX:
            place["hostaddr"] = str(copy.getpeername()[0])
    return place


def _is_name(host: str) -> bool:
    if not host or host.startswith(("/", "@")):  # a socket in the file system, or an abstract one
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


async def _addresses(host: str) -> Iterable[str]:
    if not _is_name(host):
        return [""]
    loop = asyncio.get_running_loop()
    try:
        answers = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError:  # a label too long or empty
        raise OSError(f"{host} is no host's name") from None
    return dict.fromkeys(str(address[0]) for *_, address in answers)
