"""Audit lines: one log line for each security event, without secrets.

All of them come from the logger ``svc_common.audit`` with ``audit=true``, so that they can be kept apart, and
LOG_LEVEL leaves none of them out.
"""

from __future__ import annotations

import logging
from typing import Any

import structlog

log: Any = structlog.wrap_logger(
    None,
    wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    logger_factory_args=("svc_common.audit",),
)


def audit(event: str, **fields: Any) -> None:
    """Write down a security event. Names and addresses belong in the fields, credentials never do."""
    log.info(event, audit=True, **{name: value for name, value in fields.items() if value is not None})
