"""pytest plugin: an unexpected log line at error level fails the test that caused it; slowness fails none."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog


def pytest_configure(config: pytest.Config) -> None:
    """Let no example of Hypothesis fail for the time it takes: a busy machine says nothing about the code."""
    if config.pluginmanager.hasplugin("hypothesispytest") and not config.getoption("--hypothesis-profile"):
        from hypothesis import HealthCheck, settings

        settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
        settings.load_profile("patient")


class ErrorLog(logging.Handler):
    """Collects records at error level; ``expected`` takes those that a test means to cause."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record."""
        self.records.append(record)

    def expect(self, text: str) -> list[logging.LogRecord]:
        """Take out the records that hold ``text``; AssertionError when there is none."""
        found = [record for record in self.records if text in record.getMessage()]
        assert found, f"no log line at error level holds {text!r}"
        self.records = [record for record in self.records if record not in found]
        return found


@pytest.fixture(autouse=True, scope="session")
def _logs_through_logging() -> None:
    """Let structlog's events pass through ``logging``, where pytest sees them."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


@pytest.fixture(autouse=True)
def error_log() -> Iterator[ErrorLog]:
    """The test's log at error level; the test fails when a line in it was not expected."""
    handler = ErrorLog()
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
    assert not handler.records, "unexpected log lines at error level:\n" + "\n".join(
        record.getMessage() for record in handler.records
    )
