"""How the benchmarks compare: ratios, their spread, noise. Nothing here depends on a time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import measure, simulate
from benchmarks.measure import Fact, Measure, Probe, Race, Result, table


def test_a_ratio_has_its_spread_over_the_rounds():
    seconds = {"evstream": [1.0, 2.0, 1.0], "C": [2.0, 3.0, 0.5]}
    result = Result("decode", 2 * 10**9, seconds, {"C": 1.4})
    (row,) = result.rows()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        "decode", "2.00 GB/s", "C", "1.00 GB/s", "1.50x", "0.50 to 2.00", "1.4x", "met",
    ]  # fmt: skip
    assert result.to_json()["ratio_spread"] == {"C": [0.5, 2.0]}


def test_a_speed_per_core_has_its_own_row():
    result = Result("seal", 10**9, {"evstream": [1.0, 0.5], "read": [0.1, 0.1]}, speed=2, cpu=True)
    own, peer = result.rows()
    assert "| 1.33 GB/CPU-s | | | | 1.00 to 2.00 | 2 GB/CPU-s | **missed** |" in own
    assert "| read |" in peer
    cost = Result("count", 10**9, {"evstream": [0.5], "duckdb": [2.0]}, cpu=True, cost=True)
    assert "| 0.50 CPU-s/GB | duckdb | 2.00 CPU-s/GB | 4.00x |" in cost.rows()[0]


def test_rows_of_a_noisy_machine_are_marked():
    assert "| info (noisy) |" in Result("info", 1, {"evstream": [1.0]}, noise=1.5).rows()[0]
    assert "(noisy)" not in Fact("info", 1.0, "s").row()
    probe = Probe()
    probe.least, probe.times = 1.0, [1.0, 1.0, 1.5, 2.0]
    assert probe.is_noisy
    assert "more than 1.15 times in 50%" in probe.verdict()
    probe.times = [1.0, 1.1, 1.0, 1.0]
    assert not probe.is_noisy


def test_the_load_before_the_first_case_is_reported(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(measure.os, "getloadavg", lambda: (3.0, 0.0, 0.0))
    assert "the load is 3.0" in (measure.busy_at_start() or "")
    monkeypatch.setattr(measure.os, "getloadavg", lambda: (0.1, 9.0, 9.0))
    assert measure.busy_at_start() is None


def test_contestants_take_turns_and_the_first_round_is_dropped():
    calls: list[str] = []
    race = Race(
        "turns", 1, {"evstream": lambda: calls.append("a"), "peer": lambda: calls.append("b")},
        {"peer": 1, "absent": 2}, rounds=2, prepare=lambda: calls.append("prepare"),
    )  # fmt: skip
    assert calls == []
    result = race.run()
    assert "".join(calls) == "prepare" + "ab" * 3
    assert [len(taken) for taken in result.seconds.values()] == [2, 2]
    assert result.target == {"peer": 1}
    fact = Measure("fact", "s", lambda: 2.5, 3).run()
    fact.noise = 1.0
    assert fact.row() == "| fact | 2.5 s | 3 s | met |"


def test_the_table_has_races_and_facts():
    lines = table([Fact("memory", 3.0, "MB", 2), Result("read", 0, {"evstream": [1.0]})])
    races, facts = lines.split("\n\n")
    assert races.splitlines()[0].count("|") == races.splitlines()[-1].count("|") == 9
    assert facts.splitlines()[-1] == "| memory | 3 MB | 2 MB | **missed** |"


def test_the_simulation_counts_what_it_assumes():
    cluster = simulate.Cluster(
        workers=10, slow=0, failing=0, dispatch=0, start=0, latency=0, requests=1e12
    )
    size = 10 * simulate.MIB
    whole = simulate.simulate(cluster, 100 * size, size)
    assert (whole.parts, whole.requests) == (100, 900)
    assert whole.seconds == pytest.approx(whole.ideal)
    assert whole.busy == pytest.approx(1)
    giant = simulate.simulate(cluster, 100 * size, size, 50 * size)
    assert giant.parts == 51
    assert giant.seconds == pytest.approx(5 * whole.seconds, rel=0.2)
    few = simulate.replace(cluster, requests=90)
    assert simulate.simulate(few, 100 * size, size).seconds > 9
    assert simulate.simulate(simulate.Cluster(), 1e11, 1e8) == simulate.simulate(
        simulate.Cluster(), 1e11, 1e8
    )


@pytest.mark.parametrize(
    ("mebibytes", "requests"),
    [(0.1, 1), (0.25, 1), (0.5, 2), (7.75, 5), (8, 6), (64, 13), (256, 37)],
)
def test_requests_of_a_part_are_those_of_read_ahead(mebibytes: float, requests: int):
    from evstream.transport.read_ahead import RANGE, SMALLEST

    assert (simulate.RAMP[0], simulate.RANGE) == (SMALLEST, RANGE)
    size = mebibytes * simulate.MIB
    assert simulate.requests_of(size) == simulate.EDGE_REQUESTS + requests


def test_the_page_quotes_the_simulation():
    """Its smallest parts take seconds, so they are left out here."""
    page = (Path(__file__).resolve().parent.parent / "docs/scale.md").read_text()
    rows = simulate.table(simulate.Cluster(), 10e12, smallest=64)
    assert len(rows) == 12
    assert [row for row in rows if row not in page] == []
