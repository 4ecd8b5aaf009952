"""The oracle, the golden files and the real streams of the corpus say the same.

Three independent hands: write_golden.py put the bytes down and noted what they mean,
oracle.py reads them, and the corpus was written by the reference tools and described by
a parser of its own. The product is compared with the oracle elsewhere.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden_files import (
    CORPUS,
    CORPUS_ERRORS,
    DELIMITER_WITH_LOSS,
    ENTRIES,
    GOLDEN,
    LEGAL,
    Entry,
    corpus_entries,
    decode_golden,
    encode_again,
    expected_cut,
    file_name,
    golden_bytes,
)
from oracle import (
    DEFAULT_WIDTHS,
    STREAM_HEADERS,
    Bits,
    bits_float,
    decode,
    encode,
    float_bits,
    records_sha256,
)

SMALL = 1000  # bytes; larger files are not cut at every length

SMALL_ENTRIES = [entry for entry in ENTRIES if entry["bytes"] <= SMALL]

LEGAL_SMALL_ENTRIES = [entry for entry in SMALL_ENTRIES if not entry["error"]]


def as_bits(rows: list[list[Any]], decoded_rows: list[tuple[int, ...]], width: str) -> Any:
    """Rows of the manifest with a number replaced by its bits where the oracle has Bits."""
    return [
        tuple(
            float_bits(value, width) if isinstance(decoded, Bits) else value
            for value, decoded in zip(row, decoded_row, strict=True)
        )
        for row, decoded_row in zip(rows, decoded_rows, strict=True)
    ]


@pytest.mark.parametrize("entry", ENTRIES, ids=file_name)
def test_golden_file_is_decoded_as_the_manifest_says(entry: Entry) -> None:
    decoded = decode_golden(entry)
    found = {
        "bytes": len(golden_bytes(entry)),
        "sha256": hashlib.sha256(golden_bytes(entry)).hexdigest(),
        "stream": decoded.stream,
        "header": decoded.header,
        "events": len(decoded.events),
        "distinct_events": len(set(decoded.events)),
        "blocks": len(decoded.blocks),
        "records": len(decoded.raw_records),
        "complete": {
            "blocks": len(decoded.complete_blocks),
            "records": len(decoded.complete_records),
        },
        "final_delimiter": decoded.final_delimiter,
        "error": decoded.error,
        "error_offset": decoded.error_offset,
        "records_sha256": records_sha256(decoded.stream, decoded.raw_records, decoded.widths),
    }
    assert found == {key: entry[key] for key in found}


@pytest.mark.parametrize("entry", SMALL_ENTRIES, ids=file_name)
def test_the_values_of_a_golden_file_are_in_its_manifest(entry: Entry) -> None:
    decoded = decode_golden(entry)
    width = entry["widths"]["oasis_float"]
    records, blocks = decoded.raw_records, decoded.blocks
    assert as_bits(entry["decoded"], records, width) == records
    assert as_bits(entry["block_list"], blocks, width) == blocks


@pytest.mark.parametrize("entry", LEGAL, ids=file_name)
def test_a_legal_golden_file_is_encoded_to_the_same_bytes(entry: Entry) -> None:
    same = encode_again(decode_golden(entry)) == golden_bytes(entry)
    # A delimiter is always written as (0, 0).
    assert same == (entry["file"] != DELIMITER_WITH_LOSS)


@pytest.mark.parametrize("entry", ENTRIES, ids=file_name)
def test_the_annotated_listing_shows_the_bytes_of_the_file(entry: Entry) -> None:
    data = golden_bytes(entry)
    lines = (GOLDEN / entry["file"]).with_suffix(".txt").read_text().splitlines()
    rows = [line for line in lines if line[:7].strip().isdigit()]
    shown = 0
    for row in rows:
        offset, raw = int(row[:7]), bytes.fromhex(row[9:32])
        assert data[offset : offset + len(raw)] == raw, row
        shown += len(raw)
    abbreviated = any(line.strip().startswith("...") for line in lines)
    assert shown < len(data) if abbreviated else shown == len(data)


def test_the_golden_files_are_those_that_write_golden_writes() -> None:
    command = [sys.executable, str(GOLDEN / "write_golden.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_the_golden_files_stay_small() -> None:
    assert sum(path.stat().st_size for path in GOLDEN.iterdir() if path.is_file()) < 700_000


def width_files(stream: str) -> list[str]:
    """The golden files of a stream, one for each combination of widths the spec allows."""
    widths = {"event_ids": ["i4", "i8"], "cdf": CDF_WIDTHS}.get(stream, SAMPLE_WIDTHS)
    return [f"{stream}_{width}.bin" for width in widths]


SAMPLE_WIDTHS = ["i4_f4", "i4_f8", "i8_f4", "i8_f8"]

CDF_WIDTHS = [f"{width}_{areaperil}" for width in SAMPLE_WIDTHS for areaperil in ("u4", "u8")]


@pytest.mark.parametrize("stream", STREAM_HEADERS)
def test_a_golden_file_has_the_widths_of_its_name(stream: str) -> None:
    entries = {entry["file"]: entry for entry in ENTRIES}
    for name in width_files(stream):
        assert entries[name]["stream"] == stream
        widths = name.removeprefix(stream).removesuffix(".bin").strip("_").split("_")
        assert list(entries[name]["widths"].values())[: len(widths)] == widths


@pytest.mark.parametrize("stream", STREAM_HEADERS)
def test_the_records_of_a_stream_are_the_same_at_every_width(stream: str) -> None:
    entries = [entry for entry in ENTRIES if entry["file"] in width_files(stream)]
    first, *others = [decode_golden(entry).records for entry in entries]
    assert first
    assert all(records == first for records in others)


@pytest.mark.parametrize("entry", LEGAL_SMALL_ENTRIES, ids=file_name)
def test_a_cut_legal_stream_ends_between_records_or_is_an_error(
    entry: Entry,
) -> None:
    data = golden_bytes(entry)
    full = decode_golden(entry)
    starts = {block[0] for block in full.blocks}
    for length in range(len(data)):
        cut = decode_golden(entry, data[:length])
        found = (cut.error, cut.error_offset, len(cut.raw_records))
        assert found == expected_cut(full, len(data), length), length
        if cut.error is None and full.final_delimiter is not None:
            boundary = None if length == min(starts) else length in starts
            assert cut.final_delimiter is boundary, length


@pytest.mark.parametrize("entry", SMALL_ENTRIES, ids=file_name)
def test_a_cut_stream_has_no_record_that_the_whole_lacks(entry: Entry) -> None:
    data = golden_bytes(entry)
    full = decode_golden(entry)
    for length in range(len(data)):
        cut = decode_golden(entry, data[:length])
        assert cut.raw_records == full.raw_records[: len(cut.raw_records)]
        assert cut.blocks[:-1] == full.blocks[: len(cut.blocks[:-1])]


@pytest.mark.parametrize("entry", SMALL_ENTRIES, ids=file_name)
def test_a_cut_without_error_is_a_whole_stream_itself(entry: Entry) -> None:
    """Nothing is left over: what was decoded makes up every byte of the cut stream."""
    data = golden_bytes(entry)
    for length in range(len(data)):
        cut = decode_golden(entry, data[:length])
        if cut.error is None and entry["file"] != DELIMITER_WITH_LOSS:
            assert encode_again(cut) == data[:length]


def test_the_corpus_is_at_hand() -> None:
    if not corpus_entries():
        pytest.skip(f"no corpus of real streams at {CORPUS}")
    assert len(corpus_entries()) > 40


@pytest.mark.parametrize("entry", corpus_entries(), ids=file_name)
def test_a_real_stream_is_decoded_as_its_independent_parser_did(entry: Entry) -> None:
    """That parser counts whole blocks only, and calls runs of equal event ids event_runs."""
    decoded = decode((CORPUS / entry["file"]).read_bytes())
    events = [block[1] for block in decoded.complete_blocks]
    found = {
        "events": len(set(events)),
        "event_runs": len([event for event, _ in groupby(events)]),
        "blocks": len(decoded.complete_blocks),
        "records": len(decoded.complete_records),
        "records_sha256": records_sha256(decoded.stream, decoded.complete_records, decoded.widths),
    }
    assert found == {key: entry[key] for key in found}
    assert decoded.error == CORPUS_ERRORS[entry["error"]]
    assert decoded.error_offset == entry.get("error_offset")
    if decoded.error is None:
        assert decoded.final_delimiter == entry["final_delimiter"]
        assert decoded.header.get("len_sample") == entry["sample_size"]
        assert decoded.header.get("summary_set_id") == entry["summary_set_id"]


def test_a_loss_stream_starts_01_00_00_02() -> None:
    data = encode("loss", {"len_sample": 10}, [((1, 2), [(-1, 1.0)])])
    assert (
        data.hex(" ", 4)
        == "01000002 0a000000 01000000 02000000 ffffffff 0000803f 00000000 00000000"
    )


def test_the_oracle_names_the_stream_or_refuses_another_name() -> None:
    data = encode("summary", {"len_sample": 10, "summary_set_id": 1}, [])
    assert decode(data, "summary").stream == "summary"
    with pytest.raises(ValueError, match="a summary stream, not loss"):
        decode(data, "loss")


@pytest.mark.parametrize(
    ("value", "width", "bits"),
    [
        (1.0, "f4", 0x3F800000),
        (-0.0, "f4", 0x80000000),
        ("-inf", "f4", 0xFF800000),
        ("nan:0x7f800001", "f4", 0x7F800001),
        (Bits(0x7FC00123), "f4", 0x7FC00123),
        (1.0, "f8", 0x3FF0000000000000),
    ],
)
def test_floats_are_compared_by_their_bits(value: float | str, width: str, bits: int) -> None:
    assert float_bits(value, width) == bits
    if not str(value).startswith("nan") and not isinstance(value, Bits):
        assert bits_float(bits, width) == float(value)


INT4 = st.integers(-(2**31), 2**31 - 1)

SIDX = INT4.filter(lambda sidx: sidx != 0)

LOSS = st.integers(0, 2**32 - 1).map(Bits)


@given(
    blocks=st.lists(
        st.tuples(
            st.tuples(INT4, INT4, LOSS),
            st.lists(st.tuples(SIDX, LOSS), min_size=1, max_size=5),
        ),
        max_size=5,
    ),
    final_delimiter=st.booleans(),
)
def test_what_is_encoded_is_decoded(blocks: Any, final_delimiter: bool) -> None:
    header = {"len_sample": 10, "summary_set_id": 3}
    data = encode("summary", header, blocks, DEFAULT_WIDTHS, final_delimiter)
    decoded = decode(data)
    assert decoded.error is None
    assert decoded.header == header
    assert decoded.block_entries() == blocks
    assert decoded.final_delimiter == (final_delimiter if blocks else None)
