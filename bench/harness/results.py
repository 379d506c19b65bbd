"""From loads to tables: medians over the rounds, their spread, ratios, and whether a goal is met."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .load import Load, Request
from .servers import Running


@dataclass(frozen=True)
class Contender:
    """A server and what it is asked. Each counted answer stands for ``each`` units of the table."""

    server: Running
    requests: tuple[Request, ...]
    each: int = 1
    label: str = ""

    @property
    def name(self) -> str:
        """How its row is called."""
        return self.label or self.server.name


@dataclass(frozen=True)
class Goal:
    """Ours is to be at least ``factor`` times as good as the row ``peer``, by ``rate``, ``cpu`` or both."""

    peer: str
    factor: float
    by: tuple[str, ...] = ("cpu", "rate")


@dataclass(frozen=True)
class Table:
    """A table with a title and notes below it. The first column is text, the others are numbers."""

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figures:
    """The rounds of one row, as figures for each unit."""

    cpu_us: tuple[float, ...]
    rate: tuple[float, ...]
    p50_ms: tuple[float, ...] = ()
    p99_ms: tuple[float, ...] = ()
    p999_ms: tuple[float, ...] = field(default=())

    @classmethod
    def of(cls, loads: Sequence[Load], each: int = 1) -> Figures:
        """The figures of some rounds."""
        return cls(
            tuple(load.cpu_us / each for load in loads),
            tuple(load.rate * each for load in loads),
            tuple(load.p50_ms for load in loads),
            tuple(load.p99_ms for load in loads),
            tuple(load.p999_ms for load in loads),
        )


def compare_table(
    title: str,
    found: Mapping[str, Figures],
    goals: Sequence[Goal] = (),
    *,
    unit: str = "request",
    notes: Sequence[str] = (),
) -> Table:
    """The first row is ours; ``×`` says how many times better ours is than the row's."""
    name, ours = next(iter(found.items()))
    columns = (
        *("server", f"CPU µs/{unit}", "spread", "×"),
        *(f"{unit}s/s", "spread", "×", "p50 ms", "p99 ms"),
    )
    rows = []
    for peer, theirs in found.items():
        by_cpu, by_rate = _ratio(theirs.cpu_us, ours.cpu_us), _ratio(ours.rate, theirs.rate)
        rows.append(
            (
                peer,
                *(_number(theirs.cpu_us), _spread(theirs.cpu_us), by_cpu and f"{by_cpu:.2f}"),
                *(_number(theirs.rate), _spread(theirs.rate), by_rate and f"{by_rate:.2f}"),
                *(_number(theirs.p50_ms), _number(theirs.p99_ms)),
            )
        )
    lines = [_judge(goal, name, ours, found[goal.peer]) for goal in goals if goal.peer in found]
    return Table(
        title, columns, tuple(tuple(str(cell or "–") for cell in row) for row in rows), (*lines, *notes)
    )


def _judge(goal: Goal, name: str, ours: Figures, theirs: Figures) -> str:
    ratios = {"cpu": _ratio(theirs.cpu_us, ours.cpu_us), "rate": _ratio(ours.rate, theirs.rate)}
    words = {"cpu": "by CPU time", "rate": "by rate"}
    measured = {by: ratio for by in goal.by if (ratio := ratios[by]) is not None}
    met = [by for by, ratio in measured.items() if ratio >= goal.factor]
    verdict = "met" if len(met) == len(measured) else f"met {words[met[0]]} only" if met else "not met"
    said = " and ".join(f"{ratio:.2f} {words[by]}" for by, ratio in measured.items())
    return f"Goal, {name} at least {goal.factor:g} × {goal.peer}: {said}: **{verdict}**."


def _ratio(above: Sequence[float], below: Sequence[float]) -> float | None:
    if not above or not below or not statistics.median(below):
        return None
    return statistics.median(above) / statistics.median(below)


def _number(values: Sequence[float]) -> str:
    return figure(statistics.median(values)) if any(values) else ""


def _spread(values: Sequence[float]) -> str:
    return f"{figure(min(values))}–{figure(max(values))}" if len(values) > 1 else ""


def figure(value: float) -> str:
    """A number with about three figures."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
