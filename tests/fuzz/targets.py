"""What a fuzzer runs: one input in, nothing out, an exception when a promise is broken.

An input is three bytes that choose (the target, the widths, how the data comes) and the data.
Each target reads the data with evstream and with the decoder of tests/oracle.py, which is
made of struct calls and shares no code with evstream. What may happen is that both find the
same, or that evstream raises the typed error which the oracle's finding stands for, after a
prefix of what the oracle found. Anything else escapes from `run`.

The same inputs are made by fuzz_stream.py (seeded mutation of golden files, kernels compiled)
and by fuzz_atheris.py (coverage-guided, kernels interpreted).
"""

from __future__ import annotations

import io
import os
import random
import warnings
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numba
import numpy as np

import evstream
from documented import row_parser
from evstream import event_stream as es
from evstream.checking.validated_sources import validate
from evstream.compat import event_reader
from evstream.compat import stream_input as feeds
from evstream.errors import (
    CorruptStreamError,
    EvstreamError,
    StreamHeaderError,
    TruncatedStreamError,
)
from evstream.reading.stream import EventStream
from evstream.transport.compression import Expander, compression
from oracle import BLOCK_HEADERS, PAIR, STREAM_HEADERS, Bits, Decoded, decode, encode
from part_cases import check_union
from support import (
    ERROR_CLASSES,
    HEADER_ERRORS,
    Trickle,
    assert_same,
    is_beyond_oracle,
    read_all,
)

GOLDEN = Path(__file__).parents[1] / "golden"

Widths = dict[str, str]

WIDTHS: list[Widths] = [
    {"oasis_int": i, "oasis_float": f, "areaperil_int": u}
    for i, f, u in product(("i4", "i8"), ("f4", "f8"), ("u4", "u8"))
]
DEFAULT = WIDTHS[0]

CHOICES = 3
"""Bytes that choose."""

LARGEST = 1 << 16
"""Bytes of data at most, so that the oracle keeps up."""


def run(given: bytes, widths: list[Widths] = WIDTHS) -> None:
    """Run one input; returns if evstream kept its promises."""
    if len(given) < CHOICES:
        return
    target, width, way = given[:CHOICES]
    function = TARGETS[target % len(TARGETS)]
    function(given[CHOICES : CHOICES + LARGEST], widths[width % len(widths)], way)


# How the data comes


def window_of(way: int) -> int:
    """Bytes of the window: 256 to 1696, never a multiple of a record."""
    return 256 + 97 * (way % 16)


def source_of(data: bytes, way: int) -> Any:
    """All at once, or in pieces of 1 to 29 bytes."""
    piece = way >> 4
    return io.BytesIO(data) if piece == 0 else Trickle(data, 2 * piece - 1)


class Pieces(io.BytesIO):
    """A file that gives a few bytes at a time."""

    size = 1 << 20

    def readinto1(self, view: Any) -> int:
        return super().readinto(memoryview(view)[: self.size])


class OnDemand:
    """Pipes that are written to, in turn a piece each, when their reader would wait."""

    def __init__(self, streams: list[bytes], piece: int) -> None:
        self.streams = streams
        self.piece = piece

    def __enter__(self) -> list[Any]:
        ends = [os.pipe() for _ in self.streams]
        self.readers = [os.fdopen(reader, "rb") for reader, _ in ends]
        self.writers = {}
        for data, (_, writer) in zip(self.streams, ends, strict=True):
            os.write(writer, data[:8])  # a stream header is waited for without us
            self.writers[writer] = data[8:]
            if len(data) < 8:
                self.end(writer)
        self.wait = feeds.wait_for_input
        feeds.wait_for_input = event_reader.wait_for_input = self.write_and_wait
        return self.readers

    def write_and_wait(self, waiting: Any, timeout: float | None) -> list[int]:
        for writer, left in list(self.writers.items()):
            if left:
                os.write(writer, left[: self.piece])
                self.writers[writer] = left[self.piece :]
            else:
                self.end(writer)
        return self.wait(waiting, 10)

    def end(self, writer: int) -> None:
        del self.writers[writer]
        os.close(writer)

    def __exit__(self, *_: object) -> None:
        feeds.wait_for_input = event_reader.wait_for_input = self.wait
        for writer in list(self.writers):
            self.end(writer)
        for reader in self.readers:
            reader.close()


BESIDE_EVENT = 2_000_000_000
BESIDE = encode(
    "loss", {"len_sample": 9},
    [((BESIDE_EVENT + event, item), [(s, 1.0 * event * s) for s in range(1, 8)])
     for event in range(5) for item in (1, 2)],
)  # fmt: skip
BESIDE_ROWS = decode(BESIDE).raw_records


