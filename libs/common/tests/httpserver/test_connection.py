"""One connection: keep-alive, pipelining, flow control both ways, time-outs, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import tornado.test
from tornado.iostream import StreamClosedError
from tornado.web import Application, RequestHandler, stream_request_body

GET = b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n"
LONG_UPLOAD = b"PUT /late HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 10_000_000
_FOLDER = Path(tornado.test.__file__).parent
CERTIFICATE = {"certfile": str(_FOLDER / "test.crt"), "keyfile": str(_FOLDER / "test.key")}


class Log:
    """What the handlers saw."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.sizes: list[int] = []
        self.go = asyncio.Event()
        self.lost = asyncio.Event()


class Base(RequestHandler):
    def initialize(self, log: Log) -> None:
        self.log = log


class Echo(Base):
    def get(self) -> None:
        self.write(self.request.uri or "")
        self.log.seen.append(self.request.uri or "")

    def post(self) -> None:
        self.write(self.request.body)

    head = get


class Wait(Base):
    async def get(self) -> None:
        self.log.seen.append(self.request.uri or "")
        await self.log.go.wait()
        self.write("done")

    def on_connection_close(self) -> None:
        self.log.lost.set()


class Large(Base):
    def get(self) -> None:
        self.log.seen.append(self.request.uri or "")
        self.write(b"x" * 2**20)


class Stream(Base):
    """Sends pieces as fast as they are taken."""

    async def get(self) -> None:
        try:
            for _ in range(400):
                self.write(b"y" * 2**16)
                await self.flush()
                self.log.sizes.append(2**16)
        except StreamClosedError:
            self.log.lost.set()


@stream_request_body
class Upload(Base):
    async def data_received(self, chunk: bytes) -> None:
        self.log.sizes.append(len(chunk))
        await self.log.go.wait()

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self.log.lost.set()

    def put(self) -> None:
        self.write(str(sum(self.log.sizes)))


@stream_request_body
class Early(Base):
    """Answers before it has the body."""

    def prepare(self) -> None:
        self.set_status(403)
        self.finish("no")

    def data_received(self, chunk: bytes) -> None:
        raise AssertionError("a body after the answer")


@stream_request_body
class Late(Base):
    """Answers when it is told to, while its body waits."""

    def prepare(self) -> None:
        self._answering = asyncio.create_task(self._answer())

    async def _answer(self) -> None:
        await self.log.go.wait()
        self.set_status(403)
        await self.finish("no")

    async def data_received(self, chunk: bytes) -> None:
        self.log.seen.append("data")
        await asyncio.Event().wait()

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self.log.lost.set()


@stream_request_body
class Failing(Base):
    """Does not take it well that its client leaves."""

    def data_received(self, chunk: bytes) -> None:
        self.log.seen.append("data")

    def on_connection_close(self) -> None:
        super().on_connection_close()
        raise asyncio.CancelledError


class Closing(Base):
    def get(self) -> None:
        self.set_header("Connection", "close")


@stream_request_body
class Begun(Base):
    """Begins its answer before it has the body."""

    async def prepare(self) -> None:
        self.write("begun")
        await self.flush()

    def data_received(self, chunk: bytes) -> None:
        self.log.sizes.append(len(chunk))

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self.log.lost.set()

    def put(self) -> None:
        raise AssertionError("the body never ended")


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def application(log: Log) -> Application:
    handlers = {
        "/echo.*": Echo,
        "/wait": Wait,
        "/large.*": Large,
        "/stream": Stream,
        "/upload": Upload,
        "/early": Early,
        "/closing": Closing,
        "/begun": Begun,
        "/late": Late,
        "/failing": Failing,
    }
    return Application(
        [(path, handler, {"log": log}) for path, handler in handlers.items()],
        log_function=lambda handler: None,
    )


