"""A lazy query answers like the same query on the whole frame."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import evstream
from evstream.reading.selection import named_rows
from evstream.tables import scan as frames
from frame_cases import FAITHFUL, c, options
from golden_files import (
    GOLDEN,
    Entry,
    file_name,
)
from oracle import DEFAULT_WIDTHS


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scans decode a few blocks at a time, and cut blocks in two."""
    monkeypatch.setattr(frames, "CHUNK", 300)


QUERIES: dict[str, Callable[[Any], Any]] = {
    "everything": lambda t: t,
    "an event": lambda t: t.filter(c("event_id") == 7),
    "no event": lambda t: t.filter(c("event_id") == 777),
    "some events": lambda t: t.filter(c("event_id").is_in([1, 5, 60])),
    "between": lambda t: t.filter(c("event_id").is_between(3, 9)),
    "an item": lambda t: t.filter(c("item_id") == 3),
    "of both block columns": lambda t: t.filter((c("event_id") + c("item_id")) % 5 == 0),
    "means": lambda t: t.filter(c("sidx") == -1),
    "means of an event": lambda t: t.filter((c("sidx") == -1) & (c("event_id") == 7)),
    "one after the other": lambda t: t.filter(c("loss") > 1).filter(c("item_id") > 2)
                                      .filter(c("sidx") > 0).filter(c("event_id") < 9),
    "either": lambda t: t.filter((c("sidx") == -1) | (c("event_id") == 7)),
    "neither": lambda t: t.filter(~((c("sidx") == -1) | (c("event_id") == 7))),
    "block against entry": lambda t: t.filter(c("item_id") == c("sidx")),
    "null": lambda t: t.filter(pl.when(c("event_id") > 5).then(True)),
    "nothing": lambda t: t.filter(pl.lit(False)),
    "all the same": lambda t: t.filter(pl.lit(True)),
    "a column": lambda t: t.select("loss"),
    "columns in another order": lambda t: t.select("loss", "event_id"),
    "a column of some": lambda t: t.filter(c("event_id") == 7).select("loss"),
    "a column of some rows": lambda t: t.filter((c("sidx") > 3) & (c("item_id") == 2))
                                        .select("loss"),
    "renamed": lambda t: t.select(c("loss").alias("event_id"), c("event_id").alias("x"))
                          .filter(c("x") == 7),
    "first rows": lambda t: t.head(11),
    "no rows": lambda t: t.head(0),
    "first rows, then some": lambda t: t.head(500).filter(c("event_id") == 3),
    "first rows of some": lambda t: t.filter(c("event_id") > 3).head(5),
    "last rows": lambda t: t.tail(4),
    "a slice": lambda t: t.slice(100, 7),
    "the number": lambda t: t.select(pl.len()),
    "the number of some": lambda t: t.filter(c("event_id") == 7).select(pl.len()),
    "above the mean": lambda t: t.filter(c("event_id") > c("event_id").mean()),
    "first of each event": lambda t: t.filter(c("event_id").is_first_distinct()),
    "changes of event": lambda t: t.filter(c("event_id") != c("event_id").shift(1)),
    "largest of each event": lambda t: t.filter(c("loss") == c("loss").max().over("event_id")),
    "by row number": lambda t: t.with_row_index().filter(c("event_id") == 2),
    "sums": lambda t: t.filter(c("sidx") > 0).group_by("event_id", maintain_order=True)
                       .agg(c("loss").sum()),
    "joined with itself": lambda t: t.filter(c("event_id") < 3).join(
        t.filter(c("sidx") == -1).select("event_id", "item_id", mean="loss"),
        on=["event_id", "item_id"], maintain_order="left_right"),
}  # fmt: skip


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(
    ("query", "engine"),
    [
        pytest.param(
            query, engine,
            # Polars' streaming engine keeps the generator of a scan that it stops early, and so
            # the open file, until the process ends. Whether it does depends on its threads.
            marks=pytest.mark.keeps_files_open
            if engine == "streaming" and query.startswith(("first rows", "a slice")) else (),
        )
        for query in QUERIES for engine in ("in-memory", "streaming")
    ],
)  # fmt: skip
def test_a_scan_answers_like_the_frame(gul: Path, query: str, engine: Any) -> None:
    expected = QUERIES[query](evstream.read_polars(gul))
    answer = QUERIES[query](evstream.scan_polars(gul)).collect(engine=engine)
    assert_frame_equal(answer, expected)


CDF_QUERIES: dict[str, Callable[[Any], Any]] = {
    "everything": lambda t: t,
    "an areaperil": lambda t: t.filter(c("areaperil_id") % 2 == 0),
    "first bins": lambda t: t.filter(c("bin_index") == 1),
    "bin numbers alone": lambda t: t.select("bin_index"),
    "bin numbers of some": lambda t: t.filter(c("vulnerability_id") == 1).select("bin_index"),
    "the highest of each": lambda t: t.group_by("event_id", "areaperil_id", maintain_order=True)
                                      .agg(c("bin_index").max()),
}  # fmt: skip


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("query", CDF_QUERIES)
@pytest.mark.parametrize("entry", [e for e in FAITHFUL if e["stream"] == "cdf"], ids=file_name)
def test_a_scan_numbers_bins_across_chunks(entry: Entry, query: str) -> None:
    if entry["bytes"] > 100_000:
        pytest.skip("many chunks")
    path = GOLDEN / entry["file"]
    expected = CDF_QUERIES[query](evstream.read_polars(path, **options(entry)))
    answer = CDF_QUERIES[query](evstream.scan_polars(path, **options(entry))).collect()
    assert_frame_equal(answer, expected)


