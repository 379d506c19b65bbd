"""The OpenAPI 3 document of a schema: what it says holds for the answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from pg_svc.app import service
from pg_svc.describe.openapi3 import openapi3
from pg_svc.schema.model import Column, Name, Parameter, Routine, Schema, Table
from svc_common.testing import serving

from .conftest import until_ready
from .test_auth import SECRET, token
from .test_root import _root

if TYPE_CHECKING:
    from .library import Library

TYPE = "application/vnd.oai.openapi+json"


def _refs(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            yield from _refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from _refs(value)


def _check(document: dict[str, Any]) -> None:
    """Every reference leads somewhere, every schema is one, and no two operations have the same name."""
    for ref in _refs(document):
        here: Any = document
        for part in ref.removeprefix("#/").split("/"):
            here = here[part]
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    operations = [
        operation["operationId"] for path in document["paths"].values() for operation in path.values()
    ]
    assert len(operations) == len(set(operations))


@pytest.mark.parametrize("accept", [TYPE, f"{TYPE};version=3.1", "application/openapi+json;version=3"])
async def test_it_is_there_beside_the_other(library: Library, accept: str) -> None:
    document = await _root(library, accept=accept, content_type=f"{TYPE};version=3.1", BASE_PATH="")
    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"] == "The library"
    assert document["servers"] == [{"url": "/rest"}]
    assert "/diary" not in document["paths"]
    assert document["security"] == [{"token": []}]
    assert document["paths"]["/author_names"].keys() == {"get"}
    assert document["paths"]["/books"].keys() == {"get", "post", "patch", "put", "delete"}
    assert document["paths"]["/rpc/write_note"].keys() == {"post"}
    assert document["paths"]["/rpc/pick"]["get"]["parameters"] == [
        {"name": "a", "in": "query", "required": True, "schema": {"type": "string"}},
        {"name": "b", "in": "query", "required": False, "schema": {"type": "string"}},
    ]
    _check(document)


async def test_rows_are_as_it_says(library: Library) -> None:
    async with serving(
        service,
        PGRST_DB_URI=library.url_as("pgsvc_authenticator"),
        MIGRATE="never",
        PGRST_DB_SCHEMAS="library",
        PGRST_JWT_SECRET=SECRET,
    ) as svc:
        await until_ready(svc)
        headers = token(role="pgsvc_user", sub="ann")
        document = (await svc.client.get("/rest/", headers={**headers, "Accept": TYPE})).json()
        _check(document)
        tables = [path for path in document["paths"] if not path.startswith("/rpc/")]
        assert "/odd%20name" in tables
        checked = 0
        for path in tables:
            answer = await svc.client.get(f"/rest{path}", headers=headers)
            if not answer.headers["Content-Type"].startswith("application/json"):
                continue  # a function of the database decides what its rows look like
            checked += 1
            schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
            resolved = {**schema["schema"], "components": document["components"]}
            Draft202012Validator(resolved).validate(answer.json())
        for path, call in (
            ("/rpc/one_book?key=1", "one_book"),
            ("/rpc/numbers", "numbers"),
            ("/rpc/nil", "nil"),
        ):
            answer = await svc.client.get(f"/rest{path}", headers=headers)
            schema = document["paths"][f"/rpc/{call}"]["get"]["responses"]["200"]["content"][
                "application/json"
            ]
            Draft202012Validator({**schema["schema"], "components": document["components"]}).validate(
                answer.json()
            )
        error = (await svc.client.get("/rest/books?id=eq.x", headers=headers)).json()
        Draft202012Validator(document["components"]["schemas"]["error"]).validate(error)


def test_names_that_openapi_does_not_take() -> None:
    def table(name: str) -> Table:
        return Table(
            Name("s", name), {"é": Column("é", "s.odd", "s.odd"), "n": Column("n", "integer[]", "integer[]")}
        )

    tables = [table(name) for name in ("a b", "a_b", "error", "ü")]
    routine = Routine(
        Name("s", "söm"), (Parameter("", "json", "json"),), Name("pg_catalog", "int4"), volatility="i"
    )
    void = Routine(Name("s", "nix"), (), Name("pg_catalog", "void"))
    document = openapi3(
        Schema(), tables, [routine, void], None, address="https://x", version="1", security=False
    )
    _check(document)
    assert "security" not in document
    schemas = document["components"]["schemas"]
    assert len([key for key in schemas if key.endswith(".new")]) == 4
    assert schemas["a_b"]["properties"]["n"] == {"type": ["array", "null"], "items": {}}
    assert schemas["a_b"]["properties"]["é"] == {}
    assert "/%C3%BC" in document["paths"]
    called = document["paths"]["/rpc/s%C3%B6m"]["post"]
    assert called["requestBody"]["content"]["application/json"]["schema"] == {}
    assert document["paths"]["/rpc/nix"]["post"]["responses"].keys() == {"default", "204"}


def test_names_that_openapi_takes_for_the_same() -> None:
    columns = {name: Column(name, "text", "text") for name in ("a b", "a_b", "b.c", "new")}
    tables = [Table(Name("s", name), columns) for name in ("x", "x.new", "x.a_b", "x.b")]
    routines = [
        Routine(Name("s", name), (), Name("pg_catalog", "int4"), volatility="i") for name in ("f g", "f_g")
    ]
    document = openapi3(Schema(), tables, routines, None, address="/", version="1", security=False)
    _check(document)
    for table in tables:
        path = document["paths"][f"/{table.id.name}"]
        named = [
            document["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]["name"]
            for parameter in path["get"]["parameters"]
        ]
        assert named[:4] == list(columns)
        assert len(named) == len(set(named))
        new = path["post"]["requestBody"]["content"]["application/json"]["schema"]["anyOf"][0]
        assert new != path["get"]["responses"]["200"]["content"]["application/json"]["schema"]["items"]
    assert len(document["components"]["schemas"]) == 2 * len(tables) + 1
