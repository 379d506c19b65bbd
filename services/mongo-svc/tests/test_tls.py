"""TLS to MongoDB: what the URI asks for is what is spoken, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mongo_svc.app import service
from svc_common.process import StartError
from svc_common.testing import TestedService, serving
from svc_common.testing.tls import Authority

if TYPE_CHECKING:
    from devstack.pytest_plugin import OwnMongo


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def check_refused(svc: TestedService, text: str) -> None:
    answer = await svc.client.get("/v1/shelf/a")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert text in answer.json()["detail"]
    assert (await svc.admin.get("/readyz")).status_code == 503


async def test_a_server_with_a_certificate(own_mongo: OwnMongo, authority: Authority) -> None:
    server = own_mongo(certificate=authority.certificate("localhost"))
    plain = f"mongodb://localhost:{server.port}/?directConnection=true"
    secure = f"{plain}&tls=true&tlsCAFile={authority.file}"
    async with serving(service, MONGODB_URI=secure, STORE_TIMEOUT="15") as svc:
        assert (await svc.client.put("/v1/shelf/a", json={"a": 1})).status_code == 204
        assert (await svc.client.get("/v1/shelf/a")).json() == {"a": 1}
        assert (await svc.admin.get("/readyz")).status_code == 200
    for uri, text in (
        (f"{plain}&tls=true", "certificate"),  # an authority that nobody knows
        (secure.replace("localhost", "127.0.0.1"), "certificate"),  # another name
        (plain, ""),  # not even tried without
    ):
        async with serving(service, MONGODB_URI=uri, STORE_TIMEOUT="1") as svc:
            await check_refused(svc, text)


async def test_a_server_without_tls(mongo_database: str) -> None:
    async with serving(service, MONGODB_URI=f"{mongo_database}&tls=true", STORE_TIMEOUT="1") as svc:
        await check_refused(svc, "")


async def test_authorities_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"none\.pem"):
        async with serving(
            service, MONGODB_URI=f"mongodb://localhost/?tls=true&tlsCAFile={tmp_path}/none.pem"
        ):
            pass