async def test_requests_follow_each_other_on_one_connection(serving: Any, application: Application) -> None:
    _, port = serving.server(application)
    client = await serving.client(port)
    for number in range(3):
        client.send(GET % b"/echo/%d" % number)
        assert (await client.answer())[2] == b"/echo/%d" % number


async def test_pipelined_requests_are_answered_in_order(serving: Any, application: Application) -> None:
    _, port = serving.server(application)
    client = await serving.client(port)
    post = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
    chunked = (
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nd\r\n2\r\nef\r\n0\r\n\r\n"
    )
    client.send(b"".join((GET % b"/echo/%d" % number) + post + chunked for number in range(50)))
    for number in range(50):
        assert (await client.answer())[2] == b"/echo/%d" % number
        assert (await client.answer())[2] == b"abc"
        assert (await client.answer())[2] == b"def"


async def test_a_request_may_come_byte_by_byte(serving: Any, application: Application) -> None:
    _, port = serving.server(application)
    client = await serving.client(port)
    data = (
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        + GET % b"/echo"
    )
    for index in range(len(data)):
        client.send(data[index : index + 1])
        await asyncio.sleep(0)
    assert (await client.answer())[2] == b"abc"
    assert (await client.answer())[2] == b"/echo"


async def test_what_waits_in_the_pipeline_is_bounded(
    serving: Any, application: Application, log: Log, until: Any
) -> None:
    _, port = serving.server(application)
    client = await serving.client(port)
    client.send(GET % b"/wait")
    many = (GET % (b"/echo/" + b"z" * 1000)) * 4000  # four megabytes
    client.send(many)
    await until(lambda: log.seen == ["/wait"])
    left = client.writer.transport.get_write_buffer_size
    await _steady(left)
    assert left() > len(many) // 2  # the server does not take what it cannot use
    log.go.set()
    assert (await client.answer())[2] == b"done"
    for _ in range(4000):
        assert (await client.answer())[0] == 200


async def test_whoever_does_not_read_gets_no_second_answer(
    serving: Any, application: Application, log: Log
) -> None:
    _, port = serving.server(application)
    client = await serving.client(port)
    client.send(b"".join(GET % b"/large/%d" % number for number in range(20)))
    await _steady(lambda: len(log.seen))
    assert len(log.seen) < 3
    for _ in range(20):
        assert len((await client.answer())[2]) == 2**20
    assert len(log.seen) == 20


async def test_a_stream_goes_at_its_readers_pace(serving: Any, application: Application, log: Log) -> None:
    _, port = serving.server(application)
    client = await serving.client(port)
    client.send(GET % b"/stream")
    await _steady(lambda: len(log.sizes))
    assert 0 < len(log.sizes) < 30
    assert len((await client.answer())[2]) == 400 * 2**16


async def test_a_stream_ends_when_its_reader_leaves(serving: Any, application: Application, log: Log) -> None:
    _, port = serving.server(application)
    client = await serving.client(port)
    client.send(GET % b"/stream")
    await _steady(lambda: len(log.sizes))
    client.writer.transport.abort()
    async with asyncio.timeout(60):
        await log.lost.wait()


