"""Every command that the server has, with odd arguments: nothing may break, and nobody else may notice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest
from redis.asyncio import Redis

from redis_svc.address import parse_address
from redis_svc.app import service
from redis_svc.command_table import parse_command_table
from redis_svc.store.connect import open_wire
from svc_common.testing import TestedService, serving

if TYPE_CHECKING:
    from devstack.pytest_plugin import OwnRedis

ODD_ARGUMENTS: list[list[object]] = [
    [],
    ["a"],
    ["a", "0"],
    ["0", "a", "b", "c"],
    ["\r\n*1\r\n$8\r\nSHUTDOWN\r\n", "\0", "-1", "99999999999999999999"],
    ["a", "STREAMS", "BLOCK", "0", "a", "$", "0"],
    ["x" * 3000] * 8,
]


async def _neighbour(svc: TestedService, stop: asyncio.Event) -> int:
    """Somebody else's work meanwhile: a value that was just set, with a line end or without, is there."""
    rounds = 0
    # A client of its own: httpx lets who shares a connection wait as long as somebody else keeps it busy
    async with httpx.AsyncClient(base_url=svc.url, timeout=30, trust_env=False) as client:
        while not stop.is_set():
            rounds += 1
            value = f"{rounds}" + "\r\n" * (rounds % 2)
            steps = [["SET", "neighbour", value], ["GET", "neighbour"], ["ECHO", f"round {rounds}"]]
            answer = await client.post("/multi-exec", json=steps)
            assert answer.json() == [{"result": "OK"}, {"result": value}, {"result": f"round {rounds}"}]
            await asyncio.sleep(0)
    return rounds


async def _assert_connections_are_plain(raw: Redis) -> None:
    ours = [client for client in await raw.client_list() if client["name"] == "redis-svc"]
    assert ours
    for client in ours:
        # flags would show a transaction (x), a subscription (P), a monitor (O), tracking (t), a block (b)
        state = {key: client[key] for key in ("db", "sub", "psub", "ssub", "watch", "resp", "flags")}
        plain = {"db": "0", "sub": "0", "psub": "0", "ssub": "0", "watch": "0", "resp": "2", "flags": "N"}
        assert state == plain


async def test_a_server_that_repeats_line_ends_fools_nobody(redis_url: str) -> None:
    async with serving(service, REDIS_URL=redis_url) as svc, asyncio.timeout(60):
        stop = asyncio.Event()
        neighbour = asyncio.create_task(_neighbour(svc, stop))
        forged = "a\r\n+forged\r\n$6\r\nforged\r\n" + "+OK\r\n" * 50
        scripts = [
            "return redis.error_reply(ARGV[1])",
            "return redis.status_reply(ARGV[1])",
            "error({err=ARGV[1]})",
            "return {err='a'..string.char(13,10)..'+forged'..string.char(13,10)}",
            "redis.setresp(3) return {big_number='1'..string.char(13,10)..'+forged'}",
        ]
        for _ in range(10):
            answer = await svc.client.post("/", json=["FUNCTION", "LIST", forged])
            assert answer.status_code in (400, 502), answer.text
            assert await _text(svc, ["ECHO", "mine"]) == "mine"
            for script in scripts:
                await svc.client.post("/", json=["EVAL", script, 0, forged])
                assert await _text(svc, ["ECHO", "mine\r\n"]) == "mine\r\n"
        stop.set()
        assert await neighbour > 10


async def _text(svc: TestedService, command: list[str]) -> str:
    return str((await svc.client.post("/", json=command)).json()["result"])


@pytest.mark.parametrize("form", ["alone", "pipeline", "transaction"])
async def test_every_command_with_odd_arguments(own_redis: OwnRedis, form: str) -> None:
    store = own_redis()
    async with (
        serving(service, REDIS_URL=store.url, REDIS_BLOCK_SECONDS="0.05", STORE_TIMEOUT="10") as svc,
        Redis.from_url(store.url) as raw,
    ):
        names = await _commands(store.url)
        assert len(names) > 300
        stop = asyncio.Event()
        neighbour = asyncio.create_task(_neighbour(svc, stop))
        for name in names:
            batch = [[*name, *odd] for odd in ODD_ARGUMENTS]
            async with asyncio.timeout(60):
                if form == "pipeline":
                    answer = await svc.client.post("/pipeline", json=batch)
                    # 502: the server repeats line ends in an error, and the fence noticed
                    assert answer.status_code in (200, 502), (name, answer.text)
                    assert len(answer.json()) == (len(batch) if answer.status_code == 200 else 1), name
                elif form == "transaction":
                    for command in batch[:3]:
                        answer = await svc.client.post("/multi-exec", json=[command, ["PING"]])
                        assert answer.status_code in (200, 400, 502), (command, answer.text)
                else:
                    answers = await asyncio.gather(*(svc.client.post("/", json=command) for command in batch))
                    for command, answer in zip(batch, answers, strict=True):
                        assert answer.status_code in (200, 400, 502), (command, answer.text)
                        assert len(answer.json()) == 1, command
            assert not neighbour.done(), (name, neighbour.result())
        stop.set()
        assert await neighbour > 10
        assert store.running
        await _assert_connections_are_plain(raw)
        assert (await svc.client.get("/v1/records/a")).status_code in (200, 404, 409)
        assert (await svc.admin.get("/readyz")).status_code == 200


async def _commands(url: str) -> list[list[str]]:
    """Every command and subcommand, in words."""
    address = parse_address(url)
    wire = await open_wire(address.endpoints[0], address.login, timeout=30, max_reply=2**24)
    (reply,) = await wire.request([(b"COMMAND",)])
    wire.close()
    return [name.split("|") for name in parse_command_table(reply).names()]
