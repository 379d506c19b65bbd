"""Runs Tornado's own test modules on our server: ``python tornado_suite.py LOOP MODULE... [-- NAME...]``.

A program of its own, since it puts our server in the place of ``tornado.httpserver.HTTPServer`` everywhere.
LOOP is ``asyncio`` or ``uvloop``; a NAME after ``--`` is a test that is left out. Prints one line of JSON:
the number of tests run, those skipped by Tornado itself, and the report of each that failed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
import unittest
import warnings
from collections.abc import Iterator
from typing import Any

import tornado.httpserver
import tornado.testing
import tornado.web
from tornado.http1connection import _GzipMessageDelegate
from tornado.httpserver import _CallableAdapter
from tornado.httputil import HTTPConnection, HTTPMessageDelegate, HTTPServerConnectionDelegate

from svc_common.httpserver import HTTPServer

CHANCES = 12
"""Some tests have time-outs of 0.1 s, too short for a busy machine with either server: they are repeated."""


class _Callable(HTTPServerConnectionDelegate):
    """A function of the request as a delegate: the interface from before Tornado 4."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        return _CallableAdapter(self._function, request_conn)


class _Gunzip(HTTPServerConnectionDelegate):
    """What ``decompress_request=True`` does: Tornado's own decompression, in front of the delegate."""

    def __init__(self, inner: HTTPServerConnectionDelegate, chunk_size: int, max_body_size: int) -> None:
        self._inner = inner
        self._sizes = chunk_size, max_body_size

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        return _GzipMessageDelegate(self._inner.start_request(server_conn, request_conn), *self._sizes)

    def on_close(self, server_conn: object) -> None:
        self._inner.on_close(server_conn)


class AdaptedServer(HTTPServer):
    """Our server with the two features of Tornado's that are built of Tornado's own classes."""

    def __init__(
        self,
        callback: Any,
        *,
        decompress_request: bool = False,
        max_buffer_size: int | None = None,
        **options: Any,
    ) -> None:
        delegate = callback if isinstance(callback, HTTPServerConnectionDelegate) else _Callable(callback)
        super().__init__(delegate, **options)
        if decompress_request:
            self.request_callback = _Gunzip(delegate, self.chunk_size, self.max_body_size)


def flat(suite: unittest.TestSuite | unittest.TestCase) -> Iterator[unittest.TestCase]:
    """The tests of nested suites, one after the other."""
    if isinstance(suite, unittest.TestSuite):
        for test in suite:
            yield from flat(test)
    else:
        yield suite


def run(tests: list[unittest.TestCase]) -> tuple[unittest.TestResult, dict[str, str]]:
    """The result, and the reports of those that failed by their names."""
    result = unittest.TextTestRunner(stream=sys.stderr, verbosity=2).run(unittest.TestSuite(tests))
    return result, {name(test): text for test, text in (*result.failures, *result.errors)}


def name(test: unittest.TestCase) -> str:
    """``httpserver_test.KeepAliveTest.test_two_requests``"""
    return test.id().removeprefix("tornado.test.")


def load(modules: list[str]) -> list[unittest.TestCase]:
    """The tests of modules."""
    return list(flat(unittest.defaultTestLoader.loadTestsFromNames(modules)))


def main(loop: str, modules: list[str], left_out: set[str]) -> None:
    """Run and report."""
    if loop == "uvloop":
        import uvloop

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # policies go away with Python 3.16
            asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    for module in (tornado.httpserver, tornado.testing, tornado.web):
        module.HTTPServer = AdaptedServer  # type: ignore[attr-defined]
    logging.getLogger("tornado.access").setLevel(logging.CRITICAL)  # as tornado.test.runtests does
    tests = load(modules)
    unknown = left_out - {name(test) for test in tests}
    result, failed = run([test for test in tests if name(test) not in left_out])
    for _ in range(CHANCES - 1):
        if failed:
            time.sleep(0.5)  # whatever else the machine does may be over by then
            _, failed = run([test for test in load(modules) if name(test) in failed])
    report = {
        "run": result.testsRun,
        "skipped": [name(test) for test, _ in result.skipped],
        "failed": failed,
        "unknown": sorted(unknown),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    split = arguments.index("--") if "--" in arguments else len(arguments)
    main(arguments[0], arguments[1:split], set(arguments[split + 1 :]))
