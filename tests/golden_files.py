"""The golden files and the real streams of the corpus, as their manifests describe them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from oracle import (
    BLOCK_HEADERS,
    PAIR,
    Decoded,
    decode,
    encode,
)

GOLDEN = Path(__file__).parent / "golden"

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"

ENTRIES: list[dict[str, Any]] = json.loads((GOLDEN / "manifest.json").read_text())["files"]

LEGAL = [entry for entry in ENTRIES if not entry["error"]]

UNCLOSED = [entry for entry in LEGAL if entry["final_delimiter"] is False]

NOT_REALLY_GZIP = "m17_gzip.bin"  # a gzip header with a plain stream behind it

DELIMITER_WITH_LOSS = "loss_delimiter_with_loss.bin"

CORPUS_ERRORS = {
    None: None,
    "short_header": "short_header",
    "unknown_source": "unknown_type",
    "unknown_agg": "unknown_type",
    "negative_nbins": "negative_count",
    "truncated_pair": "truncated",
    "block_header_without_data": "block_without_entries",
}

Entry = dict[str, Any]


def file_name(entry: Entry) -> str:
    return str(entry["file"])


def corpus_entries() -> list[Entry]:
    manifest = CORPUS / "manifest.json"
    if not manifest.is_file():
        return []
    entries: list[Entry] = json.loads(manifest.read_text())["files"]
    return entries


def golden_bytes(entry: Entry) -> bytes:
    return (GOLDEN / file_name(entry)).read_bytes()


def decode_golden(entry: Entry, data: bytes | None = None) -> Decoded:
    stream = "event_ids" if entry["stream"] == "event_ids" else None
    return decode(golden_bytes(entry) if data is None else data, stream, entry["widths"])


def encode_again(decoded: Decoded) -> bytes:
    assert decoded.stream is not None
    closed = decoded.final_delimiter is not False
    blocks = decoded.block_entries()
    return encode(decoded.stream, decoded.header, blocks, decoded.widths, closed)


def expected_cut(full: Decoded, size: int, length: int) -> tuple[str | None, int | None, int]:
    """(error, error_offset, whole records) of the first `length` bytes of a legal stream.

    A cut is legal at the start of a block header, at the end of the stream, and in a
    stream with delimiters after each whole pair of a block, where the end of the block is
    missing. Everywhere else it is an error:
        in the stream header            short_header            at the length
        in a block header               truncated               at its start
        after a block header            block_without_entries   at the start of that header
        in a pair, delimiter or bin     truncated               at its start
        between two bins of a block     truncated               at the length
    """
    assert full.stream is not None
    widths = {name: int(width[1]) for name, width in full.widths.items()}
    header_size = sum(widths[name] for name in BLOCK_HEADERS[full.stream])
    entry_size = sum(widths[name] for name in PAIR)
    if full.stream == "cdf":
        entry_size = 2 * widths["oasis_float"]
    starts = [block[0] for block in full.blocks] + [size]
    if length < starts[0]:
        return "short_header", length, 0
    n_records = 0
    for block, start, end in zip(full.blocks, starts, starts[1:], strict=False):
        if length >= end:
            n_records += max(block[-1], full.stream == "event_ids")
        elif start < length < start + header_size:
            return "truncated", start, n_records
        elif length == start + header_size:
            return "block_without_entries", start, n_records
        elif length > start:
            n_entries, rest = divmod(length - start - header_size, entry_size)
            n_records += n_entries
            if rest:
                return "truncated", length - rest, n_records
            if full.stream == "cdf":
                return "truncated", length, n_records
    return None, None, n_records
