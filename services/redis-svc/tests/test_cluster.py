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


def _holder(nodes: list[Server], key: bytes) -> Server:
    slot = slot_of(key)
    return next(node for node, (first, last) in zip(nodes, SHARES, strict=True) if first <= slot <= last)


async def _move(nodes: list[Server], *keys: str) -> Server:
    """Give the slot of keys, and those of them that are there, to another node."""
    slot = slot_of(keys[0].encode())
    source = _holder(nodes, keys[0].encode())
    target = next(node for node in nodes if node is not source)
    async with Redis.from_url(source.url) as old, Redis.from_url(target.url) as new:
        ids = {raw: await raw.execute_command("CLUSTER", "MYID") for raw in (old, new)}  # type: ignore[no-untyped-call]
        for raw, state, other in ((new, "IMPORTING", ids[old]), (old, "MIGRATING", ids[new])):
            await raw.execute_command("CLUSTER", "SETSLOT", slot, state, other)  # type: ignore[no-untyped-call]
        await old.migrate("127.0.0.1", target.port, list(keys), 0, 5000)
        for raw in (new, old):
            await raw.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[new])  # type: ignore[no-untyped-call]
    return target


async def test_a_pipeline_keeps_its_order(cluster: TestedService) -> None:
    """Also around commands whose keys only a server can tell, and around those for every server."""
    steps: list[tuple[list[object], object]] = [
        (["ZADD", "{z}1", 1, "a"], 1),
        (["ZUNIONSTORE", "{z}2", 1, "{z}1"], 1),
        (["ZRANGE", "{z}2", 0, -1], ["a"]),
        (["XADD", "log", "1-1", "n", 1], "1-1"),
        (["XREAD", "STREAMS", "log", "0"], [["log", [["1-1", ["n", "1"]]]]]),
        (["DEL", "log"], 1),
        (["SET", "a", 1], "OK"),
        (["DBSIZE"], 3),
        (["FLUSHALL"], "OK"),
        (["SET", "b", 2], "OK"),
        (["KEYS", "*"], ["b"]),
        (["GET", "b"], "2"),
    ]
    answer = await cluster.client.post("/pipeline", json=[command for command, _ in steps])
    assert answer.json() == [{"result": result} for _, result in steps]


async def test_a_script_cannot_send_the_service_elsewhere(cluster: TestedService) -> None:
    """Who is connected to gets the password."""
    visitors: list[bytes] = []

    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visitors.append(await reader.read(100))
        writer.close()

    async with asyncio.timeout(60), await asyncio.start_server(visited, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for error in (f"MOVED 1 127.0.0.1:{port}", f"ASK 1 :{port}", "MOVED x", "ASK 1 127.0.0.1:99999"):
            script = ["EVAL_RO", f"return redis.error_reply('{error}')", 0]
            assert await _run(cluster, *script) == error
            batch = (await cluster.client.post("/pipeline", json=[script, ["PING"]])).json()
            assert batch == [{"error": error}, {"result": "PONG"}]
            assert (await cluster.client.post("/multi-exec", json=[script])).json() == [{"error": error}]
    assert visitors == []


async def test_waiting_at_a_slot_that_moved(cluster: TestedService, nodes: list[Server]) -> None:
    assert await _run(cluster, "BLPOP", "queue", 0.01) is None
    await _move(nodes, "queue")
    assert await _run(cluster, "BLPOP", "queue", 0.01) is None


async def test_what_is_watched_may_move(cluster: TestedService, nodes: list[Server]) -> None:
    svc = cluster
    assert await _run(svc, "SET", "watched", "1") == "OK"
    assert await _run(svc, "XADD", "{watched}log", "1-0", "n", 1) == "1-0"
    async with (
        asyncio.timeout(60),
        listening(svc.client, "/v1/records/watched") as record,
        listening(svc.client, "/v1/streams/%7Bwatched%7Dlog?after=0-0") as stream,
    ):
        assert json.loads((await record.next()).data)["value"] == "1"
        assert (await stream.next()).id == "1-0"
        target = await _move(nodes, "watched", "{watched}log")
        async with Redis.from_url(target.url) as new:
            await new.set("watched", "2")
            await new.xadd("{watched}log", {"n": 2}, id="2-0")
            while (state := json.loads((await record.next()).data)) != {**state, "value": "2"}:
                assert state["exists"], "a server that does not hold the key does not know that it is gone"
            assert (await stream.next()).id == "2-0"


async def test_a_node_that_dies_holds_nobody_else_up(cluster: TestedService, nodes: list[Server]) -> None:
    for key in KEYS:
        assert await _run(cluster, "SET", key, key) == "OK"
    dead = _holder(nodes, b"a")
    dead.kill()
    async with asyncio.timeout(60):
        for _ in range(3):
            for key in KEYS:
                answer = await cluster.client.get(f"/v1/records/{key}")
                if _holder(nodes, key.encode()) is dead:
                    assert answer.status_code == 503
                elif answer.status_code != 200:  # a cluster that misses a part refuses everything
                    assert "CLUSTERDOWN" in answer.text
        await asyncio.to_thread(dead.start)
        for key in KEYS:
            while (await cluster.client.get(f"/v1/records/{key}")).status_code != 200:
                await asyncio.sleep(0.05)


async def test_slots_that_move(cluster: TestedService, nodes: list[Server]) -> None:
    svc, slot = cluster, slot_of(b"moving")
    source = _holder(nodes, b"moving")
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
