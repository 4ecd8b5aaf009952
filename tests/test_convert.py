"""Every stream comes back byte for byte from every format."""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
import oracle
from evstream import RowsWarning, TableError
from evstream.cli.program import main
from evstream.conversion.formats import Options
from evstream.conversion.text_file import read_blocks
from golden_files import (
    CORPUS,
    GOLDEN,
    LEGAL,
    corpus_entries,
    decode_golden,
    encode_again,
    file_name,
)

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("zstandard")

from convert_cases import CSV, LOSS, TEXT, header_of, needs_corpus, run  # noqa: E402
from evstream.conversion.convert import convert  # noqa: E402

CARRY = ["parquet", "arrow", "feather", "bin"]

NAMES = [*CARRY, *TEXT, *(f"{x}.{c}" for x in ("bin", "csv", "jsonl") for c in ("gz", "zst"))]

NAMES += ["parquet.gz", "arrow.zst"]


def options_of(stream: str, header: dict[str, int], widths: dict[str, str], name: str) -> Options:
    """What has to be said to read the stream back from a file of this name."""
    if name.split(".", maxsplit=1)[0] in TEXT:
        return Options(stream=stream, values=header, widths=widths)
    return Options(stream=stream if stream == "event_ids" else None, widths=widths)


def there_and_back(source: Path, folder: Path, name: str, first: Options, back: Options) -> bytes:
    middle, end = folder / f"middle.{name}", folder / "back.bin"
    convert(str(source), str(middle), options=first)
    convert(str(middle), str(end), options=back)
    return end.read_bytes()


def unsaid(decoded: oracle.Decoded, data: bytes) -> set[str]:
    """What of a stream its rows do not say."""
    found = set()
    blocks = decoded.block_entries()
    has_entries = decoded.stream != "event_ids"
    if has_entries and any(not entries for _, entries in blocks):
        found.add("blocks without entries")
    ids = [block[:2] for block, _ in blocks]
    if decoded.stream not in ("cdf", "event_ids") and any(a == b for a, b in pairwise(ids)):
        found.add("the same block twice running")
    if encode_again(decoded) != data:
        found.add("a loss in a delimiter")
    return found


# Rows of these break a rule of severity error, so that a format without a header, whose rows
# are checked, does not take them.
BREAKS_A_RULE = {
    "cdf_event_interleaved.bin", "cdf_odd_values.bin", "cdf_zero_and_negative_ids.bin",
    "event_ids_odd.bin", "loss_event_interleaved.bin", "loss_ids_i8.bin", "loss_inf.bin",
    "loss_item_repeated.bin", "loss_nan.bin", "loss_nan_payload.bin", "loss_negative_ids.bin",
    "loss_sidx_above_len_sample.bin", "loss_sidx_duplicate.bin", "loss_sidx_minus_6.bin",
    "loss_sidx_not_ascending.bin", "loss_specials_last.bin", "loss_values_f8.bin",
    "loss_zero_ids.bin", "summary_exposure_nan.bin", "summary_zero_ids.bin",
    # of the corpus
    "e06_interleaved_events.bin", "e08_items_descending_and_double.bin",
    "e10_nan_inf_negative_zero.bin", "e12_duplicate_sidx.bin",
    "e20_summary_expval_zero_and_nan.bin", "e27_sidx_minus_6.bin",
}  # fmt: skip


