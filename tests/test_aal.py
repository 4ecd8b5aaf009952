"""An average annual loss is what a loop over all periods gives, those without an event too."""

from __future__ import annotations

import io
import math
import struct
from pathlib import Path
from typing import Any

import pytest

import evstream
import results_oracle as oracle
from evstream import CorruptStreamError, EvstreamError, WithoutPeriodWarning
from evstream.results import period_losses
from evstream.results.average import normal_quantile, subsets
from result_cases import (
    OCCURRENCES,
    PERIODS,
    SAMPLES,
    WEIGHTS,
    is_close,
    made_blocks,
    occurrence_file,
    period_file,
    rows_of,
    stream_of,
)
from support import run_main

BLOCKS = [block for block in made_blocks() if block[0][0] not in (6, 9)]
"""Those of events that are in a period."""


def aal(folder: Path, table: str = "aal", blocks: Any = BLOCKS, **options: Any) -> Any:
    source = io.BytesIO(stream_of(blocks, options.pop("samples", SAMPLES)))
    return rows_of(evstream.aal(source, occurrence_file(folder), table, **options))


def test_means_and_deviations_count_all_periods(tmp_path: Path):
    expected = oracle.aal(BLOCKS, OCCURRENCES, PERIODS, SAMPLES)
    assert is_close(aal(tmp_path), expected)
    assert {row[0] for row in expected} == {2, 3, 7}


def test_periods_have_weights(tmp_path: Path):
    expected = oracle.aal(BLOCKS, OCCURRENCES, PERIODS, SAMPLES, WEIGHTS)
    assert is_close(aal(tmp_path, periods=period_file(tmp_path)), expected)
    assert is_close(aal(tmp_path, periods=WEIGHTS), expected)


def test_means_alone_are_in_the_order_of_summaries(tmp_path: Path):
    expected = sorted(row[:3] for row in oracle.aal(BLOCKS, OCCURRENCES, PERIODS, SAMPLES))
    assert is_close(aal(tmp_path, "aalmeanonly"), expected)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_convergence_is_of_subsets_of_samples(tmp_path: Path, weights: Any):
    expected = oracle.alct(BLOCKS, OCCURRENCES, PERIODS, SAMPLES, weights)
    assert is_close(aal(tmp_path, "alct", periods=weights), expected)


def test_subsets_are_each_twice_the_one_before():
    assert subsets(0) == []
    assert subsets(1) == [(1, 2)]
    assert subsets(3) == [(1, 2), (2, 4), (1, 4)]
    assert subsets(10) == [(1, 2), (2, 4), (4, 8), (1, 11)]


def test_confidence_is_of_the_normal_distribution(tmp_path: Path):
    """The approximation is off by less than 4.5e-4."""
    for level, exact in ((0.9, 1.644854), (0.95, 1.959964), (0.99, 2.575829)):
        assert abs(normal_quantile((1 + level) / 2) - exact) < 4.5e-4
    expected = oracle.alct(BLOCKS, OCCURRENCES, PERIODS, SAMPLES, z=normal_quantile(0.95))
    assert is_close(aal(tmp_path, "alct", confidence=0.9), expected)


def test_without_samples_there_is_the_analytical_mean(tmp_path: Path):
    blocks: list[oracle.Block] = [((1, 2, 10.0), [(-1, 4.0)])]
    found = aal(tmp_path, blocks=blocks, samples=0)
    assert is_close(found, oracle.aal(blocks, OCCURRENCES, PERIODS, 0))
    assert aal(tmp_path, "alct", blocks=blocks, samples=0) == []


def test_one_period_has_no_deviation(tmp_path: Path):
    file = occurrence_file(tmp_path, [(1, 1)], 1)
    data = stream_of([((1, 2, 10.0), [(-1, 4.0), (1, 3.0)])], 1)
    rows = rows_of(evstream.aal(io.BytesIO(data), file))
    assert [row[:3] for row in rows] == [(2, 1, 4.0), (2, 2, 3.0)]
    assert all(math.isnan(row[3]) for row in rows)


