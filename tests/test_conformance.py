"""evstream reads every golden file, whole, cut and in pieces, as the oracle does.

The golden files were put down by hand and the oracle decodes them with `struct`; the real
streams of the corpus, where they are at hand, were described by a parser of their own.
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
import time
from itertools import groupby
from typing import Any

import numpy as np
import pytest

import evstream
from evstream import (
    CorruptStreamError,
    StreamHeaderError,
    TruncatedStreamError,
)
from golden_files import (
    CORPUS,
    CORPUS_ERRORS,
    DELIMITER_WITH_LOSS,
    ENTRIES,
    GOLDEN,
    LEGAL,
    NOT_REALLY_GZIP,
    UNCLOSED,
    Entry,
    corpus_entries,
    decode_golden,
    expected_cut,
    file_name,
    golden_bytes,
)
from oracle import decode
from support import (
    ERROR_CLASSES,
    HEADER_ERRORS,
    Reading,
    Trickle,
    assert_same,
    open_block_ids,
    oracle_events,
    raw,
    read_all,
    read_golden,
)

SMALL = 600  # bytes; larger files are not cut and fed at every size

BROKEN = [entry for entry in ENTRIES if entry["error"]]
SMALL_ENTRIES = [entry for entry in ENTRIES if entry["bytes"] <= SMALL]
LARGE_ENTRIES = [entry for entry in ENTRIES if entry["bytes"] > SMALL]
CORPUS_ENTRIES = corpus_entries()
OF_CORPUS = pytest.mark.skipif(not CORPUS_ENTRIES, reason=f"no corpus of real streams at {CORPUS}")


# Whole files


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e["error"] not in HEADER_ERRORS],
                         ids=file_name)  # fmt: skip
def test_the_stream_header_says_what_the_manifest_says(entry: Entry) -> None:
    header = read_golden(entry, GOLDEN / entry["file"]).header
    assert header is not None
    assert header.stream == entry["stream"]
    assert (header.source, header.aggregation) == (entry["source"], entry["aggregation"])
    assert header.values == entry["header"]
    assert header.len_sample == entry["header"].get("len_sample")
    assert header.summary_set_id == entry["header"].get("summary_set_id")
    assert dict(header.widths) == {**entry["widths"], "sample_count": "i4"}
    assert header.to_bytes() == golden_bytes(entry)[: header.size]


@pytest.mark.parametrize("entry", LEGAL, ids=file_name)
def test_a_legal_file_is_read_bit_by_bit_as_the_oracle_reads_it(entry: Entry) -> None:
    reading = read_golden(entry, GOLDEN / entry["file"])
    assert_same(reading, decode_golden(entry), golden_bytes(entry))
    blocks = [block for event in reading.events for block in event]
    found = {
        "events": len(reading.events),
        "distinct_events": len({ids[0] for ids, _ in blocks}),
        "blocks": len(blocks),
        "records": len(blocks) if entry["stream"] == "event_ids" else
                   sum(len(entries) for _, entries in blocks),
    }  # fmt: skip
    assert found == {key: entry[key] for key in found}


@pytest.mark.parametrize("entry", LEGAL, ids=file_name)
def test_the_rows_of_a_file_have_the_digest_of_the_manifest(entry: Entry) -> None:
    stream = "event_ids" if entry["stream"] == "event_ids" else None
    with evstream.open(GOLDEN / entry["file"], stream, widths=entry["widths"]) as opened:
        rows = [event.to_rows() for event in opened]
    assert rows_sha256(rows) == entry["records_sha256"]


COLUMN_NAMES = {
    "gul_item": (["item_ids"], ["sidx", "loss"]),
    "gul_coverage": (["coverage_ids"], ["sidx", "loss"]),
    "loss": (["item_ids"], ["sidx", "loss"]),
    "summary": (["summary_ids", "exposure_values"], ["sidx", "loss"]),
    "cdf": (["areaperil_ids", "vulnerability_ids"], ["prob_to", "bin_mean"]),
    "event_ids": ([], []),
}


@pytest.mark.parametrize("entry", LEGAL, ids=file_name)
def test_the_named_columns_are_those_of_the_wire(entry: Entry) -> None:
    stream = "event_ids" if entry["stream"] == "event_ids" else None
    of_blocks, of_entries = COLUMN_NAMES[entry["stream"]]
    expected = oracle_events(decode_golden(entry), golden_bytes(entry))
    with evstream.open(GOLDEN / entry["file"], stream, widths=entry["widths"]) as opened:
        for event, blocks in zip(opened, expected, strict=True):
            assert {event.event_id} == {ids[0] for ids, _ in blocks}
            assert len(event) == len(blocks)
            assert np.diff(event.offsets).tolist() == [len(entries) for _, entries in blocks]
            for number, name in enumerate(of_blocks, start=1):
                assert raw(getattr(event, name)) == [ids[number] for ids, _ in blocks]
            for number, name in enumerate(of_entries):
                column = [entry[number] for _, entries in blocks for entry in entries]
                assert raw(getattr(event, name)) == column


@pytest.mark.parametrize("entry", LEGAL, ids=file_name)
def test_an_event_stays_as_it_was_when_the_stream_goes_on(entry: Entry) -> None:
    stream = "event_ids" if entry["stream"] == "event_ids" else None
    with evstream.open(GOLDEN / entry["file"], stream, widths=entry["widths"]) as opened:
        pairs = [(event, bytes_of(event)) for event in opened]
    assert [bytes_of(event) for event, _ in pairs] == [before for _, before in pairs]


def bytes_of(event: evstream.Event) -> list[bytes]:
    columns = event.own_columns()
    return [column.tobytes() for column in (*columns.block, columns.offsets, *columns.entry)]


# The end


@pytest.mark.parametrize("entry", UNCLOSED, ids=file_name)
def test_a_missing_final_delimiter_warns_with_its_place(entry: Entry) -> None:
    path = GOLDEN / entry["file"]
    reading = read_golden(entry, path)
    assert reading.error is None
    assert reading.clean_end is False
    [warning] = reading.warnings
    assert_names_the_place(warning, str(path), entry["bytes"], last_ids(entry))


@pytest.mark.parametrize("entry", UNCLOSED, ids=file_name)
def test_strict_refuses_a_missing_final_delimiter(entry: Entry) -> None:
    path = GOLDEN / entry["file"]
    reading = read_golden(entry, path, strict=True)
    assert type(reading.error) is TruncatedStreamError
    assert reading.error.offset == entry["bytes"]
    assert_names_the_place(str(reading.error), str(path), entry["bytes"], last_ids(entry))
    assert reading.clean_end is None
    assert reading.events == oracle_events(decode_golden(entry), golden_bytes(entry))[:-1]


CLOSED = [e for e in LEGAL if e not in UNCLOSED and e["file"] != "event_ids_odd.bin"]
"""The list of odd event ids has a 0 among them, which is a hole under strict."""


@pytest.mark.parametrize("entry", CLOSED, ids=file_name)
def test_strict_takes_a_stream_that_is_closed(entry: Entry) -> None:
    reading = read_golden(entry, GOLDEN / entry["file"], strict=True)
    assert (reading.error, reading.warnings, reading.clean_end) == (None, [], True)


def last_ids(entry: Entry) -> tuple[int, ...]:
    return tuple(entry["block_list"][-1][1:3])


def assert_names_the_place(
    message: str, source: str, offset: int | None, ids: tuple[int, ...]
) -> None:
    """file: byte N, event_id E, item_id I: ..."""
    assert message.startswith(f"{source}: byte {offset}")
    place = message.removeprefix(f"{source}: ").split(": ")[0]
    numbers = [int(part.split()[1]) for part in place.split(", ")[1:]]
    assert numbers == list(ids)
    assert "\n" not in message


# Errors


@pytest.mark.parametrize("entry", BROKEN, ids=file_name)
def test_a_broken_file_is_refused_with_the_place(entry: Entry) -> None:
    path = GOLDEN / entry["file"]
    error = read_golden(entry, path).error
    assert type(error) is ERROR_CLASSES[entry["error"]]
    assert error.offset == entry["error_offset"]
    assert error.source == str(path)
    ids = open_block_ids(decode_golden(entry), golden_bytes(entry))
    assert tuple(error.ids.values()) == ids
    assert (error.event_id, error.item_id) == (*ids, None, None)[:2]
    assert_names_the_place(str(error), str(path), entry["error_offset"], ids)


@pytest.mark.parametrize("entry", BROKEN, ids=file_name)
def test_only_whole_events_before_an_error_are_delivered(entry: Entry) -> None:
    data = golden_bytes(entry)
    reading = read_golden(entry, GOLDEN / entry["file"])
    assert reading.events == oracle_events(decode_golden(entry), data)
    assert reading.clean_end is None


@pytest.mark.parametrize("entry", BROKEN, ids=file_name)
def test_a_broken_stream_header_is_refused_when_opened(entry: Entry) -> None:
    assert read_golden(entry, GOLDEN / entry["file"]).opened == (
        entry["error"] not in HEADER_ERRORS
    )


@pytest.mark.parametrize("entry", BROKEN, ids=file_name)
def test_an_error_ends_the_iteration(entry: Entry) -> None:
    stream = "event_ids" if entry["stream"] == "event_ids" else None
    if entry["error"] in HEADER_ERRORS:
        with pytest.raises(StreamHeaderError):
            evstream.open(GOLDEN / entry["file"], stream, widths=entry["widths"])
        return
    with evstream.open(GOLDEN / entry["file"], stream, widths=entry["widths"]) as opened:
        for _ in range(2):  # what comes after an error is the error again, not an end
            with pytest.raises(ERROR_CLASSES[entry["error"]]):
                list(opened)


LOSS_BLOCK = struct.pack("<iiifif", 1, 1, 1, 5.0, 0, 0.0)
CDF_BLOCK = struct.pack("<iIiiff", 1, 1, 1, 1, 0.5, 0.25)


# name: a whole block of event 1, the broken block behind it without its event id
BROKEN_BLOCKS = {
    "loss cut in the first pair": (LOSS_BLOCK, struct.pack("<ih", 1, 0)),
    "loss cut in the second pair": (LOSS_BLOCK, struct.pack("<iifh", 1, 1, 0, 0)),
    "loss block without entries": (LOSS_BLOCK, struct.pack("<i", 1)),
    "cdf cut in the first bin": (CDF_BLOCK, struct.pack("<Iiih", 1, 1, 2, 0)),
    "cdf cut between bins": (CDF_BLOCK, struct.pack("<Iiiff", 1, 1, 2, 0, 0)),
    "cdf block without bins": (CDF_BLOCK, struct.pack("<Iii", 1, 1, 2)),
    "cdf with a negative count": (CDF_BLOCK, struct.pack("<Iii", 1, 1, -1)),
}


def read_before_broken_block(kind: str, event_id: int) -> Reading:
    whole, broken = BROKEN_BLOCKS[kind]
    start = b"\1\0\0\2\5\0\0\0" if kind.startswith("loss") else b"\1\0\0\0"
    reading = read_all(io.BytesIO(start + whole + struct.pack("<i", event_id) + broken))
    assert isinstance(reading.error, (TruncatedStreamError, CorruptStreamError))
    assert reading.error.event_id == event_id
    return reading


@pytest.mark.parametrize("kind", BROKEN_BLOCKS)
def test_an_event_with_a_broken_block_is_not_delivered(kind: str) -> None:
    assert read_before_broken_block(kind, event_id=1).events == []


@pytest.mark.parametrize(
    "kind",
    list(BROKEN_BLOCKS),
)
def test_an_event_before_a_broken_one_is_delivered(kind: str) -> None:
    reading = read_before_broken_block(kind, event_id=2)
    assert [event[0][0][0] for event in reading.events] == [1]


@pytest.mark.parametrize("expected", ["cdf", "gul_item", "gul_coverage", "loss", "summary"])
@pytest.mark.parametrize("found", ["cdf", "gul_item", "gul_coverage", "loss", "summary"])
def test_a_stream_of_another_type_than_the_expected_is_refused(found: str, expected: str) -> None:
    name = f"{found}_i4_f4_u4.bin" if found == "cdf" else f"{found}_i4_f4.bin"
    if found == expected:
        with evstream.open(GOLDEN / name, expected) as stream:
            assert stream.header.stream == found
        return
    with pytest.raises(evstream.StreamMismatchError) as caught:
        evstream.open(GOLDEN / name, expected)
    assert str(caught.value).startswith(f"{GOLDEN / name}: byte 0: ")
    assert f"a {found} stream" in str(caught.value)
    assert f"expected a {expected} stream" in str(caught.value)


# In pieces


@pytest.mark.parametrize("entry", SMALL_ENTRIES, ids=file_name)
def test_a_small_file_reads_the_same_in_pieces_of_every_size(entry: Entry) -> None:
    data, decoded = golden_bytes(entry), decode_golden(entry)
    for size in range(1, 41):
        assert_same(read_golden(entry, Trickle(data, size)), decoded, data)


@pytest.mark.parametrize("entry", LARGE_ENTRIES, ids=file_name)
@pytest.mark.parametrize("size", [7, 13, 250, 4095, 65535, 65536, 65537])
def test_a_large_file_reads_the_same_in_pieces(entry: Entry, size: int) -> None:
    data = golden_bytes(entry)
    assert_same(read_golden(entry, Trickle(data, size)), decode_golden(entry), data)


@pytest.mark.parametrize("entry", ENTRIES, ids=file_name)
def test_a_file_reads_the_same_through_a_window_of_any_size(entry: Entry) -> None:
    data, decoded = golden_bytes(entry), decode_golden(entry)
    for chunk in (1, 256, 257, 300, 1000, 4096, 65536, 65537):
        assert_same(read_golden(entry, GOLDEN / entry["file"], chunk=chunk), decoded, data)


def test_the_time_of_an_event_is_linear_in_its_pieces() -> None:
    def seconds(pairs: int) -> float:
        entries = np.ones(pairs, [("sidx", "<i4"), ("loss", "<f4")]).tobytes()
        data = b"\1\0\0\2\5\0\0\0" + struct.pack("<ii", 1, 1) + entries + bytes(8)
        start = time.thread_time()
        with evstream.open(Trickle(data, 8)) as stream:
            assert [len(event.to_rows()["sidx"]) for event in stream] == [pairs]
        return time.thread_time() - start

    seconds(1)  # loads the kernels
    # 8 times as much where time is in proportion, 64 times where it is quadratic.
    assert seconds(24_000) < 24 * seconds(3_000)


# Cut at every length


@pytest.mark.parametrize("entry", SMALL_ENTRIES, ids=file_name)
def test_a_file_cut_anywhere_is_read_as_by_the_oracle(entry: Entry) -> None:
    """No cut goes unnoticed but one between two blocks, whatever the oracle makes of it."""
    data, full = golden_bytes(entry), decode_golden(entry)
    starts = {block[0] for block in full.blocks} | {len(data)}
    for length in range(len(data)):
        cut = data[:length]
        reading = read_golden(entry, io.BytesIO(cut))
        assert_same(reading, decode_golden(entry, cut), cut)
        if entry["error"]:
            continue
        kind, offset, _ = expected_cut(full, len(data), length)
        assert type(reading.error) is ERROR_CLASSES.get(kind, type(None)), length
        if reading.error is not None:
            assert reading.error.offset == offset, length
        elif length not in starts:
            assert len(reading.warnings) == 1, length


# Back to bytes


@pytest.mark.parametrize("entry", LEGAL, ids=file_name)
def test_what_is_read_is_written_back_to_the_same_bytes(entry: Entry) -> None:
    """A file without final delimiter gets one; a delimiter's loss is written as 0."""
    data = golden_bytes(entry)
    stream = "event_ids" if entry["stream"] == "event_ids" else None
    target = io.BytesIO()
    with (
        evstream.open(GOLDEN / entry["file"], stream, widths=entry["widths"]) as opened,
        evstream.create(
            target, entry["stream"], widths=entry["widths"], validate=False, **entry["header"]
        ) as out,
    ):
        for event in opened:
            out.write(event)
    if entry in UNCLOSED:
        data += b"\0" * sum(int(entry["widths"][name][1]) for name in ("oasis_int", "oasis_float"))
    if entry["file"] == DELIMITER_WITH_LOSS:
        written = decode(target.getvalue())
        assert written.block_entries() == decode_golden(entry).block_entries()
        assert len(target.getvalue()) == len(data)
    else:
        assert target.getvalue() == data


