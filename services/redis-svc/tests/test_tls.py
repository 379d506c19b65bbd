"""TLS to Redis: what the URL asks for is what is spoken, or nothing."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from redis_svc.app import service
from svc_common import SettingsError
from svc_common.testing import TestedService, serving
from svc_common.testing.tls import Authority, tls_front


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def check_refused(svc: TestedService, text: str) -> None:
    answer = await svc.client.get("/v1/records/a")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert text in answer.json()["detail"]
    ready = await svc.admin.get("/readyz?verbose")
    assert ready.status_code == 503
    assert text in ready.text


async def test_a_certificate_of_a_known_authority(redis_url: str, authority: Authority) -> None:
    inner = urlsplit(redis_url)
    async with tls_front(inner.port or 0, authority.certificate("localhost", "127.0.0.1")) as front:
        for host in ("localhost", "127.0.0.1"):
            url = f"rediss://{host}:{front.port}{inner.path}?ssl_ca_certs={authority.file}"
            async with serving(service, REDIS_URL=url, STORE_TIMEOUT="15") as svc:
                assert (await svc.client.put("/v1/records/a", content=b"1")).status_code == 204
                assert (await svc.client.get("/v1/records/a")).content == b"1"
                assert (await svc.admin.get("/readyz")).status_code == 200
        assert front.secured >= 2
        assert front.refused == 0


async def test_a_certificate_that_is_not_trusted(redis_url: str, authority: Authority) -> None:
    inner = urlsplit(redis_url)
    async with tls_front(inner.port or 0, authority.certificate("redis.example")) as front:
        for options in ("", f"?ssl_ca_certs={authority.file}"):  # unknown authority; another name
            url = f"rediss://localhost:{front.port}{inner.path}{options}"
            async with serving(service, REDIS_URL=url, STORE_TIMEOUT="15") as svc:
                await check_refused(svc, "certificate")
        assert front.secured == 0


async def test_a_server_without_tls(redis_url: str) -> None:
    url = redis_url.replace("redis://", "rediss://")
    async with serving(service, REDIS_URL=url, STORE_TIMEOUT="1") as svc:
        await check_refused(svc, "")


async def test_a_server_that_speaks_nothing_else(redis_url: str, authority: Authority) -> None:
    inner = urlsplit(redis_url)
    async with tls_front(inner.port or 0, authority.certificate("localhost")) as front:
        async with serving(service, REDIS_URL=f"redis://localhost:{front.port}", STORE_TIMEOUT="2") as svc:
            assert (await svc.client.get("/v1/records/a")).status_code == 503
        assert front.secured == 0


async def test_authorities_that_cannot_be_read(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    for file in (tmp_path / "none.pem", empty):
        with pytest.raises(SettingsError, match="ssl_ca_certs"):
            async with serving(service, REDIS_URL=f"rediss://localhost?ssl_ca_certs={file}"):
                pass
