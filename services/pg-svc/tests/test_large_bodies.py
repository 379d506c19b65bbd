"""A large body is read only from a caller who is known, whoever decides about that."""

from __future__ import annotations

import json

import jwt
import pytest

from pg_svc.app import service
from svc_common.testing import TestedService, raw_request, serving

from .conftest import until_ready

SECRET = "a secret of more than thirty-two bytes"


async def refused(svc: TestedService, line: str) -> dict[str, str]:
    head = ["POST /rest/todos HTTP/1.1", "Host: a", line, "Content-Length: 1000000", "Expect: 100-continue"]
    answer = await raw_request(svc.url, "\r\n".join([*head, "", ""]).encode(), timeout=10)
    assert answer.startswith(b"HTTP/1.1 401"), answer
    document: dict[str, str] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return document


async def test_the_services_own_tokens(postgres_database: str) -> None:
    async with serving(
        service, DATABASE_URL=postgres_database, AUTH_MODE="token", AUTH_TOKENS="a:write:secret-a"
    ) as svc:
        await until_ready(svc)
        for line in ("X-None: 1", "Authorization: Bearer wrong"):
            assert (await refused(svc, line))["code"] == "HTTP401"
        stored = await svc.client.post(
            "/rest/todos", json={"task": "x" * 1_000_000}, headers={"Authorization": "Bearer secret-a"}
        )
        assert stored.status_code == 201


async def test_roles_of_the_database(postgres_database: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with serving(
        service,
        DATABASE_URL=postgres_database,
        PGRST_JWT_SECRET=SECRET,
        AUTH_MODE="none",
        RATE_LIMIT="5/hour",
    ) as svc:
        await until_ready(svc)
        forged = jwt.encode({"role": "postgres"}, "another secret of that very same length")
        assert (await refused(svc, "X-None: 1"))["code"] == "PGRST302"
        assert (await refused(svc, f"Authorization: Bearer {forged}"))["code"] == "PGRST301"
        small = await svc.client.post("/rest/todos", json={}, headers={"Authorization": f"Bearer {forged}"})
        assert small.status_code == 401
        assert caplog.text.count("credential_refused") == 3
        assert forged not in caplog.text
        token = jwt.encode({"role": "postgres"}, SECRET)
        stored = await svc.client.post(
            "/rest/todos", json={"task": "x" * 1_000_000}, headers={"Authorization": f"Bearer {token}"}
        )
        assert stored.status_code == 201
        again = await svc.client.get("/rest/todos", headers={"Authorization": f"Bearer {token}"})
        assert again.status_code == 200
        assert again.headers["RateLimit"].startswith('"default";r=0;')  # the refused ones counted, too
