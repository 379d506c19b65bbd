"""An upstream behind its guards: budget, circuit breaker, retries, and pauses that it asks for."""

from __future__ import annotations

import time
from datetime import timedelta

import stamina
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

from .budget import Budget
from .upstream import Upstream, UpstreamAnswer, UpstreamError, UpstreamRequest

_LONGEST_PAUSE = timedelta(hours=1).total_seconds()
_FIRST_WAIT = 0.05
_LONGEST_WAIT = 0.5
_JITTER = 0.1


class NotAsked(UpstreamError):
    """The upstream was not asked, to spare it; ``retry_after`` says when it will be again."""


class OverBudget(NotAsked):
    """The upstream's calls for this minute are used up."""


class Guard:
    """One upstream."""

    def __init__(
        self,
        name: str,
        upstream: Upstream,
        budget: Budget,
        *,
        attempts: int,
        failures: int,
        rest: float,
    ) -> None:
        self.name = name
        self._upstream = upstream
        self._budget = budget
        self._attempts = attempts
        self._rest = rest
        self._breakers = AsyncCircuitBreakerFactory(
            default_threshold=failures,
            default_ttl=rest,
            exclude=[(UpstreamError, lambda error: not error.outage)],
        )
        self._paused_until = 0.0

    async def fetch(self, request: UpstreamRequest, *, modified_since: str = "") -> UpstreamAnswer:
        """Ask, and ask again where that may help. Raises UpstreamError."""
        async for attempt in stamina.retry_context(
            on=_may_help,
            attempts=self._attempts,
            timeout=None,
            wait_initial=_FIRST_WAIT,
            wait_max=_LONGEST_WAIT,
            wait_jitter=_JITTER,
        ):
            with attempt:
                return await self._ask(request, modified_since)
        raise AssertionError("a retry context either returns or raises")

    async def available(self) -> None:
        """Raise NotAsked while the upstream is left alone because it fails or asked for it."""
        pause = self._paused_until - time.monotonic()
        if pause > 0:
            raise NotAsked(f"{self.name} asked to be left alone for a while.", retry_after=pause)
        breaker = await self._breakers.get_breaker(self.name)
        try:
            breaker.context.handle_new_request()
        except OpenedState as state:
            state.__traceback__ = None  # the breaker raises this one object again and again
            left = state.opened_at + self._rest - time.time()
            raise NotAsked(f"{self.name} keeps failing.", retry_after=max(left, 0.0)) from None

    async def _ask(self, request: UpstreamRequest, modified_since: str) -> UpstreamAnswer:
        await self.available()
        wait = await self._budget.take()
        if wait > 0:
            raise OverBudget(f"{self.name} has been asked as often as it may be.", retry_after=wait)
        try:
            async with await self._breakers.get_breaker(self.name):
                return await self._upstream.fetch(self.name, request, modified_since=modified_since)
        except OpenedState as state:  # it opened while the budget was asked
            state.__traceback__ = None
            raise NotAsked(f"{self.name} keeps failing.", retry_after=self._rest) from None
        except UpstreamError as error:
            if error.retry_after is not None:
                self._paused_until = time.monotonic() + min(error.retry_after, _LONGEST_PAUSE)
            raise


def _may_help(error: Exception) -> bool:
    return isinstance(error, UpstreamError) and error.transient and error.retry_after is None
