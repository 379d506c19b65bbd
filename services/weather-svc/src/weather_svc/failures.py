"""What clients are told when the upstreams fail."""

from __future__ import annotations

import math
from collections.abc import Sequence

from svc_common import BadGateway, GatewayTimeout, Problem, Unavailable

from .guard import NotAsked, OverBudget
from .upstream import UpstreamError


def as_problem(failures: Sequence[tuple[str, Exception]]) -> Problem:
    """One problem for all that was tried.

    504 when none answered in time, 503 when the budgets are used up, else 502.
    """
    reasons = " ".join(_reason(name, error) for name, error in failures)
    errors = [error for _, error in failures]
    if all(isinstance(error, OverBudget) for error in errors):
        return Unavailable(reasons, retry_after=_soonest(errors))
    headers = {}
    if all(isinstance(error, NotAsked) for error in errors):
        headers["Retry-After"] = str(_soonest(errors))
    if all(isinstance(error, UpstreamError) and error.timed_out for error in errors):
        return GatewayTimeout(reasons)
    return BadGateway(reasons, headers=headers)


def _reason(name: str, error: Exception) -> str:
    if isinstance(error, UpstreamError):
        return error.reason
    return f"{name} sent an answer that cannot be read."


def _soonest(errors: Sequence[Exception]) -> int:
    waits = [error.retry_after or 0.0 for error in errors if isinstance(error, UpstreamError)]
    return max(1, math.ceil(min(waits)))
