"""TLS to PostgreSQL: what sslmode asks for is what is spoken, or nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pg_svc.app import service
from svc_common.testing import TestedService, serving
from svc_common.testing.tls import Authority, tls_front

from .conftest import until_ready


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def address(database: str, host: str, port: int, options: str) -> str:
    """The database's URL by way of another server."""
    parts = urlsplit(database)
    return f"postgresql://{parts.username}@{host}:{port}{parts.path}?{options}"


async def check_refused(svc: TestedService, text: str) -> None:
    answer = await svc.client.get("/rest/todos")
    assert answer.status_code == 503
    async with asyncio.timeout(20):
        while text not in (ready := await svc.admin.get("/readyz?verbose")).text:
            await asyncio.sleep(0.05)
    assert ready.status_code == 503


async def test_a_certificate_of_a_known_authority(postgres_database: str, authority: Authority) -> None:
    port = urlsplit(postgres_database).port or 0
    certificate = authority.certificate("localhost")
    async with tls_front(port, certificate, postgres=True) as front:
        url = address(
            postgres_database, "localhost", front.port, f"sslmode=verify-full&sslrootcert={authority.file}"
        )
        async with serving(service, DATABASE_URL=url, STORE_TIMEOUT="15") as svc:
            await until_ready(svc)
            assert (await svc.client.post("/rest/todos", json={"task": "a"})).status_code == 201
            assert (await svc.client.get("/rest/todos?select=task")).json() == [{"task": "a"}]
        assert front.secured
        assert front.refused == 0


@pytest.mark.parametrize(
    ("host", "options", "text"),
    [
        ("localhost", "sslmode=verify-full", "sslrootcert cannot be read"),  # ~/.postgresql has no root
        ("localhost", "sslmode=verify-full&sslrootcert={folder}/none.pem", "sslrootcert cannot be read"),
        ("localhost", "sslmode=verify-full&sslrootcert={folder}/stranger.crt", "not trusted"),
        ("127.0.0.1", "sslmode=verify-full&sslrootcert={folder}/authority.pem", "another name"),
    ],
    ids=["none", "missing", "stranger", "name"],
)
async def test_a_certificate_that_is_not_trusted(
    postgres_database: str,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    options: str,
    text: str,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "other").mkdir()
    (tmp_path / "stranger.crt").write_bytes(Authority(tmp_path / "other").file.read_bytes())
    port = urlsplit(postgres_database).port or 0
    async with tls_front(port, authority.certificate("localhost"), postgres=True) as front:
        url = address(postgres_database, host, front.port, options.format(folder=tmp_path))
        async with serving(service, DATABASE_URL=url, STORE_TIMEOUT="15") as svc:
            await check_refused(svc, text)
        assert front.secured == 0 or "name" in text  # a name is looked at when the handshake is done


async def test_a_server_without_tls(postgres_database: str) -> None:
    async with serving(service, DATABASE_URL=f"{postgres_database}?sslmode=require") as svc:
        await check_refused(svc, "does not speak TLS")


async def test_the_accounts_say_the_same(postgres_database: str, tmp_path: Path) -> None:
    from pg_svc.accounts.keys import create_key

    create_key(tmp_path / "signing.pem")
    async with serving(
        service,
        DATABASE_URL=f"{postgres_database}?sslmode=require",
        AUTH_MODE="jwt",
        AUTH_SIGNING_KEY_FILES=str(tmp_path / "signing.pem"),
    ) as svc:
        answer = await svc.client.post("/auth/login", json={"name": "ada", "password": "x"})
        assert answer.status_code == 503
        assert "does not speak TLS" in answer.json()["detail"]
