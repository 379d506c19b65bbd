"""An import while its body arrives: documents go to MongoDB in batches, failures to the client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from svc_common import Problem

from ..imports import MOST_BATCH_BYTES, MOST_BATCH_ITEMS, failure_line, read_item
from ..splitting import Splitter
from ..store import Bulk, Failure, Item, Mode

Tell = Callable[[dict[str, Any]], None]


@dataclass
class Import:
    """One import. ``tell`` gets a line for each of the first ``most_told`` failures."""

    bulk: Bulk
    collection: str
    splitter: Splitter
    mode: Mode
    ordered: bool
    tell: Tell
    most_told: int
    received: int = 0
    inserted: int = 0
    replaced: int = 0
    failed: int = 0
    stopped: bool = False
    _batch: list[Item] = field(default_factory=list)
    _batch_bytes: int = 0
    _writing: asyncio.Task[None] | None = None
    _refusal: Problem | None = None

    async def feed(self, data: bytes) -> None:
        """Take a piece of the body; returns when there is room for the next."""
        if self.stopped:
            return
        try:
            texts = self.splitter.feed(data)
        except Problem as problem:
            await self._break_off(problem)
            return
        await self._take(texts)

    async def end(self) -> dict[str, Any]:
        """The body is complete; returns the summary."""
        if not self.stopped:
            try:
                texts = self.splitter.end()
            except Problem as problem:
                await self._break_off(problem)
            else:
                await self._take(texts)
                await self._write()
        await self._written()
        return {
            "received": self.received,
            "inserted": self.inserted,
            "replaced": self.replaced,
            "failed": self.failed,
            "complete": not self.stopped,
        }

    async def _take(self, texts: list[bytes]) -> None:
        for text in texts:
            if self.stopped:
                return
            self.received += 1
            try:
                name, content = read_item(text, named=self.mode != "insert")
            except Problem as problem:
                await self._fail_item(problem)
                continue
            self._batch.append(Item(self.received, name, content))
            self._batch_bytes += len(text)
            if len(self._batch) >= MOST_BATCH_ITEMS or self._batch_bytes >= MOST_BATCH_BYTES:
                await self._write()

    async def _fail_item(self, problem: Problem) -> None:
        position = self.received
        if self.ordered:
            await self._write()  # what came before it is stored first
            await self._written()
        if not self.stopped:
            self._report([Failure(position, None, problem)])
            self.stopped = self.ordered

    async def _break_off(self, problem: Problem) -> None:
        """The body cannot be understood from here on."""
        await self._write()
        await self._written()
        if not self.stopped:
            self._report([Failure(self.received + 1, None, problem)])
            self.stopped = True

    async def _write(self) -> None:
        """Hand the batch over; the next one is read while MongoDB writes it."""
        await self._written()
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        if batch and not self.stopped:
            self._writing = asyncio.create_task(self._write_batch(batch))

    async def _written(self) -> None:
        """Wait for the batch that MongoDB is writing."""
        if self._writing is not None:
            await self._writing
            self._writing = None
        if self._refusal is not None:
            raise self._refusal

    async def _write_batch(self, batch: list[Item]) -> None:
        try:
            outcome = await self.bulk.write(self.collection, batch, self.mode, ordered=self.ordered)
        except Problem as problem:
            self.stopped = True
            if self.inserted or self.replaced or self.failed:
                self._report([Failure(batch[0].position, None, problem)])
            else:
                self._refusal = problem  # nothing was told yet, so the whole request can fail
            return
        self.inserted += outcome.inserted
        self.replaced += outcome.replaced
        self._report(outcome.failures)
        self.stopped = self.stopped or (self.ordered and bool(outcome.failures))

    def _report(self, failures: list[Failure]) -> None:
        for failure in failures:
            self.failed += 1
            if self.failed <= self.most_told:
                self.tell(failure_line(failure.position, failure.name, failure.problem))