def test_the_golden_files_without_final_delimiter_are_these() -> None:
    assert sorted(entry["file"] for entry in UNCLOSED) == [
        "gul_coverage_no_final_delimiter.bin",
        "gul_item_no_final_delimiter.bin",
        "loss_no_final_delimiter.bin",
        "loss_no_final_delimiter_i8_f8.bin",
        "summary_no_final_delimiter.bin",
    ]


# Real streams


def rows_sha256(rows: list[dict[str, Any]]) -> str:
    """The digest of rows packed in wire order."""
    digest = hashlib.sha256()
    for columns in rows:
        fields = [(name, column.dtype) for name, column in columns.items()]
        records = np.empty(len(next(iter(columns.values()))), fields)
        for name, column in columns.items():
            records[name] = column
        digest.update(records.tobytes())
    return digest.hexdigest()


@OF_CORPUS
@pytest.mark.parametrize("entry", CORPUS_ENTRIES, ids=file_name)
def test_a_real_stream_is_read_as_its_manifest_describes_it(entry: Entry) -> None:
    with_bytes = (CORPUS / entry["file"]).read_bytes()
    decoded = decode(with_bytes)
    reading = read_all(CORPUS / entry["file"])
    if entry["file"] == NOT_REALLY_GZIP:
        assert type(reading.error) is CorruptStreamError
        assert "broken gzip data" in str(reading.error)
        return
    assert_same(reading, decoded, with_bytes)
    if entry["error"]:
        assert type(reading.error) is ERROR_CLASSES[CORPUS_ERRORS[entry["error"]]]
        assert reading.error.offset == entry["error_offset"]
        return
    blocks = [block for event in reading.events for block in event]
    found = {
        "events": len({ids[0] for ids, _ in blocks}),
        "event_runs": len([event for event, _ in groupby(ids[0] for ids, _ in blocks)]),
        "blocks": len(blocks),
        "records": sum(len(entries) for _, entries in blocks),
    }
    assert found == {key: entry[key] for key in found}
    assert reading.header is not None
    assert reading.header.len_sample == entry["sample_size"]
    assert reading.header.summary_set_id == entry["summary_set_id"]
    assert reading.clean_end is (entry["final_delimiter"] is not False)


