"""An event loss table holds what a slow reading of its definitions gives, however blocks come."""

from __future__ import annotations

import io
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
import results_oracle as oracle
from evstream import CorruptStreamError, EvstreamError, StreamMismatchError, TableError
from evstream.reading.stream import EventStream
from evstream.wire.whole_blocks import whole_blocks
from oracle import encode
from result_cases import is_close, rows_of
from result_cases import stream_of as any_stream
from support import run_main

SAMPLES = 4
BLOCKS: list[oracle.Block] = [
    ((1, 1, 1000.0), [(-5, 900.0), (-1, 110.0), (1, 100.0), (2, 300.0), (4, 8.0)]),
    ((1, 2, 500.0), [(-5, 0.0), (-1, 0.0)]),
    ((2, 1, 1000.0), [(-1, 7.0), (1, 0.0), (2, -3.0), (3, 12.0)]),
    ((2, 3, 0.0), [(-1, 1.0), (1, 4.0)]),
    (
        (5, 2, 500.0),
        [(-5, 80.0), (-4, 2.0), (-1, 20.0), (1, 20.0), (2, 20.0), (3, 20.0), (4, 20.0)],
    ),
]


def stream_of(blocks: Any = BLOCKS, samples: int = SAMPLES, **options: Any) -> bytes:
    return any_stream(blocks, samples, **options)


def elt(source: Any = None, table: str = "melt", **options: Any) -> list[tuple[float, ...]]:
    source = io.BytesIO(stream_of()) if source is None else source
    return rows_of(evstream.elt(source, table, **options))


def test_a_selt_has_all_entries_but_the_maximum():
    assert elt(table="selt") == oracle.selt(BLOCKS)


def test_a_melt_has_the_moments_of_the_samples():
    assert is_close(elt(), oracle.melt(BLOCKS, SAMPLES))


def test_a_melt_has_the_rates_of_its_events(tmp_path: Path):
    expected = oracle.melt(BLOCKS, SAMPLES, {1: 0.5, 5: 0.25})
    assert is_close(elt(rates={5: 0.25, 1: 0.5, 9: 1}), expected)
    for titles in ("EventIds,Event_rates", "event_id,rate"):
        (tmp_path / "rates.csv").write_text(f"{titles}\n5,0.25\n1,0.5\n")
        assert is_close(elt(rates=tmp_path / "rates.csv"), expected)


def test_a_qelt_interpolates_between_samples(tmp_path: Path):
    quantiles = [0.0, 0.125, 0.5, 0.75, 1.0]
    expected = oracle.qelt(BLOCKS, SAMPLES, quantiles)
    assert is_close(elt(table="qelt", quantiles=quantiles), expected)
    (tmp_path / "quantile.bin").write_bytes(struct.pack("<5f", *quantiles))
    assert is_close(elt(table="qelt", quantiles=tmp_path / "quantile.bin"), expected)


def test_one_sample_has_no_deviation():
    blocks: list[oracle.Block] = [((1, 1, 10.0), [(-1, 2.0), (1, 3.0)])]
    found = elt(io.BytesIO(stream_of(blocks, 1)))
    assert is_close(found, oracle.melt(blocks, 1))
    assert [row[6] for row in found] == [0, 0]


def test_no_samples_have_no_moments():
    blocks: list[oracle.Block] = [((1, 1, 10.0), [(-1, 2.0)])]
    analytical, samples = elt(io.BytesIO(stream_of(blocks, 0)))
    assert analytical[5] == 2
    assert math.isnan(samples[4])
    assert math.isnan(samples[5])
    assert elt(io.BytesIO(stream_of(blocks, 0)), "qelt", quantiles=[0.5]) == []


def test_a_block_across_chunks_is_whole():
    """Chunks of 64 bytes and more: blocks of 300 entries go on over many of them."""
    pairs = [(-1, 5.0), *((sidx, float(sidx % 7)) for sidx in range(1, 301))]
    blocks: list[oracle.Block] = [((event, 1, 10.0), pairs) for event in range(1, 9)]
    with EventStream(io.BytesIO(stream_of(blocks, 300)), chunk=1) as stream:
        chunks = list(stream.chunks())
    assert len(chunks) > len(blocks)
    found = list(whole_blocks(stream.header, chunks))
    assert [i for columns in found for i in columns.block[0].tolist()] == list(range(1, 9))
    for columns in found:
        assert np.diff(columns.offsets).tolist() == [301] * len(columns.block[0])
        assert columns.entry[1].tolist() == [loss for _, loss in pairs] * len(columns.block[0])


def test_an_unclosed_stream_gives_all_blocks():
    data = stream_of(final_delimiter=False)
    with pytest.warns(evstream.MissingDelimiterWarning):
        assert is_close(elt(io.BytesIO(data)), oracle.melt(BLOCKS, SAMPLES))


@pytest.mark.parametrize("threads", [1, 3])
def test_files_follow_one_another(tmp_path: Path, threads: int):
    (tmp_path / "a.bin").write_bytes(stream_of(BLOCKS[:2]))
    (tmp_path / "b.bin").write_bytes(stream_of(BLOCKS[2:]))
    found = elt(str(tmp_path / "*.bin"), threads=threads)
    assert is_close(found, oracle.melt(BLOCKS, SAMPLES))