def check_there_and_back(path: Path, decoded: oracle.Decoded, folder: Path, name: str) -> None:
    assert decoded.stream is not None
    data = path.read_bytes()
    is_text = name.split(".", maxsplit=1)[0] in TEXT
    first = Options(
        stream="event_ids" if decoded.stream == "event_ids" else None, widths=decoded.widths
    )
    back = options_of(decoded.stream, decoded.header, decoded.widths, name)
    lost = set() if name.startswith("bin") else unsaid(decoded, data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if is_text and path.name in BREAKS_A_RULE:
            with pytest.raises(TableError, match=r"line \d+: .* breaks "):
                there_and_back(path, folder, name, first, back)
            return
        result = there_and_back(path, folder, name, first, back)
    said = {w.category for w in caught}
    if lost:
        assert result != data
        assert RowsWarning in said or lost == {"a loss in a delimiter"}
    elif is_text and decoded.final_delimiter is False:
        assert evstream.MissingDelimiterWarning in said
        pair = 2 * int(decoded.widths["oasis_int"][1])  # the widths of these files are alike
        assert result == data + bytes(pair)
    else:
        assert result == data
        goes_on = path.name in BREAKS_A_RULE and not name.startswith("bin")
        assert (RowsWarning in said) == goes_on


@pytest.mark.parametrize("name", NAMES)
def test_every_golden_stream_comes_back_byte_for_byte(name: str, tmp_path: Path) -> None:
    """The exceptions are what rows cannot say (blocks without entries, a block twice running,
    which a RowsWarning says; a loss in a delimiter) and, for text formats, the missing final
    delimiter and rows that break a rule."""
    small = name in CARRY + TEXT
    for entry in LEGAL:
        if small or entry["bytes"] < 2000:
            check_there_and_back(GOLDEN / file_name(entry), decode_golden(entry), tmp_path, name)


@needs_corpus
@pytest.mark.parametrize("name", ["parquet", "arrow", "bin.gz", "csv", "jsonl.zst"])
def test_every_stream_of_the_corpus_comes_back_byte_for_byte(name: str, tmp_path: Path) -> None:
    for entry in corpus_entries():
        if entry["error"] is None:
            path = CORPUS / entry["file"]
            decoded = oracle.decode(path.read_bytes())
            check_there_and_back(path, decoded, tmp_path, name)


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet", "arrow"])
def test_blocks_that_lie_across_batches_stay_whole(name: str, tmp_path: Path) -> None:
    """A cdf block says in its header how many bins it has, so a cut one would be two."""
    path = tmp_path / "large.bin"
    bins = 70_001
    with evstream.create(str(path), "cdf") as out:
        for event in (1, 2):
            out.write_columns(
                event_id=event, areaperil_id=np.repeat([3, 5, 8], bins), vulnerability_id=1,
                bin_index=np.tile(np.arange(1, bins + 1), 3), prob_to=0.5, bin_mean=0.25,
            )  # fmt: skip
    back = options_of("cdf", {}, {}, name)
    assert there_and_back(path, tmp_path, name, Options(), back) == path.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.arrow", "--compression", "gzip"], "no gzip compression, expected zstd, lz4, none"),
        (["a.csv", "--compression", "zstd"], "a compression of pages does not go with csv"),
        (["a.parquet", "--precision", "2"], "a precision does not go with parquet"),
        (["a.csv", "--precision", "-1"], "'-1', expected a number of decimals from 0 to 60"),
        (["a.csv", "--precision", "61"], "'61', expected a number of decimals from 0 to 60"),
        (["a.xlsx"], "a.xlsx: the extension does not name a format, expected .bin, .csv"),
        (["a"], "a: the extension does not name a format"),
        (["-"], "-: the extension does not name a format"),
        (["a.csv", "--to", "xlsx"], "invalid choice: 'xlsx'"),
        (["nowhere/a.csv"], "nowhere/"),
    ],
)
def test_an_impossible_conversion_is_one_line(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(LOSS, *arguments)
    assert result.returncode == 2
    line = result.stderr.decode().splitlines()[-1]
    assert words in line
    assert b"Traceback" not in result.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--len-sample", "-1"], "len_sample is -1, expected 0 to 2147483647"),
        (["--summary-set-id", "3"], "a loss stream has no summary_set_id"),
        (["--stream", "losses"], "no stream type 'losses', expected cdf"),
        (["--stream", "summary"], "the columns are event_id, item_id, sidx, loss, expected event_"),
        (["--width", "oasis_float=f2"], "is 'f2', expected f4 or f8"),
    ],
)
def test_options_that_do_not_go_with_a_table_are_one_line(
    arguments: list[str], words: str, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "in.csv").write_bytes(CSV)
    with contextlib.suppress(SystemExit):
        assert main(["convert", str(tmp_path / "in.csv"), str(tmp_path / "o.bin"), *arguments]) == 2
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert os.listdir(tmp_path) == ["in.csv"]


