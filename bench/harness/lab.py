"""What a benchmark is, and what it is given: servers that run, rounds that are interleaved, progress."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rich.progress import Progress, TaskID

from .load import Load, measure, measure_at
from .results import Contender, Figures, Goal, Table, compare_table, figure
from .servers import PEERS, Running, Server, running

WARM_SECONDS = 1


@dataclass(frozen=True)
class Bench:
    """A benchmark: its name, its title, the packages of its peers (from PyPI), and what it does."""

    name: str
    title: str
    packages: tuple[str, ...]
    run: Callable[[Lab], Iterator[Table]]


@dataclass
class Lab:
    """The settings of a run, and what its scenarios have in common."""

    folder: Path
    """A temporary folder."""
    peers: str
    """The peers' Python; empty when it could not be made."""
    progress: Progress
    task: TaskID
    rounds: int = 5
    seconds: float = 3
    connections: int = 32
    quick: bool = False
    full: bool = False
    notes: list[str] = field(default_factory=list)
    """What was left out, and why."""
    rates: dict[str, float] = field(default_factory=dict)
    """Units per second of each server, as ``compare`` last found them."""

    def say(self, text: str) -> None:
        """Show what is being done."""
        self.progress.update(self.task, description=text)

    def start(self, stack: ExitStack, servers: Sequence[Server]) -> dict[str, Running]:
        """Run those servers that can run until the stack is closed; what is missing becomes a note."""
        found = {}
        for server in servers:
            if server.needs and shutil.which(server.needs) is None:
                self.notes.append(
                    f"Left out: {server.name} (the Debian package `{server.needs}` is missing)."
                )
            elif PEERS in server.command and not self.peers:
                self.notes.append(f"Left out: {server.name} (its packages could not be installed).")
            else:
                self.say(f"starting {server.name}")
                found[server.name] = stack.enter_context(running(server, self.peers))
        return found

    def compare(
        self,
        title: str,
        contenders: Sequence[Contender],
        goals: Sequence[Goal] = (),
        *,
        unit: str = "request",
        connections: int = 0,
        notes: Sequence[str] = (),
    ) -> Table:
        """Ask each in turn, round after round; the first is ours."""
        connections = connections or self.connections
        self.say(f"{title}: warming up")
        for one in contenders:
            measure(one.server, one.requests, WARM_SECONDS, connections)
        loads: dict[str, list[Load]] = {one.name: [] for one in contenders}
        for one in self._turns(title, contenders):
            loads[one.name].append(measure(one.server, one.requests, self.seconds, connections))
        figures = {one.name: Figures.of(loads[one.name], one.each) for one in contenders}
        self.rates = {name: median(found.rate) for name, found in figures.items()}
        return compare_table(title, figures, goals, unit=unit, notes=notes)

    def at_half_rate(self, title: str, contenders: Sequence[Contender]) -> Table:
        """Latencies at half of the rate that ``compare`` found for each, medians over the rounds."""
        loads: dict[str, list[Load]] = {one.name: [] for one in contenders}
        for one in self._turns(title, contenders):
            rate = self.rates[one.name] / one.each / 2
            loads[one.name].append(measure_at(rate, one.server, one.requests, self.seconds, self.connections))
        rows = []
        for name, found in loads.items():
            asked, figures = figure(self.rates[name] / 2), Figures.of(found)
            latencies = (figures.p50_ms, figures.p99_ms, figures.p999_ms)
            rows.append((name, asked, *(figure(median(each)) for each in (figures.rate, *latencies))))
        columns = ("server", "asked/s", "answered/s", "p50 ms", "p99 ms", "p99.9 ms")
        notes = ("A latency counts from when the request was due; each is the median over the rounds.",)
        return Table(title, columns, tuple(rows), notes)

    def _turns(self, title: str, contenders: Sequence[Contender]) -> Iterator[Contender]:
        self.progress.update(self.task, total=self.rounds * len(contenders), completed=0)
        for number in range(1, self.rounds + 1):
            # Every other round goes backwards, so that no one is always behind the same other
            for one in contenders if number % 2 else reversed(contenders):
                self.say(f"{title}: round {number} of {self.rounds}, {one.name}")
                yield one
                self.progress.advance(self.task)