async def test_an_upload_goes_at_its_handlers_pace(serving: Any, application: Application, log: Log) -> None:
    _, port = serving.server(application)
    client = await serving.client(port)
    body = b"u" * (4 * 2**20)
    client.send(b"PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    left = client.writer.transport.get_write_buffer_size
    await _steady(left)
    assert len(log.sizes) == 1
    assert left() > len(body) // 2
    log.go.set()
    assert (await client.answer())[2] == b"%d" % len(body)
    assert max(log.sizes) <= 64 * 1024


async def test_a_handler_hears_of_a_client_that_leaves(
    serving: Any, application: Application, log: Log, until: Any
) -> None:
    _, port = serving.server(application)
    for path in (b"GET /wait", b"PUT /upload"):
        log.lost.clear()
        client = await serving.client(port)
        client.send(
            path
            + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
            + b"x" * (10 if b"GET" in path else 5)
        )
        await until(lambda: bool(log.seen or log.sizes))
        client.writer.transport.abort()
        async with asyncio.timeout(60):
            await log.lost.wait()


async def test_continue_is_sent_when_the_body_is_wanted(serving: Any, application: Application) -> None:
    _, port = serving.server(application)
    client = await serving.client(port)
    client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert (await client.answer())[0] == 100
    client.send(b"ok")
    assert (await client.answer())[2] == b"ok"
    refused = await serving.client(port)
    refused.send(b"PUT /early HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert (await refused.answer())[0] == 403


async def test_an_early_answer_to_a_client_that_has_left_while_nothing_was_read(
    serving: Any, application: Application, log: Log, until: Any
) -> None:
    server, port = serving.server(application)
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", port))
        sending = asyncio.create_task(loop.sock_sendall(client, LONG_UPLOAD))
        await until(lambda: [connection._paused for connection in server._connections] == [True])
        sending.cancel()
        await asyncio.wait([sending])
    log.go.set()
    async with asyncio.timeout(60):
        await log.lost.wait()
    await until(lambda: not server._connections)


async def test_a_connection_is_forgotten_whatever_its_handler_does(
    serving: Any, application: Application, log: Log, until: Any, error_log: Any
) -> None:
    server, port = serving.server(application)
    client = await serving.client(port)
    client.send(b"PUT /failing HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    await until(lambda: bool(log.seen))
    await client.leave()
    await until(lambda: not server._connections)
    error_log.expect("Uncaught exception")


async def test_an_early_answer_reaches_a_client_that_still_sends(
    serving: Any, application: Application
) -> None:
    _, port = serving.server(application)
    client = await serving.client(port)
    client.send(b"PUT /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000)
    status, _, body = await client.answer()
    assert (status, body) == (403, b"no")
    await client.closed()


async def test_answers_without_a_body(serving: Any, application: Application) -> None:
    _, port = serving.server(application)
    client = await serving.client(port)
    client.send(b"HEAD /echo/1 HTTP/1.1\r\nHost: a\r\n\r\n")
    status, headers, _ = await client.answer("HEAD")
    assert (status, headers["content-length"]) == (200, "7")
    tag = headers["etag"]
    client.send(b"GET /echo/1 HTTP/1.1\r\nHost: a\r\nIf-None-Match: %b\r\n\r\n" % tag.encode())
    status, headers, _ = await client.answer()
    assert (status, "content-length" in headers, "transfer-encoding" in headers) == (304, False, False)
    client.send(GET % b"/echo/1")
    assert (await client.answer())[2] == b"/echo/1"


async def test_an_old_client_gets_a_stream_that_ends_with_the_connection(
    serving: Any, application: Application
) -> None:
    _, port = serving.server(application)
    client = await serving.client(port)
    client.send(b"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    status, headers, body = await client.answer()
    assert (status, len(body)) == (200, 400 * 2**16)
    assert "transfer-encoding" not in headers


@pytest.mark.parametrize(
    "options",
    [
        *("Connection: close", "Connection: keep-alive, close", "Connection: Close"),
        "Connection: keep-alive\r\nConnection: close",
    ],
)
async def test_close_means_close(serving: Any, application: Application, options: str) -> None:
    _, port = serving.server(application)
    client = await serving.client(port)
    client.send(b"GET /echo HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % options.encode() + GET % b"/echo")
    status, headers, _ = await client.answer()
    assert (status, headers["connection"]) == (200, "close")
    await client.closed()


async def test_an_old_client_may_ask_for_more_than_keep_alive(serving: Any, application: Application) -> None:
    _, port = serving.server(application)
    client = await serving.client(port)
    for _ in range(2):
        client.send(b"GET /echo HTTP/1.0\r\nConnection: x, keep-alive\r\n\r\n")
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (200, "Keep-Alive")


async def test_who_closes_its_own_side_is_gone(
    serving: Any, application: Application, log: Log, until: Any
) -> None:
    _, port = serving.server(application)
    client = await serving.client(port)
    client.send(GET % b"/wait")
    await until(lambda: bool(log.seen))
    client.writer.write_eof()
    await client.closed()
    async with asyncio.timeout(60):
        await log.lost.wait()


async def test_a_handler_may_close(serving: Any, application: Application) -> None:
    _, port = serving.server(application)
    client = await serving.client(port)
    client.send(GET % b"/closing")
    assert (await client.answer())[1]["connection"] == "close"
    await client.closed()


async def test_no_second_answer_is_written_into_one_that_has_begun(
    serving: Any, application: Application, log: Log
) -> None:
    _, port = serving.server(application)
    client = await serving.client(port)
    client.send(b"PUT /begun HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
    head = await client.reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    client.send(b"broken\r\n")
    assert await client.rest() == b"5\r\nbegun\r\n"
    async with asyncio.timeout(60):
        await log.lost.wait()


async def test_an_old_client_is_not_told_to_continue(serving: Any, application: Application) -> None:
    _, port = serving.server(application)
    client = await serving.client(port)
    client.send(b"POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok")
    status, _, body = await client.answer()
    assert (status, body) == (200, b"ok")


async def test_no_continue_without_a_body(serving: Any, application: Application) -> None:
    _, port = serving.server(application)
    client = await serving.client(port)
    client.send(b"GET /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n")
    assert (await client.answer())[0] == 200


async def test_a_head_must_come_in_its_time(serving: Any, application: Application) -> None:
    _, port = serving.server(application, idle_connection_timeout=30, header_timeout=0.2)
    slow, fresh = await serving.client(port), await serving.client(port)
    slow.send(GET % b"/echo")
    assert (await slow.answer())[0] == 200
    slow.send(b"GET /echo HTTP/1.1\r\nHost:")
    async with asyncio.timeout(60):
        # A byte now and then does not help; what is sent after the end makes the system reset the connection
        while not slow.reader.at_eof() and slow.reader.exception() is None:
            slow.send(b" ")
            await asyncio.sleep(0.05)
    fresh.send(GET % b"/echo")  # while one that has not begun is within its own time
    assert (await fresh.answer())[0] == 200


async def test_many_slow_senders_do_not_keep_others_from_being_served(
    serving: Any, application: Application, until: Any
) -> None:
    server, port = serving.server(application, idle_connection_timeout=30, header_timeout=1)
    slow = [await serving.client(port) for _ in range(200)]
    for client in slow:
        client.send(b"GET /echo HTTP/1.1\r\nHost: a\r\nX: ")
    await until(lambda: len(server._connections) == 200)
    client = await serving.client(port)
    for number in range(100):
        slow[number].send(b"x")
        client.send(GET % b"/echo/%d" % number)
        assert (await client.answer())[2] == b"/echo/%d" % number
    await until(lambda: len(server._connections) == 1)
    for sender in slow:
        await sender.closed()


async def test_an_idle_connection_is_closed(serving: Any, application: Application) -> None:
    _, port = serving.server(application, idle_connection_timeout=0.3)
    never, once = await serving.client(port), await serving.client(port)
    once.send(GET % b"/echo")
    assert (await once.answer())[0] == 200
    await never.closed()
    await once.closed()


async def test_a_slow_handler_is_not_an_idle_connection(
    serving: Any, application: Application, log: Log
) -> None:
    _, port = serving.server(application, idle_connection_timeout=0.1)
    client = await serving.client(port)
    client.send(GET % b"/wait")
    await asyncio.sleep(0.4)
    log.go.set()
    assert (await client.answer())[2] == b"done"


async def test_who_takes_nothing_of_a_complete_answer_is_cut_off(
    serving: Any, application: Application, log: Log, until: Any
) -> None:
    server, port = serving.server(application, idle_connection_timeout=0.3)
    client = await serving.client(port)
    client.send(GET % b"/large")
    await until(lambda: bool(log.seen))
    await until(lambda: not server._connections)


@pytest.mark.parametrize(
    ("head", "options"),
    [(b"X: y\r\n" * 50, {"max_header_count": 40}), (b"X: " + b"y" * 5000, {"max_header_size": 4096})],
)
async def test_a_head_over_the_limits(
    serving: Any, application: Application, head: bytes, options: dict[str, int]
) -> None:
    _, port = serving.server(application, **options)
    client = await serving.client(port)
    client.send(b"GET /echo HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n")
    assert (await client.rest()) == b"HTTP/1.1 431 Request Header Fields Too Large\r\n\r\n"


async def test_the_end_of_a_server(serving: Any, application: Application, log: Log, until: Any) -> None:
    server, port = serving.server(application)
    idle, busy = await serving.client(port), await serving.client(port)
    idle.send(GET % b"/echo")
    assert (await idle.answer())[0] == 200
    busy.send(GET % b"/wait")
    await until(lambda: "/wait" in log.seen)
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        await serving.client(port)
    idle.send(GET % b"/echo")  # what is open goes on
    assert (await idle.answer())[0] == 200
    await server.close_all_connections()
    await idle.closed()
    await busy.closed()
    assert log.lost.is_set()


@pytest.mark.parametrize("turns", range(6))
async def test_the_end_while_connections_are_opened(
    serving: Any, application: Application, turns: int
) -> None:
    server, port = serving.server(application)
    await asyncio.sleep(0)
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.sendall(GET % b"/echo")
        for _ in range(turns):
            await asyncio.sleep(0)
        server.stop()
        async with asyncio.timeout(60):
            await server.close_all_connections()
    assert (server.opening, len(server._connections)) == (0, 0)


async def test_the_end_does_not_wait_for_a_handshake(
    serving: Any, application: Application, until: Any
) -> None:
    server, port = serving.server(application, ssl_options=CERTIFICATE, header_timeout=3600)
    client = await serving.client(port)
    await until(lambda: server.opening == 1)
    async with asyncio.timeout(60):
        await server.close_all_connections()
    await client.closed()


@pytest.mark.parametrize("encrypted", [False, True])
async def test_the_end_does_not_wait_for_who_does_not_read(
    serving: Any, application: Application, log: Log, until: Any, encrypted: bool
) -> None:
    server, port = serving.server(application, ssl_options=CERTIFICATE if encrypted else None)
    options = {"ssl": trusting(), "server_hostname": "a", "ssl_shutdown_timeout": 0.1} if encrypted else {}
    slow, idle = await serving.client(port, **options), await serving.client(port, **options)
    idle.send(GET % b"/echo")
    assert (await idle.answer())[0] == 200
    idle.writer.transport.pause_reading()  # it does not hear of the end
    slow.writer.transport.pause_reading()
    slow.send(GET % b"/large")
    await until(lambda: "/large" in log.seen)
    async with asyncio.timeout(20):  # less than an idle client of TLS has to say goodbye
        await server.close_all_connections()


async def test_closing_what_is_closed_does_not_wait(
    serving: Any, application: Application, until: Any
) -> None:
    server, port = serving.server(application)
    client = await serving.client(port)
    client.send(GET % b"/echo")
    await client.answer()
    [connection] = server._connections
    await client.leave()
    await until(lambda: not server._connections)
    async with asyncio.timeout(60):
        await asyncio.gather(connection.close(), connection.close())


async def _steady(value: Any) -> None:
    """Wait until a number has stopped changing for a quarter of a second."""
    async with asyncio.timeout(60):
        last, same = None, 0
        while same < 25:
            now = value()
            same = same + 1 if now == last else 0
            last = now
            await asyncio.sleep(0.01)