def test_given_header_fields_are_not_reported(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "in.csv").write_text(
        "EventId,SummaryId,SampleId,Loss,ImpactedExposure\n1,1,-1,2,3\n"
    )
    source, target = str(tmp_path / "in.csv"), str(tmp_path / "out.bin")
    main(["convert", source, target])
    assert capsys.readouterr().err.splitlines() == [
        f"evstream: {source}: a stream of type summary, by its columns",
        f"evstream: {source}: summary_set_id 1, assumed (--summary-set-id)",
        f"evstream: {source}: len_sample 0, the highest sidx (--len-sample)",
    ]
    main(["convert", source, target, "--stream=summary", "--len-sample=5", "--summary-set-id=3"])
    assert capsys.readouterr().err == ""
    header = header_of(target)
    assert (header.len_sample, header.summary_set_id) == (5, 3)
    main(["convert", source, str(tmp_path / "out.jsonl"), "--stream=summary"])
    assert capsys.readouterr().err == ""


def test_inferred_header_fields_are_reported(tmp_path: Path, capsys: Any) -> None:
    main(["convert", str(GOLDEN / "loss_empty_block.bin"), str(tmp_path / "out.csv")])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("evstream: warning: ")
    assert "1 block without entries, which has no row" in line


def test_missing_header_fields_are_reported_by_name(tmp_path: Path) -> None:
    table, stream = tmp_path / "a.csv", tmp_path / "a.bin"
    table.write_text("event_id,item_id,sidx,loss\n1,1,1,2.5\n")
    evstream.convert(table, stream, stream="gul_item", len_sample=7, widths={"oasis_float": "f8"})
    with evstream.open(stream, widths={"oasis_float": "f8"}) as opened:
        assert (opened.header.stream, opened.header.len_sample) == ("gul_item", 7)
        assert [event.loss.tolist() for event in opened] == [[2.5]]
    with pytest.raises(TypeError, match="convert takes no length"):
        evstream.convert(table, stream, length=7)


@pytest.mark.parametrize(
    ("source", "target"),
    [("bin", "csv"), ("bin", "jsonl"), ("bin", "parquet"), ("csv", "bin"), ("jsonl", "bin")],
)
def test_a_converted_file_does_not_depend_on_threads(
    source: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evstream.conversion.several_files.BATCH_ROWS", 100)
    monkeypatch.setattr("evstream.conversion.stream_file.BATCH_ROWS", 100)
    monkeypatch.setattr(read_blocks, "__defaults__", (1000,))
    stream, given = tmp_path / "a.bin", tmp_path / f"given.{source}"
    with evstream.create(stream, "loss", len_sample=50, durable=False) as out:
        for event in range(1, 30):
            out.write_event(event, [1, 2], np.arange(100.0).reshape(2, 50), mean=3.0, tiv=9.0)
    said = [] if source == "bin" else ["--len-sample", "50"]
    if source != "bin":
        evstream.convert(stream, given, durable=False)
    else:
        given.write_bytes(stream.read_bytes())
    found = []
    for jobs in ("1", "3"):
        made = tmp_path / f"{jobs}.{target}"
        assert main(["convert", "--no-fsync", "--jobs", jobs, *said, str(given), str(made)]) == 0
        found.append(made.read_bytes())
    assert found[0] == found[1]
    if target == "bin":
        assert found[0] == stream.read_bytes()


def test_one_thread_converts_without_another(tmp_path: Path) -> None:
    """--jobs 1 is for machines where each process has one core."""
    stream = tmp_path / "a.bin"
    with evstream.create(stream, "loss", len_sample=1, durable=False) as out:
        out.write_event(1, [1], [[1.0]])
    threads: list[threading.Thread] = []
    start = threading.Thread.start
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda t: threads.append(t) or start(t))
        evstream.convert(stream, tmp_path / "a.csv", durable=False, threads=1)
        assert threads == []
        evstream.convert(stream, tmp_path / "a.csv", durable=False, threads=2)
        assert threads != []
    with pytest.raises(ValueError, match="threads is 0"):
        evstream.convert(stream, tmp_path / "a.csv", threads=0)
