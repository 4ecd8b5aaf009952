"""A report has the numbers of the result tables, whatever its stream is read from."""

from __future__ import annotations

import io
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream import CorruptStreamError, EvstreamError, TruncatedStreamError
from evstream.reading.stream import EventStream
from evstream.reporting import event_losses, event_totals
from evstream.reporting.collection import Collection, collect
from evstream.reporting.event_losses import LargestEvents
from evstream.reporting.numbers import event_numbers, histogram
from evstream.results.occurrences import Occurrences
from oracle import encode
from result_cases import (
    OCCURRENCES,
    SAMPLES,
    is_close,
    made_blocks,
    occurrence_file,
    period_file,
    rows_of,
    stream_of,
)

BLOCKS = made_blocks()
YEARS = [8, 4, 2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A summary stream and its occurrences, without events that are in no period."""
    (tmp_path / "summary.bin").write_bytes(stream_of(BLOCKS))
    occurrence_file(tmp_path, [*OCCURRENCES, (6, 4), (9, 6)])
    return tmp_path


def reported(folder: Path, source: Any = None, **options: Any) -> evstream.LossReport:
    source = folder / "summary.bin" if source is None else source
    return evstream.report(source, occurrence=folder / "occurrence.bin", **options)


def collected(source: Any, occurrence: Path | None = None, **options: Any) -> Collection:
    return collect(
        source, None if occurrence is None else Occurrences(occurrence), threads=1,
        **{"validates": False, "stream": None, "widths": None, "strict": None, "timeout": None,
           "progress": None, **options},
    )  # fmt: skip


def by_event(blocks: Any) -> dict[int, np.ndarray[Any, Any]]:
    """The sums of the samples of each event, the slow way; place 0 has the analytical mean."""
    sums: dict[int, np.ndarray[Any, Any]] = defaultdict(lambda: np.zeros(SAMPLES + 1))
    for (event, *_), entries in blocks:
        for sidx, loss in entries:
            if sidx >= -1:
                sums[event][max(sidx, 0)] += loss
    return sums


def expected_largest(blocks: Any, count: int) -> list[tuple[float, ...]]:
    sums = by_event(blocks)
    order = sorted(sums, key=lambda event: (-sums[event][1:].mean(), event))[:count]
    return [
        (event, sums[event][1:].mean(), sums[event][0], sums[event][1:].std(ddof=1),
         *np.quantile(sums[event][1:], [0.05, 0.5, 0.95]))
        for event in order
    ]  # fmt: skip


def rows_of_largest(found: LargestEvents) -> list[tuple[float, ...]]:
    columns = (found.event_id, found.mean, found.analytical, found.sd, *found.quantiles.T)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("weighted", [False, True])
def test_tables_of_a_report_are_the_result_tables(folder: Path, weighted: bool):
    periods = period_file(folder) if weighted else None
    found = reported(folder, return_periods=YEARS, periods=periods)
    path, occurrence = folder / "summary.bin", folder / "occurrence.bin"
    for table, expected in (
        (found.aal, evstream.aal(path, occurrence, periods=periods)),
        (found.alct, evstream.aal(path, occurrence, "alct", periods=periods)),
        (found.ept, evstream.ept(path, occurrence, periods=periods, return_periods=YEARS)),
    ):
        assert table is not None
        assert is_close(rows_of(table), rows_of(expected))


def test_curves_have_points_of_all_that_there_are(folder: Path):
    blocks = [(ids, [(s, abs(loss) + 0.5) for s, loss in entries]) for ids, entries in BLOCKS]
    data = stream_of(blocks)
    found = reported(folder, io.BytesIO(data))._periods
    table = evstream.ept(io.BytesIO(data), folder / "occurrence.bin")
    points = set(rows_of(table))
    assert found is not None
    for summary, calcs in found.curves.items():
        for calc, types in calcs.items():
            for type, (years, losses) in types.items():
                pairs = zip(years.astype("f4").tolist(), losses.astype("f4").tolist(), strict=True)
                shown = {(summary, calc, type, *pair) for pair in pairs}
                assert shown <= points
                assert len(shown) == len(
                    {row for row in points if row[:3] == (summary, calc, type)}
                )


def test_curves_of_weighted_sample_means_are_those_of_the_table(folder: Path):
    """They are defined at return periods alone."""
    periods = period_file(folder)
    found = reported(folder, periods=periods, return_periods=YEARS)
    assert found._periods is not None
    assert found.ept is not None
    rows = [row for row in rows_of(found.ept) if row[1] == 3]
    assert {row[0] for row in rows} == {2, 3, 7}
    shown = [
        (summary, 3, type, year, loss)
        for summary, calcs in found._periods.curves.items()
        for type, points in calcs[3].items()
        for year, loss in zip(*(column.tolist() for column in points), strict=True)
    ]
    assert sorted(shown) == sorted(rows)


def test_largest_events_have_the_moments_of_their_sums(folder: Path):
    found = event_numbers(collected(folder / "summary.bin"), 5)
    assert found is not None
    assert np.allclose(rows_of_largest(found.largest), expected_largest(BLOCKS, 5))
    assert (found.count, found.repeated) == (len(by_event(BLOCKS)), 0)
    assert found.quiet == sum(sums[1:].mean() <= 0 for sums in by_event(BLOCKS).values())
    totals = sum(by_event(BLOCKS).values())[1:]
    assert found.total is not None
    assert found.total.samples.tolist() == [2, 4, 6]
    assert np.allclose(found.total.means, [totals[:n].mean() for n in (2, 4, 6)])
    assert np.allclose(found.total.errors, [totals[:n].std(ddof=1) / n**0.5 for n in (2, 4, 6)])


@pytest.mark.parametrize("first", [0, 1, 5, 30, 99])
def test_event_sums_do_not_depend_on_where_a_file_is_cut(first: int):
    """Two parts of chunks of some bytes, cut anywhere between blocks, as parts of a file are."""
    blocks = [*BLOCKS[:3], *((ids, entries * 3) for ids, entries in BLOCKS[3:])]
    halves = [blocks[:first], blocks[first:]]
    parts = []
    for half in halves:
        with EventStream(io.BytesIO(stream_of(half)), chunk=64) as stream:
            part = Collection(stream.header, None)
            for chunk in stream.chunks():
                part.add(stream, chunk)
        parts.append(part)
    whole = parts[0]
    whole.follow(stream, parts[1])
    whole.finish(stream)
    found = event_numbers(whole, 5)
    assert found is not None
    assert np.allclose(rows_of_largest(found.largest), expected_largest(blocks, 5))
    assert (whole.blocks, found.repeated) == (len(blocks), 0)


def test_an_event_in_several_files_is_counted_once(folder: Path):
    files = [folder / "a.bin", folder / "b.bin"]
    halves = [b for b in BLOCKS if b[0][1] < 4], [b for b in BLOCKS if b[0][1] > 4]
    for file, half in zip(files, halves, strict=True):
        file.write_bytes(stream_of(half))
    found = event_numbers(collected(files), 5)
    assert found is not None
    assert np.allclose(rows_of_largest(found.largest), expected_largest(BLOCKS, 5))
    assert found.repeated == len({b[0][0] for b in halves[0]} & {b[0][0] for b in halves[1]})
    page = reported(folder, files)
    assert is_close(rows_of(page.aal), rows_of(reported(folder).aal))
    assert [one.source for one in page.validation] == [str(file) for file in files]


def test_a_lost_run_makes_a_deviation_unknown(folder: Path, monkeypatch):
    monkeypatch.setattr(event_losses, "LARGEST", 2)
    found = event_numbers(collected(folder / "summary.bin"), 4)
    assert found is not None
    assert np.isnan(found.largest.sd).tolist() == [False, False, True, True]
    expected = expected_largest(BLOCKS, 4)
    assert [row[:3] for row in rows_of_largest(found.largest)] == [row[:3] for row in expected]


def test_very_high_sidx_need_no_table_of_samples(folder: Path, monkeypatch):
    expected = event_numbers(collected(folder / "summary.bin"), 5)
    monkeypatch.setattr(event_totals, "MOST_SAMPLES", 2)
    monkeypatch.setattr(event_losses, "MOST_SAMPLES", 2)
    found = event_numbers(collected(folder / "summary.bin"), 5)
    assert found is not None
    assert expected is not None
    assert rows_of_largest(found.largest) == rows_of_largest(expected.largest)
    assert found.total is None


def test_items_are_added_up_to_one_summary(folder: Path):
    """Curves of an item stream are those of the summary that all of its items make."""
    items = [((event, summary), entries) for (event, summary, _), entries in BLOCKS]
    sums = by_event(BLOCKS)
    total = [
        ((event, 1, 1.0), [(s or -1, loss) for s, loss in enumerate(sums[event].tolist())])
        for event in sorted(sums)
    ]
    expected = reported(folder, io.BytesIO(stream_of(total)), return_periods=YEARS)
    for stream in ("loss", "gul_coverage"):
        data = encode(stream, {"len_sample": SAMPLES}, items)
        found = reported(folder, io.BytesIO(data), return_periods=YEARS)
        assert found.ept is not None
        assert expected.ept is not None
        assert is_close(rows_of(found.ept), rows_of(expected.ept))
        assert is_close(rows_of(found.aal), rows_of(expected.aal))


def test_pipes_files_and_other_widths_give_one_report(folder: Path):
    data = (folder / "summary.bin").read_bytes()
    wide = {"oasis_int": "i8", "oasis_float": "f8"}
    (folder / "wide.bin").write_bytes(stream_of(BLOCKS, widths=wide))
    expected = reported(folder)
    others = [
        reported(folder, io.BytesIO(data)), reported(folder, threads=1),
        reported(folder, [folder / "summary.bin"]), reported(folder, folder / "*mary.bin"),
        reported(folder, evstream.parts(folder / "summary.bin", size=200)),
        reported(folder, folder / "wide.bin", widths=wide),
    ]  # fmt: skip
    for found in others:
        assert is_close(rows_of(found.ept), rows_of(expected.ept))
        assert is_close(rows_of(found.aal), rows_of(expected.aal))
        assert found.events == expected.events
        assert found.validation[0].blocks == len(BLOCKS)
        assert found._events is not None
        assert np.allclose(
            rows_of_largest(found._events.largest), expected_largest(BLOCKS, 20), equal_nan=True
        )


def test_a_stream_that_is_cut_has_no_report(folder: Path):
    cut = folder / "cut.bin"
    cut.write_bytes(stream_of(BLOCKS)[:-11])
    with pytest.raises(
        TruncatedStreamError, match=rf"^{re.escape(str(cut))}: byte \d+, event_id 9"
    ):
        reported(folder, [folder / "summary.bin", cut])
    with pytest.raises(TruncatedStreamError, match="event_id 9"):
        reported(folder, io.BytesIO(cut.read_bytes()))


def test_a_nan_is_named_by_event_and_block(folder: Path):
    blocks = [*BLOCKS, ((99, 1, 1.0), [(1, 1.0), (2, float("nan"))])]
    for source in (
        stream_of(blocks),
        encode("loss", {"len_sample": 6}, [((99, 5), [(3, np.nan)])]),
    ):
        with pytest.raises(CorruptStreamError, match=r"event_id 99, .*_id .*sidx . is nan"):
            evstream.report(io.BytesIO(source))


def test_streams_without_periods_or_losses_have_a_report(folder: Path):
    found = evstream.report(folder / "summary.bin")
    assert (found.aal, found.ept, found.alct) == (None, None, None)
    assert found.events == len(by_event(BLOCKS))
    cdf = encode("cdf", {}, [((1, 2, 3), [(1.0, 0.5)])])
    assert evstream.report(io.BytesIO(cdf), occurrence=folder / "occurrence.bin").events == 1
    assert evstream.report(io.BytesIO(stream_of([]))).events == 0
    alone = stream_of([(ids, [e for e in entries if e[0] < 0]) for ids, entries in BLOCKS], 0)
    assert reported(folder, io.BytesIO(alone), return_periods=[8]).ept is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"title": 3}, "title is 3, expected text"),
        ({"summaries": 0}, "summaries is 0, expected"),
        ({"return_periods": [0.5]}, "a return period is 0.5"),
        ({"progress": 1}, "progress is 1, expected a function"),
        ({"occurrence": None, "return_periods": [2]}, "go with an occurrence"),
    ],
)
def test_wrong_arguments_of_reports_are_named(folder: Path, options, message):
    given = {"occurrence": folder / "occurrence.bin", **options}
    with pytest.raises((TypeError, ValueError), match=message):
        evstream.report(folder / "summary.bin", **given)


def test_a_file_that_changes_meanwhile_is_an_error(folder: Path, monkeypatch):
    from evstream.reporting import report

    def changed(*arguments: Any, **options: Any) -> Collection:
        (folder / "summary.bin").write_bytes(stream_of(BLOCKS[:-1]))
        return collect(*arguments, **options)

    monkeypatch.setattr(report, "collect", changed)
    with pytest.raises(EvstreamError, match=r"summary\.bin: the stream changed while it was read"):
        reported(folder)


@pytest.mark.parametrize(
    ("means", "edges", "counts"),
    [
        ([0, -1, 3], [2, 5], [1]),
        ([1, 2, 5, 9.9], [1, 2, 5, 10], [1, 1, 2]),
        ([150, 1200, np.inf], [100, 200, 500, 1000, 2000], [1, 0, 0, 1]),
        ([0], [], []),
    ],
)
def test_bins_of_a_histogram_are_round(means, edges, counts):
    found = histogram(np.array(means, float))
    assert np.allclose(found.edges, edges)
    assert found.counts.tolist() == counts


def test_a_histogram_of_any_losses_has_few_bins():
    means = np.array([1e-45, 3.0, 3e38, 1e300, np.finfo(float).max])
    found = histogram(means)
    assert len(found.counts) < 60
    assert found.counts.sum() == len(means)


def test_progress_of_a_report_counts_both_passes(folder: Path):
    size = (folder / "summary.bin").stat().st_size
    done: list[int] = []
    reported(folder, progress=done.append)
    assert done == sorted(done)
    assert 2 * (size - 12) <= done[-1] <= 2 * size
    done.clear()
    reported(folder, io.BytesIO((folder / "summary.bin").read_bytes()), progress=done.append)
    assert size - 12 <= done[-1] <= size
