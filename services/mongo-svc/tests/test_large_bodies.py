"""A large body is read only from a caller who is known, wherever the credential is."""

from __future__ import annotations

import json

import pytest

from mongo_svc.app import service
from svc_common.testing import raw_request, serving

INSERT = "/app/any/endpoint/data/v1/action/insertOne"


async def test_an_unknown_caller_is_refused_before_the_body(
    mongo_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with serving(
        service,
        MONGODB_URI=mongo_database,
        AUTH_MODE="token",
        AUTH_TOKENS="a@example.org:write:secret-a",
        STORE_TIMEOUT="15",
    ) as svc:

        async def refused(method: str, path: str, *lines: str) -> bytes:
            head = [f"{method} {path} HTTP/1.1", "Host: a", *lines, "Content-Length: 1000000"]
            answer = await raw_request(
                svc.url, "\r\n".join([*head, "Expect: 100-continue", "", ""]).encode(), timeout=10
            )
            assert answer.startswith(b"HTTP/1.1 401"), answer
            return answer.partition(b"\r\n\r\n")[2]

        for line in ("apiKey: wrong", "X-None: 1", "password: wrong", "jwtTokenString: wrong"):
            assert json.loads(await refused("POST", INSERT, line))["error_code"] == "InvalidSession"
        for method, path in (("POST", "/v1/shelf"), ("PUT", "/v1/shelf/-/files/a"), ("PUT", "/v1/shelf/a")):
            assert json.loads(await refused(method, path, "Authorization: Bearer wrong"))["status"] == 401
        body = {
            "dataSource": "mongodb-atlas",
            "database": mongo_database.rpartition("/")[2].partition("?")[0],
            "collection": "shelf",
            "document": {"text": "x" * 1_000_000},
        }
        for headers in (
            {"apiKey": "secret-a"},
            {"email": "a@example.org", "password": "secret-a"},
        ):
            assert (await svc.client.post(INSERT, json=body, headers=headers)).status_code == 201
        stranger = {"email": "b@example.org", "password": "secret-a"}
        assert (await svc.client.post(INSERT, json=body, headers=stranger)).status_code == 401
        assert "the password is for another name" in caplog.text
        assert "secret-a" not in caplog.text
