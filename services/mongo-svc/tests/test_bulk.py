"""Imports of any length, and changes to many documents at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
from pymongo import MongoClient

from svc_common.testing import ServiceProcess, TestedService

if TYPE_CHECKING:
    from devstack.pytest_plugin import OwnMongo

NDJSON = {"Content-Type": "application/x-ndjson"}
JSON = {"Content-Type": "application/json"}
CONFIRM = {"If-Match": "*"}


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def ndjson(*items: Any) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def item(name: str, content: Any) -> dict[str, Any]:
    return {"name": name, "content": content}


async def read(svc: TestedService, name: str) -> Any:
    answer = await svc.client.get(f"/v1/things/{name}")
    return answer.json() if answer.status_code == 200 else answer.status_code


async def test_one_object_creates_one_document(svc: TestedService) -> None:
    answer = await svc.client.post("/v1/things", json=item("a/b", 1))
    assert answer.status_code == 201
    assert answer.json() == {"name": "a/b"}
    assert answer.headers["location"] == "/v1/things/a%2Fb"
    assert (await svc.client.get(answer.headers["location"])).headers["etag"] == answer.headers["etag"]
    assert (await svc.client.post("/v1/things", json=item("a/b", 2))).status_code == 409
    answer = await svc.client.post("/v1/things", json={"content": 3})
    assert (await svc.client.get(answer.headers["location"])).json() == 3


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"7", 400),
        (b'{"name":"a"}', 400),
        (b'{"name":7,"content":1}', 400),
        (b'{"name":"","content":1}', 400),
        (b'{"name":"a\\u0000","content":1}', 400),
        (b'{"name":"a","content":9223372036854775808}', 422),
        (b'{"name":"a","content":"' + b"x" * 2**24 + b'"}', 413),
        (b"[] x", 400),
        (b"[1", 400),
        (b"[}", 400),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else str(value),
)
async def test_a_body_that_is_not_an_import(svc: TestedService, body: bytes, status: int) -> None:
    answer = await svc.client.post("/v1/things", content=body, headers=JSON)
    told = lines(answer)[0]["status"] if answer.status_code == 200 else answer.status_code
    assert told == status
    assert (await svc.client.get("/v1/things", params={"count": "exact"})).json()["count"] == 0


async def test_arrays_and_lines_mean_the_same(svc: TestedService) -> None:
    answer = await svc.client.post(
        "/v1/things", content=b' [ {"name":"a","content":[1,"]"]} , {"content":2}]'
    )
    assert lines(answer) == [{"received": 2, "inserted": 2, "replaced": 0, "failed": 0, "complete": True}]
    answer = await svc.client.post(
        "/v1/things", content=b'{"name":"b","content":3}\r\n\n{"content":4}', headers=NDJSON
    )
    assert lines(answer)[-1]["inserted"] == 2
    assert (await read(svc, "a"), await read(svc, "b")) == ([1, "]"], 3)
    assert lines(await svc.client.post("/v1/things", content=b"", headers=NDJSON))[-1]["received"] == 0
    assert lines(await svc.client.post("/v1/things", content=b"[ ]", headers=JSON))[-1]["received"] == 0


async def test_an_unordered_import_goes_on_after_failures(svc: TestedService) -> None:
    await svc.client.put("/v1/things/taken", json="old")
    body = ndjson(item("a", 1), item("taken", 2)) + b"{nonsense\n" + ndjson(item("", 3), item("b", 4), [])
    told = lines(await svc.client.post("/v1/things", content=body, headers=NDJSON))
    assert [(line["item"], line["status"]) for line in sorted(told[:-1], key=lambda line: line["item"])] == [
        (2, 409),
        (3, 400),
        (4, 400),
        (6, 400),
    ]
    assert told[-1] == {"received": 6, "inserted": 2, "replaced": 0, "failed": 4, "complete": True}
    assert [await read(svc, name) for name in ("a", "b", "taken")] == [1, 4, "old"]


@pytest.mark.parametrize("wrong", [b"{nonsense\n", ndjson(item("taken", 2))])
async def test_an_ordered_import_ends_at_the_first_failure(svc: TestedService, wrong: bytes) -> None:
    await svc.client.put("/v1/things/taken", json="old")
    body = ndjson(item("a", 1)) + wrong + ndjson(item("b", 4), item("taken", 5))
    told = lines(await svc.client.post("/v1/things?ordered=true", content=body, headers=NDJSON))
    assert [line["item"] for line in told[:-1]] == [2]
    assert (told[-1]["inserted"], told[-1]["failed"], told[-1]["complete"]) == (1, 1, False)
    assert [await read(svc, name) for name in ("a", "b", "taken")] == [1, 404, "old"]


async def test_modes(svc: TestedService) -> None:
    first = (await svc.client.put("/v1/things/a", json=1)).headers["etag"]
    body = ndjson(item("a", 10), item("b", 20))
    told = lines(await svc.client.post("/v1/things?mode=update", content=body, headers=NDJSON))
    assert told[0] == {"item": 2, "name": "b", "status": 404, "detail": "Missing document: b"}
    assert (told[1]["inserted"], told[1]["replaced"], told[1]["failed"]) == (0, 1, 1)
    assert (await svc.client.get("/v1/things/a")).headers["etag"] != first
    told = lines(await svc.client.post("/v1/things?mode=upsert", content=body, headers=NDJSON))
    assert (told[0]["inserted"], told[0]["replaced"], told[0]["failed"]) == (1, 1, 0)
    assert (await read(svc, "a"), await read(svc, "b")) == (10, 20)
    for wrong in ("mode=other", "ordered=perhaps"):
        assert (await svc.client.post(f"/v1/things?{wrong}", content=body, headers=NDJSON)).status_code == 400
    told = lines(await svc.client.post("/v1/things?mode=upsert", content=b'{"content":1}\n', headers=NDJSON))
    assert told[0]["status"] == 400  # only an insert can do without a name


async def test_a_failure_is_told_by_its_own_index(svc: TestedService) -> None:
    await svc.client.post("/v1/things/-/indexes", json={"keys": {"price": 1}, "unique": True, "sparse": True})
    body = ndjson(item("a", {"price": 1}), item("b", {"price": 1}), item("a", {"price": 2}))
    told = lines(await svc.client.post("/v1/things", content=body, headers=NDJSON))
    assert [(line["name"], line["status"], line["detail"]) for line in told[:-1]] == [
        ("b", 409, "Something with the same value of a unique index is stored already."),
        ("a", 409, "There is a document a already."),
    ]


async def test_an_update_leaves_names_in_arrays_alone(svc: TestedService, mongo_database: str) -> None:
    with MongoClient[dict[str, Any]](mongo_database) as client:
        client.get_default_database().things.insert_one({"name": ["a", "b"], "content": 1})
    told = lines(
        await svc.client.post("/v1/things?mode=update", content=ndjson(item("a", 2)), headers=NDJSON)
    )
    assert (told[0]["status"], told[1]["replaced"]) == (404, 0)


async def test_only_so_many_failures_are_told(svc: TestedService) -> None:
    body = b"x\n" * 5000
    told = lines(await svc.client.post("/v1/things", content=body, headers=NDJSON))
    assert len(told) == 1001
    assert told[-1]["failed"] == 5000


async def test_a_document_over_16_mib_fails_alone(svc: TestedService) -> None:
    body = ndjson(item("a", 1), item("big", "x" * 2**24), item("b", 2))
    told = lines(await svc.client.post("/v1/things", content=body, headers=NDJSON))
    assert {line["status"] for line in told[:-1]} == {413}
    assert await read(svc, "big") == 404


async def test_20000_documents_there_and_back_at_constant_memory(mongo_database: str) -> None:
    count, filler = 20_000, "f" * 2000  # 40 MB

    async def body() -> AsyncIterator[bytes]:
        for first in range(0, count, 100):
            yield ndjson(*(item(f"n{number}", [number, filler]) for number in range(first, first + 100)))

    with ServiceProcess("mongo_svc", MONGODB_URI=mongo_database, STORE_TIMEOUT="15") as svc:
        async with httpx.AsyncClient(base_url=svc.url, timeout=60, trust_env=False) as client:
            told = lines(await client.post("/v1/things", content=body(), headers=NDJSON))
            assert told == [
                {"received": count, "inserted": count, "replaced": 0, "failed": 0, "complete": True}
            ]
            seen = 0
            async with client.stream(
                "GET", "/v1/things", headers={"Accept": NDJSON["Content-Type"]}
            ) as answer:
                async for line in answer.aiter_lines():
                    assert json.loads(line)["content"][0] == seen
                    seen += 1
            assert seen == count
        status = Path(f"/proc/{svc.process.pid}/status").read_text()
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        assert peak < 200 * 1024  # KiB


async def test_a_client_that_breaks_off_leaves_whole_documents(svc: TestedService) -> None:
    address = urlsplit(svc.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(
        b"POST /v1/things HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
        b"Content-Length: 1000000\r\n\r\n"
    )
    writer.write(
        ndjson(*(item(f"n{number}", {"whole": True}) for number in range(1500))) + b'{"name":"cut","con'
    )
    await writer.drain()
    arguments = {"count": "exact", "limit": "1000"}
    async with asyncio.timeout(60):
        while (await svc.client.get("/v1/things", params=arguments)).json()["count"] < 1000:
            await asyncio.sleep(0.02)
    writer.close()
    await writer.wait_closed()
    del reader
    found = (await svc.client.get("/v1/things", params=arguments)).json()
    assert found["count"] == 1000  # the batches that were complete
    assert all(document["content"] == {"whole": True} for document in found["documents"])
    assert await read(svc, "cut") == 404


async def test_a_store_that_goes_away_during_an_import(own_mongo: OwnMongo) -> None:
    store = own_mongo()
    half = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield ndjson(*(item(f"n{number}", number) for number in range(1000)))
        await half.wait()
        yield ndjson(*(item(f"m{number}", number) for number in range(1000)))

    with ServiceProcess("mongo_svc", MONGODB_URI=store.url) as svc:
        async with httpx.AsyncClient(base_url=svc.url, timeout=60, trust_env=False) as client:
            sending = asyncio.create_task(client.post("/v1/things", content=body(), headers=NDJSON))
            async with asyncio.timeout(60):
                while (await client.get("/v1/things/n999")).status_code != 200:
                    await asyncio.sleep(0.02)
            store.kill()
            half.set()
            told = lines(await sending)
            assert (told[0]["item"], told[0]["status"]) == (1001, 503)
            assert (told[1]["inserted"], told[1]["complete"]) == (1000, False)
            answer = await client.post("/v1/things", content=ndjson(item("x", 1)), headers=NDJSON)
            assert answer.status_code == 503
            await asyncio.to_thread(store.start)
            await asyncio.to_thread(svc.wait_for, "/readyz")
            answer = await client.get("/v1/things", params={"count": "exact", "limit": "1"})
            assert answer.json()["count"] == 1000


async def test_many_can_be_changed_or_deleted_when_it_is_meant(svc: TestedService) -> None:
    await svc.client.post(
        "/v1/things", json=[item(f"n{number}", {"v": number, "x": 1}) for number in range(6)]
    )
    merge = {"Content-Type": "application/merge-patch+json"}
    some = {"filter": '{"v":{"$lt":2}}'}
    for method, headers in (("PATCH", merge), ("DELETE", {})):
        for arguments in (some, {"confirm": "false", **some}):
            answer = await svc.client.request(
                method, "/v1/things", params=arguments, headers=headers, content=b'{"x":2}'
            )
            assert answer.status_code == 428
        answer = await svc.client.request(
            method, "/v1/things", headers={**headers, **CONFIRM}, content=b'{"x":2}'
        )
        assert answer.status_code == 400  # which ones?
    before = (await svc.client.get("/v1/things/n0")).headers["etag"]
    answer = await svc.client.patch(
        "/v1/things", params=some, headers={**merge, **CONFIRM}, content=b'{"x":null,"y":{"z":[1]}}'
    )
    assert answer.json() == {"matched": 2, "modified": 2}
    assert await read(svc, "n1") == {"v": 1, "y": {"z": [1]}}
    assert await read(svc, "n2") == {"v": 2, "x": 1}
    assert (await svc.client.get("/v1/things/n0")).headers["etag"] != before
    answer = await svc.client.delete("/v1/things", params={"confirm": "true", **some})
    assert answer.json() == {"deleted": 2}
    assert (await svc.client.get("/v1/things", params={"count": "exact"})).json()["count"] == 4
    answer = await svc.client.delete("/v1/things", params={"filter": "{}"}, headers=CONFIRM)
    assert answer.json() == {"deleted": 4}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[]", 400),
        (b"{}", 400),
        (b"7", 400),
        (b"{", 400),
        (b'{"$set":{"a":1}}', 422),
        (b'{"a":{"b.c":1}}', 422),
        (b'{"":1}', 422),
        (b'{"a":{}}', 422),
    ],
)
async def test_a_change_that_cannot_be_made_at_once(svc: TestedService, body: bytes, status: int) -> None:
    await svc.client.put("/v1/things/a", json={"a": 1})
    answer = await svc.client.patch(
        "/v1/things?filter={}&confirm=true",
        content=body,
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert answer.status_code == status
    assert await read(svc, "a") == {"a": 1}
    answer = await svc.client.patch("/v1/things?filter={}&confirm=true", content=b"{}", headers=JSON)
    assert answer.status_code == 415
