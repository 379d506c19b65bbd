"""Input that must be refused: a clear 4xx, the same process still serving, nothing stored."""

from __future__ import annotations

import pytest

from svc_common.testing import TestedService, raw_request

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"NaN", 400),
        (b"Infinity", 400),
        (b'{"a":1e999}', 400),
        (b'"\xff\xfe"', 400),
        (b'"\\ud800"', 400),
        (b'{"a\\u0000b":1}', 400),
        (b'[{"\\u0000":1}]', 400),
        (b"9223372036854775808", 422),
        (b"-9223372036854775809", 422),
        (b"18446744073709551616", 422),
        (b'{"deep":[1,{"n":-99999999999999999999999}]}', 422),
        (b"[" * 101 + b"]" * 101, 422),
        (b'{"a":' * 101 + b"1" + b"}" * 101, 422),
        (b"[" * 5000 + b"]" * 5000, 422),
        (b'"' + b"x" * (16 * 2**20) + b'"', 413),
        (b"[" + b"1," * 1_500_000 + b"1]", 413),  # 3 MB of JSON, 20 MB as BSON
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else str(value),
)
async def test_content_that_cannot_be_kept_is_refused(svc: TestedService, body: bytes, status: int) -> None:
    answer = await svc.client.put("/v1/things/x", content=body, headers=JSON)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await svc.client.get("/v1/things/x")).status_code == 404


async def test_a_hundred_levels_are_kept(svc: TestedService) -> None:
    body = b"[" * 100 + b"]" * 100
    assert (await svc.client.put("/v1/things/x", content=body, headers=JSON)).status_code == 204
    assert (await svc.client.get("/v1/things/x")).content == body


@pytest.mark.parametrize(
    "address",
    [
        "/v1/things/a%00b",
        "/v1/th%00ings/a",
        "/v1/things/%FF",
        "/v1/things/%ZZ",
        "/v1/th$ings/a",
        "/v1/%24cmd/a",
        "/v1/system.users/a",
        "/v1/.things/a",
        "/v1/things./a",
        "/v1/th..ings/a",
        "/v1/pictures.files/a",
        "/v1/pictures.chunks/a",
        "/v1/-/a",
        "/v1/things/" + "x" * 1025,
        "/v1/" + "x" * 201 + "/a",
    ],
)
async def test_names_that_are_not_taken(svc: TestedService, address: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = await raw_request(
            svc.url,
            f"{method} {address} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
            "Connection: close\r\n\r\n1".encode(),
        )
        assert answer.startswith(b"HTTP/1.1 400 ")
    assert (await svc.client.get("/v1/")).json() == {"collections": []}


async def test_other_media_types_are_refused(svc: TestedService) -> None:
    answer = await svc.client.put("/v1/things/x", content=b"1", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
    answer = await svc.client.get("/v1/things/x", headers={"Accept": "image/png"})
    assert answer.status_code == 406


async def test_a_query_argument_is_not_an_operator(svc: TestedService) -> None:
    await svc.client.put("/v1/things/x", json=1)
    assert (await svc.client.get("/v1/things/%7B%22%24gt%22%3A%22%22%7D")).status_code == 404
    assert (await svc.client.get("/v1/things/[$ne]=1")).status_code == 404
    assert (await svc.client.delete("/v1/things/%7B%22%24gt%22%3A%22%22%7D")).status_code == 404
    assert (await svc.client.get("/v1/things/x")).json() == 1


async def test_a_method_that_is_not_there(svc: TestedService) -> None:
    answer = await svc.client.post("/v1/")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