# The targets


def read_events(data: bytes, widths: Widths, way: int) -> None:
    """evstream.open: the oracle's events, bit for bit, and its end or its error."""
    if compression(data) is not None:
        return  # for expand_gzip and expand_zstd
    reading = read_all(source_of(data, way), None, widths, chunk=window_of(way))
    assert_same(reading, decode(data, None, widths), data)


def read_event_ids(data: bytes, widths: Widths, way: int) -> None:
    """The same for a stream without a stream header."""
    reading = read_all(source_of(data, way), "event_ids", widths, chunk=window_of(way))
    assert_same(reading, decode(data, "event_ids", widths), data)


def read_callbacks(data: bytes, widths: Widths, way: int) -> None:
    """evstream.reader_class: the oracle's rows; before an error, a prefix of them."""
    decoded = decode(data, None, widths)
    stream = decoded.stream
    if stream is None or decoded.error in HEADER_ERRORS:
        return  # read_events judges those
    reader_class = callback_reader(stream, tuple(widths.items()))
    reader_class.buffer_size = window_of(way)
    state = new_state(len(data), widths)
    event_ids, rows, error = [], 0, None
    try:
        for event_id in reader_class(state).read(source_of(data, way)):
            event_ids.append(event_id)
            rows = int(state[0][0])
    except EvstreamError as caught:
        error = caught
    found = callback_rows(stream, state, rows, widths)
    if is_beyond_oracle(error):
        assert found == without_bin_index(stream, decoded.raw_records[:rows])
    elif decoded.error is None:
        assert error is None, error
        assert event_ids == decoded.events
        assert found == without_bin_index(stream, decoded.raw_records)
    else:
        assert type(error) is ERROR_CLASSES[decoded.error], (error, decoded.error)
        assert event_ids == decoded.events[: len(event_ids)]
        assert found == without_bin_index(stream, decoded.complete_records[:rows])


def read_documented(data: bytes, widths: Widths, way: int) -> None:
    """A subclass of EventReader with a parsing loop of its own, in the documented form, on a
    file that gives little at a time."""
    stream = Pieces(data)
    stream.size = 1 + 2 * (way >> 4)
    check_documented(data, way, [stream])


def read_pipes(data: bytes, widths: Widths, way: int) -> None:
    """The same on a pipe whose writer writes a piece whenever the reader waits, beside
    another pipe with a stream of its own."""
    piece = 1 + 7 * (way >> 4)
    with OnDemand([data[:60_000], BESIDE], piece) as streams:
        check_documented(data[:60_000], way, streams)


def check_documented(data: bytes, way: int, streams: list[Any]) -> None:
    decoded = decode(data, None, DEFAULT)
    if decoded.stream not in ("gul_item", "gul_coverage", "loss"):
        return
    reader = DocumentedReader(room=1 + way % 16)
    reader.buffer_size = window_of(way)
    error = None
    try:
        for stream in streams:
            es.read_stream_info(stream)
        reader.collect(streams)
    except EvstreamError as caught:
        error = caught
    if any(0 in block[1:3] for block in decoded.blocks) or has_zero_header(decoded, data):
        return  # to a documented subclass, an id of 0 means that it is between two blocks
    rows = [row for row in reader.rows if row[0] < BESIDE_EVENT]
    beside = [row for row in reader.rows if row[0] >= BESIDE_EVENT]
    if any(block[1] >= BESIDE_EVENT for block in decoded.blocks):
        return  # cannot be told from those beside
    assert beside == BESIDE_ROWS[: len(beside)]
    if is_beyond_oracle(error):
        assert rows == decoded.raw_records[: len(rows)]
    elif decoded.error is None:
        assert error is None, error
        assert rows == decoded.raw_records
        assert len(beside) == (len(BESIDE_ROWS) if len(streams) > 1 else 0)
    else:
        assert type(error) is ERROR_CLASSES[decoded.error], (error, decoded.error)
        assert rows == decoded.raw_records[: len(rows)]


