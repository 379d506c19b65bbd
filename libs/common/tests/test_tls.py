"""TLS on the API port."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import threading
import time
from pathlib import Path

import httpx
import pytest
import trustme
from token_issuer import shelf

from svc_common.process import StartError
from svc_common.testing import TestedService, serving
from svc_common.tls import Certificate

pytestmark = pytest.mark.usefixtures("either_server")


class Files:
    """A certificate of a test authority in two files."""

    def __init__(self, folder: Path, authority: trustme.CA) -> None:
        self.folder = folder
        self.authority = authority
        self.chain = folder / "tls.crt"
        self.key = folder / "tls.key"

    def issue(self) -> None:
        certificate = self.authority.issue_cert("127.0.0.1", "localhost")
        certificate.private_key_pem.write_to_path(str(self.folder / "new.key"))
        (self.folder / "new.crt").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
        shutil.move(self.folder / "new.key", self.key)
        shutil.move(self.folder / "new.crt", self.chain)

    @property
    def settings(self) -> dict[str, str]:
        return {"TLS_CERT_FILE": str(self.chain), "TLS_KEY_FILE": str(self.key)}

    def client(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


@pytest.fixture
def files(tmp_path: Path) -> Files:
    found = Files(tmp_path, trustme.CA())
    found.issue()
    return found


def serial(svc: TestedService, context: ssl.SSLContext) -> object:
    with (
        socket.create_connection((svc.running.host, svc.running.port), 10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as tls,
    ):
        certificate = tls.getpeercert()
        assert certificate is not None
        return certificate["serialNumber"]


@pytest.mark.parametrize("server", ["tornado", "fast"])
async def test_a_certificate_is_renewed_while_the_service_runs(
    files: Files, server: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(shelf, HTTP_SERVER=server, **files.settings) as svc:
        assert svc.url.startswith("https://")
        async with httpx.AsyncClient(base_url=svc.url, verify=files.client(), trust_env=False) as client:
            assert (await client.get("/open")).status_code == 200
            first = await asyncio.to_thread(serial, svc, files.client())
            files.chain.write_text("half written")
            async with asyncio.timeout(30):
                while "certificate_not_renewed" not in caplog.text:
                    await asyncio.sleep(0.05)
            assert await asyncio.to_thread(serial, svc, files.client()) == first
            files.issue()
            deadline = time.monotonic() + 30
            while await asyncio.to_thread(serial, svc, files.client()) == first:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
            assert (await client.get("/open")).status_code == 200  # the old connection goes on


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])  # a client names no server when it is an address
def test_no_handshake_fails_while_a_certificate_is_renewed(files: Files, name: str) -> None:
    certificate = Certificate(files.chain, files.key)
    server, client = certificate.load(), files.client()
    serials = {handshake(server, client, name)}
    enough = threading.Event()

    def renew() -> None:
        while not enough.is_set():
            files.issue()
            certificate.renew()

    renewing = threading.Thread(target=renew)
    renewing.start()
    try:
        while len(serials) < 20 and renewing.is_alive():
            serials.add(handshake(server, client, name))
    finally:
        enough.set()
        renewing.join()
    assert len(serials) >= 20


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> object:
    """The serial number of the certificate that a whole handshake in memory shows."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    waiting = list(ends)
    while waiting:
        for end in list(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)
    shown = ends[0].getpeercert()
    assert shown is not None
    return shown["serialNumber"]


async def test_old_protocols_are_refused(files: Files) -> None:
    async with serving(shelf, **files.settings) as svc:
        old = files.client()
        with pytest.warns(DeprecationWarning, match="TLS"):
            old.minimum_version = ssl.TLSVersion.TLSv1
        with pytest.warns(DeprecationWarning, match="TLS"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises(ssl.SSLError):
            await asyncio.to_thread(serial, svc, old)
        exactly = files.client()
        exactly.maximum_version = ssl.TLSVersion.TLSv1_2
        assert await asyncio.to_thread(serial, svc, exactly)


@pytest.mark.parametrize("content", [None, "", "no certificate"])
async def test_files_that_are_of_no_use(files: Files, content: str | None) -> None:
    if content is None:
        files.chain.unlink()
    else:
        files.chain.write_text(content)
    with pytest.raises(StartError, match="TLS_CERT_FILE"):
        async with serving(shelf, **files.settings):
            pass
