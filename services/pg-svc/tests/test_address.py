"""What libpq is told besides the address."""

from __future__ import annotations

from typing import Any

import pytest

from pg_svc.store.address import connect_parameters


async def _places(dsn: str) -> dict[str, Any]:
    return {
        name: given
        for name, given in (await connect_parameters(dsn)).items()
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
        "postgresql://127.0.0.1,[::1]:5433/x",
        "host=a.invalid hostaddr=127.0.0.1",
        "host=a.invalid,b.invalid,c.invalid port=1,2",  # libpq says what is wrong
    ],
)
async def test_there_is_nothing_to_look_up(dsn: str) -> None:
    assert await _places(dsn) == {}


async def test_a_host_without_an_address() -> None:
    for name in ("a..b", "a" * 64 + ".invalid"):
        with pytest.raises(OSError, match="host"):
            await connect_parameters(f"host={name}")
        found = await _places(f"host={name},127.0.0.1")  # another one may do
        assert found == {"host": "127.0.0.1", "hostaddr": ""}


async def test_the_address_has_the_last_word() -> None:
    assert "keepalives_idle" in await connect_parameters("")
    assert "keepalives_idle" not in await connect_parameters("keepalives_idle=99")
