"""An independent decoder and encoder of every stream in spec/oasis.yaml.

It shares no code with evstream or its generator: the layout is written here by hand,
one `struct` call per field, so that a mistake in the spec or the templates cannot
repeat itself in the answer it is compared with. Slow and obvious on purpose.

Floats are carried as their raw bits (`Bits`). A Python float cannot hold a signalling
f4 NaN, because the conversion to double makes it a quiet one, and NaN never equals
NaN; bits keep every payload and compare as integers do.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

DEFAULT_WIDTHS = {"oasis_int": "i4", "oasis_float": "f4", "areaperil_int": "u4"}

TYPES = {
    (0, 1): "cdf",
    (1, 1): "gul_item",
    (1, 2): "gul_coverage",
    (2, 1): "loss",
    (3, 1): "summary",
}

# Field types by name; len_sample keeps four bytes at every width.
STREAM_HEADERS: dict[str, list[tuple[str, str]]] = {
    "cdf": [],
    "gul_item": [("len_sample", "sample_count")],
    "gul_coverage": [("len_sample", "sample_count")],
    "loss": [("len_sample", "sample_count")],
    "summary": [("len_sample", "sample_count"), ("summary_set_id", "oasis_int")],
    "event_ids": [],
}
BLOCK_HEADERS = {
    "cdf": ["oasis_int", "areaperil_int", "oasis_int", "oasis_int"],  # the last is no_of_bins
    "gul_item": ["oasis_int", "oasis_int"],
    "gul_coverage": ["oasis_int", "oasis_int"],
    "loss": ["oasis_int", "oasis_int"],
    "summary": ["oasis_int", "oasis_int", "oasis_float"],
    "event_ids": ["oasis_int"],
}
PAIR = ["oasis_int", "oasis_float"]  # sidx, loss
BIN = ["oasis_float", "oasis_float"]  # prob_to, bin_mean

LETTERS = {"i4": "i", "i8": "q", "u4": "I", "u8": "Q", "f4": "I", "f8": "Q"}
FLOAT_LETTERS = {"f4": "f", "f8": "d"}

Widths = dict[str, str]
Row = tuple[int, ...]
Value = int | float  # a float field takes a number, or Bits


class Bits(int):
    """The raw bits of a float field, as an unsigned integer."""

    def __repr__(self) -> str:
        return f"Bits({int(self):#x})"


class BrokenStreamError(Exception):
    def __init__(self, error: str, offset: int) -> None:
        super().__init__(f"{error} at byte {offset}")
        self.error = error
        self.offset = offset


@dataclass
class Decoded:
    """What a stream says, up to its end or its first error.

    raw_records: one tuple per record in wire order, float fields as Bits:
        sample streams (event, item or coverage, sidx, loss),
        summary (event, summary, exposure, sidx, loss),
        cdf (event, areaperil, vulnerability, bin_index from 1, prob_to, bin_mean),
        event_ids (event,).
    blocks: (offset, block header fields but no_of_bins ..., n_entries). A block is
        listed once it has a whole entry or is closed. An event id is a block of 0 entries.
    cut_block: the error struck inside the last block that is listed.
    final_delimiter: None after an error, without blocks, and for streams that have
        no delimiter.
    error: short_header, unknown_type, negative_len_sample, negative_count, truncated,
        block_without_entries, or None.
    """

    widths: Widths
    stream: str | None = None
    header: dict[str, int] = field(default_factory=dict)
    raw_records: list[Row] = field(default_factory=list)
    blocks: list[Row] = field(default_factory=list)
    cut_block: bool = False
    final_delimiter: bool | None = None
    error: str | None = None
    error_offset: int | None = None

    @property
    def records(self) -> list[tuple[Value, ...]]:
        """The records with floats as numbers; compare raw_records where NaN may occur."""
        return [tuple(_number(value, self.widths) for value in row) for row in self.raw_records]

    @property
    def events(self) -> list[int]:
        """The event id of each run of blocks with equal event ids."""
        return [event for event, _ in groupby(block[1] for block in self.blocks)]

    @property
    def complete_blocks(self) -> list[Row]:
        return self.blocks[:-1] if self.cut_block else self.blocks

    @property
    def complete_records(self) -> list[Row]:
        cut = self.blocks[-1][-1] if self.cut_block else 0
        return self.raw_records[: len(self.raw_records) - cut]

    def block_entries(self) -> list[tuple[Row, list[Row]]]:
        """The blocks as `encode` takes them: (block header fields, entries)."""
        rows = iter(self.raw_records)
        return [(block[1:-1], [next(rows)[-2:] for _ in range(block[-1])]) for block in self.blocks]


def float_bits(value: Value | str, width: str) -> Bits:
    """The bits of a number at width f4 or f8; of "inf", "-inf" or "nan:0x7fc00123"."""
    if isinstance(value, Bits):
        return value
    if isinstance(value, str) and value.startswith("nan:"):
        return Bits(int(value.removeprefix("nan:"), 16))
    packed = struct.pack("<" + FLOAT_LETTERS[width], float(value))
    return Bits(struct.unpack("<" + LETTERS[width], packed)[0])


def bits_float(bits: int, width: str) -> float:
    packed = struct.pack("<" + LETTERS[width], bits)
    return float(struct.unpack("<" + FLOAT_LETTERS[width], packed)[0])


def records_sha256(stream: str | None, records: Sequence[Row], widths: Widths) -> str:
    """The digest of the records packed in wire order at the widths of the stream."""
    if stream is None:
        return hashlib.sha256(b"").hexdigest()
    types = _record_types(stream)
    layout = "<" + "".join(LETTERS[_width(name, widths)] for name in types)
    return hashlib.sha256(b"".join(struct.pack(layout, *row) for row in records)).hexdigest()


def decode(data: bytes, stream: str | None = None, widths: Widths | None = None) -> Decoded:
    """Decode a whole stream; an error is reported, not raised, and what preceded it kept.

    `stream` has to be given for event_ids, which has no type word; any other name is
    compared with the type word, and ValueError raised where they differ.
    """
    decoded = Decoded(DEFAULT_WIDTHS | (widths or {}))
    try:
        offset = 0
        if stream == "event_ids":
            decoded.stream = stream
        else:
            offset = _decode_stream_header(data, stream, decoded)
        while offset < len(data):
            offset = _decode_block(data, offset, decoded)
    except BrokenStreamError as broken:
        decoded.error, decoded.error_offset = broken.error, broken.offset
        decoded.final_delimiter = None
    return decoded


def encode(
    stream: str,
    header: dict[str, int],
    blocks: Sequence[tuple[Sequence[Value], Sequence[Sequence[Value]]]],
    widths: Widths | None = None,
    final_delimiter: bool = True,
) -> bytes:
    """Encode blocks of (block header fields, entries); no_of_bins is counted here."""
    widths = DEFAULT_WIDTHS | (widths or {})
    data = b"" if stream == "event_ids" else _type_word(stream)
    for name, type_name in STREAM_HEADERS[stream]:
        data += _pack([type_name], [header[name]], widths)
    parts = [data]
    for number, (ids, entries) in enumerate(blocks, start=1):
        count = [len(entries)] if stream == "cdf" else []
        parts.append(_pack(BLOCK_HEADERS[stream], [*ids, *count], widths))
        parts += [_pack(BIN if stream == "cdf" else PAIR, entry, widths) for entry in entries]
        if _has_delimiter(stream) and (final_delimiter or number < len(blocks)):
            parts.append(_pack(PAIR, [0, 0.0], widths))
    return b"".join(parts)


def _decode_stream_header(data: bytes, stream: str | None, decoded: Decoded) -> int:
    if len(data) < 4:
        raise BrokenStreamError("short_header", len(data))
    aggregation, source = int.from_bytes(data[:3], "little"), data[3]
    if (source, aggregation) not in TYPES:
        raise BrokenStreamError("unknown_type", 0)
    decoded.stream = TYPES[source, aggregation]
    if stream not in (None, decoded.stream):
        raise ValueError(f"a {decoded.stream} stream, not {stream}")
    names = [name for name, _ in STREAM_HEADERS[decoded.stream]]
    types = [type_name for _, type_name in STREAM_HEADERS[decoded.stream]]
    if len(data) < 4 + _size(types, decoded.widths):
        raise BrokenStreamError("short_header", len(data))
    values, offset = _unpack(data, 4, types, decoded.widths)
    header = dict(zip(names, values, strict=True))
    if header.get("len_sample", 0) < 0:
        raise BrokenStreamError("negative_len_sample", 4)
    decoded.header = header
    return offset


def _decode_block(data: bytes, start: int, decoded: Decoded) -> int:
    stream = decoded.stream
    assert stream is not None
    ids, offset = _unpack(data, start, BLOCK_HEADERS[stream], decoded.widths)
    if stream == "event_ids":
        decoded.blocks.append((start, *ids, 0))
        decoded.raw_records.append(ids)
        return offset
    if stream == "cdf":
        return _decode_bins(data, start, ids[:-1], ids[-1], offset, decoded)
    return _decode_pairs(data, start, ids, offset, decoded)


def _decode_pairs(data: bytes, start: int, ids: Row, offset: int, decoded: Decoded) -> int:
    """Pairs up to the delimiter, which is known by its sidx alone, or the end of the data."""
    if offset == len(data):
        raise BrokenStreamError("block_without_entries", start)
    n_pairs, closed = 0, False
    try:
        while offset < len(data) and not closed:
            (sidx, loss), offset = _unpack(data, offset, PAIR, decoded.widths)
            closed = sidx == 0
            if not closed:
                n_pairs += 1
                decoded.raw_records.append((*ids, sidx, loss))
    except BrokenStreamError:
        decoded.cut_block = n_pairs > 0
        raise
    finally:
        if n_pairs or closed:
            decoded.blocks.append((start, *ids, n_pairs))
    decoded.final_delimiter = closed
    return offset


def _decode_bins(
    data: bytes, start: int, ids: Row, no_of_bins: int, offset: int, decoded: Decoded
) -> int:
    """As many bins as the block header announces."""
    if no_of_bins < 0:
        raise BrokenStreamError("negative_count", start)
    if no_of_bins > 0 and offset == len(data):
        raise BrokenStreamError("block_without_entries", start)
    n_bins = 0
    try:
        while n_bins < no_of_bins:
            entry, offset = _unpack(data, offset, BIN, decoded.widths)
            n_bins += 1
            decoded.raw_records.append((*ids, n_bins, *entry))
    except BrokenStreamError:
        decoded.cut_block = n_bins > 0
        raise
    finally:
        if n_bins or no_of_bins == 0:
            decoded.blocks.append((start, *ids, n_bins))
    return offset


def _record_types(stream: str) -> list[str]:
    if stream == "event_ids":
        return BLOCK_HEADERS[stream]
    if stream == "cdf":
        return BLOCK_HEADERS[stream] + BIN  # bin_index is as wide as no_of_bins
    return BLOCK_HEADERS[stream] + PAIR


def _has_delimiter(stream: str) -> bool:
    return stream not in ("cdf", "event_ids")


def _type_word(stream: str) -> bytes:
    source, aggregation = next(pair for pair, name in TYPES.items() if name == stream)
    return aggregation.to_bytes(3, "little") + bytes([source])


def _width(type_name: str, widths: Widths) -> str:
    return "i4" if type_name == "sample_count" else widths[type_name]


def _size(types: Sequence[str], widths: Widths) -> int:
    return sum(int(_width(name, widths)[1]) for name in types)


def _unpack(data: bytes, offset: int, types: Sequence[str], widths: Widths) -> tuple[Row, int]:
    start, values = offset, []
    for name in types:
        width = _width(name, widths)
        end = offset + int(width[1])
        if end > len(data):
            raise BrokenStreamError("truncated", start)
        value = int(struct.unpack("<" + LETTERS[width], data[offset:end])[0])
        values.append(Bits(value) if width.startswith("f") else value)
        offset = end
    return tuple(values), offset


def _pack(types: Sequence[str], values: Sequence[Value], widths: Widths) -> bytes:
    packed = b""
    for name, value in zip(types, values, strict=True):
        width = _width(name, widths)
        raw = float_bits(value, width) if width.startswith("f") else int(value)
        packed += struct.pack("<" + LETTERS[width], raw)
    return packed


def _number(value: int, widths: Widths) -> Value:
    return bits_float(value, widths["oasis_float"]) if isinstance(value, Bits) else value
