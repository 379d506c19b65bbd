"""An issuer that answers rubbish is one that does not answer."""

from __future__ import annotations

import asyncio

import pytest

from svc_common import Unavailable
from svc_common.auth.issuer import RemoteIssuer

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "rubbish",
    [
        b"",
        b"hello\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
        b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n",
        OK + b"X: " + b"a" * 200_000 + b"\r\n\r\n",
        OK + b"Bad Header\r\n\r\n",
        OK + b"Content-Length: 100\r\n\r\n{",
        OK + b"Content-Length: 99999999\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        OK + b"Content-Length: 2\r\n\r\n[]",
        OK + b"Content-Length: 3\r\n\r\nabc",
    ],
    ids=lambda rubbish: repr(rubbish[:60]),
)
async def test_rubbish(rubbish: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(rubbish)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        issuer = RemoteIssuer("", f"http://127.0.0.1:{port}/auth", timeout=30)
        with pytest.raises(Unavailable):
            await issuer.revoked()
        with pytest.raises(Unavailable):
            await issuer.personal("sfp_" + "a" * 43)


async def test_a_name_that_is_none() -> None:
    with pytest.raises(Unavailable):
        await RemoteIssuer("", f"http://{'a' * 300}/auth", timeout=30).revoked()
