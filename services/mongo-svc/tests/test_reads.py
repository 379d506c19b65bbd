"""Reads by name that share a call: everybody gets what it would have got alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from prometheus_client import REGISTRY

from mongo_svc.store import DEFAULT, Connection, Reading
from mongo_svc.store.reads import LANES, MOST_NAMES, Found, NamedReads, Queue
from svc_common import StoreUnavailable
from svc_common.testing import TestedService, free_port


@pytest.fixture
async def connection(mongo_database: str) -> AsyncIterator[Connection]:
    opened = _connect(mongo_database, 15)
    yield opened
    opened.close()


def _connect(url: str, timeout: float) -> Connection:
    database = url.rpartition("/")[2].partition("?")[0]
    return Connection(url, database, pool_size=32, timeout=timeout, longest=timeout + 10)


def _calls() -> float:
    return (
        REGISTRY.get_sample_value(
            "store_calls_total", {"store": "mongodb", "operation": "find", "outcome": "ok"}
        )
        or 0.0
    )


async def _fill(connection: Connection, documents: list[dict[str, Any]]) -> None:
    await connection.database.things.insert_many(documents)


async def test_many_names_go_in_few_calls(connection: Connection) -> None:
    await _fill(connection, [{"name": f"n{number}", "content": number} for number in range(100)])
    reads, before = NamedReads(connection), _calls()
    found = await asyncio.gather(*(reads.read("things", f"n{number}", DEFAULT) for number in range(100)))
    assert [document and document["content"] for document in found] == list(range(100))
    assert _calls() - before == -(-100 // MOST_NAMES)


async def test_the_same_name_is_asked_for_once(connection: Connection) -> None:
    await _fill(connection, [{"name": "a", "content": 1}])
    reads, before = NamedReads(connection), _calls()
    found = await asyncio.gather(*(reads.read("things", "a", DEFAULT) for _ in range(500)))
    assert [document and document["content"] for document in found] == [1] * 500
    assert _calls() - before == 1


async def test_missing_names_among_others(connection: Connection) -> None:
    await _fill(connection, [{"name": f"n{number}", "content": number} for number in range(0, 100, 2)])
    reads = NamedReads(connection)
    found = await asyncio.gather(*(reads.read("things", f"n{number}", DEFAULT) for number in range(100)))
    for number, document in enumerate(found):
        assert (document and document["content"]) == (None if number % 2 else number)
    assert await reads.read("nowhere", "a", DEFAULT) is None


async def test_each_way_of_reading_has_calls_of_its_own(connection: Connection) -> None:
    await _fill(connection, [{"name": f"n{number}", "content": number} for number in range(5)])
    reads, before = NamedReads(connection), _calls()
    ways = (DEFAULT, Reading("secondaryPreferred"), Reading("", "majority"))
    found = await asyncio.gather(
        *(reads.read("things", f"n{number}", way) for way in ways for number in range(5))
    )
    assert [document and document["content"] for document in found] == [*range(5)] * 3
    assert _calls() - before == 3
    exact = Reading("", "linearizable")
    found = await asyncio.gather(*(reads.read("things", f"n{number}", exact) for number in range(5)))
    assert [document and document["content"] for document in found] == [*range(5)]
    assert _calls() - before == 8  # such a read is certain for one document only


async def test_names_are_compared_as_the_collection_says(connection: Connection) -> None:
    await connection.database.create_collection("things", collation={"locale": "en", "strength": 2})
    await _fill(connection, [{"name": "Momo", "content": 1}, {"name": "b", "content": 2}])
    alone = [await NamedReads(connection).read("things", name, DEFAULT) for name in ("momo", "MOMO", "c")]
    reads = NamedReads(connection)
    together = await asyncio.gather(*(reads.read("things", name, DEFAULT) for name in ("momo", "MOMO", "c")))
    assert together == alone
    assert (await asyncio.gather(*(reads.read("things", name, DEFAULT) for name in ("Momo", "b", "x"))))[0]


async def test_documents_that_others_stored(connection: Connection) -> None:
    await _fill(
        connection,
        [
            *({"name": "twice", "content": "one of these"} for _ in range(200)),
            *({"name": ["twice", "once"], "content": "in an array"} for _ in range(200)),
            {"name": "once", "content": "once"},
        ],
    )
    reads = NamedReads(connection)
    twice, once, never = await asyncio.gather(
        *(reads.read("things", name, DEFAULT) for name in ("twice", "once", "never"))
    )
    assert twice is not None
    assert twice["content"] in ("one of these", "in an array")
    assert once is not None
    assert once["content"] in ("once", "in an array")
    assert never is None


async def test_who_gives_up_leaves_the_others(connection: Connection) -> None:
    await _fill(connection, [{"name": f"n{number}", "content": number} for number in range(100)])
    reads = NamedReads(connection)
    tasks = [asyncio.create_task(reads.read("things", f"n{number}", DEFAULT)) for number in range(100)]
    tasks[0].cancel()  # before anything was sent
    await asyncio.sleep(0)
    tasks[1].cancel()  # while it waits
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    tasks[99].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    for number, document in enumerate(found):
        if number in (0, 1):
            assert isinstance(document, asyncio.CancelledError)
        elif number < 99:
            assert isinstance(document, dict)
            assert document["content"] == number


async def test_an_error_is_everybodys(mongo_database: str) -> None:
    connection = _connect(f"mongodb://127.0.0.1:{free_port()}/things", 0.2)
    try:
        reads = NamedReads(connection)
        found = await asyncio.gather(
            *(reads.read("things", f"n{number}", DEFAULT) for number in range(100)), return_exceptions=True
        )
        assert all(isinstance(error, StoreUnavailable) for error in found)
    finally:
        connection.close()


async def test_large_documents_are_asked_for_one_by_one(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mongo_svc.store.reads.MOST_BYTES", 1000)
    monkeypatch.setattr("mongo_svc.store.reads.PATIENCE", 60)
    first = LANES * MOST_NAMES
    await _fill(connection, [{"name": f"n{number}", "content": "x" * 1000} for number in range(first + 8)])
    reads, before = NamedReads(connection), _calls()
    found = await asyncio.gather(
        *(reads.read("things", f"n{number}", DEFAULT) for number in range(first + 8))
    )
    assert [document and document["name"] for document in found] == [f"n{n}" for n in range(first + 8)]
    assert _calls() - before == LANES + 8


async def test_a_call_that_does_not_come_back_holds_nobody_up() -> None:
    hanging = asyncio.Event()

    async def find(names: Sequence[str]) -> Found:
        if "stuck" in names[0]:
            await hanging.wait()
        return Found({name: {"name": name} for name in names}, 1)

    forgotten: list[bool] = []
    queue = Queue(find, lambda: forgotten.append(True))
    stuck = []
    for number in range(LANES):
        stuck.append(queue.ask(f"stuck{number}"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    async with asyncio.timeout(30):
        assert await queue.ask("a") == {"name": "a"}
    assert not any(future.done() for future in stuck)
    assert not forgotten
    hanging.set()
    async with asyncio.timeout(30):
        assert [await future for future in stuck] == [{"name": f"stuck{n}"} for n in range(LANES)]
        while not forgotten:
            await asyncio.sleep(0)


async def test_a_read_sees_every_write_that_was_acknowledged_before_it(svc: TestedService) -> None:
    async def editor(name: str) -> None:
        for number in range(15):
            tag = (await svc.client.put(f"/v1/things/{name}", json=number)).headers["etag"]
            answer = await svc.client.get(f"/v1/things/{name}")
            assert (answer.json(), answer.headers["etag"]) == (number, tag)
        await svc.client.delete(f"/v1/things/{name}")
        assert (await svc.client.get(f"/v1/things/{name}")).status_code == 404

    await asyncio.gather(*(editor(f"n{number}") for number in range(12)))
