"""Through Caddy, and beside it: two parsers never disagree on where a request ends.

Every request that Caddy passes on gets a number from it, so that one which it did not mean to send shows.
And where Caddy and our server both take a request out of the same bytes, they take the same one. The
mutations are the same each time; ``SMUGGLING_ROUNDS=100 pytest ...`` goes on with others.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)

from svc_common.testing.process import free_port

ROUNDS = int(os.environ.get("SMUGGLING_ROUNDS", "2"))
IN_A_ROUND = 200
AT_ONCE = 25
QUIET_SECONDS = 0.5
"""How long nothing must come before it is taken for the end: a mutation may have made a body longer."""

_CADDYFILE = """\
{{
    admin off
    auto_https off
    persist_config off
}}
http://:{port} {{
    bind 127.0.0.1
    reverse_proxy 127.0.0.1:{upstream} {{
        header_up X-Passed-On {{http.request.uuid}}
    }}
}}
"""

HEAD = b"POST /a HTTP/1.1\r\nHost: a\r\n"
SEEDS = [
    HEAD + b"Content-Length: 5\r\n\r\nhello",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    HEAD
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 30\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    HEAD + b"Content-Length: 5\r\nContent-Length: 35\r\n\r\nhelloGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + HEAD + b"Content-Length: 3\r\n\r\nabc",
    HEAD + b"Upgrade: x\r\nConnection: Upgrade\r\nContent-Length: 5\r\n\r\nhello",
    b"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 28\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n",
    b"POST /a HTTP/1.0\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
]
PIECES = [
    *(
        bytes([code])
        for code in (0, 9, 10, 11, 13, 32, 34, 43, 44, 45, 48, 49, 58, 59, 95, 127, 0x85, 0xA0, 255)
    ),
    *(
        b"\r\n",
        b"\n\n",
        b"\r\n\r\n",
        b"0\r\n\r\n",
        b"\r\n ",
        b"chunked",
        b"identity",
        b", chunked",
        b"HTTP/1.0",
    ),
    *(
        b"Content-Length: 0\r\n",
        b"Content-Length: 7\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
    ),
    *(
        b"Connection: Content-Length\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    *(b"0x", b"+1", b"ffffffffffffffff", b"00000000000000000001", b"Expect: 100-continue\r\n", b";", b"a=b"),
]


def mutated(chance: random.Random) -> bytes:
    """One of the seeds with one to four small changes."""
    data = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data))
        match chance.randrange(5):
            case 0:
                data[at:at] = chance.choice(PIECES)
            case 1:
                del data[at : at + chance.randint(1, 4)]
            case 2:
                data[at] = chance.choice(PIECES)[0]
            case 3:
                data[at : at + 2] = chance.choice(PIECES)
            case _:
                end = at + chance.randint(1, 30)
                data[at:at] = data[at:end]
        if not data:
            break
    return bytes(data)


class Recorder(HTTPServerConnectionDelegate):
    """Answers each request with its own body in brackets, and keeps what the proxy said about it."""

    def __init__(self) -> None:
        self.passed_on: list[list[str]] = []

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        return _Echo(self, request_conn)


class _Echo(HTTPMessageDelegate):
    def __init__(self, recorder: Recorder, connection: HTTPConnection) -> None:
        self._recorder = recorder
        self._connection = connection
        self._body = b""

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        self._recorder.passed_on.append(headers.get_list("X-Passed-On"))

    def data_received(self, chunk: bytes) -> None:
        self._body += chunk

    def finish(self) -> None:
        body = b"<" + self._body + b">"
        headers = HTTPHeaders({"Content-Length": str(len(body))})
        self._connection.write_headers(ResponseStartLine("", 200, "OK"), headers, body)
        self._connection.finish()


@asynccontextmanager
async def caddy(upstream: int, folder: Path) -> AsyncIterator[int]:
    """Caddy in front of a port; yields its own."""
    port = free_port()
    config = folder / "Caddyfile"
    config.write_text(_CADDYFILE.format(port=port, upstream=upstream))
    program = shutil.which("caddy", path=str(Path(sys.executable).parent))
    assert program, "caddy comes with devstack"
    process = await asyncio.create_subprocess_exec(
        program,
        *("run", "--adapter", "caddyfile", "--config", str(config)),
        env={"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(30):
            while True:
                assert process.returncode is None, "Caddy has ended"
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def bodies(port: int, data: bytes, quiet: float = QUIET_SECONDS) -> list[bytes]:
    """The bodies of the answers that are 200, up to the first that is not."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        writer.write(data)
        while piece := await asyncio.wait_for(reader.read(65536), quiet):
            answer += piece
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
    found = []
    while match := re.match(
        rb"(?:HTTP/1.1 100 Continue\r\n\r\n)*HTTP/1.[01] 200 OK\r\n(.*?)\r\n\r\n", answer, re.DOTALL
    ):
        length = re.search(rb"Content-Length: (\d+)", match[1], re.IGNORECASE)
        if length is None:  # the answer to a HEAD, or one that was cut
            break
        end = match.end() + int(length[1])
        found.append(answer[match.end() : end])
        answer = answer[end:]
    return found


@pytest.mark.parametrize("round_", range(ROUNDS))
async def test_nothing_is_smuggled(serving: Any, tmp_path: Path, round_: int) -> None:
    recorder = Recorder()
    _, upstream = serving.server(recorder, idle_connection_timeout=60, header_timeout=60)
    _, beside = serving.server(Recorder(), idle_connection_timeout=60, header_timeout=60)
    chance = random.Random(round_)
    attacks = [*(SEEDS if round_ == 0 else ()), *(mutated(chance) for _ in range(IN_A_ROUND))]
    taken = 0
    async with caddy(upstream, tmp_path) as door:
        for start in range(0, len(attacks), AT_ONCE):
            batch = attacks[start : start + AT_ONCE]
            through = await asyncio.gather(*(bodies(door, data) for data in batch))
            direct = await asyncio.gather(*(bodies(beside, data) for data in batch))
            for data, one, other in zip(batch, through, direct, strict=True):
                both = min(len(one), len(other))
                taken += both
                assert one[:both] == other[:both], data
            # whoever comes next over Caddy's kept connections gets an answer of its own
            marks = [b"mark %d" % number for number in range(start, start + 5)]
            answers = await asyncio.gather(*(bodies(door, _mark(mark), 20) for mark in marks))
            assert answers == [[b"<" + mark + b">"] for mark in marks]
    assert taken > len(attacks) // 10, "hardly any attack was taken for a request: it would show nothing"
    numbers = [values[0] for values in recorder.passed_on if len(values) == 1]
    assert len(numbers) == len(recorder.passed_on), "a request that Caddy did not mean to send"
    assert len(set(numbers)) == len(numbers)


def _mark(text: bytes) -> bytes:
    return HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(text) + text
