"""Charts drawn beside the event loop, one at a time, and kept for those who ask again."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from cachetools import LRUCache

from svc_common import Unavailable

from ..keeping.flights import Flights
from .chart import Chart, draw

_KEPT = 256
_MOST_WAITING = 32


class ChartPool:
    """One thread that draws, so that pictures never take more than one core from those who want text."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="charts")
        self._pictures: LRUCache[str, bytes] = LRUCache(_KEPT)
        self._flights: Flights[bytes] = Flights()
        self._waiting = 0

    async def picture(self, key: str, chart: Chart, *, png: bool) -> bytes:
        """The picture of a chart; ``key`` names all that it depends on.

        Unavailable when too many are waiting to be drawn.
        """
        known = self._pictures.get(key)
        if known is not None:
            return known
        return await asyncio.shield(self._flights.join(key, lambda: self._drawn(key, chart, png)))

    async def _drawn(self, key: str, chart: Chart, png: bool) -> bytes:
        if self._waiting >= _MOST_WAITING:
            raise Unavailable("Too many charts are being drawn; try again soon.")
        self._waiting += 1
        try:
            picture = await asyncio.get_running_loop().run_in_executor(
                self._thread, partial(draw, chart, png=png)
            )
        finally:
            self._waiting -= 1
        self._pictures[key] = picture
        return picture

    def close(self) -> None:
        """End the thread when it has drawn what it is at."""
        self._thread.shutdown(wait=True, cancel_futures=True)
