"""One login at the front door works on all four services, and its end is the end on all four."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from stack import Stack

from pg_svc.accounts.keys import create_key
from svc_common.testing import free_port

PASSWORD = "correct horse battery"
READS = {
    "mongo": "/mongo/v1/shelf/a",
    "redis": "/redis/v1/records/a",
    "pg": "/pg/rest/todos",
    "weather": "/weather/v1/current",
}


@pytest.fixture
def stack(data: Path) -> Iterator[Stack]:
    """Storefronts with accounts, cookies over plain http."""
    key = data.parent / "signing.pem"
    create_key(key)
    port = free_port()
    settings = {
        "AUTH_MODE": "jwt",
        "AUTH_ACCOUNTS_URL": f"http://127.0.0.1:{port}/pg/auth",
        "AUTH_SIGNING_KEY_FILES": str(key),
        "AUTH_DEVELOPMENT": "true",
        "SIGNUP": "open",
        "SIGNUP_SCOPES": "*:write",
    }
    with Stack(data, port, **settings) as running:
        yield running


def statuses(client: httpx.Client, **headers: str) -> dict[str, int]:
    """What each service answers to a read."""
    return {name: client.get(path, headers=headers).status_code for name, path in READS.items()}


def until_all_refuse(client: httpx.Client, **headers: str) -> None:
    ended = sent = time.monotonic()
    while set((last := statuses(client, **headers)).values()) != {401}:
        assert sent - ended < 5, last
        time.sleep(0.1)
        sent = time.monotonic()


def test_one_login_for_all_services(stack: Stack) -> None:
    with httpx.Client(base_url=stack.url, trust_env=False, timeout=20) as client:
        assert set(statuses(client).values()) == {401}
        form = {"name": "ada", "password": PASSWORD}
        same = {"Sec-Fetch-Site": "same-origin"}
        # a browser: cookies
        assert client.post("/pg/auth/signup", data=form, headers=same).status_code == 303
        assert client.put("/mongo/v1/shelf/a", json={"a": 1}, headers=same).status_code == 204
        assert client.put("/redis/v1/records/a", content=b"1", headers=same).status_code == 204
        assert client.post("/pg/rest/todos", json={"task": "a"}, headers=same).status_code == 201
        assert set(statuses(client).values()) == {200}
        cross = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
        assert client.put("/redis/v1/records/a", content=b"2", headers=cross).status_code == 403
        assert client.put("/mongo/v1/shelf/a", json={"a": 2}, headers=cross).status_code == 403
        assert client.post("/pg/rest/todos", json={"task": "b"}, headers=cross).status_code == 403
        kept = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        assert client.post("/pg/auth/logout", data={"x": ""}, headers=same).status_code == 303
        assert not client.cookies
        until_all_refuse(client, Cookie=kept)  # not even for somebody who had kept a copy

        # a program: tokens
        tokens = client.post("/pg/auth/login", json=form).json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert set(statuses(client, **bearer).values()) == {200}
        made = client.post("/pg/auth/tokens", json={"name": "ci", "scopes": ["*:read"]}, headers=bearer)
        personal = {"Authorization": f"Bearer {made.json()['token']}"}
        assert set(statuses(client, **personal).values()) == {200}
        assert client.put("/redis/v1/records/a", content=b"3", headers=personal).status_code == 403
        assert client.delete(f"/pg/auth/tokens/{made.json()['id']}", headers=bearer).status_code == 204
        until_all_refuse(client, **personal)
        assert client.post("/pg/auth/logout", headers=bearer).status_code == 204
        until_all_refuse(client, **bearer)
        again = client.post("/pg/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert again.status_code == 401