def test_wide_streams_have_wide_tables():
    widths = {"oasis_int": "i8", "oasis_float": "f8"}
    data = stream_of(widths=widths)
    table = evstream.elt(io.BytesIO(data), widths=widths)
    assert table["mean_loss"].dtype == np.float64
    assert is_close(rows_of(table), oracle.melt(BLOCKS, SAMPLES))


def test_a_stream_without_blocks_gives_no_rows():
    table = evstream.elt(io.BytesIO(stream_of([])))
    assert (table.rows, len(table), table["event_id"].dtype) == (0, 11, np.int32)


def test_a_table_becomes_frames_and_files(tmp_path: Path):
    pytest.importorskip("pyarrow")
    table = evstream.elt(io.BytesIO(stream_of()))
    assert table.to_arrow().column_names == list(table)
    for name in ("melt.csv", "melt.parquet", "melt.bin", "melt.csv.gz"):
        table.write(tmp_path / name)
        evstream.convert(tmp_path / name, tmp_path / "back.bin", stream="melt")
        back = evstream.read_columns(tmp_path / "back.bin", stream="melt")
        assert all(np.array_equal(back[c], table[c], equal_nan=True) for c in table)
    title = (tmp_path / "melt.csv").read_text().partition("\n")[0]
    assert title.startswith("EventId,SummaryId,SampleType,EventRate,ChanceOfLoss,MeanLoss,SDLoss")


def test_a_table_becomes_a_polars_frame():
    pytest.importorskip("polars")
    table = evstream.elt(io.BytesIO(stream_of()), "selt")
    assert table.to_polars()["loss"].to_list() == table["loss"].tolist()


@pytest.mark.parametrize("table", ["melt", "qelt"])
def test_a_loss_that_is_nan_has_no_moments(table: str):
    blocks = [BLOCKS[0], ((3, 8, 1.0), [(-1, 1.0), (2, math.nan)])]
    quantiles = {"quantiles": [0.5]} if table == "qelt" else {}
    with pytest.raises(CorruptStreamError, match="event_id 3, summary_id 8: the loss of sidx 2"):
        elt(io.BytesIO(stream_of(blocks)), table, **quantiles)


def test_a_stream_of_losses_is_not_a_summary():
    data = encode("loss", {"len_sample": 1}, [((1, 1), [(1, 1.0)])])
    with pytest.raises(StreamMismatchError, match="a loss stream, expected a summary stream"):
        elt(io.BytesIO(data))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"table": "plt"}, "table is 'plt', expected melt, qelt, selt"),
        ({"table": "qelt"}, "a qelt needs quantiles"),
        ({"table": "qelt", "quantiles": [0.5, 1.5]}, "a quantile is 1.5, expected 0 to 1"),
        ({"table": "qelt", "quantiles": [math.nan]}, "a quantile is nan, expected 0 to 1"),
        ({"table": "selt", "rates": {}}, "rates go with a melt"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], problem: str):
    with pytest.raises(ValueError, match=problem):
        elt(**options)


@pytest.mark.parametrize("given", [["a"], [1j], np.array([1j])[:0], {}, True, [[0.5], [1, 2]]])
def test_quantiles_that_are_not_numbers_are_refused(given: Any):
    with pytest.raises(TypeError, match=r"quantiles is .*, expected numbers or a file"):
        elt(table="qelt", quantiles=given)


def test_wrong_lines_of_rates_are_refused(tmp_path: Path):
    file = tmp_path / "event_rates.csv"
    file.write_text("event_id,rate\n1,0.5\n2,often\n")
    with pytest.raises(TableError, match=r"event_rates\.csv: line 3: the values are 2,often"):
        elt(rates=file)
    file.write_text("event_id,frequency\n1,0.5\n")
    with pytest.raises(TableError, match="line 1: the columns are event_id, frequency"):
        elt(rates=file)
    file.write_text("event_id,rate\n1,0.5\n1,0.5\n")
    with pytest.raises(EvstreamError, match="event_id 1: the event has two rates"):
        elt(rates=file)


def test_the_command_writes_the_table(tmp_path: Path):
    (tmp_path / "s.bin").write_bytes(stream_of())
    done = run_main("elt", tmp_path / "s.bin", "--table", "selt")
    assert (done.returncode, done.stderr) == (0, b"")
    out = done.stdout.decode()
    lines = [tuple(map(float, line.split(","))) for line in out.splitlines()[1:]]
    assert lines == oracle.selt(BLOCKS)
    assert out.startswith("EventId,SummaryId,SampleId,Loss,ImpactedExposure\n")
    target = str(tmp_path / "q.bin")
    quantiles = ["--table", "qelt", "--quantiles", "0.5,1"]
    assert run_main("elt", tmp_path / "s.bin", *quantiles, "-o", target).returncode == 0
    found = evstream.read_columns(target, stream="qelt")
    expected = [row[3] for row in oracle.qelt(BLOCKS, SAMPLES, [0.5, 1])]
    assert np.allclose(found["loss"], expected)


def test_the_command_does_not_replace_its_input(tmp_path: Path):
    file = tmp_path / "s.bin"
    file.write_bytes(stream_of())
    done = run_main("elt", file, "-o", file)
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert file.read_bytes() == stream_of()
