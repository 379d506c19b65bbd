"""Medians, ratios and verdicts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.harness import Goal, Table, compare_table
from bench.harness.report import section, write_section
from bench.harness.results import Figures, figure

OURS = Figures((10.0, 30.0, 20.0), (100.0, 90.0, 110.0))
PEER = Figures((40.0, 50.0, 60.0), (40.0, 50.0, 60.0))


def test_rows_have_medians_spread_and_how_many_times_better_ours_is() -> None:
    ours, peer = compare_table("t", {"ours": OURS, "peer": PEER}).rows
    assert ours == ("ours", "20.0", "10.0–30.0", "1.00", "100", "90.0–110", "1.00", "–", "–")
    assert peer == ("peer", "50.0", "40.0–60.0", "2.50", "50.0", "40.0–60.0", "2.00", "–", "–")


@pytest.mark.parametrize(
    ("factor", "verdict"), [(2.0, "**met**"), (2.2, "**met by CPU time only**"), (2.6, "**not met**")]
)
def test_a_goal_is_judged_by_both_measures(factor: float, verdict: str) -> None:
    table = compare_table("t", {"ours": OURS, "peer": PEER}, [Goal("peer", factor)])
    assert table.notes[0].endswith(f"2.50 by CPU time and 2.00 by rate: {verdict}.")


def test_a_goal_for_a_peer_that_was_left_out_is_not_judged() -> None:
    assert compare_table("t", {"ours": OURS}, [Goal("peer", 2)]).notes == ()


def test_a_section_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    file, order = tmp_path / "results.md", ["A", "B"]
    table = Table("t", ("server", "n"), (("ours", "1"),), ("a note",))
    write_section(file, section("B", [table], ["old"]), order)
    write_section(file, section("A", [table], ["first"]), order)
    write_section(file, section("B", [table], ["new"]), order)
    text = file.read_text()
    assert text.index("## A") < text.index("## B")
    assert "- new" in text
    assert "- old" not in text
    assert "| server | n |\n| --- | --: |\n| ours | 1 |" in text


def test_figures_have_about_three_digits() -> None:
    assert [figure(value) for value in (1234.5, 99.95, 12.34, 1.234)] == ["1,234", "100.0", "12.3", "1.23"]
