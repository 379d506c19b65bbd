"""Hostile bytes are answered as Tornado's own server answers them, or more strictly where it is said why."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from tornado.httpserver import HTTPServer as TornadoServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

HOST = b"Host: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
MARK = b"GET /mark HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def get(*lines: bytes, line: bytes = b"GET /a HTTP/1.1") -> bytes:
    """A request without a body."""
    return line + b"\r\n" + HOST + b"".join(text + b"\r\n" for text in lines) + b"\r\n"


def post(headers: bytes, body: bytes, line: bytes = b"POST /a HTTP/1.1") -> bytes:
    """A request with a body."""
    return line + b"\r\n" + HOST + headers + b"\r\n" + body


SAME: dict[str, bytes] = {
    # the request line
    "a request": get(),
    "one empty line before it": b"\r\n" + get(),
    "two empty lines before it": b"\r\n\r\n" + get(),
    "no version": get(line=b"GET /a"),
    "no target": get(line=b"GET HTTP/1.1"),
    "two spaces": get(line=b"GET  /a HTTP/1.1"),
    "a tab": get(line=b"GET\t/a HTTP/1.1"),
    "a space behind it": get(line=b"GET /a HTTP/1.1 "),
    "a space before it": get(line=b" GET /a HTTP/1.1"),
    "a space in the target": get(line=b"GET /a b HTTP/1.1"),
    "NUL in the target": get(line=b"GET /a\0 HTTP/1.1"),
    "DEL in the target": get(line=b"GET /a\x7f HTTP/1.1"),
    "a bare CR in the line": get(line=b"GET /a\r HTTP/1.1"),
    "HTTP/2": get(line=b"GET /a HTTP/2.0"),
    "HTTP/0.9": get(line=b"GET /a HTTP/0.9"),
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a version of letters": get(line=b"GET /a HTTP/a.b"),
    "a version of two digits": get(line=b"GET /a HTTP/1.10"),
    "lower-case http": get(line=b"GET /a http/1.1"),
    "an unknown method": get(line=b"FOO /a HTTP/1.1"),
    "a lower-case method": get(line=b"get /a HTTP/1.1"),
    "a method that is no token": get(line=b"G@T /a HTTP/1.1"),
    "a method with a comma": get(line=b"GET,POST /a HTTP/1.1"),
    "percent signs": get(line=b"GET /%41%zz HTTP/1.1"),
    "an absolute target": get(line=b"GET http://a/a HTTP/1.1"),
    "TRACE": get(line=b"TRACE /a HTTP/1.1"),
    # headers
    "no colon": get(b"asdf"),
    "an empty name": get(b": x"),
    "a space before the colon": get(b"X : y"),
    "a tab before the colon": get(b"X\t: y"),
    "a folded line": get(b"X: y", b" z"),
    "a folded first line": b"GET /a HTTP/1.1\r\n Host: a\r\n\r\n",
    "NUL in a value": get(b"X: a\0b"),
    "NUL in a name": get(b"X\0: a"),
    "DEL in a value": get(b"X: a\x7fb"),
    "a control character in a value": get(b"X: a\x01b"),
    "a bare CR in a value": get(b"X: a\rb"),
    "a bare CR at the end of a value": get(b"X: a\r"),
    "a name in brackets": get(b"[X]: y"),
    "a name beyond ASCII": get("Ä: y".encode("latin1")),
    "a value beyond ASCII": get("X: ä".encode("latin1")),
    "an empty value": get(b"X:"),
    "spaces around a value": get(b"X: \t y \t "),
    # the host
    "no host": b"GET /a HTTP/1.1\r\n\r\n",
    "no host in HTTP/1.0": b"GET /a HTTP/1.0\r\n\r\n",
    "two hosts": get(b"Host: b"),
    "a host with a comma": b"GET /a HTTP/1.1\r\nHost: a,b\r\n\r\n",
    "a host with a space": b"GET /a HTTP/1.1\r\nHost: a b\r\n\r\n",
    "a host with a slash": b"GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "a host with an at": b"GET /a HTTP/1.1\r\nHost: x@a\r\n\r\n",
    # lengths
    "a length": post(b"Content-Length: 2\r\n", b"ok"),
    "a length of 0": post(b"Content-Length: 0\r\n", b""),
    "a length with zeros before it": post(b"Content-Length: 0002\r\n", b"ok"),
    "a length with a sign": post(b"Content-Length: +2\r\n", b"ok"),
    "a negative length": post(b"Content-Length: -2\r\n", b"ok"),
    "a length in hex": post(b"Content-Length: 0x2\r\n", b"ok"),
    "a length with an underscore": post(b"Content-Length: 1_0\r\n", b"0123456789"),
    "a length with a point": post(b"Content-Length: 2.0\r\n", b"ok"),
    "a length in letters": post(b"Content-Length: two\r\n", b"ok"),
    "an empty length": post(b"Content-Length:\r\n", b""),
    "a length and a space inside": post(b"Content-Length: 1 0\r\n", b"0123456789"),
    "a length and a no-break space": post(b"Content-Length: 2\xa0\r\n", b"ok"),
    "a length in other digits": post("Content-Length: ²\r\n".encode("latin1"), b"ok"),
    "a length beyond 64 bits": post(b"Content-Length: 18446744073709551618\r\n", b"ok"),
    "two lengths that differ": post(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"okk"),
    "two lengths in one that differ": post(b"Content-Length: 2, 3\r\n", b"okk"),
    "a length of a GET": post(b"Content-Length: 2\r\n", b"ok", line=b"GET /a HTTP/1.1"),
    "a length and another header like it": post(b"Content_Length: 5\r\nContent-Length: 2\r\n", b"ok"),
    # chunks
    "chunks": post(CHUNKED, b"2\r\nok\r\n0\r\n\r\n"),
    "chunks, in capitals": post(b"Transfer-Encoding: CHUNKED\r\n", b"2\r\nok\r\n0\r\n\r\n"),
    "chunks of a GET": post(CHUNKED, b"2\r\nok\r\n0\r\n\r\n", line=b"GET /a HTTP/1.1"),
    "an upper-case size": post(CHUNKED, b"A\r\n0123456789\r\n0\r\n\r\n"),
    "a size with zeros before it": post(CHUNKED, b"0002\r\nok\r\n0\r\n\r\n"),
    "a size with a sign": post(CHUNKED, b"+2\r\nok\r\n0\r\n\r\n"),
    "a negative size": post(CHUNKED, b"-2\r\nok\r\n0\r\n\r\n"),
    "a size with 0x": post(CHUNKED, b"0x2\r\nok\r\n0\r\n\r\n"),
    "a size with an underscore": post(CHUNKED, b"1_a\r\n" + b"x" * 26 + b"\r\n0\r\n\r\n"),
    "a size and a space": post(CHUNKED, b"2 \r\nok\r\n0\r\n\r\n"),
    "a space and a size": post(CHUNKED, b" 2\r\nok\r\n0\r\n\r\n"),
    "no size": post(CHUNKED, b"\r\nok\r\n0\r\n\r\n"),
    "a size that is no number": post(CHUNKED, b"zz\r\nok\r\n0\r\n\r\n"),
    "a size beyond 64 bits": post(CHUNKED, b"fffffffffffffffff\r\nok\r\n0\r\n\r\n"),
    "a chunk that is longer than its size": post(CHUNKED, b"2\r\nokk\r\n0\r\n\r\n"),
    "a chunk extension": post(CHUNKED, b"2;a=b\r\nok\r\n0\r\n\r\n"),
    "a chunk extension with a bare LF": post(CHUNKED, b"2;\nxx\r\nok\r\n0\r\n\r\n"),
    "a chunk extension on the last chunk": post(CHUNKED, b"2\r\nok\r\n0;a\r\n\r\n"),
    "a trailer": post(CHUNKED, b"2\r\nok\r\n0\r\nX: y\r\n\r\n"),
    "a trailer that is a length": post(CHUNKED, b"0\r\nContent-Length: 50\r\n\r\n"),
    "gzip, chunked": post(b"Transfer-Encoding: gzip, chunked\r\n", b"2\r\nok\r\n0\r\n\r\n"),
    "chunked, chunked": post(b"Transfer-Encoding: chunked, chunked\r\n", b"2\r\nok\r\n0\r\n\r\n"),
    "chunked twice": post(CHUNKED + CHUNKED, b"2\r\nok\r\n0\r\n\r\n"),
    "chunked, identity": post(b"Transfer-Encoding: chunked, identity\r\n", b"2\r\nok\r\n0\r\n\r\n"),
    "identity": post(b"Transfer-Encoding: identity\r\n", b""),
    "xchunked": post(b"Transfer-Encoding: xchunked\r\n", b"2\r\nok\r\n0\r\n\r\n"),
    "chunked in quotes": post(b'Transfer-Encoding: "chunked"\r\n', b"2\r\nok\r\n0\r\n\r\n"),
    "a comma and chunked": post(b"Transfer-Encoding: ,chunked\r\n", b"2\r\nok\r\n0\r\n\r\n"),
    "chunked behind a no-break space": post(b"Transfer-Encoding: \xa0chunked\r\n", b"2\r\nok\r\n0\r\n\r\n"),
    "chunked behind a vertical tab": post(b"Transfer-Encoding: \x0bchunked\r\n", b"2\r\nok\r\n0\r\n\r\n"),
    "an empty coding": post(b"Transfer-Encoding:\r\n", b""),
    "both": post(CHUNKED + b"Content-Length: 2\r\n", b"2\r\nok\r\n0\r\n\r\n"),
    "both, the other way round": post(b"Content-Length: 2\r\n" + CHUNKED, b"2\r\nok\r\n0\r\n\r\n"),
    "both, the length wrong": post(CHUNKED + b"Content-Length: x\r\n", b"2\r\nok\r\n0\r\n\r\n"),
    "a coding with a space before the colon": post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"),
    # what is not taken up
    "an upgrade that nobody wants": get(b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings"),
    "such an upgrade with a body": post(
        b"Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n", b"ok"
    ),
    "such an upgrade with chunks": post(
        b"Upgrade: x\r\nConnection: Upgrade\r\n" + CHUNKED, b"2\r\nok\r\n0\r\n\r\n"
    ),
    "CONNECT": get(line=b"CONNECT a:1 HTTP/1.1"),
    "CONNECT with a body": post(b"Content-Length: 2\r\n", b"ok", line=b"CONNECT a:1 HTTP/1.1"),
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}
"""Tornado and we give the same answers, and go on or close alike."""

_LINE_ENDS = "RFC 9112 allows a server to take LF for CRLF; proxies differ in whether they do"
_BARE_CR = "RFC 9112, section 2.2: a CR without LF makes a message invalid"
_LENGTHS = "RFC 9110 allows a server to take equal lengths for one; nobody sends them honestly"
_OLD = "RFC 9112, section 6.1: a Transfer-Encoding in HTTP/1.0 is faulty framing"

STRICTER: dict[str, tuple[bytes, str]] = {
    "LF for CRLF": (get().replace(b"\r\n", b"\n"), _LINE_ENDS),
    "LF behind the request line": (b"GET /a HTTP/1.1\nHost: a\r\n\r\n", _LINE_ENDS),
    "LF behind a header": (b"GET /a HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", _LINE_ENDS),
    "LF for the empty line": (b"GET /a HTTP/1.1\r\nHost: a\r\n\n", _LINE_ENDS),
    "CR before the CRLF of the request line": (get(line=b"GET /a HTTP/1.1\r"), _BARE_CR),
    "CR before the request": (b"\r" + get(), _BARE_CR),
    "a size of 20 digits": (post(CHUNKED, b"%020d\r\nok\r\n0\r\n\r\n" % 2), "nobody writes so many zeros"),
    "two equal lengths": (post(b"Content-Length: 2\r\nContent-Length: 2\r\n", b"ok"), _LENGTHS),
    "two equal lengths in one": (post(b"Content-Length: 2, 2\r\n", b"ok"), _LENGTHS),
    "chunks in HTTP/1.0": (
        post(CHUNKED + b"Connection: keep-alive\r\n", b"2\r\nok\r\n0\r\n\r\n", line=b"POST /a HTTP/1.0"),
        _OLD,
    ),
    "HTTP/1.2": (get(line=b"GET /a HTTP/1.2"), "there is no such version"),
    "a fragment": (get(line=b"GET /a#b HTTP/1.1"), "RFC 9112, section 3.2: a target has no fragment"),
    "a target beyond ASCII": (
        get(line="GET /ä HTTP/1.1".encode()),
        "RFC 3986: such bytes are percent-encoded; Tornado would take them for Latin-1",
    ),
    "a target without a slash": (get(line=b"GET a HTTP/1.1"), "RFC 9112, section 3.2 has no such form"),
}
"""Tornado takes these, and we answer 400."""


SAID: dict[str, tuple[bytes, int]] = {
    "a size that is endless": (post(CHUNKED, b"0" * 100), 400),
    "a head that is endless": (b"GET /a HTTP/1.1\r\nX: " + b"y" * 100_000, 431),
    "a line that is endless": (b"GET /" + b"y" * 100_000, 431),
}
"""Tornado closes without an answer, and we say why."""


class Mark(RequestHandler):
    def get(self) -> None:
        self.finish("mark")


class Echo(RequestHandler):
    def get(self) -> None:
        self.finish(b"<" + self.request.body + b">")

    post = get


@dataclass
class Outcome:
    """What a client sees: the statuses in order, the bodies, and whether the connection was kept."""

    statuses: list[int]
    bodies: list[bytes]
    marked: bool


async def ask(port: int, data: bytes) -> Outcome:
    """Send the bytes, and behind them a request that shows whether the server still takes them for one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data + MARK)
        async with asyncio.timeout(20):
            answer = await reader.read()
    except ConnectionResetError:
        answer = b""
    finally:
        writer.close()
    statuses, bodies = [], []
    while answer.startswith(b"HTTP/1.1 "):
        head, _, rest = answer.partition(b"\r\n\r\n")
        statuses.append(int(head[9:12]))
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        if statuses[-1] == 200:
            bodies.append(rest[:length])
        answer = rest[length:]
    return Outcome(statuses, bodies, b"mark" in bodies)


