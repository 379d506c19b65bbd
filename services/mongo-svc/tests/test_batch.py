"""``POST /v1/-/batch``: together or not at all."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from svc_common.testing import TestedService

NO_TEST = {"op": "test", "path": "", "value": 0}


async def batch(svc: TestedService, *operations: Any) -> httpx.Response:
    return await svc.client.post("/v1/-/batch", json={"operations": operations})


async def read(svc: TestedService, address: str) -> Any:
    answer = await svc.client.get(f"/v1/{address}")
    return answer.json() if answer.status_code == 200 else answer.status_code


async def test_operations_on_several_collections(svc: TestedService) -> None:
    tag = (await svc.client.put("/v1/a/x", json={"v": 1})).headers["etag"]
    await svc.client.put("/v1/a/gone", json=1)
    answer = await batch(
        svc,
        {"op": "patch", "collection": "a", "name": "x", "patch": {"v": 2}, "ifMatch": tag},
        {"op": "patch", "collection": "a", "name": "x", "patch": [{"op": "add", "path": "/w", "value": 3}]},
        {"op": "create", "collection": "b", "name": "y", "content": {"$inc": 1}},
        {"op": "put", "collection": "b", "name": "z", "content": None},
        {"op": "delete", "collection": "a", "name": "gone"},
    )
    assert answer.status_code == 200, answer.text
    tags = [result["etag"] for result in answer.json()["results"]]
    assert tags[4] is None
    assert (await svc.client.get("/v1/a/x")).headers["etag"] == tags[1]
    assert await read(svc, "a/x") == {"v": 2, "w": 3}
    assert await read(svc, "b/y") == {"$inc": 1}
    assert await read(svc, "b/z") is None
    assert await read(svc, "a/gone") == 404


@pytest.mark.parametrize(
    ("last", "status"),
    [
        ({"op": "create", "collection": "a", "name": "x", "content": 1}, 409),
        ({"op": "delete", "collection": "a", "name": "nobody"}, 404),
        ({"op": "patch", "collection": "a", "name": "nobody", "patch": {}}, 404),
        ({"op": "put", "collection": "a", "name": "x", "content": 1, "ifMatch": "7-7"}, 412),
        (
            {
                "op": "patch",
                "collection": "a",
                "name": "x",
                "patch": [{"op": "test", "path": "", "value": 0}],
            },
            409,
        ),
        ({"op": "put", "collection": "a", "name": "big", "content": "x" * 2**24}, 413),
        ({"op": "jump", "collection": "a", "name": "x"}, 400),
        ({"op": "put", "collection": "a", "name": "x"}, 400),
        ({"op": "put", "collection": "$cmd", "name": "x", "content": 1}, 400),
        ({"op": "put", "collection": "a", "name": "", "content": 1}, 400),
        ({"op": "put", "collection": "a", "name": "x", "content": 1, "upsert": True}, 400),
        (7, 400),
    ],
    ids=lambda value: str(value)[:70],
)
async def test_one_that_fails_undoes_all(svc: TestedService, last: Any, status: int) -> None:
    await svc.client.put("/v1/a/x", json="old")
    first = {"op": "put", "collection": "a", "name": "new", "content": 1}
    second = {"op": "put", "collection": "a", "name": "x", "content": "new"}
    steps = [first, last] if status in (409, 412) else [first, second, last]
    answer = await batch(svc, *steps)
    assert answer.status_code == status
    if status != 413:  # the body itself is over the limit, then
        assert answer.json()["operation"] == len(steps) - 1
    assert (await read(svc, "a/new"), await read(svc, "a/x")) == (404, "old")


async def test_a_batch_of_nothing(svc: TestedService) -> None:
    bodies: list[Any] = [{}, [], {"operations": []}, {"operations": 1}]
    for body in bodies:
        assert (await svc.client.post("/v1/-/batch", json=body)).status_code == 400


async def test_transfers_at_once_keep_the_sum(svc: TestedService) -> None:
    for name in ("a", "b"):
        await svc.client.put(f"/v1/accounts/{name}", json={"money": 100})

    async def transfer() -> None:
        while True:
            seen = {name: await svc.client.get(f"/v1/accounts/{name}") for name in ("a", "b")}
            money = {name: answer.json()["money"] for name, answer in seen.items()}
            answer = await batch(
                svc,
                *(
                    {
                        "op": "put",
                        "collection": "accounts",
                        "name": name,
                        "content": {"money": money[name] + change},
                        "ifMatch": seen[name].headers["etag"],
                    }
                    for name, change in (("a", -1), ("b", 1))
                ),
            )
            if answer.status_code == 200:
                return
            assert answer.status_code in (409, 412)

    await asyncio.gather(*(transfer() for _ in range(10)))
    assert (await read(svc, "accounts/a"), await read(svc, "accounts/b")) == ({"money": 90}, {"money": 110})
