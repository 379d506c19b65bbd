"""``GET /v1/{collection}``: filters, order, fields, pages, counts, exports."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from svc_common.testing import TestedService

Item = dict[str, Any]


async def fill(svc: TestedService, items: list[tuple[str, Any]], collection: str = "things") -> None:
    body = [{"name": name, "content": content} for name, content in items]
    answer = await svc.client.post(f"/v1/{collection}", json=body)
    assert answer.status_code == 200
    assert json.loads(answer.text.splitlines()[-1])["inserted"] == len(items)


async def find(svc: TestedService, **arguments: Any) -> list[str]:
    shown = {
        name: json.dumps(value) if isinstance(value, dict) else str(value)
        for name, value in arguments.items()
    }
    answer = await svc.client.get("/v1/things", params=shown)
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()["documents"]]


async def all_pages(svc: TestedService, **arguments: str) -> list[str]:
    names: list[str] = []
    answer: httpx.Response = await svc.client.get("/v1/things", params=arguments)
    while True:
        assert answer.status_code == 200, answer.text
        names += [item["name"] for item in answer.json()["documents"]]
        if answer.json()["next"] is None:
            assert "link" not in answer.headers
            return names
        assert answer.links["next"]["url"].startswith("/v1/things?")
        answer = await svc.client.get(answer.links["next"]["url"])


async def test_a_page_shows_whole_documents_in_the_order_they_came(svc: TestedService) -> None:
    await fill(svc, [("b", {"price": 2}), ("a", [1])])
    answer = await svc.client.get("/v1/things")
    first, second = answer.json()["documents"]
    assert (first["name"], first["content"], first["revision"]) == ("b", {"price": 2}, 1)
    assert first["created"] == first["updated"]
    assert first["created"].endswith("Z")
    assert (second["name"], second["content"]) == ("a", [1])
    assert "count" not in answer.json()


async def test_an_empty_collection(svc: TestedService) -> None:
    answer = await svc.client.get("/v1/nothing", params={"count": "exact"})
    assert answer.json() == {"documents": [], "next": None, "count": 0}


async def test_filters_look_into_the_content(svc: TestedService) -> None:
    await fill(
        svc,
        [
            ("a", {"price": 1, "tags": ["x", "y"], "maker": {"city": "Bonn"}}),
            ("b", {"price": 2, "tags": ["y"], "name": "inner"}),
            ("c", {"price": 3, "parts": [{"n": 1}, {"n": 2}]}),
            ("d", "a text"),
        ],
    )
    assert await find(svc, filter={"price": 2}) == ["b"]
    assert await find(svc, filter={"price": {"$gt": 1}}) == ["b", "c"]
    assert await find(svc, filter={"maker.city": "Bonn"}) == ["a"]
    assert await find(svc, filter={"tags": {"$all": ["x", "y"]}}) == ["a"]
    assert await find(svc, filter={"$or": [{"price": 1}, {"$and": [{"price": {"$gte": 3}}]}]}) == ["a", "c"]
    assert await find(svc, filter={"price": {"$exists": False}}) == ["d"]
    assert await find(svc, filter={"parts": {"$elemMatch": {"n": {"$gte": 2}}}}) == ["c"]
    assert await find(svc, filter={"name": {"$regex": "^[ab]$"}}) == ["a", "b"]
    assert await find(svc, filter={"content.name": "inner"}) == ["b"]
    assert await find(svc, filter={"content": "a text"}) == ["d"]
    assert await find(svc, filter={"revision": {"$gte": {"$numberLong": "1"}}}) == ["a", "b", "c", "d"]
    assert await find(svc, filter={"created": {"$lt": {"$date": "2001-01-01T00:00:00Z"}}}) == []
    assert await find(svc, filter={"$expr": {"$gt": ["$content.price", 2]}}) == ["c"]


async def test_order_and_fields(svc: TestedService) -> None:
    await fill(svc, [("a", {"n": 1, "m": {"x": 1, "y": 2}}), ("b", {"n": 3}), ("c", {"n": 2, "z": 0})])
    assert await find(svc, sort="-n") == ["b", "c", "a"]
    assert await find(svc, sort="-created,name") == ["a", "b", "c"]
    assert await find(svc, sort="-name") == ["c", "b", "a"]
    answer = await svc.client.get("/v1/things", params={"fields": "m.x,created", "limit": "1"})
    (item,) = answer.json()["documents"]
    assert item["content"] == {"m": {"x": 1}}
    assert set(item) == {"name", "revision", "content", "created"}
    answer = await svc.client.get("/v1/things", params={"fields": "m,m.x"})
    assert answer.json()["documents"][0]["content"] == {"m": {"x": 1, "y": 2}}
    answer = await svc.client.get("/v1/things", params={"fields": "name"})
    assert answer.json()["documents"][0] == {"name": "a", "revision": 1}


async def test_counts(svc: TestedService) -> None:
    await fill(svc, [(f"n{number}", number) for number in range(7)])
    answer = await svc.client.get("/v1/things", params={"limit": "2", "count": "exact"})
    assert answer.json()["count"] == 7
    arguments = {"limit": "2", "count": "exact", "filter": '{"content":{"$lt":3}}'}
    assert (await svc.client.get("/v1/things", params=arguments)).json()["count"] == 3
    answer = await svc.client.get("/v1/things", params={"count": "estimated"})
    assert answer.json()["count"] == 7
    arguments["count"] = "estimated"
    assert (await svc.client.get("/v1/things", params=arguments)).status_code == 400


MIXED: list[Any] = [
    None, 0, -5, 2.5, 2**62, "", "a", "b", {"x": 1}, {"x": 2}, True, False, {"y": None}, "ä", 2, 2,
]  # fmt: skip


@pytest.mark.parametrize(
    "sort", ["", "v", "-v", "v,-name", "-v,name", "name", "-name", "-created,name", "w,v"]
)
@pytest.mark.parametrize("limit", ["1", "3"])
async def test_pages_together_are_the_whole_in_the_same_order(
    svc: TestedService, sort: str, limit: str
) -> None:
    await fill(svc, [(f"n{number:02}", {"v": value}) for number, value in enumerate(MIXED)])
    await fill(svc, [("missing1", {}), ("missing2", {"w": 1}), ("no object", 7)])
    whole = await find(svc, sort=sort)
    assert len(whole) == len(MIXED) + 3
    assert await all_pages(svc, sort=sort, limit=limit) == whole


async def test_pages_stay_right_while_documents_come_and_go(svc: TestedService) -> None:
    await fill(svc, [(f"n{number:02}", {"v": number}) for number in range(10)])
    answer = await svc.client.get("/v1/things", params={"sort": "v", "limit": "5"})
    await fill(svc, [("before", {"v": -1}), ("behind", {"v": 7.5})])
    await svc.client.delete("/v1/things/n04")  # the one the cursor stands on
    await svc.client.delete("/v1/things/n06")
    arguments = {"sort": "v", "after": answer.json()["next"]}
    answer = await svc.client.get("/v1/things", params=arguments)
    assert [item["name"] for item in answer.json()["documents"]] == ["n05", "n07", "behind", "n08", "n09"]


async def test_a_cursor_is_good_for_its_own_query_alone(svc: TestedService) -> None:
    await fill(svc, [("a", {"v": 1}), ("b", {"v": 2})])
    cursor = (await svc.client.get("/v1/things", params={"sort": "v", "limit": "1"})).json()["next"]
    changed = cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB")
    for arguments in [
        {"sort": "v", "after": changed},
        {"sort": "-v", "after": cursor},
        {"sort": "v", "filter": "{}", "after": cursor},
        {"sort": "v", "after": ""},
        {"sort": "v", "after": "ü"},
        {"sort": "v", "after": "x" * 2000},
    ]:
        answer = await svc.client.get("/v1/things", params=arguments)
        assert answer.status_code == 400
        assert "cursor" in answer.json()["detail"]
    assert (await svc.client.get("/v1/others", params={"sort": "v", "after": cursor})).status_code == 400


async def test_an_order_by_arrays_has_no_pages(svc: TestedService) -> None:
    await fill(svc, [("a", {"v": [1, 2]}), ("b", {"v": [3]})])
    assert await find(svc, sort="v") == ["a", "b"]
    assert (await svc.client.get("/v1/things", params={"sort": "v", "limit": "1"})).status_code == 400


@pytest.mark.parametrize("sort", ["v", "-v"])
@pytest.mark.parametrize("array", [[2, 10], []], ids=str)
async def test_an_array_among_others_is_not_shown_twice_or_left_out(
    svc: TestedService, sort: str, array: list[int]
) -> None:
    await fill(svc, [("array", {"v": array}), *((f"n{number}", {"v": number}) for number in range(1, 13))])
    answer = await svc.client.get("/v1/things", params={"sort": sort, "limit": "3"})
    while answer.status_code == 200:
        names = [item["name"] for item in answer.json()["documents"]]
        assert "array" not in names or answer.json()["next"] is None
        if answer.json()["next"] is None:
            assert "array" in names
            return
        answer = await svc.client.get(answer.links["next"]["url"])
    assert answer.status_code == 400
    assert "array" in answer.json()["detail"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"filter": "{"},
        {"filter": "[]"},
        {"filter": "1"},
        {"filter": '{"$where":"1"}'},
        {"filter": '{"a":{"$where":"1"}}'},
        {"filter": '{"$or":[{"$where":"1"}]}'},
        {"filter": '{"$or":[]}'},
        {"filter": '{"$expr":{"$function":{"body":"f","args":[],"lang":"js"}}}'},
        {"filter": '{"$expr":{"$and":[{"$eq":[1,{"$accumulator":{}}]}]}}'},
        {"filter": '{"a":{"$elemMatch":{"$where":"1"}}}'},
        {"filter": '{"a":{"$elemMatch":{"b":{"$where":"1"}}}}'},
        {"filter": '{"a":{"$not":{"$where":"1"}}}'},
        {"filter": '{"$jsonSchema":{}}'},
        {"filter": '{"a":{"$set":1}}'},
        {"filter": '{"a":{"$gt":1,"b":2}}'},
        {"filter": '{"a\\u0000b":1}'},
        {"filter": '{"":1}'},
        {"filter": '{"a..b":1}'},
        {"filter": '{".a":1}'},
        {"filter": '{"a":{"$oid":"xyz"}}'},
        {"filter": '{"a":{"$date":"yesterday"}}'},
        {"filter": '{"a":{"$date":{"$numberLong":"1e3"}}}'},
        {"filter": '{"a":{"$regex":"("}}'},
        {"filter": '{"a":{"$mod":[0,1]}}'},
        {"filter": '{"a":' * 101 + "1" + "}" * 101},
        {"filter": '{"a":99999999999999999999}'},
        {"sort": "a,a"},
        {"sort": "$a"},
        {"sort": "a,b,c,d,e,f,g,h,i"},
        {"fields": "$a"},
        {"fields": "a..b"},
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "many"},
        {"count": "all"},
        {"readPreference": "mine"},
        {"readConcern": "certain"},
    ],
    ids=str,
)
async def test_what_is_refused(svc: TestedService, arguments: dict[str, str]) -> None:
    await fill(svc, [("a", {"a": 1})])
    answer = await svc.client.get("/v1/things", params=arguments)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


@pytest.mark.parametrize("preference", ["primary", "secondaryPreferred", "nearest"])
@pytest.mark.parametrize("concern", ["local", "majority", "linearizable", "snapshot"])
async def test_where_to_read_from(svc: TestedService, preference: str, concern: str) -> None:
    await fill(svc, [("a", 1)])
    arguments = {"readPreference": preference, "readConcern": concern}
    assert len((await svc.client.get("/v1/things", params=arguments)).json()["documents"]) == 1
    assert (await svc.client.get("/v1/things/a", params=arguments)).json() == 1


async def test_exports_are_lines_that_can_be_imported_again(svc: TestedService) -> None:
    await fill(svc, [(f"n{number}", {"v": number, "$x": ["ü"]}) for number in range(1200)])
    arguments = {"sort": "-v", "filter": '{"v":{"$lt":1100}}'}
    accept = {"Accept": "application/x-ndjson"}
    answer = await svc.client.get("/v1/things", params=arguments, headers=accept)
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["content"]["v"] for line in lines] == list(range(1099, -1, -1))
    again = await svc.client.post(
        "/v1/copies", content=answer.content, headers={"Content-Type": "application/x-ndjson"}
    )
    assert json.loads(again.text)["inserted"] == 1100
    assert (await svc.client.get("/v1/copies/n7")).json() == {"v": 7, "$x": ["ü"]}


async def test_documents_that_others_stored_are_shown_as_they_are(
    svc: TestedService, mongo_database: str
) -> None:
    stored = [
        {"_id": 'a "quoted"\nkey', "name": "a", "created": "yesterday", "revision": "first", "content": 1},
        {"_id": 2, "name": "b", "updated": 5, "revision": 2.0, "content": datetime(2024, 5, 6, tzinfo=UTC)},
        {"_id": 3, "name": "c", "created": datetime(2024, 5, 6, 7, 8, 9, 123000, tzinfo=UTC)},
    ]
    with MongoClient[dict[str, Any]](mongo_database) as client:
        client.get_default_database().things.insert_many(stored)
    answer = await svc.client.get("/v1/things", params={"sort": "name"})
    assert answer.json()["documents"] == [
        {"name": "a", "content": 1, "revision": "first", "created": "yesterday"},
        {"name": "b", "content": {"$date": "2024-05-06T00:00:00Z"}, "revision": 2.0, "updated": 5},
        {"name": "c", "created": "2024-05-06T07:08:09.123Z"},
    ]
    answers = [await svc.client.get(f"/v1/things/{name}") for name in "abc"]
    assert [answer.json() for answer in answers] == [1, {"$date": "2024-05-06T00:00:00Z"}, None]
    for answer, name in zip(answers, "abc", strict=True):
        again = await svc.client.get(f"/v1/things/{name}", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
    replaced = await svc.client.put("/v1/things/b", json=2, headers={"If-Match": answers[1].headers["etag"]})
    assert replaced.status_code == 204


@pytest.mark.parametrize("revision", [float("nan"), float("inf"), 1.5, True, "first", None, [1], {"$gt": 0}])
async def test_a_document_with_any_revision_can_be_read_and_changed(
    svc: TestedService, mongo_database: str, revision: Any
) -> None:
    with MongoClient[dict[str, Any]](mongo_database) as client:
        client.get_default_database().things.insert_one({"name": "a", "revision": revision, "content": {}})
    answer = await svc.client.get("/v1/things/a")
    assert (answer.status_code, answer.json()) == (200, {})
    condition = {"If-Match": answer.headers["etag"]}
    merge = {"Content-Type": "application/merge-patch+json"}
    answer = await svc.client.patch("/v1/things/a", content=b'{"b":1}', headers={**condition, **merge})
    assert answer.status_code == 204, answer.text
    again = await svc.client.get("/v1/things/a")
    assert (again.json(), again.headers["etag"]) == ({"b": 1}, answer.headers["etag"])
    assert (await svc.client.put("/v1/things/a", json=1, headers=condition)).status_code == 412


async def test_a_link_keeps_arguments_that_mean_nothing_here(svc: TestedService) -> None:
    await fill(svc, [("a", 1), ("b", 2)])
    answer = await svc.client.get("/v1/things?limit=1&x=%FF&%C3%BC=%00")
    assert answer.status_code == 200
    assert "limit=1&x=%FF&%C3%BC=%00&after=" in answer.headers["link"]
    assert (await svc.client.get(answer.links["next"]["url"])).json()["documents"][0]["name"] == "b"


async def test_numbers_that_are_no_json_on_a_page(svc: TestedService, mongo_database: str) -> None:
    with MongoClient[dict[str, Any]](mongo_database) as client:
        things = client.get_default_database().things
        things.insert_many(
            {"name": name, "content": content} for name, content in [("a", [math.nan, None]), ("b", -0.0)]
        )
    answer = await svc.client.get("/v1/things", params={"limit": "1", "count": "exact"})
    assert answer.headers["content-type"] == "application/json"
    found = {"name": "a", "content": [{"$numberDouble": "NaN"}, None]}
    assert answer.json() == {"documents": [found], "next": answer.json()["next"], "count": 2}
    answer = await svc.client.get(answer.links["next"]["url"])
    assert answer.text == '{"documents":[{"name":"b","content":-0.0}],"next":null,"count":2}'
