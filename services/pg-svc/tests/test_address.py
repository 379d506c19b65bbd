"""What libpq is told besides the address."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from pg_svc.app import service
from pg_svc.store.address import connect_parameters
from svc_common.testing import serving

from .conftest import until_ready


async def _places(dsn: str, turn: int = 0) -> dict[str, Any]:
    return {
        name: given
        for name, given in (await connect_parameters(dsn, turn)).items()
        if name in ("host", "hostaddr", "port")
    }


async def test_a_name_is_looked_up_here() -> None:
    found = await _places("postgresql://u:p@localhost:5433/x")
    addresses = found["hostaddr"].split(",")
    assert set(addresses) <= {"127.0.0.1", "::1"}
    assert found == {"host": ",".join(["localhost"] * len(addresses)), "hostaddr": ",".join(addresses)}


async def test_each_host_keeps_its_port() -> None:
    found = await _places("host=/tmp,localhost,127.0.0.9 port=1,2,3")
    count = len(found["port"].split(",")) - 2
    assert found["host"] == ",".join(["/tmp", *["localhost"] * count, "127.0.0.9"])
    assert found["port"] == ",".join(["1", *["2"] * count, "3"])
    hosts = found["hostaddr"].split(",")
    assert (hosts[0], hosts[-1]) == ("", "")
    assert len(hosts) == count + 2


@pytest.mark.parametrize(
    "dsn",
    [
        "",
        "service=somewhere",
        "host=/run/postgresql",
        "postgresql://[::1]:5433/x",
        "host=a.invalid hostaddr=127.0.0.1",
        "host=a.invalid,b.invalid,c.invalid port=1,2",  # libpq says what is wrong
    ],
)
async def test_there_is_nothing_to_look_up(dsn: str) -> None:
    assert await _places(dsn) == {}


async def test_places_take_turns() -> None:
    dsn = "host=127.0.0.1,127.0.0.2,127.0.0.3 port=1,2,3"
    for turn, ports in enumerate(["1,2,3", "2,3,1", "3,1,2", "1,2,3"]):
        found = await _places(dsn, turn)
        assert found["port"] == ports
        assert found["host"] == ",".join(f"127.0.0.{port}" for port in ports.split(","))


async def test_a_silent_place_does_not_keep_the_next_from_its_turn(postgres_database: str) -> None:
    silent = socket.create_server(("127.0.0.1", 0))  # the kernel accepts, and nobody ever speaks
    with contextlib.closing(silent):
        parts = urlsplit(postgres_database)
        netloc = f"{parts.username}@127.0.0.1:{silent.getsockname()[1]},127.0.0.1:{parts.port}"
        address = urlunsplit(parts._replace(netloc=netloc))
        async with serving(service, DATABASE_URL=address, STORE_TIMEOUT="1", MIGRATE="never") as svc:
            await until_ready(svc)
            async with asyncio.timeout(30):
                while (await svc.client.get("/rest/")).status_code != 200:
                    await asyncio.sleep(0.02)


async def test_a_host_without_an_address() -> None:
    for name in ("a..b", "a" * 64 + ".invalid"):
        with pytest.raises(OSError, match="host"):
            await connect_parameters(f"host={name}", 0)
        found = await _places(f"host={name},127.0.0.1")  # another one may do
        assert found == {"host": "127.0.0.1", "hostaddr": ""}


async def test_the_address_has_the_last_word() -> None:
    assert "keepalives_idle" in await connect_parameters("", 0)
    assert "keepalives_idle" not in await connect_parameters("keepalives_idle=99", 0)
