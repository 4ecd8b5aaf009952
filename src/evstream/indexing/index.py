"""The index of a stream, and its file: a line of JSON, then arrays of numbers.

The line names the arrays that follow it, with dtype, length and checksum, and has a checksum of its
own. Nothing in the file is trusted: what is read is bounded by the size of the stream, and every
fact is checked before it is used.

A *stretch* is a row of whole blocks of about a megabyte. It ends where an event ends, unless the
event is too large. The records of all stretches cover the file from the stream header to the end.
A *run* is a row of blocks with one event id; they are listed if that takes little room.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from evstream._support.format import Format
from evstream.errors import StaleIndexError
from evstream.transport.sink import Sink, staged
from evstream.wire.columns import Array
from evstream.wire.header import StreamHeader
from evstream.wire.header_bytes import build_header

SUFFIX = ".evx"
VERSION = 1

STRETCH = 1 << 20
"""Bytes after which a stretch ends with the event; it ends with the block after twice as many."""

RUNS_SHARE = 200
"""Runs are listed if they take up to a part in so many of the stream: 0.5 %."""

LONGEST_RUNS = 1 << 27
"""Bytes of a list of runs at most: 11 million events at the default widths."""

LONGEST_LINE = 1 << 16
"""Bytes of the line of JSON."""

EXPECTED = "the file that was indexed; `evstream index` makes a new index"

OFFSET = np.dtype("<i8")
CHECKSUM = np.dtype("<u4")


class Cuts(NamedTuple):
    """Places between two blocks, in ascending order.

    Attributes:
        offsets: int64, stream offsets of block headers; the last is the size of the file.
        begins_event: bool, whether the block there is of another event than the one before; true
            for the end of the file.
    """

    offsets: Array
    begins_event: Array


@dataclass(frozen=True)
class Stretches:
    """The records of all stretches, an array of shape (stretches,) for each fact.

    Attributes:
        offset: stream offset of the first block.
        begins_event: 1 if the first block is of another event than the block before, else 0.
        first: event of the first block.
        lowest, highest: of the events; without NaN. Empty where events are text.
        blocks, entries: how many there are.
        ids: CRC-32 of the event of each block, as in the stream.
        checksum: CRC-32 of the bytes.
    """

    offset: Array
    begins_event: Array
    first: Array
    lowest: Array
    highest: Array
    blocks: Array
    entries: Array
    ids: Array
    checksum: Array


@dataclass(frozen=True)
class Index:
    """Where the blocks and events of a file are.

    Attributes:
        header: the StreamHeader of the stream.
        size: bytes of the stream.
        tag: text that changed when the file did, where it was indexed; "" if it was not known.
        closed: whether the last block has its delimiter.
        stretches: their records.
        runs, run_offsets: the event of each run, and the stream offset of its first block; None
            if they are not listed.
    """

    header: StreamHeader
    size: int
    tag: str
    closed: bool
    stretches: Stretches
    runs: Array | None = None
    run_offsets: Array | None = None

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return int(self.stretches.blocks.sum())

    @property
    def records(self) -> int:
        """Number of entries, or of blocks where these have no entries."""
        has_entries = self.header.block.entry is not None
        return int(self.stretches.entries.sum()) if has_entries else self.blocks

    def cuts(self) -> Cuts:
        """Places where the stream may be divided; its first block and its end are among them."""
        offsets = np.append(self.stretches.offset, self.size)
        begins = np.append(self.stretches.begins_event != 0, True)
        if self.run_offsets is not None:
            offsets = np.concatenate([offsets, self.run_offsets])
            begins = np.concatenate([begins, np.ones(len(self.run_offsets), bool)])
            offsets, firsts = np.unique(offsets, return_index=True)
            begins = begins[firsts]
        return Cuts(offsets, begins)

    def bounds(self) -> Array:
        """Stream offsets of the stretches, and the end of the file."""
        return np.append(self.stretches.offset, self.size)

    def write(self, target: Any, *, durable: bool | None = None) -> None:
        """Write the index; a file appears whole."""
        with self.staged(target, durable=durable):
            pass

    def staged(
        self,
        target: Any,
        *,
        durable: bool | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> Sink:
        """The written index, which appears when the sink is closed."""
        return staged(self._pieces(), target, durable=durable, storage_options=storage_options)

    def _pieces(self) -> list[bytes]:
        arrays = dict(vars(self.stretches))
        if self.runs is not None and self.run_offsets is not None:
            arrays |= {"runs": self.runs, "run_offsets": self.run_offsets}
        pieces = [np.ascontiguousarray(array).tobytes() for array in arrays.values()]
        facts = {
            "evstream_index": VERSION,
            "format": self.header.format.name,
            "stream": self.header.stream,
            "header": dict(self.header.values),
            "widths": self.header.used_widths,
            "size": self.size,
            "tag": self.tag,
            "closed": self.closed,
            "arrays": [
                [name, array.dtype.str, len(array), zlib.crc32(piece)]
                for (name, array), piece in zip(arrays.items(), pieces, strict=True)
            ],
        }
        return [_signed(json.dumps(facts)), *pieces]


def dtypes_of(header: StreamHeader) -> dict[str, np.dtype[Any]]:
    """The arrays of an index -> dtype, in their order in the file."""
    event = header.block_columns[header.event_column]
    small = np.dtype("u1")
    return {
        "offset": OFFSET, "begins_event": small, "first": event, "lowest": event, "highest": event,
        "blocks": OFFSET, "entries": OFFSET, "ids": CHECKSUM, "checksum": CHECKSUM,
        "runs": event, "run_offsets": OFFSET,
    }  # fmt: skip


def has_order(header: StreamHeader) -> bool:
    """Whether events have a lowest and a highest: those that are text have none."""
    return header.block_columns[header.event_column].kind != "S"


def most_runs(header: StreamHeader, size: int | None) -> int:
    """How many runs an index of a stream of `size` bytes lists."""
    most = LONGEST_RUNS if size is None else min(size // RUNS_SHARE, LONGEST_RUNS)
    return most // (header.block_columns[header.event_column].itemsize + OFFSET.itemsize)


def most_bytes(size: int) -> int:
    """Bytes of an index of a stream of `size` bytes, at most."""
    record = 6 * OFFSET.itemsize + 3 * _LONGEST_EVENT
    runs = min(size // RUNS_SHARE, LONGEST_RUNS)
    return LONGEST_LINE + record * (size // STRETCH + 1) + runs


_LONGEST_EVENT = 256


def parse(data: bytes | bytearray, name: str, format: Format | None = None) -> Index:
    """The index in the bytes of an index file. Raises StaleIndexError for anything else."""
    line, newline, _ = data[:LONGEST_LINE].partition(b"\n")
    try:
        if not newline:
            raise ValueError("there is no line of facts")
        facts = _checked_line(line)
        if facts["evstream_index"] != VERSION:
            version = facts["evstream_index"]
            raise ValueError(f"version {version!r}, expected {VERSION}")
        header = build_header(facts["stream"], facts["header"], facts["widths"], format)
        if facts["format"] != header.format.name:
            raise ValueError(f"it is of the format {facts['format']!r}")
        size, tag, closed = facts["size"], facts["tag"], facts["closed"]
        if (type(size), type(tag), type(closed)) != (int, str, bool):
            raise TypeError(f"size {size!r}, tag {tag!r}, closed {closed!r}")
        arrays = _arrays(facts["arrays"], data, len(line) + 1, header)
        runs, run_offsets = arrays.pop("runs", None), arrays.pop("run_offsets", None)
        index = Index(header, size, tag, closed, Stretches(**arrays), runs, run_offsets)
        _refuse_nonsense(index)
    except StaleIndexError:
        raise
    except Exception as error:  # of json, numpy, build_header: hostile bytes find them all
        problem = f"this is not an index, or a damaged one ({' '.join(str(error).split())[:200]})"
        raise StaleIndexError(problem, source=name, expected=EXPECTED) from None
    return index


_MARK = ', "checksum": '


def _signed(text: str) -> bytes:
    """A JSON object as a line, with the checksum of its text as the last member."""
    return f"{text[:-1]}{_MARK}{zlib.crc32(text.encode())}}}\n".encode()


def _checked_line(line: bytes | bytearray) -> Mapping[str, Any]:
    text, mark, checksum = line.decode().rpartition(_MARK)
    if not mark or checksum != f"{zlib.crc32((text + '}').encode())}}}":
        raise ValueError("the checksum of its facts is wrong")
    facts: Mapping[str, Any] = json.loads(text + "}")
    return facts


def _arrays(table: Any, data: bytes | bytearray, at: int, header: StreamHeader) -> dict[str, Array]:
    dtypes = dtypes_of(header)
    arrays = {}
    for name, dtype, count, checksum in table:
        if name in arrays or dtypes[name].str != dtype or type(count) is not int or count < 0:
            raise ValueError(f"array {name!r} of {count!r} numbers {dtype!r}")
        size = count * dtypes[name].itemsize
        piece = data[at : at + size]
        if len(piece) != size or zlib.crc32(piece) != checksum:
            raise ValueError(f"array {name} is damaged")
        arrays[name] = np.frombuffer(bytearray(piece), dtypes[name])
        at += size
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes follow the arrays")
    return arrays


def _refuse_nonsense(index: Index) -> None:
    """Raise ValueError for records that no stream can have, although their checksums are right."""
    s, header = index.stretches, index.header
    lengths = {len(array) for name, array in vars(s).items() if name not in _ORDERED}
    ordered = {len(s.lowest), len(s.highest)}
    if len(lengths) != 1 or ordered != (lengths if has_order(header) else {0}):
        raise ValueError("its arrays have different lengths")
    bounds = np.concatenate([[header.size], index.bounds()])
    is_first = len(s.offset) == 0 or s.offset[0] == header.size
    if not is_first or (np.diff(bounds[1:]) <= 0).any() or bounds[-1] < header.size:
        raise ValueError("its stretches do not follow one another")
    if not len(s.offset) and index.size != header.size:
        raise ValueError("its stretches do not cover the stream")
    if (s.blocks < 1).any() or (s.entries < 0).any():
        raise ValueError("a stretch has no block")
    if (index.runs is None) != (index.run_offsets is None):
        raise ValueError("its list of events is not complete")
    if index.runs is not None and index.run_offsets is not None:
        _refuse_runs(index, index.runs, index.run_offsets)


def _refuse_runs(index: Index, runs: Array, offsets: Array) -> None:
    bounds = np.append(offsets, index.size)
    starts = index.stretches.offset[index.stretches.begins_event != 0]
    if len(runs) != len(offsets) or (np.diff(bounds) <= 0).any():
        raise ValueError("its events do not follow one another")
    if len(offsets) != 0 and offsets[0] != index.header.size:
        raise ValueError("its events do not cover the stream")
    if len(offsets) == 0 and len(index.stretches.offset):
        raise ValueError("its events do not cover the stream")
    if (bounds[np.searchsorted(offsets, starts)] != starts).any():  # np.isin would sort them
        raise ValueError("its events and stretches do not agree")


_ORDERED = ("lowest", "highest")
