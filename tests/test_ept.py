"""An exceedance curve is what a slow reading of its definitions gives, with and without weights."""

from __future__ import annotations

import io
import math
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import curve_oracle as oracle
import evstream
from evstream import CorruptStreamError, EvstreamError, WithoutPeriodWarning
from evstream.results.curve_kernels import falling, points_of
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
TARGETS = [50.0, 48.0, 40.0, 8.0, 7.0, 6.5, 6.0, 4.0, 3.0, 2.5, 2.0, 1.5, 1.0, 0.0]
"""Above the number of periods, at points, and several between two of them."""

SINGLE = [(event, period) for event, period in enumerate([1, 2, 2, 4, 5, 7, 8, 7, 8], 1)]
"""Each event in one period, so that no two periods have the same loss."""


def different_losses() -> list[Any]:
    """Blocks in which no two losses are equal: with weights, their order would be of no rule."""
    chance = random.Random(5)
    losses = chance.sample(range(1, 4000), 400)
    return [
        ((event, summary, 10.0),
         [(sidx, losses.pop() / 2) for sidx in (-1, 1, 2, 3, 4, 5, 6) if chance.random() < 0.8])
        for event in range(1, 10) for summary in (2, 7)
    ]  # fmt: skip


def ept(folder: Path, blocks: Any = BLOCKS, occurrences: Any = OCCURRENCES, **options: Any) -> Any:
    source = io.BytesIO(stream_of(blocks, options.pop("samples", SAMPLES)))
    return rows_of(evstream.ept(source, occurrence_file(folder, occurrences), **options))


@pytest.mark.parametrize("per_sample", [False, True])
def test_curves_at_return_periods(tmp_path: Path, per_sample: bool):
    options = {"per_sample": per_sample}
    expected = oracle.ept(BLOCKS, OCCURRENCES, PERIODS, SAMPLES, None, TARGETS, **options)
    assert is_close(ept(tmp_path, return_periods=TARGETS, **options), expected)


@pytest.mark.parametrize("per_sample", [False, True])
def test_curves_of_all_points(tmp_path: Path, per_sample: bool):
    """They are of the losses above zero."""
    options = {"per_sample": per_sample}
    expected = oracle.ept(BLOCKS, OCCURRENCES, PERIODS, SAMPLES, **options)
    assert is_close(ept(tmp_path, **options), expected)


@pytest.mark.parametrize("per_sample", [False, True])
@pytest.mark.parametrize("targets", [None, TARGETS])
def test_curves_of_weighted_periods(tmp_path: Path, targets: Any, per_sample: bool):
    blocks = different_losses()
    options = {"per_sample": per_sample}
    expected = oracle.ept(blocks, SINGLE, PERIODS, SAMPLES, WEIGHTS, targets, **options)
    found = ept(tmp_path, blocks, SINGLE, periods=period_file(tmp_path), return_periods=targets,
                **options)  # fmt: skip
    assert is_close(found, expected)


def test_the_table_has_every_kind_and_type(tmp_path: Path):
    found = ept(tmp_path, return_periods=TARGETS)
    assert {row[1:3] for row in found} == {(kind, t) for kind in range(1, 5) for t in range(1, 5)}
    assert {row[0] for row in found} == {2, 3, 7}


def test_a_curve_worked_out_by_hand(tmp_path: Path):
    """Losses of 30, 20 and 5 in 4 periods: exceeded once in 4, 2 and 4/3 years. At 3 years the
    loss is between 30 and 20; the tail is the mean of 30 and 25. Nothing is between 5 and zero."""
    blocks = [((event, 1, 1.0), [(-1, loss)]) for event, loss in ((1, 20.0), (2, 30.0), (3, 5.0))]
    file = occurrence_file(tmp_path, [(1, 1), (2, 2), (3, 4)], 4)
    data = stream_of(blocks, 0)
    table = evstream.ept(io.BytesIO(data), file, return_periods=[5, 4, 3, 2, 1])
    assert [row[1:] for row in rows_of(table)] == [
        (1, 1, 4, 30), (1, 1, 3, 25), (1, 1, 2, 20), (1, 1, 1, 0),
        (1, 2, 4, 30), (1, 2, 3, 27.5), (1, 2, 2, 25), (1, 2, 1, 13.75),
        (1, 3, 4, 30), (1, 3, 3, 25), (1, 3, 2, 20), (1, 3, 1, 0),
        (1, 4, 4, 30), (1, 4, 3, 27.5), (1, 4, 2, 25), (1, 4, 1, 13.75),
    ]  # fmt: skip