@OF_CORPUS
@pytest.mark.parametrize("entry", [e for e in CORPUS_ENTRIES if not e["error"]], ids=file_name)
def test_a_real_stream_has_the_sums_of_its_manifest(entry: Entry) -> None:
    with evstream.open(CORPUS / entry["file"]) as stream:
        events = list(stream)
    rows = [event.to_rows() for event in events]
    assert rows_sha256(rows) == entry["records_sha256"]
    sums, counts = {}, {}
    for name, values in classes(rows).items():
        sums[name], counts[name] = total(values.astype(float)), len(values)
    assert counts == entry["counts"]
    expected = {name: float(number) for name, number in entry["sums"].items()}
    assert sums == pytest.approx(expected, rel=0, abs=0, nan_ok=True)


def total(values: Any) -> float:
    """The exact sum; infinities of both signs have none."""
    try:
        return math.fsum(values)
    except ValueError:
        return math.nan


def classes(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The values that the corpus manifest sums: per special sidx, or per column of a cdf."""
    if not rows:
        return {}
    columns = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    if "prob_to" in columns:
        return {name: columns[name] for name in ("bin_mean", "prob_to")}
    sidx, loss = columns["sidx"], columns["loss"]
    found = {str(value): loss[sidx == value] for value in range(-5, 0)}
    found |= {"other_negative": loss[sidx < -5], "samples": loss[sidx > 0]}
    return {name: values for name, values in found.items() if len(values)}