def validate_stream(data: bytes, widths: Widths, way: int) -> None:
    """evstream.validate: counts what the oracle counts, and refuses what it refuses."""
    if compression(data) is not None:
        return
    decoded = decode(data, None, widths)
    small_window = patch.dict(EventStream.__init__.__kwdefaults__, chunk=window_of(way))
    try:
        with small_window:  # else it would see only one
            report = validate(source_of(data, way), widths=widths, first=2)
    except StreamHeaderError:
        assert decoded.error in HEADER_ERRORS
        return
    beyond_the_oracle = ("does not fit its widths", "a second stream starts here")
    texts = [finding.text for finding in report.findings]
    if any(words in text for words in beyond_the_oracle for text in texts):
        return
    assert ("stream-whole" in report.counts) == (decoded.error is not None)
    if decoded.error is None:
        counts = (report.events, report.blocks, report.records, report.bytes)
        events = len(set(decoded.events))
        assert counts == (events, len(decoded.blocks), len(decoded.raw_records), len(data))


def expand_gzip(data: bytes, widths: Widths, way: int) -> None:
    """gzip: what zlib makes of all the data at once, or a typed error after a prefix."""
    expected, is_whole = inflated(data)
    check_expander("gzip", data, way, expected, is_whole)


def expand_zstd(data: bytes, widths: Widths, way: int) -> None:
    """zstd: the same, without a second decoder to compare with when the data is broken."""
    check_expander("zstd", data, way, None, None)