def test_occurrences_with_minutes_are_the_same(tmp_path: Path):
    file = occurrence_file(tmp_path, minutes=True)
    table = evstream.aal(io.BytesIO(stream_of(BLOCKS)), file)
    assert rows_of(table) == aal(tmp_path)


def test_events_in_no_period_are_counted(tmp_path: Path):
    blocks = made_blocks()
    file = occurrence_file(tmp_path)
    with pytest.warns(WithoutPeriodWarning, match=r"2 events are in no period of .*: 6, 9$"):
        table = evstream.aal(io.BytesIO(stream_of(blocks)), file)
    assert table.events_without_period == 2
    assert is_close(rows_of(table), oracle.aal(blocks, OCCURRENCES, PERIODS, SAMPLES))


def test_a_warning_about_several_files_says_how_many(tmp_path: Path):
    file = occurrence_file(tmp_path)
    for name in ("a.bin", "b.bin", "c.bin"):
        (tmp_path / name).write_bytes(stream_of(made_blocks()))
    for make in (evstream.aal, evstream.report):
        with pytest.warns(WithoutPeriodWarning, match=r"a\.bin and 2 more files: 2 events are"):
            make(sorted(tmp_path.glob("?.bin")), occurrence=file)


@pytest.mark.parametrize("threads", [1, 3])
def test_files_make_one_table(tmp_path: Path, threads: int):
    """An event of the second file is in a period of the first, whatever the order."""
    for number in range(4):
        part = stream_of([block for block in BLOCKS if block[0][0] % 4 == number])
        (tmp_path / f"{number}.sum.bin").write_bytes(part)
    file = occurrence_file(tmp_path)
    table = evstream.aal(str(tmp_path / "*.sum.bin"), file, threads=threads)
    assert rows_of(table) == aal(tmp_path)


@pytest.mark.parametrize("threads", [1, 3])
def test_parts_make_one_table(tmp_path: Path, threads: int):
    """A summary stream is cut where its index says."""
    path, file = tmp_path / "s.bin", occurrence_file(tmp_path)
    path.write_bytes(stream_of(BLOCKS))
    evstream.build_index(path)
    parts = evstream.parts(path, size=300)
    assert len(parts) > 3
    assert rows_of(evstream.aal(parts, file, threads=threads)) == aal(tmp_path)
    melt = rows_of(evstream.elt(parts, rates={1: 1.0}, threads=threads))
    assert is_close(melt, oracle.melt(BLOCKS, SAMPLES, {1: 1.0}))


def test_an_event_in_very_many_periods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """More than are worked on at once."""
    monkeypatch.setattr(period_losses, "_PAIRS", 3)
    assert is_close(aal(tmp_path), oracle.aal(BLOCKS, OCCURRENCES, PERIODS, SAMPLES))


def test_many_summaries_make_the_table_grow(tmp_path: Path):
    blocks: list[oracle.Block] = [
        ((event, summary, 1.0), [(-1, 1.0), (1, float(summary))])
        for event in (1, 2) for summary in range(1, 1500)
    ]  # fmt: skip
    found = aal(tmp_path, blocks=blocks, samples=1)
    means = {row[0]: row[2] for row in found if row[1] == 2}
    assert means == {summary: summary * 3 / PERIODS for summary in range(1, 1500)}


def test_a_table_larger_than_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(period_losses, "_memory", lambda: 100)
    with pytest.raises(EvstreamError, match="pairs of summary and period with 6 samples each take"):
        aal(tmp_path)


def test_a_stream_without_blocks_gives_no_rows(tmp_path: Path):
    for table in ("aal", "aalmeanonly", "alct"):
        assert aal(tmp_path, table, blocks=[]) == []


@pytest.mark.parametrize("sidx", [-1, 2])
def test_a_loss_that_is_nan_is_refused(tmp_path: Path, sidx: int):
    blocks = [*BLOCKS, ((8, 9, 1.0), [(sidx, math.nan)])]
    with pytest.raises(
        CorruptStreamError, match=f"event_id 8, summary_id 9: the loss of sidx {sidx}"
    ):
        aal(tmp_path, blocks=blocks)


