"""Finding and cutting the time-outs of commands that wait."""

from __future__ import annotations

import pytest

from redis_svc.blocking import capped


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("BLPOP a b 0", "BLPOP a b 20"),
        ("blpop a 100", "blpop a 20"),
        ("BLPOP a 1.5", "BLPOP a 1.5"),
        ("BZPOPMAX a 0", "BZPOPMAX a 20"),
        ("BLMOVE a b LEFT RIGHT 0", "BLMOVE a b LEFT RIGHT 20"),
        ("BLMPOP 0 1 a LEFT", "BLMPOP 20 1 a LEFT"),
        ("XREAD COUNT 5 BLOCK 0 STREAMS a $", "XREAD COUNT 5 BLOCK 20000 STREAMS a $"),
        ("XREAD BLOCK 100 STREAMS a $", "XREAD BLOCK 100 STREAMS a $"),
        (
            "XREADGROUP GROUP BLOCK c NOACK BLOCK 0 STREAMS a >",
            "XREADGROUP GROUP BLOCK c NOACK BLOCK 20000 STREAMS a >",
        ),
        ("XREAD STREAMS BLOCK 0", "XREAD STREAMS BLOCK 0"),
        ("BLPOP a -1", "BLPOP a -1"),
        ("BLPOP a soon", "BLPOP a soon"),
        ("BLPOP", "BLPOP"),
        ("GET a", "GET a"),
    ],
)
def test_time_outs(command: str, expected: str) -> None:
    assert list(capped(command.encode().split(), 20)) == expected.encode().split()
