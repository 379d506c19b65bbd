"""``/v1/{collection}/{name}`` on a real server."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest

from svc_common.testing import TestedService, raw_request


async def test_what_is_stored_is_read_back(svc: TestedService) -> None:
    answer = await svc.client.put("/v1/things/a", json={"price": 3, "tags": ["x"]})
    assert (answer.status_code, answer.content) == (204, b"")

    answer = await svc.client.get("/v1/things/a")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"price": 3, "tags": ["x"]}


async def test_post_stores_and_replaces_like_put(svc: TestedService) -> None:
    assert (await svc.client.post("/v1/things/a", json=1)).status_code == 204
    assert (await svc.client.post("/v1/things/a", json=2)).status_code == 204
    assert (await svc.client.get("/v1/things/a")).json() == 2


@pytest.mark.parametrize(
    "content",
    [
        None,
        True,
        0,
        -(2**63),
        2**63 - 1,
        1.5,
        1e300,
        -0.0,
        "",
        "nul \0 inside a value",
        "𝄞 é ‮",
        [],
        {},
        [1, [2, [3]]],
        {"": "empty key"},
        {"$gt": ""},
        {"$where": "1", "a": {"$set": {"b": 1}}},
        {"a.b": 1, "a": {"c.d": {"$e.f": 2}}},
        {"$ref": "elsewhere", "$id": 1},
        {"__proto__": {"x": 1}, "constructor": 2},
        {"_id": 5, "name": "other", "revision": -1},
        {"$oid": "6b0298a218f74bb6283bed6e"},
    ],
)
async def test_any_json_value_comes_back_as_it_was(svc: TestedService, content: Any) -> None:
    body = json.dumps(content).encode()
    answer = await svc.client.put("/v1/things/x", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 204
    answer = await svc.client.get("/v1/things/x")
    assert answer.status_code == 200
    assert json.loads(answer.content) == content
    assert (await svc.client.put("/v1/things/x", json={"$inc": content})).status_code == 204  # over it, too
    assert (await svc.client.get("/v1/things/x")).json() == {"$inc": content}


@pytest.mark.parametrize("name", ["a/b", "a b", "ü", "%", "..", ".", "$name", "a.b", "x" * 1024, "-"])
async def test_names_are_any_text(svc: TestedService, name: str) -> None:
    address = f"/v1/things/{quote(name, safe='')}".replace("/..", "/%2E%2E")
    if name == ".":
        address = "/v1/things/%2E"
    answer = await raw_request(
        svc.url,
        f"PUT {address} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\n7".encode(),
    )
    assert answer.startswith(b"HTTP/1.1 204")
    answer = await raw_request(
        svc.url, f"GET {address} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\n7")


async def test_a_missing_document_is_named(svc: TestedService) -> None:
    for method in ("GET", "DELETE"):
        answer = await svc.client.request(method, "/v1/things/nobody")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"] == "Missing document: nobody"


async def test_head_is_get_without_the_body(svc: TestedService) -> None:
    await svc.client.put("/v1/things/a", json=[1, 2])
    answer = await svc.client.head("/v1/things/a")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "5"
    assert (await svc.client.head("/v1/things/b")).status_code == 404


async def test_delete_removes_once(svc: TestedService) -> None:
    await svc.client.put("/v1/things/a", json=1)
    assert (await svc.client.delete("/v1/things/a")).status_code == 204
    assert (await svc.client.get("/v1/things/a")).status_code == 404
    assert (await svc.client.delete("/v1/things/a")).status_code == 404


async def test_the_tag_follows_the_revision(svc: TestedService) -> None:
    first = (await svc.client.put("/v1/things/a", json=1)).headers["etag"]
    assert (await svc.client.get("/v1/things/a")).headers["etag"] == first
    second = (await svc.client.put("/v1/things/a", json=1)).headers["etag"]
    assert second != first
    await svc.client.delete("/v1/things/a")
    third = (await svc.client.put("/v1/things/a", json=1)).headers["etag"]
    assert third not in (first, second)  # a new document is not the old one's first revision


async def test_a_known_revision_is_not_sent_again(svc: TestedService) -> None:
    tag = (await svc.client.put("/v1/things/a", json=1)).headers["etag"]
    answer = await svc.client.get("/v1/things/a", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.content) == (304, b"")
    await svc.client.put("/v1/things/a", json=2)
    assert (await svc.client.get("/v1/things/a", headers={"If-None-Match": tag})).json() == 2


async def test_if_none_match_star_only_creates(svc: TestedService) -> None:
    only_new = {"If-None-Match": "*"}
    assert (await svc.client.put("/v1/things/a", json=1, headers=only_new)).status_code == 204
    assert (await svc.client.put("/v1/things/a", json=2, headers=only_new)).status_code == 412
    assert (await svc.client.get("/v1/things/a")).json() == 1


async def test_of_many_creators_one_wins(svc: TestedService) -> None:
    answers = await asyncio.gather(
        *(svc.client.put("/v1/things/a", json=n, headers={"If-None-Match": "*"}) for n in range(20))
    )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [204] + [412] * 19
    winner = next(number for number, answer in enumerate(answers) if answer.status_code == 204)
    assert (await svc.client.get("/v1/things/a")).json() == winner


async def test_if_match_replaces_only_that_revision(svc: TestedService) -> None:
    tag = (await svc.client.put("/v1/things/a", json=1)).headers["etag"]
    answer = await svc.client.put("/v1/things/a", json=2, headers={"If-Match": tag})
    assert answer.status_code == 204
    assert (await svc.client.put("/v1/things/a", json=3, headers={"If-Match": tag})).status_code == 412
    assert (await svc.client.delete("/v1/things/a", headers={"If-Match": tag})).status_code == 412
    assert (await svc.client.get("/v1/things/a")).json() == 2
    newer = {"If-Match": answer.headers["etag"]}
    assert (await svc.client.delete("/v1/things/a", headers=newer)).status_code == 204
    assert (await svc.client.put("/v1/things/a", json=4, headers={"If-Match": "*"})).status_code == 412


async def test_a_hundred_increments_by_two_editors_at_once_are_a_hundred(svc: TestedService) -> None:
    await svc.client.put("/v1/things/counter", json=0)

    async def increment() -> None:
        while True:
            seen = await svc.client.get("/v1/things/counter")
            answer = await svc.client.put(
                "/v1/things/counter", json=seen.json() + 1, headers={"If-Match": seen.headers["etag"]}
            )
            if answer.status_code == 204:
                return
            assert answer.status_code == 412

    waiting = iter(range(100))

    async def editor() -> None:
        for _ in waiting:
            await increment()

    await asyncio.gather(*(editor() for _ in range(10)))
    assert (await svc.client.get("/v1/things/counter")).json() == 100


async def test_a_hundred_patches_at_once_all_count(svc: TestedService) -> None:
    await svc.client.put("/v1/things/a", json={})
    answers = await asyncio.gather(
        *(
            svc.client.patch(
                "/v1/things/a",
                content=json.dumps({f"key{n}": n}),
                headers={"Content-Type": "application/merge-patch+json"},
            )
            for n in range(100)
        )
    )
    assert {answer.status_code for answer in answers} == {204}
    assert (await svc.client.get("/v1/things/a")).json() == {f"key{n}": n for n in range(100)}


async def test_patches(svc: TestedService) -> None:
    await svc.client.put("/v1/things/a", json={"a": 1, "b": {"c": 2}})
    answer = await svc.client.patch(
        "/v1/things/a",
        content=b'{"a":null,"b":{"d":3}}',
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert answer.status_code == 204
    assert (await svc.client.get("/v1/things/a")).headers["etag"] == answer.headers["etag"]
    steps = [{"op": "test", "path": "/b/d", "value": 3}, {"op": "move", "from": "/b/c", "path": "/e"}]
    answer = await svc.client.patch(
        "/v1/things/a", content=json.dumps(steps), headers={"Content-Type": "application/json-patch+json"}
    )
    assert answer.status_code == 204
    assert (await svc.client.get("/v1/things/a")).json() == {"b": {"d": 3}, "e": 2}


async def test_a_patch_that_does_not_fit_changes_nothing(svc: TestedService) -> None:
    tag = (await svc.client.put("/v1/things/a", json={"a": 1})).headers["etag"]
    json_patch = {"Content-Type": "application/json-patch+json"}
    merge_patch = {"Content-Type": "application/merge-patch+json"}
    for content, headers, status in [
        (b'[{"op":"test","path":"/a","value":2}]', json_patch, 409),
        (b'[{"op":"remove","path":"/b"}]', json_patch, 422),
        (b'[{"op":"jump","path":"/b"}]', json_patch, 400),
        (b'{"op":"remove"}', json_patch, 400),
        (b"{", json_patch, 400),
        (b'{"a":2}', {"Content-Type": "application/json"}, 415),
        (b'{"a":2}', {**merge_patch, "If-Match": '"7-7"'}, 412),
        (b'{"a":' + b"[" * 101 + b"]" * 101 + b"}", merge_patch, 422),
    ]:
        answer = await svc.client.patch("/v1/things/a", content=content, headers=headers)
        assert answer.status_code == status, content
        assert ("json-patch" in answer.headers.get("accept-patch", "")) == (status == 415)
    assert (await svc.client.patch("/v1/things/b", content=b"{}", headers=merge_patch)).status_code == 404
    answer = await svc.client.get("/v1/things/a")
    assert (answer.json(), answer.headers["etag"]) == ({"a": 1}, tag)
    assert (await svc.client.get("/v1/things/b")).status_code == 404


async def test_collections_are_listed(svc: TestedService) -> None:
    assert (await svc.client.get("/v1/")).json() == {"collections": []}
    await svc.client.put("/v1/b/x", json=1)
    await svc.client.put("/v1/a/x", json=1)
    assert (await svc.client.get("/v1/")).json() == {"collections": ["a", "b"]}


async def test_a_patch_looks_into_references(svc: TestedService) -> None:
    merge = {"Content-Type": "application/merge-patch+json"}
    steps = {"Content-Type": "application/json-patch+json"}
    for content in ({"$ref": "a", "$id": 1}, {"b": [{"$ref": "a", "$id": {"$ref": "c", "$id": 2}}]}):
        await svc.client.put("/v1/things/a", json=content)
        answer = await svc.client.patch("/v1/things/a", content=b'{"x":1}', headers=merge)
        assert answer.status_code == 204
        assert (await svc.client.get("/v1/things/a")).json() == {**content, "x": 1}
    step = [{"op": "replace", "path": "/b/0/$id/$id", "value": 3}]
    assert (await svc.client.patch("/v1/things/a", json=step, headers=steps)).status_code == 204
    operation = {"op": "patch", "collection": "things", "name": "a", "patch": {"x": None}}
    assert (await svc.client.post("/v1/-/batch", json={"operations": [operation]})).status_code == 200
    answer = await svc.client.get("/v1/things/a")
    assert answer.json() == {"b": [{"$ref": "a", "$id": {"$ref": "c", "$id": 3}}]}