@pytest.mark.parametrize(
    ("periods", "problem"),
    [
        (WEIGHTS[:-1], "there are 7 periods, expected 8, as in .*occurrence.bin"),
        ([*WEIGHTS[:-1], -1], "the weight of period 8 is -1, expected a number from 0"),
        ([*WEIGHTS[:-1], math.nan], "the weight of period 8 is nan"),
    ],
)
def test_periods_that_do_not_fit_are_refused(tmp_path: Path, periods: Any, problem: str):
    with pytest.raises(EvstreamError, match=problem):
        aal(tmp_path, periods=periods)
    with pytest.raises(EvstreamError, match=rf"periods\.bin: {problem}"):
        aal(tmp_path, periods=period_file(tmp_path, periods))


def test_a_period_beyond_the_last_is_refused(tmp_path: Path):
    for wrong in (0, 9, -1):
        file = occurrence_file(tmp_path, [(1, 1), (4, wrong)])
        with pytest.raises(
            EvstreamError, match=f"event_id 4: the period is {wrong}, expected 1 to 8"
        ):
            evstream.aal(io.BytesIO(stream_of(BLOCKS)), file)


def test_an_occurrence_file_that_is_cut_is_refused(tmp_path: Path):
    file = occurrence_file(tmp_path)
    whole = file.read_bytes()
    for size in (0, 5, len(whole) - 3):
        file.write_bytes(whole[:size])
        with pytest.raises(EvstreamError, match=r"occurrence\.bin: .*cut|occurrence\.bin: .*ends"):
            evstream.aal(io.BytesIO(stream_of(BLOCKS)), file)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"table": "elt"}, "table is 'elt', expected aal, aalmeanonly, alct"),
        ({"confidence": 1}, "confidence is 1, expected a number between 0 and 1"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, options: dict[str, Any], problem: str):
    with pytest.raises(ValueError, match=problem):
        aal(tmp_path, **options)


def test_the_command_prints_the_table(tmp_path: Path):
    (tmp_path / "s.bin").write_bytes(stream_of(made_blocks()))
    periods = ["--occurrence", occurrence_file(tmp_path), "--periods", period_file(tmp_path)]
    done = run_main("aal", tmp_path / "s.bin", *periods)
    title, *lines = done.stdout.decode().splitlines()
    assert title == "SummaryId,SampleType,MeanLoss,SDLoss"
    found = [tuple(map(float, line.split(","))) for line in lines]
    assert is_close(found, oracle.aal(made_blocks(), OCCURRENCES, PERIODS, SAMPLES, WEIGHTS))
    assert done.returncode == 0
    assert b"warning" in done.stderr
    assert b"2 events are in no period" in done.stderr


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("aal", "occurrence"), ("ept", "periods"), ("ept", "return-periods"), ("elt", "rates"),
        ("elt", "quantiles"), ("report", "occurrence"), ("report", "return-periods"),
    ],
)  # fmt: skip
def test_an_output_overwrites_no_side_file(tmp_path: Path, command: str, option: str):
    summary, side = tmp_path / "summary.bin", tmp_path / "side.bin"
    summary.write_bytes(stream_of(made_blocks()))
    files = {"occurrence": occurrence_file(tmp_path, [(event, 1) for event in range(1, 10)])}
    if command == "elt":
        files = {"table": "qelt"} if option == "quantiles" else {}
    before = {
        "occurrence": (tmp_path / "occurrence.bin").read_bytes(),
        "periods": b"".join(struct.pack("<id", n + 1, 1 / PERIODS) for n in range(PERIODS)),
        "return-periods": struct.pack("<i", 5),
        "rates": b"event_id,rate\n1,0.5\n",
        "quantiles": struct.pack("<f", 0.5),
    }[option]
    side.write_bytes(before)
    named = [f"--{name}={file}" for name, file in {**files, option: side}.items()]
    done = run_main(command, summary, *named, "-o", side)
    assert (done.returncode, side.read_bytes()) == (2, before)
    assert b"side.bin: the output would overwrite this input" in done.stderr