def read_parts(data: bytes, widths: Widths, way: int) -> None:
    """The parts of a file, of any size, give what the file gives, and fail where it fails."""
    with TemporaryDirectory(prefix="evstream-fuzz-") as folder:
        path = Path(folder) / "a.bin"
        path.write_bytes(data)
        size = max(1, len(data) >> (way & 7)) + (way >> 4)
        check_union(path, max(size, len(data) // 50), widths=widths)
        if len(data) % 2:
            check_union(path, max(size, len(data) // 50), "event_ids", widths=widths)


TARGETS: list[Callable[[bytes, Widths, int], None]] = [
    read_events, read_event_ids, read_callbacks, read_documented, validate_stream,
    expand_gzip, expand_zstd, read_pipes, read_parts,
]  # fmt: skip


# Compressed data


MOST_EXPANDED = 1 << 23
"""Expanded bytes looked at."""


def check_expander(
    kind: str, data: bytes, way: int, expected: bytes | None, is_whole: bool | None
) -> None:
    file = io.BytesIO(data)
    piece = 1 + (way >> 4) * 50
    expander = Expander(kind, lambda size: file.read(min(size, piece)), "fuzz")
    view = memoryview(bytearray(1 + (way % 16) * 1000))
    found = bytearray()
    try:
        while len(found) < MOST_EXPANDED and (size := expander.readinto(view)):
            assert size <= len(view)
            found += view[:size]
    except (TruncatedStreamError, CorruptStreamError):
        assert is_whole is not True
    else:
        assert is_whole is not False or len(found) >= MOST_EXPANDED
        assert expected is None or found[:MOST_EXPANDED] == expected[: len(found)]
        return
    assert expected is None or expected.startswith(bytes(found))


def inflated(data: bytes) -> tuple[bytes, bool]:
    """All that zlib can expand, and whether the last member is whole."""
    out = b""
    while data and len(out) < 2 * MOST_EXPANDED:
        member = zlib.decompressobj(wbits=31)
        try:
            for at in range(len(data)):  # a byte at a time: all that precedes an error
                out += member.decompress(data[at : at + 1])
                if member.eof:
                    break
        except zlib.error:
            return out, False
        if not member.eof:
            return out, False
        data = data[at + 1 :]
        if not any(data):  # zeros after the last member are padding
            break
    return out, True


# Readers


class DocumentedReader(es.EventReader):
    """Collects rows of (event, item, sidx, bits of the loss) through an output of `room`."""

    def __init__(self, room: int) -> None:
        self.out = np.zeros((room, 4), np.int64)
        self.used = np.zeros(1, np.int64)
        self.rows: list[tuple[int, ...]] = []

    def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id, **kwargs):  # type: ignore[no-untyped-def]
        return parse(byte_mv, cursor, valid_buff, event_id, item_id, self.out, self.used)

    def collect(self, streams: list[Any]) -> None:
        for _ in self.read_streams(streams):
            self.take()
        self.take()

    def take(self) -> None:
        for row in self.out[: self.used[0]].tolist():
            self.rows.append((*row[:3], row[3] % (1 << 32)))
        self.used[0] = 0


parse = row_parser(es.oasis_int)


def has_zero_header(decoded: Decoded, data: bytes) -> bool:
    """Whether the block that the data ends in has an id of 0."""
    start = 8
    if decoded.blocks and not decoded.cut_block:
        start = decoded.blocks[-1][0] + 8 + 8 * (decoded.blocks[-1][-1] + 1)
    elif decoded.blocks:
        return False  # it is listed
    rest = data[start : start + 8]
    return any(rest[at : at + 4] == bytes(4) for at in (0, 4))


@cache
def callback_reader(stream: str, widths: tuple[tuple[str, str], ...]) -> Any:
    on_block = {"summary": on_summary, "cdf": on_cdf}.get(stream, on_item)
    on_entry = on_bin if stream == "cdf" else on_pair
    return evstream.reader_class(stream, on_block, on_entry, widths=dict(widths), check=False)


def new_state(size: int, widths: Widths) -> tuple[Any, ...]:
    """(rows so far, ids of the block, exposure of the block, integers and floats per row)."""
    dtype = np.dtype(widths["oasis_float"])
    rows = size // 8 + 1
    return (
        np.zeros(2, np.int64), np.zeros(3, np.int64), np.zeros(1, dtype),
        np.zeros((rows, 4), np.int64), np.zeros((rows, 3), dtype),
    )  # fmt: skip


@numba.njit
def on_item(state, event_id, item_id):  # type: ignore[no-untyped-def]
    state[1][0] = event_id
    state[1][1] = item_id


@numba.njit
def on_summary(state, event_id, summary_id, exposure_value):  # type: ignore[no-untyped-def]
    state[1][0] = event_id
    state[1][1] = summary_id
    state[2][0] = exposure_value


@numba.njit
def on_cdf(state, event_id, areaperil_id, vulnerability_id, no_of_bins):  # type: ignore[no-untyped-def]
    state[1][0] = event_id
    state[1][1] = np.int64(np.uint64(areaperil_id) >> np.uint64(1))  # 63 bits fit, and
    state[0][1] = np.int64(np.uint64(areaperil_id) & np.uint64(1))  # the last one here
    state[1][2] = vulnerability_id


@numba.njit
def on_pair(state, sidx, loss):  # type: ignore[no-untyped-def]
    row = state[0][0]
    state[3][row, 0] = state[1][0]
    state[3][row, 1] = state[1][1]
    state[3][row, 2] = sidx
    state[4][row, 0] = state[2][0]
    state[4][row, 1] = loss
    state[0][0] += 1


@numba.njit
def on_bin(state, prob_to, bin_mean):  # type: ignore[no-untyped-def]
    row = state[0][0]
    state[3][row, 0] = state[1][0]
    state[3][row, 1] = state[1][1]
    state[3][row, 2] = state[1][2]
    state[3][row, 3] = state[0][1]
    state[4][row, 1] = prob_to
    state[4][row, 2] = bin_mean
    state[0][0] += 1


def callback_rows(
    stream: str, state: tuple[Any, ...], rows: int, widths: Widths
) -> list[tuple[int, ...]]:
    """What the callbacks were given, in the form of `without_bin_index`."""
    integers = state[3][:rows].tolist()
    floats = state[4][:rows].view(f"u{widths['oasis_float'][1]}").tolist()
    if stream == "cdf":
        table: list[tuple[int, ...]] = []
        for (event, area, vulnerability, bit), (_, prob_to, bin_mean) in zip(
            integers, floats, strict=True
        ):
            table.append((event, 2 * area + bit, vulnerability, prob_to, bin_mean))
        return table
    if stream == "summary":
        return [
            (event, summary, exposure, sidx, loss)
            for (event, summary, sidx, _), (exposure, loss, _) in zip(integers, floats, strict=True)
        ]
    return [
        (event, item, sidx, loss)
        for (event, item, sidx, _), (_, loss, _) in zip(integers, floats, strict=True)
    ]


def without_bin_index(stream: str, rows: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The oracle's rows without the number of a bin, which callbacks count themselves."""
    return [(*row[:3], *row[4:]) for row in rows] if stream == "cdf" else list(rows)


# Inputs


def seeds(largest: int = 4096) -> list[bytes]:
    """The golden files as inputs, for every target that can do something with them."""
    inputs = []
    for path in sorted(GOLDEN.glob("*.bin")):
        data = path.read_bytes()
        if len(data) > largest:
            continue
        number = next((i for i, w in enumerate(WIDTHS) if width_name(w, path.stem)), 0)
        targets = [1, 8] if path.stem.startswith("event_ids") else [0, 2, 3, 4, 7, 8]
        inputs += [bytes([target, number, 0]) + data for target in targets]
        packer = zlib.compressobj(wbits=31)
        inputs.append(bytes([5, 0, 0]) + packer.compress(data) + packer.flush())
        inputs += [bytes([6, 0, 0]) + packed for packed in zstd_of(data)]
    return inputs


def width_name(widths: Widths, stem: str) -> bool:
    parts = [part for part in stem.split("_") if part in ("i4", "i8", "f4", "f8", "u4", "u8")]
    given = parts or ["i4", "f4", "u4"]
    return all(part in widths.values() for part in given)


def zstd_of(data: bytes) -> list[bytes]:
    try:
        import zstandard
    except ImportError:
        return []
    return [zstandard.ZstdCompressor(write_checksum=True).compress(data)]


WORDS = [
    value.to_bytes(size, "little", signed=value < 0)
    for size in (4, 8)
    for value in (0, 1, -1, -5, -6, 2, 255, 65536, 2**31 - 1, -(2**31))
]


def mutated(chance: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """`data` with one to eight changes: bits, bytes, words, stretches cut out, repeated,
    put in, taken from another input, an end cut off."""
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 2, 3, 5, 8])):
        at = chance.randrange(len(changed) + 1)
        size = chance.choice([1, 2, 4, 8, 8, 12, 16, 24, chance.randrange(1, 200)])
        kind = chance.randrange(9)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and at < len(changed):
            changed[at] = chance.randrange(256)
        elif kind in (2, 3):
            at -= at % 4
            word = chance.choice(WORDS)
            changed[at : at + len(word)] = word
        elif kind == 4:
            del changed[at : at + size]
        elif kind == 5:
            changed[at:at] = changed[at : at + size]
        elif kind == 6:
            changed[at:at] = chance.randbytes(size)
        elif kind == 7:
            other = chance.choice(others)[CHOICES:]
            start = chance.randrange(len(other) + 1)
            changed[at:at] = other[start : start + size]
        else:
            del changed[at:]
    return bytes(changed)


def random_stream(chance: random.Random, widths: Widths) -> bytes:
    """A stream by the oracle's encoder: of any type, with small ids and odd values."""
    stream = chance.choice(["cdf", "gul_item", "gul_coverage", "loss", "summary"])
    header = {name: chance.randrange(1, 9) for name, _ in STREAM_HEADERS[stream]}

    def value(name: str) -> int:
        if name == "oasis_float":
            return Bits(chance.getrandbits(8 * int(widths[name][1])))
        return chance.choice([1, 1, 2, 2, 3, 7, 2**31 - 1])

    fields = list(BLOCK_HEADERS[stream])
    if stream == "cdf":
        fields.pop()
    blocks = []
    for _ in range(chance.randrange(8)):
        ids = [value(name) for name in fields]
        entries = []
        for number in range(chance.choice([0, 1, 2, 3, 10, 40])):
            pair = ["oasis_float", "oasis_float"] if stream == "cdf" else PAIR
            entry = [value(name) for name in pair]
            if stream != "cdf":
                entry[0] = chance.choice([number + 1, -1, -2, -3, -5, 1])
            entries.append(entry)
        blocks.append((ids, entries))
    return encode(stream, header, blocks, widths, chance.random() < 0.8)


STREAM_TARGETS = [0] * 7 + [2] * 6 + [3] * 4 + [4] * 2 + [7, 8]
"""Numbers of the targets that read a stream, the slow ones seldom."""


def new_input(chance: random.Random, corpus: list[bytes], n_widths: int = len(WIDTHS)) -> bytes:
    """A mutated seed, or a random stream, whole or mutated."""
    way = chance.choice([0, 0, chance.randrange(256)])
    if chance.random() < 0.3:
        number = chance.randrange(n_widths)
        data = random_stream(chance, WIDTHS[number])
        target = chance.choice(STREAM_TARGETS)
        if chance.random() < 0.6:
            data = mutated(chance, data, corpus)
        return bytes([target, number, way]) + data
    seed = chance.choice(corpus)
    target = chance.choice(STREAM_TARGETS) if seed[0] in STREAM_TARGETS else seed[0]
    choices = bytes([target, seed[1], way])
    if chance.random() < 0.05:
        choices = bytes([chance.randrange(len(TARGETS)), chance.randrange(256), way])
    return choices + mutated(chance, seed[CHOICES:], corpus)


def seeds_for(widths: list[Widths]) -> list[bytes]:
    """The seeds whose widths are among these (numbers modulo their length otherwise)."""
    return [seed for seed in seeds() if seed[1] < len(widths)]


def quiet() -> None:
    """Warnings are judged by the targets, or do not matter here."""
    warnings.simplefilter("ignore")
