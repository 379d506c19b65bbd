"""The Data API: who may call, what is refused and how, what may be touched."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from mongo_svc.app import service
from svc_common.testing import TestedService, free_port, serving

ENDPOINT = "/app/shop-abcde/endpoint/data/v1/action"
TOKENS = {
    "AUTH_MODE": "token",
    "AUTH_TOKENS": "w:write:s3cret,ann:write:anns,bob:read:bobs",
    "STORE_TIMEOUT": "15",
}


class Caller:
    """Makes calls of the Data API on one database."""

    def __init__(self, svc: TestedService, database: str, **headers: str) -> None:
        self.svc = svc
        self.database = database
        self.headers = headers

    def using(self, **headers: str) -> Caller:
        return Caller(self.svc, self.database, **headers)

    async def __call__(self, action: str, **parameters: Any) -> httpx.Response:
        body = {"dataSource": "any", "database": self.database, "collection": "tasks", **parameters}
        return await self.svc.client.post(f"{ENDPOINT}/{action}", json=body, headers=self.headers)

    async def ok(self, action: str, **parameters: Any) -> Any:
        answer = await self(action, **parameters)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    async def refused(self, action: str, status: int, code: str, **parameters: Any) -> None:
        answer = await self(action, **parameters)
        assert (answer.status_code, answer.json()["error_code"]) == (status, code), answer.text
        assert set(answer.json()) == {"error", "error_code", "link"}
        assert answer.headers["content-type"] == "application/json"


@pytest.fixture
async def call(svc: TestedService, mongo_database: str) -> Caller:
    return Caller(svc, urlsplit(mongo_database).path[1:])


@pytest.fixture
async def guarded(mongo_database: str) -> AsyncIterator[Caller]:
    async with serving(service, MONGODB_URI=mongo_database, **TOKENS) as svc:
        yield Caller(svc, urlsplit(mongo_database).path[1:])


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer s3cret"},
        {"apiKey": "s3cret"},
        {"api-key": "s3cret"},
        {"email": "w", "password": "s3cret"},
        {"jwtTokenString": "s3cret"},
        {"Authorization": "Bearer s3cret", "apiKey": "wrong"},
    ],
    ids=str,
)
async def test_ways_to_say_who_calls(guarded: Caller, headers: dict[str, str]) -> None:
    await guarded.using(**headers).ok("insertOne", document={"a": 1})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong", "apiKey": "s3cret"},
        {"Authorization": "Basic s3cret"},
        {"apiKey": "wrong"},
        {"api-key": ""},
        {"email": "w", "password": "wrong"},
        {"email": "ann", "password": "s3cret"},
        {"password": "s3cret"},
        {"jwtTokenString": "x.y.z"},
    ],
    ids=str,
)
async def test_nobody_else_gets_in(guarded: Caller, headers: dict[str, str]) -> None:
    await guarded.using(**headers).refused("find", 401, "InvalidSession")


async def test_a_reader_may_not_write(guarded: Caller) -> None:
    reader = guarded.using(apiKey="bobs")
    assert await reader.ok("aggregate", pipeline=[]) == {"documents": []}
    await reader.refused("deleteMany", 403, "NoMatchingRuleFound", filter={})
    await reader.refused("updateOne", 403, "NoMatchingRuleFound", update={"$set": {"a": 1}})


async def test_statuses_and_forms(call: Caller) -> None:
    assert (await call("insertOne", document={"_id": 1})).status_code == 201
    assert (await call("insertMany", documents=[{"_id": 2}])).status_code == 201
    answer = await call("find")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = {"dataSource": "x", "database": call.database, "collection": "tasks"}
    for kind in ("application/json", "application/ejson", "application/ejson; charset=utf-8"):
        answer = await call.svc.client.post(
            f"{ENDPOINT}/find", content=json.dumps(body), headers={"Content-Type": kind}
        )
        assert len(answer.json()["documents"]) == 2
    answer = await call.svc.client.post(
        f"{ENDPOINT}/find", content=b"a", headers={"Content-Type": "text/plain"}
    )
    assert answer.status_code == 415
    for accept in ("application/ejson", "application/ejson, */*;q=0.1"):
        assert (await call.using(Accept=accept).ok("findOne"))["document"] == {"_id": {"$numberInt": "1"}}
    for accept in ("*/*", "application/json, text/plain, */*"):
        assert (await call.using(Accept=accept).ok("findOne"))["document"] == {"_id": 1}


@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        ("find", {"dataSource": None}),
        ("find", {"database": None}),
        ("find", {"collection": None}),
        ("insertOne", {}),
        ("insertMany", {}),
        ("updateOne", {"filter": {}}),
        ("updateMany", {}),
        ("replaceOne", {}),
        ("aggregate", {}),
    ],
)
async def test_what_is_missing(call: Caller, action: str, parameters: dict[str, Any]) -> None:
    await call.refused(action, 400, "MissingParameter", **parameters)


DEEP: Any = 1
for _ in range(101):
    DEEP = {"a": DEEP}

INVALID: list[tuple[str, dict[str, Any]]] = [
    ("find", {"dataSource": 7}),
    ("find", {"filter": []}),
    ("find", {"filter": {"$where": "sleep(1000)"}}),
    ("find", {"filter": {"a": {"$where": "1"}}}),
    ("find", {"filter": {"$expr": {"$function": {"body": "1", "args": [], "lang": "js"}}}}),
    ("find", {"projection": {"x": {"$function": {"body": "1", "args": [], "lang": "js"}}}}),
    ("find", {"filter": {"a": {"$date": "not a day"}}}),
    ("find", {"filter": {"a": {"$date": {"$numberLong": "99999999999999999999"}}}}),
    ("find", {"filter": {"a": {"$date": "2024-13-01T00:00:00Z"}}}),
    ("find", {"filter": {"_id": {"$oid": "short"}}}),
    ("find", {"filter": {"a": {"$numberInt": "2147483648"}}}),
    ("find", {"filter": {"a": {"$numberDecimal": "x"}}}),
    ("find", {"filter": {"a": {"$binary": {"base64": "***", "subType": "00"}}}}),
    ("find", {"filter": {"a": {"$regularExpression": {"pattern": "a", "options": "q"}}}}),
    ("find", {"filter": {"a": {"$timestamp": {"t": -1, "i": 0}}}}),
    ("find", {"limit": -1}),
    ("find", {"limit": "5"}),
    ("find", {"limit": 1.5}),
    ("find", {"skip": -1}),
    ("find", {"sort": {"a": 2}}),
    ("find", {"sort": {"a": True}}),
    ("find", {"sort": "a"}),
    ("insertOne", {"document": []}),
    ("insertOne", {"document": {"$set": 1}}),
    ("insertOne", {"document": {"a\0b": 1}}),
    ("insertOne", {"document": {"a": DEEP}}),
    ("insertOne", {"document": {"a": 2**63}}),
    ("insertMany", {"documents": []}),
    ("insertMany", {"documents": [1]}),
    ("updateOne", {"update": {"a": 1}}),
    ("updateOne", {"update": {}}),
    ("updateOne", {"update": []}),
    ("updateOne", {"update": {"$where": {"a": 1}}}),
    ("updateOne", {"update": {"$set": 1}}),
    ("updateOne", {"update": [{"$out": "x"}]}),
    ("updateOne", {"update": [{"$set": {"a": {"$function": {}}}}]}),
    ("updateOne", {"update": {"$set": {"a": 1}}, "upsert": "yes"}),
    ("replaceOne", {"replacement": {"$set": {"a": 1}}}),
    ("aggregate", {"pipeline": {}}),
    ("aggregate", {"pipeline": [{"$out": "x"}]}),
    ("aggregate", {"pipeline": [{"$merge": {"into": "x"}}]}),
    ("aggregate", {"pipeline": [{"$currentOp": {}}]}),
    ("aggregate", {"pipeline": [{"$match": {"$where": "1"}}]}),
    ("aggregate", {"pipeline": [{"$facet": {"a": [{"$out": "x"}]}}]}),
    ("aggregate", {"pipeline": [{"$lookup": {"from": "y", "pipeline": [{"$out": "x"}], "as": "z"}}]}),
    ("aggregate", {"pipeline": [{"$lookup": {"from": {"db": "admin", "coll": "x"}, "as": "z"}}]}),
    ("aggregate", {"pipeline": [{"$unionWith": "system.users"}]}),
    ("aggregate", {"pipeline": [{"$unionWith": {"from": "tasks", "coll": "system.users"}}]}),
    ("aggregate", {"pipeline": [{"$lookup": {"from": None, "pipeline": [], "as": "z"}}]}),
    ("aggregate", {"pipeline": [{"$group": {"_id": 1, "x": {"$accumulator": {}}}}]}),
    ("find", {"database": "admin"}),
    ("find", {"database": "elsewhere"}),
    ("find", {"collection": "system.users"}),
    ("find", {"collection": "a$b"}),
    ("find", {"collection": ".a"}),
    ("find", {"collection": "a."}),
    ("find", {"collection": "a..b"}),
    ("find", {"collection": "a\0b"}),
    ("find", {"collection": ""}),
]


@pytest.mark.parametrize(("action", "parameters"), INVALID, ids=lambda value: str(value)[:60])
async def test_what_is_invalid(call: Caller, action: str, parameters: dict[str, Any]) -> None:
    await call.refused(action, 400, "InvalidParameter", **parameters)
    assert (await call.svc.client.get("/v1/")).json() == {"collections": []}


async def test_bodies_that_are_none(call: Caller) -> None:
    for content in (b"", b"{", b"[]", b"7", b'{"a":\xff}', b'{"dataSource":NaN}'):
        answer = await call.svc.client.post(
            f"{ENDPOINT}/find", content=content, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 400, content
        assert answer.json()["error_code"] in ("InvalidParameter", "MissingParameter")
    big = b'{"dataSource":"x","document":{"a":"' + b"x" * 2**24 + b'"}}'
    answer = await call.svc.client.post(f"{ENDPOINT}/insertOne", content=big)
    assert answer.status_code == 413
    await call.refused("explode", 404, "EndpointNotFound")


async def test_a_direction_may_be_any_kind_of_number(call: Caller) -> None:
    await call.ok("insertMany", documents=[{"_id": 1}, {"_id": 2}])
    directions: list[Any] = [-1, -1.0, {"$numberInt": "-1"}, {"$numberLong": "-1"}, {"$numberDouble": "-1.0"}]
    for direction in directions:
        assert (await call.ok("find", sort={"_id": direction}))["documents"] == [{"_id": 2}, {"_id": 1}]


async def test_what_mongodb_refuses(call: Caller) -> None:
    await call.ok("insertOne", document={"_id": 1, "text": "a"})
    await call.refused("insertOne", 400, "MongoDBError", document={"_id": 1})
    await call.refused("updateOne", 400, "InvalidParameter", filter={"_id": 1}, update={"$inc": {"text": 1}})
    assert (await call.ok("findOne"))["document"] == {"_id": 1, "text": "a"}


async def test_keys_that_look_dangerous_are_only_data(call: Caller) -> None:
    document = {"_id": 1, "__proto__": {"x": 1}, "a.b": 1, "in": {"$gt": "", "c.d": {"$where": "1"}}}
    await call.ok("insertOne", document=document)
    assert (await call.ok("findOne"))["document"] == document


async def test_databases_collections_and_sources(mongo_database: str) -> None:
    own = urlsplit(mongo_database).path[1:]
    named = {
        "DATA_API_DATABASES": f"{own},{own}_b",
        "DATA_API_COLLECTIONS": f"tasks,{own}_b.more",
        "DATA_API_SOURCES": "mongodb-atlas,Cluster-0",
        "MONGODB_URI_CLUSTER_0": mongo_database,
    }
    async with serving(service, MONGODB_URI=mongo_database, **named) as svc:
        call = Caller(svc, own)
        for good in [
            {"dataSource": "mongodb-atlas"},
            {"dataSource": "Cluster-0"},
            {"dataSource": "Cluster-0", "database": f"{own}_b"},
            {"dataSource": "Cluster-0", "database": f"{own}_b", "collection": "more"},
        ]:
            await call.ok("find", **good)
        for bad in [
            {"dataSource": "other"},
            {"dataSource": "Cluster-0", "database": "third"},
            {"dataSource": "Cluster-0", "collection": "more"},
            {"dataSource": "Cluster-0", "collection": "others"},
        ]:
            await call.refused("find", 400, "InvalidParameter", **bad)
        pipeline = [{"$lookup": {"from": "others", "localField": "a", "foreignField": "b", "as": "c"}}]
        await call.refused("aggregate", 400, "InvalidParameter", dataSource="Cluster-0", pipeline=pipeline)


async def test_another_source_is_another_server(mongo_database: str) -> None:
    nowhere = f"mongodb://127.0.0.1:{free_port()}"
    async with serving(
        service, MONGODB_URI=mongo_database, MONGODB_URI_FAR=nowhere, STORE_TIMEOUT="0.5"
    ) as svc:
        call = Caller(svc, urlsplit(mongo_database).path[1:])
        await call.ok("find")
        answer = await call("find", dataSource="far")
        assert (answer.status_code, answer.json()["error_code"]) == (503, "ServiceUnavailable")
        assert answer.headers["retry-after"]


async def test_browsers_may_call(mongo_database: str) -> None:
    async with serving(
        service, MONGODB_URI=mongo_database, CORS_ORIGINS="https://shop.example", **TOKENS
    ) as svc:
        origin = {"Origin": "https://shop.example"}
        answer = await svc.client.options(
            f"{ENDPOINT}/find",
            headers={
                **origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "api-key, content-type, access-control-request-headers",
            },
        )
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert "api-key" in answer.headers["access-control-allow-headers"]
        call = Caller(svc, urlsplit(mongo_database).path[1:], **origin)
        answer = await call("find")
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, origin["Origin"])


RULES: dict[str, Any] = {
    "tasks": {
        "ann": {"filter": {"owner": "%%caller"}, "read": ["owner", "text", "n"], "write": ["owner", "text"]},
        "read": {"filter": {"public": True}, "read": ["text"]},
        "w": {},
    },
    "other": {"*": {"filter": {"n": {"$lt": 5}}}},
    "half": {"ann": {"read": ["text"]}, "w": {}},
}


@pytest.fixture
async def ruled(mongo_database: str, tmp_path: Path) -> AsyncIterator[Caller]:
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(RULES))
    async with serving(service, MONGODB_URI=mongo_database, DATA_API_RULES=str(file), **TOKENS) as svc:
        call = Caller(svc, urlsplit(mongo_database).path[1:])
        documents = [
            {"_id": 1, "owner": "ann", "text": "a", "n": 1, "secret": "x"},
            {"_id": 2, "owner": "eve", "text": "b", "n": 2, "secret": "y", "public": True},
        ]
        await call.using(apiKey="s3cret").ok("insertMany", documents=documents)
        yield call


async def test_rules_narrow_what_is_read(ruled: Caller) -> None:
    ann, bob = ruled.using(apiKey="anns"), ruled.using(apiKey="bobs")
    mine = {"_id": 1, "owner": "ann", "text": "a", "n": 1}
    assert (await ann.ok("find"))["documents"] == [mine]
    assert (await ann.ok("findOne", filter={"_id": 2})) == {"document": None}
    assert (await ann.ok("find", filter={"$or": [{"_id": 1}, {"_id": 2}]}))["documents"] == [mine]
    assert (await ann.ok("find", projection={"text": 1, "secret": 1}))["documents"] == [
        {"_id": 1, "text": "a"}
    ]
    assert (await ann.ok("find", projection={"n": 0, "_id": 0}))["documents"] == [
        {"owner": "ann", "text": "a"}
    ]
    assert (await ann.ok("aggregate", pipeline=[{"$sort": {"_id": 1}}]))["documents"] == [mine]
    assert (await bob.ok("find"))["documents"] == [{"_id": 2, "text": "b"}]
    asked: list[dict[str, Any]] = [
        {"filter": {"secret": {"$regex": "^x"}}},
        {"filter": {"$or": [{"secret": "x"}]}},
        {"filter": {"$expr": {"$eq": ["$secret", "x"]}}},
        {"sort": {"secret": 1}},
        {"projection": {"text": "$secret"}},
    ]
    for hidden in asked:
        await ann.refused("find", 403, "NoMatchingRuleFound", **hidden)
    for stage in [
        {"$lookup": {"from": "tasks", "pipeline": [], "as": "all"}},
        {"$unionWith": "tasks"},
        {"$facet": {"a": [{"$unionWith": "tasks"}]}},
    ]:
        await ann.refused("aggregate", 403, "NoMatchingRuleFound", pipeline=[stage])
    assert (await ann.ok("aggregate", pipeline=[{"$project": {"s": "$secret"}}]))["documents"] == [{"_id": 1}]


async def test_rules_narrow_what_is_written(ruled: Caller) -> None:
    ann = ruled.using(apiKey="anns")
    change = {"$set": {"text": "c"}}
    assert (await ann.ok("updateMany", filter={}, update=change))["matchedCount"] == 1
    assert (await ann.ok("updateOne", filter={"_id": 2}, update=change))["matchedCount"] == 0
    assert await ann.ok("insertOne", document={"_id": 3, "owner": "ann", "text": "d"}) == {"insertedId": 3}
    upserted = await ann.ok("updateOne", filter={"_id": 4}, update=change, upsert=True)
    assert upserted["upsertedId"] == 4
    refused: list[tuple[str, dict[str, Any]]] = [
        ("insertOne", {"document": {"owner": "eve", "text": "d"}}),
        ("insertOne", {"document": {"text": "d"}}),
        ("insertMany", {"documents": [{"owner": "ann"}, {"owner": "ann", "n": 5}]}),
        ("updateOne", {"update": {"$set": {"n": 5}}}),
        ("updateOne", {"update": {"$set": {"owner": "eve"}}}),
        ("updateOne", {"update": {"$unset": {"owner": ""}}}),
        ("updateOne", {"update": {"$rename": {"text": "secret"}}}),
        ("updateOne", {"update": {"$rename": {"text": "owner"}}}),
        ("updateOne", {"update": [{"$set": {"text": "$secret"}}]}),
        ("replaceOne", {"replacement": {"owner": "ann", "text": "x"}}),
        ("deleteOne", {"filter": {"_id": 1}}),
        ("deleteMany", {"filter": {}}),
    ]
    for action, parameters in refused:
        await ann.refused(action, 403, "NoMatchingRuleFound", **parameters)
    whole = await ruled.using(apiKey="s3cret").ok("find", sort={"_id": 1})
    assert whole["documents"] == [
        {"_id": 1, "owner": "ann", "text": "c", "n": 1, "secret": "x"},
        {"_id": 2, "owner": "eve", "text": "b", "n": 2, "secret": "y", "public": True},
        {"_id": 3, "owner": "ann", "text": "d"},
        {"_id": 4, "owner": "ann", "text": "c"},
    ]


async def test_an_upsert_sets_no_field_by_its_filter(ruled: Caller) -> None:
    ann = ruled.using(apiKey="anns")
    change = {"$set": {"text": "c"}}
    for action in ("updateOne", "updateMany"):
        for query in ({"n": 99}, {"$or": [{"n": 99}]}, {"n": {"$eq": 99}}):
            await ann.refused(action, 403, "NoMatchingRuleFound", filter=query, update=change, upsert=True)
    await ann.ok("updateOne", filter={"_id": 5, "text": "b"}, update={"$set": {"text": "c"}}, upsert=True)
    writer = ruled.using(apiKey="s3cret")
    assert await writer.ok("deleteMany", filter={"n": 99}) == {"deletedCount": 0}


async def test_what_is_hidden_is_not_moved_to_where_it_is_seen(ruled: Caller) -> None:
    ann, writer = ruled.using(apiKey="anns"), ruled.using(apiKey="s3cret")
    await writer.ok("insertOne", collection="half", document={"_id": 1, "text": "a", "secret": "x"})
    for update in ([{"$set": {"text": "$secret"}}], {"$rename": {"secret": "text"}}):
        await ann.refused("updateOne", 403, "NoMatchingRuleFound", collection="half", update=update)
    await ann.ok("updateOne", collection="half", update={"$rename": {"text": "more"}})
    assert (await ann.ok("find", collection="half"))["documents"] == [{"_id": 1}]


async def test_a_pipeline_does_not_reach_what_a_rule_keeps_back(ruled: Caller) -> None:
    writer = ruled.using(apiKey="s3cret")
    for stage in (
        {"$lookup": {"from": "other", "pipeline": [], "as": "all"}},
        {"$unionWith": "other"},
        {"$facet": {"a": [{"$unionWith": {"coll": "other", "pipeline": []}}]}},
        {"$unionWith": "third"},
    ):
        await writer.refused("aggregate", 403, "NoMatchingRuleFound", pipeline=[stage])
    await writer.ok("aggregate", pipeline=[{"$unionWith": "tasks"}])


async def test_there_is_no_way_around_the_rules(ruled: Caller) -> None:
    async def status(key: str, method: str, address: str, body: Any = None, **headers: str) -> int:
        sent = {"Authorization": f"Bearer {key}", **headers}
        return (await ruled.svc.client.request(method, address, json=body, headers=sent)).status_code

    operations = {"operations": [{"op": "put", "collection": "tasks", "name": "a", "content": 1}]}
    union = [{"$unionWith": "tasks"}]
    for method, address, body in (
        ("GET", "/v1/tasks", None),
        ("GET", "/v1/tasks/a", None),
        ("GET", "/v1/tasks/-/stats", None),
        ("GET", "/v1/tasks/-/files/a", None),
        ("POST", "/v1/tasks/-/aggregate", []),
        ("POST", "/v1/free/-/aggregate", union),
        ("PUT", "/v1/tasks/a", 1),
        ("PUT", "/v1/tasks/-/files/a", 1),
        ("POST", "/v1/tasks", [{"name": "a", "content": 1}]),
        ("PATCH", "/v1/tasks?filter={}&confirm=true", {"a": 1}),
        ("DELETE", "/v1/tasks?filter={}&confirm=true", None),
        ("POST", "/v1/-/batch", operations),
    ):
        assert await status("anns", method, address, body) == 403, address
    assert await status("bobs", "GET", "/v1/tasks", Accept="text/event-stream") == 403
    assert await status("bobs", "GET", "/v1/other") == 403
    # Whom the rules do not restrict, and what they do not speak of
    assert await status("s3cret", "GET", "/v1/tasks") == 200
    assert await status("s3cret", "POST", "/v1/free/-/aggregate", union) == 200
    assert await status("anns", "GET", "/v1/free") == 200
    assert len((await ruled.using(apiKey="s3cret").ok("find"))["documents"]) == 2


async def test_without_a_rule_everything_is_refused(ruled: Caller) -> None:
    await ruled.using(apiKey="s3cret").refused("find", 403, "NoMatchingRuleFound", collection="third")
    bob = ruled.using(apiKey="bobs")
    await bob.ok("find", collection="other")
    writer = ruled.using(apiKey="s3cret")
    await writer.refused("insertOne", 403, "NoMatchingRuleFound", collection="other", document={"n": 1})
    assert await writer.ok("deleteMany", collection="other", filter={}) == {"deletedCount": 0}


@pytest.mark.parametrize(
    "text", ["", "[]", '{"a":[]}', '{"a":{"b":{"filtre":{}}}}', '{"a":{"b":{"read":"x"}}}']
)
async def test_rules_that_cannot_be_read_stop_the_start(
    mongo_database: str, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "rules.json"
    file.write_text(text)
    with pytest.raises(Exception, match="DATA_API_RULES"):
        async with serving(service, MONGODB_URI=mongo_database, DATA_API_RULES=str(file)):
            pass
