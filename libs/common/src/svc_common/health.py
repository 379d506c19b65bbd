"""Readiness checks: a name, a coroutine, a time-out; all of them run in parallel."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tornado.gen import multi

from .problems import Problem


@dataclass(frozen=True, slots=True)
class Check:
    """Something a service needs: ``probe`` returns when it is there and raises when it is not.

    What is not ``required`` is reported, but does not make the service unready: it answers without.
    """

    name: str
    probe: Callable[[], Awaitable[object]]
    timeout: float = 1.0
    required: bool = True


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What came of one check. ``error`` is empty when it passed, and never has a driver's text in it."""

    error: str
    seconds: float
    required: bool = True

    @property
    def ok(self) -> bool:
        """Whether the check passed."""
        return not self.error


async def run_checks(checks: Sequence[Check]) -> dict[str, CheckResult]:
    """Run every check at once; no check raises or takes longer than its time-out."""
    results: dict[str, CheckResult] = await multi({check.name: _run(check) for check in checks})
    return results


async def _run(check: Check) -> CheckResult:
    start = time.perf_counter()
    try:
        async with asyncio.timeout(check.timeout):
            await check.probe()
        error = ""
    except TimeoutError:
        error = f"no answer within {check.timeout:g} s"
    except Problem as problem:
        error = problem.detail or problem.title or "failed"
    except Exception as exception:  # whatever a driver raises means "not ready"; its text may hold an address
        error = type(exception).__name__
    return CheckResult(error, time.perf_counter() - start, check.required)
