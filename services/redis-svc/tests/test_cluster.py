"""A real cluster of three nodes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from redis_svc.app import service
from redis_svc.store.cluster_plan import scan_cursor, scan_position, slot_of
from svc_common.testing import TestedService, serving
from svc_common.testing.events import listening

if TYPE_CHECKING:
    from devstack.pytest_plugin import OwnRedis
    from devstack.stores.redis import Redis as Server

SHARES = ((0, 5460), (5461, 10922), (10923, 16383))
KEYS = ("a", "b", "c", "d", "e", "f", "a}b", "}", "x{y}z")


@pytest.fixture
async def nodes(own_redis: OwnRedis) -> list[Server]:
    """Three primaries with a third of the slots each."""
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]
    servers = [own_redis(options=options) for _ in SHARES]
    for server, (first, last) in zip(servers, SHARES, strict=True):
        async with Redis.from_url(server.url) as raw:
            await raw.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)  # type: ignore[no-untyped-call]
            await raw.execute_command(  # type: ignore[no-untyped-call]
                "CLUSTER", "MEET", "127.0.0.1", servers[0].port
            )
    for server in servers:
        async with Redis.from_url(server.url) as raw, asyncio.timeout(30):
            while b"cluster_state:ok" not in await _info(raw):
                await asyncio.sleep(0.05)
    return servers


async def _info(raw: Redis) -> bytes:
    reply = await raw.execute_command("CLUSTER", "INFO")  # type: ignore[no-untyped-call]
    return str(reply).replace("'", "").encode() if not isinstance(reply, bytes) else reply


@pytest.fixture
async def cluster(nodes: list[Server]) -> AsyncIterator[TestedService]:
    """The service, told of one node."""
    async with serving(service, REDIS_URL=f"redis+cluster://127.0.0.1:{nodes[1].port}") as svc:
        yield svc


async def _run(svc: TestedService, *command: object) -> Any:
    body = (await svc.client.post("/", json=list(command))).json()
    return body.get("result", body.get("error"))


async def test_a_cluster(cluster: TestedService, nodes: list[Server]) -> None:
    svc = cluster
    async with asyncio.timeout(60):
        # records, with their content types on the same server
        for key in KEYS:
            address = f"/v1/records/{key}"
            text = {"Content-Type": "text/plain"}
            assert (await svc.client.put(address, content=key.encode(), headers=text)).status_code == 204
            answer = await svc.client.get(address)
            assert (answer.text, answer.headers["Content-Type"]) == (key, "text/plain")
        assert len({slot_of(key.encode()) * 3 // 16384 for key in KEYS}) == 3
        seen: list[str] = []
        cursor: str | None = "0"
        while cursor is not None:
            page = (await svc.client.get("/v1/records", params={"cursor": cursor, "limit": 2})).json()
            seen, cursor = [*seen, *page["keys"]], page["cursor"]
        assert sorted(seen) == sorted(KEYS)

        # a pipeline over all of them is answered in order
        batch = [["SET", f"k{n}", n] for n in range(60)] + [["GET", f"k{n}"] for n in range(60)]
        answer = await svc.client.post("/pipeline", json=batch)
        assert answer.json() == [{"result": "OK"}] * 60 + [{"result": str(n)} for n in range(60)]

        # a transaction lives in one slot
        good = await svc.client.post(
            "/multi-exec", json=[["SET", "{t}1", 1], ["INCR", "{t}1"], ["GET", "{t}1"]]
        )
        assert good.json() == [{"result": "OK"}, {"result": 2}, {"result": "2"}]
        bad = await svc.client.post("/multi-exec", json=[["SET", "a", 1], ["SET", "b", 1]])
        assert bad.status_code == 400
        assert "CROSSSLOT Keys in request don't hash to the same slot" in bad.json()["error"]
        assert str(await _run(svc, "MSET", "a", 1, "b", 1)).startswith("CROSSSLOT")

        # commands without keys concern every server
        assert await _run(svc, "DBSIZE") == 2 * len(KEYS) + 61
        assert len(await _run(svc, "KEYS", "k*")) == 60
        digest = await _run(svc, "SCRIPT", "LOAD", "return KEYS[1]")
        for key in KEYS:
            assert await _run(svc, "EVALSHA", digest, 1, key) == key
        assert await _run(svc, "SCRIPT", "EXISTS", digest, "f" * 40) == [1, 0]
        found: list[str] = []
        position = "0"
        while True:
            position, names = await _run(svc, "SCAN", position, "MATCH", "k*", "COUNT", 10)
            found.extend(names)
            if position == "0":
                break
        assert sorted(found) == sorted(f"k{n}" for n in range(60))
        assert await _run(svc, "XADD", "stream", "1-0", "n", 1) == "1-0"
        assert (await _run(svc, "XREAD", "STREAMS", "stream", "0"))[0][0] == "stream"
        assert await _run(svc, "BLPOP", "none", 0.01) is None
        assert await _run(svc, "FLUSHALL") == "OK"
        assert await _run(svc, "DBSIZE") == 0

        # live: messages and watched keys of every server
        async with listening(svc.client, "/v1/channels/news") as channel:
            await channel.next()
            for node in nodes:
                async with Redis.from_url(node.url) as raw:
                    await raw.publish("news", str(node.port))
                assert (await channel.next()).data == str(node.port)
        for key in ("a", "b", "c"):
            async with listening(svc.client, f"/v1/records/{key}") as record:
                await record.next()
                await svc.client.put(f"/v1/records/{key}", content=key.encode())
                assert json.loads((await record.next()).data)["value"] == key


async def test_slots_that_move(cluster: TestedService, nodes: list[Server]) -> None:
    svc, slot = cluster, slot_of(b"moving")
    source = next(node for node, (first, last) in zip(nodes, SHARES, strict=True) if first <= slot <= last)
    target = next(node for node in nodes if node is not source)
    async with asyncio.timeout(60), Redis.from_url(source.url) as old, Redis.from_url(target.url) as new:
        assert await _run(svc, "SET", "moving", "1") == "OK"
        ids = {raw: await raw.execute_command("CLUSTER", "MYID") for raw in (old, new)}  # type: ignore[no-untyped-call]
        steps = ((new, "IMPORTING", ids[old]), (old, "MIGRATING", ids[new]))
        for raw, state, other in steps:
            await raw.execute_command("CLUSTER", "SETSLOT", slot, state, other)  # type: ignore[no-untyped-call]
        # half moved: a key that is not at the source any more is at the target (ASK)
        assert await _run(svc, "GET", "moving") == "1"
        await old.migrate("127.0.0.1", target.port, "moving", 0, 5000)
        assert await _run(svc, "GET", "moving") == "1"
        assert await _run(svc, "INCR", "moving") == 2
        for raw in (new, old):
            await raw.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[new])  # type: ignore[no-untyped-call]
        # moved: the source answers MOVED
        assert await _run(svc, "INCR", "moving") == 3
        batch = [["INCR", "moving"], ["SET", "a", 1], ["INCR", "moving"]]
        assert (await svc.client.post("/pipeline", json=batch)).json() == [
            {"result": 4},
            {"result": "OK"},
            {"result": 5},
        ]
        assert (await svc.client.post("/multi-exec", json=[["INCR", "moving"]])).json() == [{"result": 6}]


def test_cursors_over_several_nodes() -> None:
    for number in range(3):
        for inner in (b"1", b"17", str(2**64 - 1).encode()):
            assert scan_position(scan_cursor(number, inner, 3), 3) == (number, inner)
    assert scan_position(scan_cursor(0, b"0", 3), 3) == (1, b"0")
    assert scan_cursor(2, b"0", 3) == b"0"
    assert scan_position(b"0", 3) == (0, b"0")
    assert scan_position(b"x", 3) is None