def test_a_scan_of_event_ids_has_one_column() -> None:
    scan = evstream.scan_polars(GOLDEN / "event_ids_i4.bin", stream="event_ids",
                                widths=DEFAULT_WIDTHS)  # fmt: skip
    every = scan.collect()["event_id"].to_list()
    assert scan.filter(c("event_id") > 2).collect()["event_id"].to_list() == [
        event for event in every if event > 2
    ]


def test_the_plan_of_a_scan_shows_what_it_leaves_out(gul: Path) -> None:
    query = evstream.scan_polars(gul).filter(c("event_id") == 7).select("event_id", "loss")
    assert "SELECTION" in query.explain()
    assert "PROJECT 2/4 COLUMNS" in query.explain()


def test_a_condition_on_blocks_is_decided_before_rows_are_made(
    gul: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, list[str]]] = []
    rows = len(evstream.read_columns(gul, 7)["sidx"])

    def watched(header: Any, chunk: Any, names: Any) -> Any:
        made.append((len(chunk.columns.entry[0]), list(names)))
        return named_rows(header, chunk, names)

    monkeypatch.setattr("evstream.reading.selection.named_rows", watched)
    query = evstream.scan_polars(gul).filter((c("event_id") == 7) & (c("sidx") > 0))
    query.select("loss").collect()
    assert [count for count, _ in made] == [rows]
    assert {"sidx", "loss"} <= set(made[0][1])
    assert "item_id" not in made[0][1]
    made.clear()
    assert evstream.scan_polars(gul).filter(c("event_id") == 99).collect().height == 0
    assert made == []


def test_a_condition_is_split_into_blocks_and_rows() -> None:
    def split(predicate: Any) -> tuple[str, str]:
        blocks, rows = frames._split(predicate, {"event_id", "item_id"})
        return str(blocks), str(rows)

    event, sidx = c("event_id") == c("item_id"), c("sidx") > c("item_id")
    assert split(event) == (str(event), "None")
    assert split(sidx) == ("None", str(sidx))
    assert split(event & sidx) == (str(event), str(sidx))
    assert split(sidx & event) == (str(event), str(sidx))
    assert split(event | sidx) == ("None", str(event | sidx))
    assert split(sidx & event & sidx & event) == (str(event & event), str(sidx & sidx))
    assert split(pl.lit(True)) == ("None", str(pl.lit(True)))
    assert split(~(event & sidx)) == ("None", str(~(event & sidx)))


@pytest.mark.parametrize("batch_size", [None, 1, 7, 100, 10**6])
@pytest.mark.parametrize("n_rows", [None, 0, 1, 100, 10**6])
def test_a_scan_keeps_to_the_number_and_size_asked_for(
    gul: Path, batch_size: int | None, n_rows: int | None
) -> None:
    scan = frames._Scan(gul, None, None, False)
    pieces = list(scan.read(["sidx", "event_id"], None, n_rows, batch_size))
    if batch_size is not None:
        assert max((piece.height for piece in pieces), default=0) <= batch_size
    expected = evstream.read_polars(gul).select("sidx", "event_id")
    expected = expected if n_rows is None else expected.head(n_rows)
    assert_frame_equal(pl.concat([*pieces, expected.clear()]), expected)


def test_a_limit_counts_rows_before_the_condition(gul: Path) -> None:
    """That is how Polars means it."""
    scan = frames._Scan(gul, None, None, False)
    found = pl.concat(scan.read(None, c("event_id") == 2, 100, None))
    expected = evstream.read_polars(gul).head(100).filter(c("event_id") == 2)
    assert 0 < found.height == expected.height


def test_a_scan_takes_a_filter_that_is_a_python_function(gul: Path) -> None:
    """Polars hands it to us as bytes, which the extra's cloudpickle makes and reads."""
    pytest.importorskip("cloudpickle")
    is_even = c("event_id").map_batches(lambda ids: ids % 2 == 0, return_dtype=pl.Boolean)
    found = evstream.scan_polars(gul).filter(is_even).collect()
    whole = evstream.read_polars(gul)
    assert_frame_equal(found, whole.filter(c("event_id") % 2 == 0))
    assert 0 < found.height < whole.height


def test_a_scan_that_stops_early_closes_its_file(gul: Path) -> None:
    scan = evstream.scan_polars(gul)
    for engine in ("in-memory", "streaming"):
        assert scan.head(3).collect(engine=engine).height == 3
        assert scan.filter(c("event_id") > 1).head(3).collect(engine=engine).height == 3
    batches = frames._Scan(gul, None, None, False).read(None, None, None, 5)
    next(batches)
    del batches, scan
    gc.collect()  # an unclosed file would be a ResourceWarning, which is an error here