def test_zeros_alone_are_a_curve_at_return_periods(tmp_path: Path):
    blocks = [((1, 1, 1.0), [(-1, 0.0), (1, 0.0)])]
    found = ept(tmp_path, blocks, return_periods=[8, 2])
    assert is_close(found, oracle.ept(blocks, OCCURRENCES, PERIODS, SAMPLES, None, [8, 2]))
    assert found
    assert {row[4] for row in found} == {0}
    assert ept(tmp_path, blocks) == []


def test_sums_below_zero_are_losses_at_return_periods(tmp_path: Path):
    blocks = [((event, 1, 1.0), [(-1, -5.0), (1, loss), (2, -loss / 2)])
              for event, loss in ((1, -4.0), (2, 6.0), (3, -8.0), (8, 1.0))]  # fmt: skip
    found = ept(tmp_path, blocks, return_periods=TARGETS)
    assert is_close(found, oracle.ept(blocks, OCCURRENCES, PERIODS, SAMPLES, None, TARGETS))
    assert min(row[4] for row in found) < 0


def test_without_samples_there_are_analytical_curves(tmp_path: Path):
    blocks = [((1, 1, 1.0), [(-1, 3.0)]), ((2, 1, 1.0), [(-1, 9.0)])]
    expected = oracle.ept(blocks, OCCURRENCES, PERIODS, 0, None, TARGETS)
    assert is_close(ept(tmp_path, blocks, samples=0, return_periods=TARGETS), expected)
    assert ept(tmp_path, blocks, samples=0, per_sample=True) == []


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("targets", [None, TARGETS])
def test_files_make_one_table(tmp_path: Path, threads: int, targets: Any):
    """Losses of one period come from several files, zeros and those below zero too."""
    for number in range(4):
        part = stream_of([block for block in BLOCKS if block[0][0] % 4 == number])
        (tmp_path / f"{number}.sum.bin").write_bytes(part)
    file = occurrence_file(tmp_path)
    sources = str(tmp_path / "*.sum.bin")
    table = evstream.ept(sources, file, return_periods=targets, threads=threads)
    assert rows_of(table) == ept(tmp_path, return_periods=targets)


def test_other_special_values_are_no_samples(tmp_path: Path):
    more = [(ids, [*[(sidx, 99.0) for sidx in (-5, -4, -3, -2)],
                   *[entry for entry in entries if entry[0] > -2]])
            for ids, entries in BLOCKS]  # fmt: skip
    assert ept(tmp_path, more, return_periods=TARGETS) == ept(tmp_path, return_periods=TARGETS)


def test_return_periods_come_from_a_file(tmp_path: Path):
    file = tmp_path / "returnperiods.bin"
    file.write_bytes(struct.pack("<3i", 8, 4, 2))
    expected = ept(tmp_path, return_periods=[2, 8, 4])
    assert ept(tmp_path, return_periods=file) == expected
    assert expected


def test_many_zeros_are_passed_in_one_step(tmp_path: Path):
    """A curve of one loss in a million periods, at a return period of 1, 2 and 3."""
    file = occurrence_file(tmp_path, [(1, 1)], 1_000_000)
    data = stream_of([((1, 1, 1.0), [(-1, 600.0)])], 0)
    table = evstream.ept(io.BytesIO(data), file, return_periods=[3, 2, 1])
    tails = [row[4] for row in rows_of(table) if row[2] == 2]
    assert is_close([tuple(tails)], [(600 / 333334, 600 / 500000, 600 / 1000000)])


def test_points_do_not_depend_on_the_zeros_passed():
    """Many return periods in the zeros of a curve: each tail is that of a walk over all ranks."""
    targets = np.array([7.3, 5.0, 3.2, 1.7, 1.1, 1.01, 1.0])
    points, tails = np.empty((2, len(targets)))
    none = np.empty(0)
    points_of(np.array([9.0, 4.0]), none, none, 1000.0, targets, points, tails)
    curve = oracle.Curve([(9.0, 1.0), (4.0, 1.0)], [], 1000.0)
    assert np.allclose(tails, [tail for _, _, tail in curve.at(targets.tolist())])
    assert not points.any()


