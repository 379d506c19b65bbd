"""pg-svc with its accounts on, and people who use them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from pg_svc.accounts.commands import create_admin
from pg_svc.accounts.keys import create_key
from pg_svc.app import service
from pg_svc.settings import PgSettings
from svc_common.testing import TestedService, serving

PASSWORD = "correct horse battery"
WEAK_HASHING = {"PASSWORD_MEMORY": "8192", "PASSWORD_PASSES": "1"}  # of argon2id: tests hash a lot

Start = Callable[..., AbstractAsyncContextManager[TestedService]]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A signing key."""
    path = tmp_path / "signing.pem"
    create_key(path)
    return path


@pytest.fixture
def start(postgres_database: str, key: Path) -> Start:
    """Start the service on the test's database; several may run at once."""

    @asynccontextmanager
    async def started(**environment: str) -> AsyncIterator[TestedService]:
        settings = {
            "DATABASE_URL": postgres_database,
            "AUTH_MODE": "jwt",
            "AUTH_SIGNING_KEY_FILES": str(key),
            "SIGNUP": "open",
            "SIGNUP_SCOPES": "*:read",
            **WEAK_HASHING,
            **environment,
        }
        async with serving(service, **settings) as running:
            async with asyncio.timeout(20):
                while (await running.admin.get("/readyz")).status_code != 200:
                    await asyncio.sleep(0.02)
            yield running

    return started


@pytest.fixture
async def svc(start: Start) -> AsyncIterator[TestedService]:
    """The service."""
    async with start() as running:
        yield running


async def sign_up(svc: TestedService, name: str = "ada", password: str = PASSWORD) -> dict[str, Any]:
    """A new account; its tokens."""
    answer = await svc.client.post("/auth/signup", json={"name": name, "password": password})
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def log_in(svc: TestedService, name: str = "ada", password: str = PASSWORD) -> httpx.Response:
    """Try to log in."""
    return await svc.client.post("/auth/login", json={"name": name, "password": password})


async def admin_token(svc: TestedService) -> str:
    """An access token of a new administrator."""
    settings = svc.context.settings
    assert isinstance(settings, PgSettings)
    await create_admin(settings, "root", PASSWORD)
    token: str = (await log_in(svc, "root")).json()["access_token"]
    return token


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def browser(svc: TestedService) -> httpx.AsyncClient:
    """A client that keeps cookies and follows redirects as a browser does, without script."""
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Origin": svc.url}
    return httpx.AsyncClient(
        base_url=svc.url, headers=headers, follow_redirects=True, trust_env=False, timeout=30
    )
