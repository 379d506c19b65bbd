"""The document at the root: what the caller may see, as OpenAPI 2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pg_svc.app import service
from svc_common.testing import serving

from .conftest import until_ready

if TYPE_CHECKING:
    from .library import Library


async def _root(
    library: Library,
    *,
    accept: str = "*/*",
    status: int = 200,
    content_type: str = "application/openapi+json; charset=utf-8",
    **environment: str,
) -> Any:
    async with serving(
        service,
        DATABASE_URL=library.url_as("pgsvc_authenticator"),
        MIGRATE="never",
        PGRST_DB_SCHEMAS="library",
        PGRST_DB_ANON_ROLE="pgsvc_anon",
        **environment,
    ) as svc:
        await until_ready(svc)
        answer = await svc.client.get("/rest/", headers={"Accept": accept})
        assert answer.status_code == status, answer.text
        if status == 200:
            assert answer.headers["Content-Type"] == content_type
            assert (await svc.client.head("/rest")).status_code == 200
        return answer.json()


async def test_it_describes_what_the_role_may_see(library: Library) -> None:
    document = await _root(library)
    assert document["swagger"] == "2.0"
    assert document["info"]["title"] == "The library"
    assert document["info"]["description"] == "Books and who wrote them."
    assert "/books" in document["paths"]
    assert "/diary" not in document["paths"]
    assert document["definitions"]["books"]["properties"]["author_id"] == {
        "format": "int32",
        "type": "integer",
        "description": "Note:\nThis is a Foreign Key to `authors.id`.<fk table='authors' column='id'/>",
    }
    assert document["definitions"]["books"]["properties"]["price"]["description"] == "In euros"
    assert document["definitions"]["books"]["required"] == ["id", "title"]
    assert document["definitions"]["authors"]["properties"]["mood"]["enum"] == ["grim", "bright"]
    assert document["definitions"]["authors"]["description"] == "Writers"
    assert document["definitions"]["reviews"]["properties"]["note"]["maxLength"] == 20
    assert document["definitions"]["reviews"]["properties"]["stars"]["default"] == 3
    assert document["definitions"]["books"]["properties"]["tags"]["items"] == {"type": "string"}
    joined = document["paths"]["/rpc/joined"]["get"]["parameters"][0]
    assert (joined["type"], joined["collectionFormat"]) == ("array", "multi")
    assert document["paths"]["/author_names"].keys() == {"get"}


async def test_it_can_ignore_privileges(library: Library) -> None:
    document = await _root(library, PGRST_OPENAPI_MODE="ignore-privileges")
    assert "/diary" in document["paths"]


async def test_it_can_be_disabled(library: Library) -> None:
    document = await _root(library, status=404, PGRST_OPENAPI_MODE="disabled")
    assert document["code"] == "PGRST126"
    document = await _root(
        library, status=404, PGRST_OPENAPI_MODE="disabled", PGRST_DB_ROOT_SPEC="library.whoami"
    )
    assert document["code"] == "PGRST126"


async def test_it_names_the_proxy_and_the_token(library: Library) -> None:
    document = await _root(
        library,
        PGRST_OPENAPI_SERVER_PROXY_URI="https://api.example/v1",
        PGRST_OPENAPI_SECURITY_ACTIVE="true",
    )
    assert (document["host"], document["basePath"], document["schemes"]) == (
        "api.example:443",
        "/v1",
        ["https"],
    )
    assert document["security"] == [{"JWT": []}]


async def test_a_function_can_answer_instead(library: Library) -> None:
    async with serving(
        service,
        DATABASE_URL=library.url,
        MIGRATE="never",
        PGRST_DB_SCHEMAS="library",
        PGRST_DB_ROOT_SPEC="numbers",
    ) as svc:
        await until_ready(svc)
        assert (await svc.client.get("/rest/")).json() == [1, 2, 3]


@pytest.mark.parametrize("accept", ["text/csv", "image/png"])
async def test_other_media_types(library: Library, accept: str) -> None:
    assert (await _root(library, accept=accept, status=406))["code"] == "PGRST107"


async def test_every_method_tells_how_long_it_took(library: Library) -> None:
    async with serving(
        service,
        PGRST_DB_URI=library.url_as("pgsvc_authenticator"),
        MIGRATE="never",
        PGRST_DB_SCHEMAS="library",
        PGRST_DB_ANON_ROLE="pgsvc_anon",
        PGRST_SERVER_TIMING_ENABLED="true",
        PGRST_JWT_SECRET="a secret of thirty-two characters",
    ) as svc:
        await until_ready(svc)
        for path in ("", "/books", "/rpc/noon"):
            steps = {
                method: [
                    step.partition(";")[0]
                    for step in (await svc.client.request(method, f"/rest{path}"))
                    .headers["Server-Timing"]
                    .split(", ")
                ]
                for method in ("GET", "OPTIONS")
            }
            assert steps == {
                "GET": ["jwt", "parse", "plan", "transaction", "response"],
                "OPTIONS": ["jwt", "parse", "response"],
            }
        for path, caller, told in (
            ("/books", {"Authorization": "Bearer no-token"}, ["jwt"]),
            ("/books?id=one", {}, ["jwt", "parse"]),
            ("/books?no_column=eq.1", {}, ["jwt", "parse", "plan", "transaction"]),
        ):
            failed = await svc.client.get(f"/rest{path}", headers=caller)
            assert failed.status_code in (400, 401)
            assert [step.partition(";")[0] for step in failed.headers["Server-Timing"].split(", ")] == told
