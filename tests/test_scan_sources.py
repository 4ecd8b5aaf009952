"""A lazy query reads a file again each time, and a pipe once."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import evstream
from frame_cases import ONE_SHOT, c, loss_file
from golden_files import (
    GOLDEN,
)
from oracle import DEFAULT_WIDTHS


def test_each_query_of_a_scan_reads_the_file_again(tmp_path: Path) -> None:
    path = loss_file(tmp_path / "gul.bin", events=2)
    scan = evstream.scan_polars(str(path))
    first = scan.select(pl.len()).collect().item()
    loss_file(path, events=4)
    assert scan.select(pl.len()).collect().item() > first
    path.write_bytes(b"\1\0\0\1\5\0\0\0")
    with pytest.raises(evstream.StreamMismatchError, match="this is a gul_item stream"):
        scan.collect()


def test_a_scan_keeps_the_widths_that_it_was_made_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = evstream.scan_polars(loss_file(tmp_path / "gul.bin", 2), widths=DEFAULT_WIDTHS)
    expected = scan.collect()
    monkeypatch.setenv("OASIS_FLOAT", "f8")
    assert_frame_equal(scan.collect(), expected)


@pytest.mark.parametrize("kind", ONE_SHOT)
def test_a_source_that_can_be_read_once_serves_one_query(gul: Path, kind: str) -> None:
    source = ONE_SHOT[kind](gul)
    scan = evstream.scan_polars(source.stdout if kind == "pipe" else source)
    assert scan.collect_schema() == evstream.scan_polars(gul).collect_schema()
    assert_frame_equal(scan.collect(), evstream.read_polars(gul))
    for query in (scan, scan.select(pl.len()), scan.filter(c("event_id") == 1)):
        with pytest.raises(evstream.EvstreamError, match="an earlier query has read it"):
            query.collect()
    if kind == "pipe":
        with source:
            pass
    elif kind == "file object":
        assert not source.closed
        source.close()
    elif kind == "descriptor":
        os.close(source)


def test_both_sides_of_a_join_cannot_read_one_pipe(gul: Path) -> None:
    scan = evstream.scan_polars(io.BytesIO(gul.read_bytes()))
    query = scan.join(scan.filter(c("sidx") == -1), on=["event_id", "item_id"])
    with pytest.raises(evstream.EvstreamError, match="an earlier query has read it"):
        query.collect()


def test_a_fifo_by_its_path_is_read_once(gul: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    data = gul.read_bytes()
    feeder = threading.Thread(target=lambda: fifo.write_bytes(data))
    feeder.start()
    scan = evstream.scan_polars(fifo)
    assert_frame_equal(scan.collect(), evstream.read_polars(gul))
    feeder.join()
    with pytest.raises(evstream.EvstreamError, match=f"^{fifo}: an earlier query"):
        scan.collect()


def test_a_compressed_file_is_scanned_twice(gul: Path, tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "gul.bin.gz"
    path.write_bytes(gzip.compress(gul.read_bytes()))
    scan = evstream.scan_polars(path)
    for _ in range(2):
        assert_frame_equal(scan.collect(), evstream.read_polars(gul))


def test_the_errors_of_a_stream_come_out_of_collect(gul: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.bin"
    cut.write_bytes(gul.read_bytes()[:-3])
    scan = evstream.scan_polars(cut)
    for query in (scan, scan.filter(c("event_id") == 1), scan.select(pl.len())):
        with pytest.raises(evstream.TruncatedStreamError, match=rf"^{cut}: byte \d+, event_id 60"):
            query.collect()
    assert scan.head(3).collect().height == 3
    with pytest.raises(FileNotFoundError):
        evstream.scan_polars(tmp_path / "none.bin")
    with pytest.raises(evstream.StreamMismatchError):
        evstream.scan_polars(gul, stream="summary")


def test_strict_is_kept_until_collect() -> None:
    path = GOLDEN / "loss_no_final_delimiter.bin"
    with pytest.warns(evstream.MissingDelimiterWarning):
        evstream.scan_polars(path, widths=DEFAULT_WIDTHS).collect()
    with pytest.raises(evstream.TruncatedStreamError):
        evstream.scan_polars(path, widths=DEFAULT_WIDTHS, strict=True).collect()
