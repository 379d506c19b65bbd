from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from svc_common.testing import ServiceProcess

APPS = str(Path(__file__).parent / "apps")

LOGGING = """
import logging, sys
from svc_common.logs import configure_logging, get_logger
configure_logging("demo", level="info", format=sys.argv[1])
logging.getLogger("library").warning("from %s", "afar", extra={"port": 1})
get_logger().debug("not shown")
try:
    1 / 0
except ZeroDivisionError as error:
    get_logger("mine").error("broke", exc_info=error, number=7)
"""


@pytest.mark.parametrize("style", ["json", "console", "auto"])
def test_our_lines_and_a_librarys_look_alike(style: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOGGING, style], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert "from afar" in lines[0]
    assert "ZeroDivisionError" in done.stderr
    assert "not shown" not in done.stderr
    if style == "console":
        assert "broke" in lines[1]
    else:
        assert len(lines) == 2
        assert lines[0].startswith('{"timestamp":')
        assert '"level":"error","event":"broke","service":"demo"' in lines[1]
        assert '"number":7' in lines[1]


class Collector(RequestHandler):
    """Takes what an OTLP exporter sends."""

    def initialize(self, received: list[tuple[str, bytes]]) -> None:
        self.received = received

    def post(self) -> None:
        self.received.append((self.request.path, self.request.body))


async def test_traces_go_to_the_collector() -> None:
    received: list[tuple[str, bytes]] = []
    sockets = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(Application([("/.*", Collector, {"received": received})]))
    server.add_sockets(sockets)
    endpoint = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    try:
        # warnings are not errors here: the instrumentation package warns about itself
        service = ServiceProcess(
            "slow_svc", PYTHONPATH=APPS, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, PYTHONWARNINGS="ignore"
        )
        await asyncio.to_thread(service.start)
        with service:
            async with httpx.AsyncClient(base_url=service.url, trust_env=False) as client:
                trace = "4bf92f3577b34da6a3ce929d0e0e4736"
                headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
                assert (await client.get("/v1/slow/0", headers=headers)).status_code == 200
            assert await asyncio.to_thread(service.stop) == 0  # sends what is left
    finally:
        server.stop()
    assert [path for path, _ in received] == ["/v1/traces"]
    assert b"slow-svc" in received[0][1]
    assert bytes.fromhex(trace) in received[0][1]
