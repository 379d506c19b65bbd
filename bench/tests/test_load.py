"""Load against a real server: what is counted, what is an error, with wrk and without."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.harness import LoadError, Request, Running, measure, measure_at


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked; 503 for ``/refused``."""

    protocol_version = "HTTP/1.1"
    seen: set[tuple[str, str, str | None, bytes]]

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        self.seen.add((self.command, self.path, self.headers["X-Kind"], self.rfile.read(length)))
        self.send_response(503 if self.path == "/refused" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    do_GET = do_POST = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(params=["wrk", "generator"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A server in this process, asked by wrk (where installed) or by the own generator."""
    if request.param == "generator":
        monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    Echo.seen = set()
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield Running("echo", listening.server_address[1], os.getpid())
        listening.shutdown()
        thread.join()


def test_sends_every_request_as_it_is_written(server: Running) -> None:
    body = '[["GET","a"],["GET","]==]"]]'
    load = measure(server, [Request("/a"), Request("/b?c=d", "POST", {"X-Kind": "x"}, body)], 1, 2)
    assert load.count > 2
    assert load.cpu_us > 0
    assert 0 < load.p50_ms <= load.p99_ms <= load.p999_ms
    assert Echo.seen == {("GET", "/a", None, b""), ("POST", "/b?c=d", "x", body.encode())}


def test_counts_each_answer_of_requests_in_one_write(server: Running) -> None:
    load = measure(server, [Request("/a", pipelined=10)], 1, 2)
    assert load.count >= 10
    assert load.p99_ms == 0


def test_a_refusal_is_an_error_unless_expected(server: Running) -> None:
    with pytest.raises(LoadError, match="of them errors"):
        measure(server, [Request("/refused")], 1, 1)
    assert measure(server, [Request("/refused")], 1, 1, refusals=True).count > 0


def test_keeps_a_rate(server: Running) -> None:
    load = measure_at(50, server, [Request("/a")], 2, 4)
    assert 0 < load.count <= 101
