"""The sliding window: in no stretch of its length are there more calls than its limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from weather_svc.budget import Budget, Window

ROUNDING = 1e-9


@given(
    limit=st.integers(1, 20),
    pauses=st.lists(st.floats(0, 5, allow_nan=False), max_size=200),
)
def test_never_more_than_the_limit_in_any_window(limit: int, pauses: list[float]) -> None:
    window, now = Window(limit, seconds=10.0), 0.0
    granted: list[float] = []
    for pause in pauses:
        now += pause
        wait = window.take(now)
        if wait == 0:
            granted.append(now)
        else:
            assert 0 < wait <= 10 + ROUNDING
    for moment in granted:
        assert sum(moment <= other < moment + 10 - ROUNDING for other in granted) <= limit


@given(st.integers(1, 50))
def test_a_call_is_granted_after_the_wait(limit: int) -> None:
    window = Window(limit, seconds=60.0)
    assert [window.take(100.0) for _ in range(limit)] == [0.0] * limit
    wait = window.take(130.0)
    assert wait == 30.0
    assert window.take(130.0 + wait) == 0.0


def test_a_wait_is_never_rounded_to_a_grant() -> None:
    called, now = 483.80526635376197, 544.8052663537619
    assert called > now - 61.0  # still in the window,
    assert called + 61.0 - now == 0.0  # with nothing left to wait for
    window = Window(1, seconds=61.0)
    assert window.take(called) == 0.0
    assert window.take(now) > 0


class Common:
    """Answers as it is told, in turn."""

    def __init__(self, *answers: float | None) -> None:
        self.answers = list(answers)

    async def take(self, name: str, limit: int, window: float) -> float | None:
        return self.answers.pop(0)


async def test_the_common_count_decides_while_there_is_one() -> None:
    budget = Budget("x", 10, 2, Common(0.0, 0.0, 0.0, 7.5))
    assert [await budget.take() for _ in range(4)] == [0.0, 0.0, 0.0, 7.5]


async def test_without_it_there_is_a_share() -> None:
    budget = Budget("x", 10, 2, Common(None, None))
    assert await budget.take() == 0.0
    assert await budget.take() > 0


async def test_where_nothing_is_shared_each_has_an_equal_part() -> None:
    budget = Budget("x", 10, 2, None)
    assert [await budget.take() == 0.0 for _ in range(6)] == [True] * 5 + [False]


async def test_a_single_process_has_it_all_whoever_counts() -> None:
    budget = Budget("x", 3, 1, Common(0.0, None, 0.0, 0.0))
    assert [await budget.take() == 0.0 for _ in range(4)] == [True, True, True, False]
