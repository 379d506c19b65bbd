"""The terminator of TLS that tests put in front of a store leaves nothing open."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from svc_common.testing.tls import Authority, tls_front


@pytest.mark.parametrize("turns", range(12))
async def test_what_comes_at_the_end_is_closed(tmp_path: Path, turns: int) -> None:
    authority = Authority(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as store:
        async with tls_front(store.getsockname()[1], authority.certificate("localhost")) as front:
            client = socket.create_connection(("127.0.0.1", front.port), 30)
            for _ in range(turns):  # it is let in, and its task begins, in these
                await asyncio.sleep(0)
        with client, contextlib.suppress(ConnectionError):
            assert client.recv(1) == b""