def test_falling_is_an_order():
    losses = np.array([3.0, 9.0, -1.0, 9.0, 0.0])
    assert losses[falling(losses)].tolist() == [9, 9, 3, 0, -1]


def test_events_in_no_period_are_counted(tmp_path: Path):
    file = occurrence_file(tmp_path)
    with pytest.warns(WithoutPeriodWarning, match=r"2 events are in no period of .*: 6, 9$"):
        table = evstream.ept(io.BytesIO(stream_of(made_blocks())), file, return_periods=TARGETS)
    assert table.events_without_period == 2
    expected = oracle.ept(made_blocks(), OCCURRENCES, PERIODS, SAMPLES, None, TARGETS)
    assert is_close(rows_of(table), expected)


def test_a_loss_that_is_nan_is_refused(tmp_path: Path):
    blocks = [*BLOCKS, ((8, 9, 1.0), [(2, math.nan)])]
    with pytest.raises(CorruptStreamError, match="event_id 8, summary_id 9: the loss of sidx 2"):
        ept(tmp_path, blocks)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([10, -1], "a return period is -1, expected 0 or a number from 1"),
        ([math.nan], "a return period is nan"),
        ([0.5], "a return period is 0.5"),
        ([10, 5, 10], "the return period 10 is there twice"),
        ([], "return_periods has no number"),
    ],
)
def test_wrong_return_periods_are_refused(tmp_path: Path, given: Any, problem: str):
    with pytest.raises(ValueError, match=problem):
        ept(tmp_path, return_periods=given)


def test_samples_that_the_header_announces_take_no_memory(tmp_path: Path):
    blocks = [((1, 1, 1.0), [(-1, 3.0), (2, 5.0)])]
    for samples, loss in ((2, 2.5), (2**31 - 1, 0.0)):
        found = ept(tmp_path, blocks, samples=samples, return_periods=[8])
        assert [row[4] for row in found if row[1:3] == (4, 1)] == [pytest.approx(loss, abs=1e-8)]
    assert len(ept(tmp_path, blocks, samples=2**31 - 1, per_sample=True)) == 4


def test_a_stream_without_blocks_gives_no_rows(tmp_path: Path):
    for per_sample in (False, True):
        assert ept(tmp_path, [], return_periods=TARGETS, per_sample=per_sample) == []


def test_the_command_writes_the_table(tmp_path: Path):
    pytest.importorskip("pyarrow")
    (tmp_path / "s.bin").write_bytes(stream_of(BLOCKS))
    periods = ["--occurrence", occurrence_file(tmp_path), "--return-periods", "8,4,2"]
    done = run_main("ept", tmp_path / "s.bin", *periods)
    title, *lines = done.stdout.decode().splitlines()
    assert title == "SummaryId,EPCalc,EPType,ReturnPeriod,Loss"
    found = [tuple(map(float, line.split(","))) for line in lines]
    assert is_close(found, oracle.ept(BLOCKS, OCCURRENCES, PERIODS, SAMPLES, None, [8, 4, 2]))
    target = tmp_path / "psept.parquet"
    assert (
        run_main("ept", tmp_path / "s.bin", *periods, "--per-sample", "-o", target).returncode == 0
    )
    evstream.convert(target, tmp_path / "psept.bin")
    back = evstream.read_columns(tmp_path / "psept.bin")
    assert set(back["sample_id"].tolist()) == set(range(1, SAMPLES + 1))


def test_the_command_names_files_that_do_not_fit(tmp_path: Path):
    (tmp_path / "s.bin").write_bytes(stream_of(BLOCKS))
    periods = ["--occurrence", occurrence_file(tmp_path), "--periods", period_file(tmp_path, [1.0])]
    done = run_main("ept", tmp_path / "s.bin", *periods)
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert b"periods.bin: there are 1 periods, expected 8, as in" in done.stderr


def test_another_file_is_not_one_of_occurrences(tmp_path: Path):
    with pytest.raises(EvstreamError):
        evstream.ept(io.BytesIO(stream_of(BLOCKS)), period_file(tmp_path))
