"""A collection's options, schema, indexes, figures and pipelines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mongo_svc.app import service
from mongo_svc.schemas import from_validator, to_validator
from svc_common.testing import TestedService, serving

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["title", "price"],
    "properties": {
        "title": {"type": "string", "minLength": 1},
        "price": {"type": "number", "minimum": 0},
        "pages": {"type": "integer"},
        "kind": {"enum": ["book", "film"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "maker": {"type": "object", "properties": {"city": {"type": ["string", "null"]}}},
    },
    "additionalProperties": False,
}


async def test_a_schema_keeps_out_what_does_not_fit(svc: TestedService) -> None:
    assert (await svc.client.get("/v1/things/-/schema")).status_code == 404
    assert (await svc.client.put("/v1/things/-/schema", json=SCHEMA)).status_code == 204
    answer = await svc.client.get("/v1/things/-/schema")
    assert answer.headers["content-type"] == "application/schema+json"
    assert answer.json() == SCHEMA
    good = {"title": "Momo", "price": 9.5, "pages": 304, "kind": "book", "maker": {"city": None}}
    assert (await svc.client.put("/v1/things/a", json=good)).status_code == 204
    wrong = {"title": "", "pages": 1.5, "kind": "song", "tags": ["a", 1], "maker": {"city": 5}, "extra~/": 1}
    answer = await svc.client.put("/v1/things/b", json=wrong)
    assert answer.status_code == 422
    violations = {(entry["path"], entry["rule"]) for entry in answer.json()["violations"]}
    assert {
        ("/title", "minLength"),
        ("/price", "required"),
        ("/pages", "type"),
        ("/kind", "enum"),
        ("/maker/city", "type"),
        ("/extra~0~1", "additionalProperties"),
    } <= violations
    assert (await svc.client.get("/v1/things/b")).status_code == 404
    lines = (await svc.client.post("/v1/things", json=[{"name": "b", "content": {"title": "x"}}])).text
    assert json.loads(lines.splitlines()[0])["violations"] == [{"path": "/price", "rule": "required"}]
    merge = {"Content-Type": "application/merge-patch+json"}
    answer = await svc.client.patch("/v1/things/a", content=b'{"price":-1}', headers=merge)
    assert (answer.status_code, answer.json()["violations"]) == (422, [{"path": "/price", "rule": "minimum"}])
    assert (await svc.client.put("/v1/things/-/schema", json=True)).status_code == 204
    assert (await svc.client.put("/v1/things/b", json=wrong)).status_code == 204


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/definitions/x"},
        {"properties": {"a": {"format": "email"}}},
        {"type": "date"},
        {"type": {}},
        {"type": [["string"]]},
        {"if": {}},
        {"properties": {"a": 7}},
        7,
    ],
    ids=str,
)
async def test_a_schema_that_mongodb_cannot_check(svc: TestedService, schema: Any) -> None:
    assert (await svc.client.put("/v1/things/-/schema", json=schema)).status_code == 422
    assert (await svc.client.get("/v1/")).json() == {"collections": []}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "integer"},
        {"type": ["integer", "string"]},
        {"type": "boolean", "title": "t"},
        {"minimum": 1, "exclusiveMaximum": 5},
        {"not": {"type": "null"}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {"items": [{"type": "number"}], "additionalItems": {"type": "string"}},
        {"patternProperties": {"^x": {"type": "array", "items": {"enum": [1, "a"]}}}},
    ],
    ids=str,
)
def test_schemas_there_and_back(schema: dict[str, Any]) -> None:
    back = from_validator(to_validator(schema))
    kind = back.get("type")
    assert {**back, "type": sorted(kind) if isinstance(kind, list) else kind} == {
        **schema,
        "type": sorted(schema["type"]) if isinstance(schema.get("type"), list) else schema.get("type"),
    }


async def test_collections_are_created_with_options(svc: TestedService) -> None:
    answer = await svc.client.put("/v1/log", json={"capped": {"bytes": 4096, "documents": 3}})
    assert (answer.status_code, answer.headers["location"]) == (201, "/v1/log")
    assert (await svc.client.put("/v1/log")).status_code == 409
    assert (await svc.client.get("/v1/log/-/stats")).json()["capped"] is True
    for number in range(5):
        assert (await svc.client.put(f"/v1/log/n{number}", json=number)).status_code == 204
    names = [item["name"] for item in (await svc.client.get("/v1/log")).json()["documents"]]
    assert names == ["n2", "n3", "n4"]
    answer = await svc.client.put("/v1/names", json={"collation": {"locale": "en", "strength": 2}})
    assert answer.status_code == 201
    assert (await svc.client.get("/v1/")).json() == {"collections": ["log", "names"]}
    wrong: list[Any] = [
        [],
        {"capped": True},
        {"capped": {"bytes": -1}},
        {"viewOn": "x"},
        {"validator": {}},
        {"collation": 1},
    ]
    for options in wrong:
        assert (await svc.client.put("/v1/other", json=options)).status_code == 400


async def test_indexes(svc: TestedService) -> None:
    bonn = {"type": "Point", "coordinates": [7, 50]}
    await svc.client.put("/v1/things/a", json={"price": 1, "place": bonn})
    orders: list[dict[str, Any]] = [
        {"keys": {"sku": 1}, "unique": True, "sparse": True},
        {"keys": {"price": -1, "maker.city": 1}, "name": "by price"},
        {"keys": {"place": "2dsphere"}},
        {"keys": {"updated": 1}, "expireAfterSeconds": 3600},
        {"keys": {"rare": 1}, "filter": {"rare": {"$exists": True}}},
    ]
    for order in orders:
        answer = await svc.client.post("/v1/things/-/indexes", json=order)
        assert answer.status_code == 201, answer.text
    listed = (await svc.client.get("/v1/things/-/indexes")).json()["indexes"]
    shown = {index["name"]: index for index in listed}
    assert list(shown["by price"]["keys"].items()) == [("price", -1), ("maker.city", 1)]
    assert shown["content.sku_1"]["unique"] is True
    assert shown["updated_1"] == {"name": "updated_1", "keys": {"updated": 1}, "expireAfterSeconds": 3600}
    assert shown["name_1"]["unique"] is True
    assert (await svc.client.put("/v1/things/b", json={"sku": 7})).status_code == 204
    assert (await svc.client.put("/v1/things/c", json={"sku": 7})).status_code == 409
    near = {"place": {"$near": {"$geometry": bonn, "$maxDistance": 9}}}
    found = (await svc.client.get("/v1/things", params={"filter": json.dumps(near)})).json()["documents"]
    assert [item["name"] for item in found] == ["a"]
    assert (await svc.client.delete("/v1/things/-/indexes", params={"name": "by price"})).status_code == 204
    assert (await svc.client.delete("/v1/things/-/indexes", params={"name": "by price"})).status_code == 404
    for kept in ("_id_", "name_1", ""):
        assert (await svc.client.delete("/v1/things/-/indexes", params={"name": kept})).status_code == 400


@pytest.mark.parametrize(
    "order",
    [
        {},
        [],
        {"keys": {}},
        {"keys": {"a": 2}},
        {"keys": {"a": True}},
        {"keys": {"$a": 1}},
        {"keys": {"a": 1}, "unique": 1},
        {"keys": {"a": 1}, "expireAfterSeconds": -1},
        {"keys": {"a": 1}, "filter": {"$where": "1"}},
        {"keys": {"a": 1}, "background": True},
        {"keys": {"a": 1}, "name": ""},
    ],
    ids=str,
)
async def test_indexes_that_are_none(svc: TestedService, order: Any) -> None:
    assert (await svc.client.post("/v1/things/-/indexes", json=order)).status_code == 400


async def test_a_kind_of_index_may_be_any_kind_of_number(svc: TestedService) -> None:
    for path, kind in (("a", 1.0), ("b", {"$numberDouble": "-1.0"}), ("c", {"$numberLong": "1"})):
        answer = await svc.client.post("/v1/things/-/indexes", json={"keys": {path: kind}})
        assert answer.status_code == 201, answer.text
    shown = (await svc.client.get("/v1/things/-/indexes")).json()["indexes"]
    assert {index["name"]: index["keys"] for index in shown if index["name"].startswith("content")} == {
        "content.a_1": {"a": 1},
        "content.b_-1": {"b": -1},
        "content.c_1": {"c": 1},
    }


async def test_a_kind_of_index_that_the_server_lacks_is_refused_clearly(svc: TestedService) -> None:
    answer = await svc.client.post("/v1/things/-/indexes", json={"keys": {"title": "text"}})
    assert answer.status_code in (201, 400)  # MongoDB has text indexes; some compatible servers do not
    if answer.status_code == 400:
        assert answer.json()["detail"].startswith("This server has no text indexes")


async def test_stats_and_pipelines(svc: TestedService) -> None:
    items = [
        {"name": f"n{number}", "content": {"kind": "ab"[number % 2], "v": number}} for number in range(6)
    ]
    await svc.client.post("/v1/things", json=items)
    stats = (await svc.client.get("/v1/things/-/stats")).json()
    assert stats["documents"] == 6
    assert set(stats["indexes"]) == {"_id_", "name_1"}
    pipeline = [
        {"$group": {"_id": "$content.kind", "sum": {"$sum": "$content.v"}}},
        {"$sort": {"_id": 1}},
    ]
    answer = await svc.client.post("/v1/things/-/aggregate", json=pipeline)
    assert answer.json() == {"documents": [{"_id": "a", "sum": 6}, {"_id": "b", "sum": 9}]}
    for wrong in [
        {},
        [{"$out": "x"}],
        [{"$merge": "x"}],
        [{"$match": {"$where": "1"}}],
        [{"$lookup": {"from": "system.users", "as": "x"}}],
        [{"$project": {"x": {"$function": {"body": "1", "args": [], "lang": "js"}}}}],
        [{"$nonsense": 1}],
        [{"$sort": 1, "$limit": 1}],
    ]:
        assert (await svc.client.post("/v1/things/-/aggregate", json=wrong)).status_code == 400


async def test_who_may_change_the_structure(mongo_database: str) -> None:
    tokens = {"AUTH_MODE": "token", "AUTH_TOKENS": "r:read:rrr,w:write:www,a:admin:aaa"}
    async with serving(service, MONGODB_URI=mongo_database, **tokens) as svc:

        async def status(secret: str, method: str, address: str, body: Any = None) -> int:
            headers = {"Authorization": f"Bearer {secret}"} if secret else {}
            return (await svc.client.request(method, address, json=body, headers=headers)).status_code

        assert await status("", "GET", "/v1/things/-/stats") == 401
        for method, address, body in [
            ("PUT", "/v1/things/-/schema", {}),
            ("POST", "/v1/things/-/indexes", {"keys": {"a": 1}}),
            ("DELETE", "/v1/things/-/indexes?name=content.a_1", None),
            ("PUT", "/v1/new", {}),
        ]:
            assert await status("www", method, address, body) == 403
            assert await status("aaa", method, address, body) in (201, 204)
        assert await status("rrr", "POST", "/v1/things/-/aggregate", []) == 200
        assert await status("rrr", "POST", "/v1/-/batch", {}) == 403
        assert await status("rrr", "PUT", "/v1/things/-/files/a", 1) == 403
        assert await status("rrr", "DELETE", "/v1/things?filter={}&confirm=true") == 403