@pytest.fixture
def application() -> Application:
    return Application(
        [("/a", Echo), ("http://a/a", Echo), ("/mark", Mark)], log_function=lambda handler: None
    )


@pytest.fixture
async def ports(serving: Any, application: Application) -> Any:
    """The port of our server and that of Tornado's."""
    _, ours = serving.server(application, header_timeout=2, idle_connection_timeout=2)
    sockets = bind_sockets(0, "127.0.0.1")
    tornado = TornadoServer(application, idle_connection_timeout=2)
    tornado.add_sockets(sockets)
    yield ours, sockets[0].getsockname()[1]
    tornado.stop()
    await tornado.close_all_connections()


@pytest.mark.parametrize("name", SAME)
async def test_the_same_as_tornado(ports: tuple[int, int], name: str) -> None:
    ours, tornados = await asyncio.gather(*(ask(port, SAME[name]) for port in ports))
    assert ours == tornados


@pytest.mark.parametrize("name", STRICTER)
async def test_stricter_than_tornado(ports: tuple[int, int], name: str) -> None:
    ours, tornados = await asyncio.gather(*(ask(port, STRICTER[name][0]) for port in ports))
    assert ours == Outcome([400], [], False)
    assert 400 not in tornados.statuses


@pytest.mark.parametrize("name", SAID)
async def test_an_answer_where_tornado_only_closes(ports: tuple[int, int], name: str) -> None:
    data, status = SAID[name]
    ours, tornados = await asyncio.gather(*(ask(port, data) for port in ports))
    assert ours == Outcome([status], [], False)
    assert tornados == Outcome([], [], False)
