"""Pure parts behind the parser: hints, remembered plans, views' columns, what a listener has seen."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_svc.plan import hints
from pg_svc.plan.hints import STRICT_SCORE, nearest
from pg_svc.plan.memo import PlanMemo
from pg_svc.request.api import Address
from pg_svc.schema.model import Name
from pg_svc.schema.views import column_origins, resolve_origins
from pg_svc.watch.follower import Follower
from pg_svc.watch.hub import Watchers
from pg_svc.watch.log import WatchLog


def test_hints() -> None:
    known = ["films", "directors", "technical_specs"]
    assert nearest("film", known, least=STRICT_SCORE) == "films"
    assert nearest("FILMS", known) == "films"
    assert nearest("films", known, exact=False) is None
    assert nearest("something else", known, least=STRICT_SCORE) is None
    assert nearest("", known) is None
    assert nearest("films", []) is None


def test_a_hint_compares_names_of_like_lengths_only(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []
    distance = hints._distance

    def counted(first: str, second: str) -> int:
        compared.append((first, second))
        return distance(first, second)

    monkeypatch.setattr(hints, "_distance", counted)
    known = ["films", "directors"]
    assert nearest("films" * 5000, known) is None
    assert compared == []
    assert nearest("direktor", known) == "directors"
    assert compared == [("direktor", "directors")]


def test_only_short_reads_are_remembered() -> None:
    memo, table = PlanMemo(), Address("table", "a")
    assert memo.key("POST", table, "", {}) is None
    assert memo.key("QUERY", table, "", {}) is None
    assert memo.key("GET", table, "a=eq." + "x" * 2000, {}) is None
    keys = {
        memo.key("GET", table, "", {}),
        memo.key("HEAD", table, "", {}),
        memo.key("GET", table, "a=eq.1", {}),
        memo.key("GET", Address("function", "a"), "", {}),
        *(
            memo.key("GET", table, "", {name: "x"})
            for name in ("accept", "accept-profile", "content-type", "prefer", "range")
        ),
    }
    assert len(keys) == 9
    assert memo.key("GET", table, "", {"authorization": "x"}) in keys  # who asks is not part of a plan


def test_the_columns_of_views() -> None:
    entry = "{TARGETENTRY :expr %s :resno %d :resname x :resorigtbl %d :resorigcol %d :resjunk false}"
    nested = entry % ("{VAR :a 1}", 1, 99, 9)
    tree = (
        "({QUERY :commandType 1 :rtable ({RTE :subquery {QUERY :targetList (" + nested + ")}}) :targetList ("
        + entry % ("{VAR :varno 1}", 1, 10, 2)
        + entry % ("{FUNCEXPR :args ({CONST :x 1})}", 2, 0, 0)
        + entry % ("{VAR :name a\\ b\\)}", 3, 11, 1)
        + ") :override 0})"
    )  # fmt: skip
    assert column_origins(tree) == {1: (10, 2), 3: (11, 1)}
    assert resolve_origins({1: {1: (2, 1)}, 2: {1: (10, 2)}, 3: {1: (3, 1)}}) == {
        1: {1: [(2, 1), (10, 2)]},
        2: {1: [(10, 2)]},
        3: {1: []},
    }


ROWS = st.dictionaries(st.integers(0, 9), st.text(max_size=3))


@given(st.lists(ROWS, min_size=1, max_size=6))
def test_a_listener_who_applies_the_events_has_the_rows(states: list[dict[int, str]]) -> None:
    log = WatchLog(changes=100, gone_rows=100)
    follower = Follower(["id"], log, b"owner")
    texts = [[orjson.dumps({"id": k, "v": v}).decode() for k, v in state.items()] for state in states]
    (first,) = follower.first(texts[0], None)
    mine = {row["id"]: row["v"] for row in orjson.loads(first.data)}
    tags = {first.id: states[0]}
    for state, text in zip(states[1:], texts[1:], strict=True):
        events = follower.later(text)
        for event in events:
            data = orjson.loads(event.data)
            if event.event == "removed":
                del mine[data["id"]]
            else:
                mine[data["id"]] = data["v"]
        assert mine == state
        if events:
            assert [event.id for event in events[:-1]] == [None] * (len(events) - 1)
            assert tags.setdefault(events[-1].id, state) == state
    follower.leave()
    for tag, state in reversed(tags.items()):  # whoever comes back after any of the events, too
        again = Follower(["id"], log, b"owner")
        mine = dict(state)
        for event in again.first(texts[-1], tag):
            data = orjson.loads(event.data)
            if event.event == "removed":
                del mine[data["id"]]
            else:
                assert event.event == "changed"
                mine[data["id"]] = data["v"]
        assert mine == states[-1]
        again.leave()
    unknown = Follower(["id"], log, b"owner").first(texts[-1], "unknown")
    assert [event.event for event in unknown] == ["reset", "rows"]


def test_only_those_who_follow_a_table_are_told() -> None:
    watchers = Watchers(WatchLog(changes=0, gone_rows=0))
    films, books = Name("a", "films"), Name("a", "books")
    with watchers.following([films, books]) as both, watchers.following([books]) as one:
        watchers.tell('["a", "films"]')
        assert (both.is_set(), one.is_set()) == (True, False)
        for nonsense in ("", "x", "[]", "{}", "1", '["a"]', '["a", ["films"]]', "[1, 2]", '"ab"'):
            watchers.tell(nonsense)
        assert not one.is_set()
        watchers.tell_all()
        assert one.is_set()
    watchers.tell('["a", "films"]')
