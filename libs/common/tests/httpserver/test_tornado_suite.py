"""Tornado's own test modules, as installed, pass with our server in the place of ``HTTPServer``."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

MODULES = (
    "httpserver_test",
    "web_test",
    "websocket_test",
    "simple_httpclient_test",
    "httpclient_test",
    "security_corpus_test",
    "routing_test",
    "wsgi_test",
)

_RAW = "httpserver_test.HTTPServerRawTest"
_BARE_LF = "ends its lines in LF without CR, which we refuse; test_hostile.py has the same with CRLF"

INAPPLICABLE = {
    "httpserver_test.HTTPConnectionTest.test_newlines": _BARE_LF,
    f"{_RAW}.test_chunked_request_body_duplicate_header": _BARE_LF,
    f"{_RAW}.test_chunked_request_body_unsupported_transfer_encoding": _BARE_LF,
    f"{_RAW}.test_chunked_request_body_transfer_encoding_and_content_length": _BARE_LF,
    "httpserver_test.KeepAliveTest.test_keepalive_chunked": (
        "sends Transfer-Encoding in an HTTP/1.0 request, which RFC 9112, section 6.1 calls faulty"
    ),
    "httpserver_test.LegacyInterfaceTest.test_legacy_interface": (
        "writes a head as raw bytes through write(), deprecated since Tornado 4 and not supported here"
    ),
    "simple_httpclient_test.HTTP100ContinueTestCase.test_100_continue": (
        "a test of the client, whose server writes to the IOStream behind its connection; there is none here"
    ),
    "simple_httpclient_test.SimpleHTTPSClientTestCase.test_request_timeout": (
        "a test of the client, which fails on any server that a busy machine keeps from a TLS handshake for "
        "0.1 s; the same over plain HTTP is run"
    ),
}


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_tornados_own_tests_pass_on_our_server(loop: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("tornado_suite.py")),
        loop,
        *(f"tornado.test.{module}" for module in MODULES),
        "--",
        *INAPPLICABLE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "ASYNC_TEST_TIMEOUT": "20"},
    )
    try:
        output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()[-4000:]
    report = json.loads(output)
    assert report["failed"] == {}
    assert report["unknown"] == [], (
        "tests that Tornado does not have any more are still listed as inapplicable"
    )
    assert report["run"] > 600
