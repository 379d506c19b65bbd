"""What listeners know, without any of them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pg_svc.watch.log import Digests, WatchLog

_ROWS = st.dictionaries(st.sampled_from([b"a", b"b", b"c", b"d"]), st.sampled_from([b"1", b"2", b"3"]))
OWNER = b"ann, her diary"


@settings(deadline=None)
@given(st.lists(_ROWS, min_size=1, max_size=12), st.integers(0, 20))
def test_every_event_that_is_remembered_leads_to_what_was_known_after_it(
    states: list[Digests], most: int
) -> None:
    log = WatchLog(changes=most, gone_rows=100)
    known = log.begin(OWNER, states[0])
    ids = [known.id]
    for state in states[1:]:
        log.learn(known, state)
        ids.append(known.id)
    assert len(set(ids)) == len(ids)
    changes = 0
    for number in reversed(range(len(states))):
        if number + 1 < len(states):
            before, after = states[number], states[number + 1]
            changes += sum(before.get(key) != after.get(key) for key in before.keys() | after.keys())
        found = known.rows_at(number + 1)
        assert found == (states[number] if changes <= most else None)
    log.leave(known)
    again = log.resume(ids[-1], OWNER)
    assert again is not None
    assert again.rows == states[-1]
    for number in range(len(states)):  # and whoever came back may come back to an earlier one
        assert again.rows_at(number + 1) == known.rows_at(number + 1)


def test_a_number_never_stands_for_two_states() -> None:
    log = WatchLog(changes=10, gone_rows=10)
    old = log.begin(OWNER, {b"a": b"1"})
    first = old.id
    log.learn(old, {b"a": b"2"})
    second = old.id
    new = log.resume(first, OWNER)
    assert new is not None
    log.learn(new, {b"a": b"3"})
    assert log.resume(second, OWNER) is None  # that was told to the other
    assert old.id not in (first, second, new.id)
    again = log.resume(first, OWNER)
    assert again is not None
    assert again.rows == {b"a": b"1"}


def test_who_left_first_is_forgotten_first() -> None:
    log = WatchLog(changes=10, gone_rows=4)
    rows = {b"a": b"1", b"b": b"1"}
    listeners = [log.begin(OWNER, rows) for _ in range(3)]
    ids = [listener.id for listener in listeners]
    for listener in listeners:
        log.leave(listener)
    assert [log.resume(one, OWNER) is not None for one in ids] == [False, True, True]


def test_a_listener_with_more_rows_than_are_kept_is_not_kept() -> None:
    log = WatchLog(changes=10, gone_rows=1)
    known = log.begin(OWNER, {b"a": b"1", b"b": b"1"})
    log.leave(known)
    assert log.resume(known.id, OWNER) is None


def test_an_id_is_its_owners() -> None:
    log = WatchLog(changes=10, gone_rows=10)
    known = log.begin(OWNER, {})
    assert log.resume(known.id, b"bob") is None
    for wrong in (
        "",
        ".",
        known.token,
        f"{known.token}.",
        f"{known.token}.-1",
        f"{known.token}.\u00b2",
        "9" * 99,
    ):
        assert log.resume(wrong, OWNER) is None
    assert log.resume(f"{known.token}." + "9" * 5000, OWNER) is None
