"""Audit lines: one log line for each security event, without secrets.

All of them come from the logger ``svc_common.audit`` with ``audit=true``, so that they can be kept apart.
"""

from __future__ import annotations

from typing import Any

from .logs import get_logger

log = get_logger("svc_common.audit")


def audit(event: str, **fields: Any) -> None:
    """Write down a security event. Names and addresses belong in the fields, credentials never do."""
    log.info(event, audit=True, **{name: value for name, value in fields.items() if value is not None})
