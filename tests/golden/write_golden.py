"""Write the golden files: every stream type, width and quirk of the format, byte by byte.

    python tests/golden/write_golden.py            write what is missing or differs
    python tests/golden/write_golden.py --check    write nothing; exit 1 if a file differs

Next to each NAME.bin stands NAME.txt, which says why the file exists and what each of
its bytes means. manifest.json holds what a reader has to find. Both come from the calls
that wrote the bytes, never from decoding them, and nothing here is shared with evstream
or with tests/oracle.py: three hands have to agree.

The files of a run folder that are not streams are in run_folder.py.

The first half of this file is the encoder, the second half the files.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import run_folder

HERE = Path(__file__).parent

DEFAULT_WIDTHS = {"oasis_int": "i4", "oasis_float": "f4", "areaperil_int": "u4"}
STRUCT = {"i4": "<i", "i8": "<q", "u4": "<I", "u8": "<Q", "f4": "<f", "f8": "<d"}
RAW_STRUCT = {"f4": "<I", "f8": "<Q"}

TYPES = {  # source and aggregation
    "cdf": (0, 1),
    "gul_item": (1, 1),
    "gul_coverage": (1, 2),
    "loss": (2, 1),
    "summary": (3, 1),
}
BLOCK_ID = {
    "gul_item": "item_id",
    "gul_coverage": "coverage_id",
    "loss": "item_id",
    "summary": "summary_id",
}
SIDX = {
    -5: "maximum loss",
    -4: "chance of loss",
    -3: "total insured value",
    -2: "standard deviation",
    -1: "mean",
    0: "end of the block",
}
HEADER_ERRORS = ("short_header", "unknown_type", "negative_len_sample")

LISTED_ENDS = 8  # records that an abbreviated listing shows at either end
LISTED_IN_FULL = 60  # records that a listing shows before it is abbreviated
DECODED_IN_FULL = 64  # records and blocks that the manifest spells out

ABOUT = {
    "stream": "name in spec/oasis.yaml; null where the type word is not known",
    "header": "fields of the stream header after the type word; empty where it is broken",
    "blocks": "blocks that have a whole entry or are closed, cut ones included",
    "records": "whole records, those of a block cut by the error included",
    "complete": "blocks and records that remain without the block cut by the error",
    "events": "runs of blocks with equal event ids; distinct_events: distinct event ids",
    "final_delimiter": "null with an error, without blocks, and for streams without delimiter",
    "error_offset": "byte at which the broken thing starts; the length of the file for a "
    "header cut short and for a cdf block cut between two bins",
    "decoded": "the records in wire order (cdf: with bin_index from 1 before prob_to), NaN as "
    "'nan:' and its bits; null for larger files",
    "records_sha256": "the same records, packed little-endian at the widths of the file",
    "block_list": "offset, fields of the block header (but no_of_bins), entries; null for "
    "larger files",
}


class Bits(int):
    """A float field given by its bits, because a NaN's payload does not survive a float."""


Value = int | float
Field = tuple[str, Value | bytes, str]  # type or width, value, meaning
Pairs = Sequence[tuple[int, Value]]
Blocks = Sequence[tuple[tuple[Value, ...], Pairs]]  # event, item (, exposure); pairs
Bins = Sequence[tuple[Value, Value]]
CdfBlocks = Sequence[tuple[tuple[int, int, int], Bins]]  # event, areaperil, vulnerability; bins


class Golden:
    """One golden file: its bytes, the meaning of each, and what a reader has to find."""

    def __init__(
        self,
        name: str,
        stream: str | None,
        why: str,
        widths: dict[str, str] | None = None,
    ) -> None:
        self.name = name
        self.stream = stream
        self.why = why
        self.widths = DEFAULT_WIDTHS | (widths or {})
        self.data = bytearray()
        self.listing: list[tuple[str, list[str]]] = []
        self.header: dict[str, int] = {}
        self.records: list[tuple[Value, ...]] = []
        self.packed = bytearray()
        self.blocks: list[list[Value]] = []
        self.block_types: list[str] = []
        self.closed = False
        self.cut_block = False
        self.error: str | None = None
        self.error_offset: int | None = None

    def width(self, type_name: str) -> str:
        return self.widths.get(type_name, type_name)

    def put(self, kind: str, *fields: Field) -> None:
        """Append one record."""
        lines = []
        for type_name, value, meaning in fields:
            raw = value if isinstance(value, bytes) else pack(self.width(type_name), value)
            lines.append(f"{len(self.data):>7}  {raw.hex(' '):<23}  {meaning}")
            self.data += raw
        self.listing.append((kind, lines))

    def type_word(self, source: int, aggregation: int) -> None:
        raw = aggregation.to_bytes(3, "little") + bytes([source])
        name = self.stream or "not a known type"
        meaning = f"type word: aggregation {aggregation}, source {source} ({name})"
        self.put("type word", ("type", raw, meaning))

    def stream_header(self, len_sample: int = 10, summary_set_id: int = 1) -> None:
        assert self.stream is not None
        self.type_word(*TYPES[self.stream])
        if self.stream == "cdf":
            return
        self.header["len_sample"] = len_sample
        self.put("stream header", ("i4", len_sample, f"len_sample = {len_sample}"))
        if self.stream == "summary":
            self.header["summary_set_id"] = summary_set_id
            meaning = f"summary_set_id = {summary_set_id}"
            self.put("stream header", ("oasis_int", summary_set_id, meaning))

    def open_block(self, *fields: Field, no_of_bins: int | None = None) -> None:
        values = [value for _, value, _ in fields if not isinstance(value, bytes)]
        self.blocks.append([len(self.data), *values, 0])
        self.block_types = [type_name for type_name, _, _ in fields]
        self.closed = False
        if no_of_bins is not None:
            fields += (("oasis_int", no_of_bins, f"no_of_bins = {no_of_bins}"),)
        self.put("block header", *fields)

    def block(self, event: Value, item: Value, *exposure: Value) -> None:
        """Open a block of pairs; the exposure is that of a summary."""
        assert self.stream is not None
        self.open_block(
            ("oasis_int", event, f"event_id = {event}"),
            ("oasis_int", item, f"{BLOCK_ID[self.stream]} = {item}"),
            *[("oasis_float", value, f"exposure_value = {spell(value)}") for value in exposure],
        )

    def pair(self, sidx: int, loss: Value) -> None:
        meaning = SIDX.get(sidx, "" if sidx > 0 else "not a known special")
        if self.stream == "summary" and sidx == -4:
            meaning = "number of affected risks"
        meaning = f"sidx = {sidx}" + (f" ({meaning})" if meaning else "")
        fields = ("oasis_int", sidx, meaning), ("oasis_float", loss, f"loss = {spell(loss)}")
        self.put("pair" if sidx else "delimiter", *fields)
        if sidx:
            self.note_record(("oasis_int", sidx), ("oasis_float", loss))

    def end(self, loss: Value = 0.0) -> None:
        """The delimiter that closes a block."""
        self.pair(0, loss)
        self.closed = True

    def cdf_block(self, event: int, areaperil: int, vulnerability: int, no_of_bins: int) -> None:
        self.open_block(
            ("oasis_int", event, f"event_id = {event}"),
            ("areaperil_int", areaperil, f"areaperil_id = {areaperil}"),
            ("oasis_int", vulnerability, f"vulnerability_id = {vulnerability}"),
            no_of_bins=no_of_bins,
        )

    def bin(self, prob_to: Value, bin_mean: Value) -> None:
        bin_index = int(self.blocks[-1][-1]) + 1
        self.put(
            "bin",
            ("oasis_float", prob_to, f"prob_to = {spell(prob_to)} (bin {bin_index})"),
            ("oasis_float", bin_mean, f"bin_mean = {spell(bin_mean)}"),
        )
        self.note_record(
            ("oasis_int", bin_index), ("oasis_float", prob_to), ("oasis_float", bin_mean)
        )

    def event(self, event: int) -> None:
        self.blocks.append([len(self.data), event, 0])
        self.put("event", ("oasis_int", event, f"event_id = {event}"))
        self.records.append((event,))
        self.packed += pack(self.width("oasis_int"), event)

    def note_record(self, *entry: tuple[str, Value]) -> None:
        """Note an entry of the block that is open, for the manifest."""
        block = self.blocks[-1]
        typed = [*zip(self.block_types, block[1:-1], strict=True), *entry]
        self.packed += b"".join(pack(self.width(name), value) for name, value in typed)
        self.records.append(tuple(value for _, value in typed))
        block[-1] += 1

    def fails(self, error: str, offset: int, cut_block: bool = False) -> Golden:
        self.error, self.error_offset, self.cut_block = error, offset, cut_block
        return self

    def final_delimiter(self) -> bool | None:
        if self.error or not self.blocks or self.stream in ("cdf", "event_ids"):
            return None
        return self.closed

    def manifest_entry(self) -> dict[str, object]:
        source, aggregation = TYPES.get(self.stream or "", (None, None))
        cut = int(self.blocks[-1][-1]) if self.cut_block else 0
        events = [event for event, _ in groupby(block[1] for block in self.blocks)]
        small = max(len(self.records), len(self.blocks)) <= DECODED_IN_FULL
        return {
            "file": f"{self.name}.bin",
            "bytes": len(self.data),
            "sha256": hashlib.sha256(self.data).hexdigest(),
            "stream": self.stream,
            "source": source,
            "aggregation": aggregation,
            "widths": self.widths,
            "header": {} if self.error in HEADER_ERRORS else self.header,
            "events": len(events),
            "distinct_events": len(set(events)),
            "blocks": len(self.blocks),
            "records": len(self.records),
            "complete": {
                "blocks": len(self.blocks) - self.cut_block,
                "records": len(self.records) - cut,
            },
            "final_delimiter": self.final_delimiter(),
            "error": self.error,
            "error_offset": self.error_offset,
            "records_sha256": hashlib.sha256(self.packed).hexdigest(),
            "decoded": [plain(record) for record in self.records] if small else None,
            "block_list": [plain(block) for block in self.blocks] if small else None,
        }

    def text(self) -> str:
        widths = " ".join(f"{name} {width}" for name, width in self.widths.items())
        lines = [f"{self.name}.bin: {len(self.data)} bytes", "", self.why, ""]
        lines += [f"stream: {self.stream or 'none'}; {widths}", f"result: {self.result()}", ""]
        lines.append(f"{'offset':>7}  {'bytes':<23}  meaning")
        return "\n".join(lines + self.annotated_lines()) + "\n"

    def result(self) -> str:
        if self.error:
            return f"{self.error} at byte {self.error_offset}"
        found = {True: ", final delimiter", False: ", no final delimiter", None: ""}
        counts = f"{len(self.blocks)} blocks, {len(self.records)} records"
        return f"legal bytes, {counts}{found[self.final_delimiter()]}"

    def annotated_lines(self) -> list[str]:
        head, hidden, tail = self.listing, self.listing[:0], self.listing[:0]
        if len(self.listing) > LISTED_IN_FULL:
            head, tail = self.listing[:LISTED_ENDS], self.listing[-LISTED_ENDS:]
            hidden = self.listing[LISTED_ENDS:-LISTED_ENDS]
        lines = annotate(head)
        if hidden:
            counts = Counter(kind for kind, _ in hidden)
            more = ", ".join(f"{n} more {kind}{'s' * (n > 1)}" for kind, n in counts.items())
            lines += ["", f"         ... {more} ...", ""]
        return lines + annotate(tail)


def annotate(listing: list[tuple[str, list[str]]]) -> list[str]:
    """The lines of the records, with an empty one before each block and broken place."""
    lines: list[str] = []
    previous = ""
    for kind, record in listing:
        if lines and kind in ("block header", "broken") and kind != previous:
            lines.append("")
        lines += record
        previous = kind
    return lines


def pack(width: str, value: Value) -> bytes:
    if isinstance(value, Bits):
        return struct.pack(RAW_STRUCT[width], value)
    packed = struct.pack(STRUCT[width], value)
    # The manifest gives values as numbers: they have to be what the file holds.
    assert struct.unpack(STRUCT[width], packed)[0] == value, (width, value)
    return packed


def spell(value: Value) -> str:
    return f"NaN with bits {value:#x}" if isinstance(value, Bits) else repr(float(value))


def plain(values: Sequence[Value]) -> list[Value | str]:
    return [json_value(value) for value in values]


def json_value(value: Value) -> Value | str:
    """JSON has neither NaN, here spelled by its bits, nor infinities."""
    if isinstance(value, Bits):
        return f"nan:{value:#x}"
    return str(value) if math.isinf(value) else value


def sample_file(
    name: str,
    stream: str,
    why: str,
    blocks: Blocks,
    widths: dict[str, str] | None = None,
    len_sample: int = 10,
    summary_set_id: int = 1,
    final_delimiter: bool = True,
) -> Golden:
    """A file of blocks of pairs, each closed by (0, 0)."""
    golden = Golden(name, stream, why, widths)
    golden.stream_header(len_sample, summary_set_id)
    for number, (ids, pairs) in enumerate(blocks, start=1):
        golden.block(*ids)
        for sidx, loss in pairs:
            golden.pair(sidx, loss)
        if final_delimiter or number < len(blocks):
            golden.end()
    return golden


def cdf_file(
    name: str,
    why: str,
    blocks: CdfBlocks,
    widths: dict[str, str] | None = None,
) -> Golden:
    golden = Golden(name, "cdf", why, widths)
    golden.stream_header()
    for ids, bins in blocks:
        golden.cdf_block(*ids, len(bins))
        for prob_to, bin_mean in bins:
            golden.bin(prob_to, bin_mean)
    return golden


def event_ids_file(
    name: str, why: str, events: Sequence[int], widths: dict[str, str] | None = None
) -> Golden:
    golden = Golden(name, "event_ids", why, widths)
    for event in events:
        golden.event(event)
    return golden


# ---------------------------------------------------------------------------
# The files. Losses are exact at both float widths, and the files of one stream
# type hold the same records at every width.

NAN = Bits(0x7FC00000)
NAN_F8 = Bits(0x7FF8000000000000)
F4_MAX = (2.0 - 2.0**-23) * 2.0**127
F8_MAX = sys.float_info.max
I4_MAX, I8_MAX = 2**31 - 1, 2**63 - 1
WIDE = {"oasis_int": "i8", "oasis_float": "f8", "areaperil_int": "u8"}
WIDE_SAMPLE = {"oasis_int": "i8", "oasis_float": "f8"}

ALL_SPECIALS: Pairs = [(-5, 200.0), (-4, 0.5), (-3, 1000.0), (-2, 12.5), (-1, 40.0)]
GUL_SPECIALS: Pairs = [(-3, 1000.0), (-2, 12.5), (-1, 40.0)]
BINS: Bins = [(0.25, 0.0), (0.75, 0.125), (1.0, 0.5)]

TWO_EVENTS: dict[str, Blocks] = {
    "gul_item": [
        ((1, 1), [*GUL_SPECIALS, (1, 35.5), (2, 44.25), (7, 0.125)]),
        ((1, 2), [*GUL_SPECIALS, (10, 99.0)]),
        ((5, 1), [(-1, 0.0), (3, 1.5)]),
    ],
    "loss": [
        ((1, 1), [*ALL_SPECIALS, (1, 35.5), (2, 44.25), (7, 0.125)]),
        ((1, 2), [*ALL_SPECIALS, (10, 99.0)]),
        ((5, 1), [(-3, 1000.0), (-1, 0.0), (3, 1.5)]),
    ],
    "summary": [
        ((1, 1, 2000.0), [*ALL_SPECIALS, (1, 35.5), (2, 44.25), (7, 0.125)]),
        ((1, 2, 512.5), [(-1, 9.0), (10, 99.0)]),
        ((5, 1, 2000.0), [(-3, 1000.0), (-1, 0.0), (3, 1.5)]),
    ],
}
TWO_EVENTS["gul_coverage"] = TWO_EVENTS["gul_item"]
CDF_BLOCKS: CdfBlocks = [
    ((1, 10, 20), BINS),
    ((1, 11, 20), BINS[:2]),
    ((5, 10, 21), BINS[2:]),
]

# The start of most broken loss files: two whole blocks, ending cleanly at byte 72.
WHOLE_BLOCKS: Blocks = [
    ((1, 1), [(-1, 40.0), (1, 35.5)]),
    ((1, 2), [(-1, 2.0), (2, 4.0)]),
]


def files() -> Iterator[Golden]:
    yield from width_files()
    yield from beginnings_and_ends()
    yield from order_quirks()
    yield from value_quirks()
    yield from id_quirks()
    yield from cdf_and_event_ids_quirks()
    yield from large_files()
    yield from broken_headers()
    yield from broken_sample_streams()
    yield from broken_cdf_and_event_ids()


def width_files() -> Iterator[Golden]:
    """Every stream type at every combination of widths."""
    for integer in ("i4", "i8"):
        ints = {"oasis_int": integer}
        why = f"A list of four events, without any header, at {integer}."
        yield event_ids_file(f"event_ids_{integer}", why, [1, 2, 5, 900], ints)
        for number in ("f4", "f8"):
            widths = ints | {"oasis_float": number}
            for stream, blocks in TWO_EVENTS.items():
                why = f"Two events in three blocks of a {stream} stream at {integer} and {number}."
                why += "\nlen_sample takes four bytes at every width."
                name = f"{stream}_{integer}_{number}"
                yield sample_file(name, stream, why, blocks, widths, summary_set_id=3)
            for areaperil in ("u4", "u8"):
                why = "Two events in three blocks of a cdf stream; the areaperil_id has a width"
                why += " of its own."
                name = f"cdf_{integer}_{number}_{areaperil}"
                yield cdf_file(name, why, CDF_BLOCKS, widths | {"areaperil_int": areaperil})


def beginnings_and_ends() -> Iterator[Golden]:
    """Streams without blocks, without entries, or without their last delimiter."""
    for stream in TYPES:
        golden = Golden(
            f"{stream}_header_only",
            stream,
            f"A {stream} stream header and nothing after it: a legal stream of no events.",
        )
        golden.stream_header()
        yield golden
    golden = Golden(
        "summary_header_only_i8",
        "summary",
        "A summary stream header at i8: summary_set_id has eight bytes, len_sample still four.",
        WIDE_SAMPLE,
    )
    golden.stream_header()
    yield golden
    why = "An event list without events: 0 bytes, and legal, because the list has no header."
    yield event_ids_file("event_ids_empty", why, [])

    for stream, whole in TWO_EVENTS.items():
        why = "The C++ tools leave out the very last delimiter of a stream. The losses are the\n"
        why += "same; the reader takes the end of the file as the end of the block."
        name = f"{stream}_no_final_delimiter"
        yield sample_file(name, stream, why, whole[:2], final_delimiter=False)
    why = "A loss stream at i8 and f8 without its last delimiter."
    name = "loss_no_final_delimiter_i8_f8"
    yield sample_file(name, "loss", why, WHOLE_BLOCKS, WIDE_SAMPLE, final_delimiter=False)

    golden = Golden(
        "loss_delimiter_with_loss",
        "loss",
        "Some writers leave a loss in the delimiter. It is known by its sidx alone:\n"
        "1.5, -0.0, NaN and infinity end a block just as 0 does, and are not records.",
    )
    golden.stream_header()
    for item, loss in enumerate((1.5, -0.0, NAN, math.inf), start=1):
        golden.block(1, item)
        golden.pair(1, 10.0 * item)
        golden.end(loss)
    yield golden

    why = "Blocks of no pairs: a block header, then its delimiter at once. The event and the\n"
    why += "item are there, without losses."
    yield sample_file("loss_empty_block", "loss", why, [((1, 1), [])])
    yield sample_file("summary_empty_block", "summary", why, [((1, 1, 50.0), [])])
    blocks: Blocks = [
        ((1, 1), [(1, 1.0)]),
        ((1, 2), []),
        ((2, 1), []),
        ((3, 1), []),
        ((3, 2), [(1, 2.0)]),
    ]
    why = "Blocks of no pairs between others; event 2 has no losses at all."
    yield sample_file("loss_empty_blocks_between", "loss", why, blocks)

    why = "len_sample 0: a stream of special sidx alone, as from a run without sampling."
    yield sample_file("loss_len_sample_0", "loss", why, [((1, 1), ALL_SPECIALS)], len_sample=0)
    why = "The largest len_sample, and a sidx as large. A reader that makes room for len_sample\n"
    why += "losses per item beforehand fails here."
    blocks = [((1, 1), [(1, 1.0), (I4_MAX, 2.0)]), ((2, 1), [(5, 1.0)])]
    yield sample_file("loss_len_sample_max", "loss", why, blocks, len_sample=I4_MAX)


def order_quirks() -> Iterator[Golden]:
    """Specials, sidx, items and events in other orders than the usual one."""
    why = "No special sidx: one block has samples alone, one the mean alone, one nothing but\n"
    why += "the mean and the total insured value, as a financial module writes them."
    blocks: Blocks = [
        ((1, 1), [(1, 1.0), (2, 2.0)]),
        ((1, 2), [(-1, 3.0)]),
        ((1, 3), [(-3, 100.0), (-1, 3.0), (1, 4.0)]),
    ]
    yield sample_file("loss_specials_absent", "loss", why, blocks)

    why = "The Python summary writer puts its special sidx as -1, -4, -5."
    pairs: Pairs = [(-1, 40.0), (-4, 3.0), (-5, 200.0), (1, 35.5), (2, 44.25)]
    blocks = [((1, 1, 2000.0), pairs), ((2, 1, 2000.0), pairs[:2])]
    yield sample_file("summary_specials_python_order", "summary", why, blocks)

    why = "Special sidx after the samples instead of before them."
    blocks = [((1, 1), [(1, 1.0), (2, 2.0), (-3, 100.0), (-1, 1.5)])]
    yield sample_file("loss_specials_last", "loss", why, blocks)

    one: Pairs = [(1, 1.0)]
    two: Pairs = [(1, 2.0)]
    three: Pairs = [(1, 3.0)]
    why = "Items that do not ascend within an event, as in half of the real files."
    blocks = [((1, 3), one), ((1, 1), two), ((1, 2), three), ((2, 2), one), ((2, 1), two)]
    yield sample_file("loss_items_not_ascending", "loss", why, blocks)

    why = "Item 1 has two blocks in event 1: apart first, then side by side in event 2."
    blocks = [((1, 1), one), ((1, 2), two), ((1, 1), three), ((2, 1), one), ((2, 1), [(2, 4.0)])]
    yield sample_file("loss_item_repeated", "loss", why, blocks)

    why = "Event 1, then 2, then 1 again: three runs of two distinct events."
    blocks = [((1, 1), one), ((2, 1), two), ((1, 2), three)]
    yield sample_file("loss_event_interleaved", "loss", why, blocks)

    why = "Events in descending order; each stands together, which is all that is asked."
    blocks = [((9, 1), one), ((4, 1), two), ((2, 1), three)]
    yield sample_file("loss_events_descending", "loss", why, blocks)

    why = "The same sidx twice in a block: with another loss, and with the same one."
    pairs = [(-1, 1.0), (-1, 1.0), (1, 1.0), (1, 2.0), (2, 3.0), (2, 3.0)]
    yield sample_file("loss_sidx_duplicate", "loss", why, [((1, 1), pairs)])

    why = "Samples that do not ascend."
    pairs = [(7, 7.0), (3, 3.0), (5, 5.0), (1, 1.0)]
    yield sample_file("loss_sidx_not_ascending", "loss", why, [((1, 1), pairs)])

    why = "sidx above len_sample, which is 10: by one, and by as much as four bytes can say.\n"
    why += "A dense array of ten samples has no place for them; they must not land in another cell."
    pairs = [(10, 1.0), (11, 2.0), (I4_MAX, 3.0)]
    yield sample_file("loss_sidx_above_len_sample", "loss", why, [((1, 1), pairs)])

    why = "sidx -6 and the lowest integer: below the special ones that are known."
    pairs = [(-I4_MAX - 1, 1.0), (-6, 2.0), (-5, 3.0), (1, 4.0)]
    yield sample_file("loss_sidx_minus_6", "loss", why, [((1, 1), pairs)])


def value_quirks() -> Iterator[Golden]:
    """Losses and exposures that are not ordinary numbers."""
    cases: list[tuple[str, str, list[Value]]] = [
        ("nan", "A NaN loss, between two others.", [1.0, NAN, 3.0]),
        (
            "nan_payload",
            "NaN losses with bits of their own: a quiet one with a payload, a signalling one,\n"
            "a negative one, all ones. A copy keeps the bits; by way of a Python float the\n"
            "signalling one would come out quiet.",
            [Bits(0x7FC00123), Bits(0x7F800001), Bits(0xFFC00000), Bits(0xFFFFFFFF)],
        ),
        ("inf", "Losses of plus and minus infinity.", [math.inf, -math.inf]),
        ("negative", "Negative losses.", [-1.5, -0.0078125, -F4_MAX]),
        ("negative_zero", "Minus zero keeps its sign bit.", [-0.0, 0.0, -0.0]),
        (
            "denormal",
            "The smallest f4 above zero, the largest denormal one, the smallest normal one.",
            [2.0**-149, (1.0 - 2.0**-23) * 2.0**-126, 2.0**-126],
        ),
        ("max_float", "The largest finite f4.", [F4_MAX, 1.0]),
        (
            "zero_losses",
            "Zero losses that the writer kept. Many writers leave them out, and many real\n"
            "files have them: a reader drops nothing.",
            [0.0, 0.0, 5.0, 0.0],
        ),
    ]
    for name, why, losses in cases:
        pairs = list(enumerate(losses, start=1))
        yield sample_file(f"loss_{name}", "loss", why, [((1, 1), pairs)])

    why = "The odd values of f8: quiet, signalling and negative NaN with payloads, infinity,\n"
    why += "minus zero, the smallest and the largest number, and one between two f4 numbers."
    odd = [NAN_F8, Bits(0x7FF8000000000123), Bits(0x7FF0000000000001), Bits(0xFFFFFFFFFFFFFFFF)]
    pairs = list(
        enumerate([*odd, math.inf, -math.inf, -0.0, 2.0**-1074, F8_MAX, 1.0 + 2.0**-52], start=1)
    )
    widths = {"oasis_float": "f8"}
    yield sample_file("loss_values_f8", "loss", why, [((1, 1), pairs)], widths)

    mean: Pairs = [(-1, 1.0), (1, 2.0)]
    why = "An exposure of zero."
    blocks: Blocks = [((1, 1, 0.0), mean), ((1, 2, 5.0), mean)]
    yield sample_file("summary_exposure_0", "summary", why, blocks)
    why = "Exposures of NaN (plain, with a payload, signalling), of infinity and below zero."
    exposures = [NAN, Bits(0x7FC00123), Bits(0x7F800001), math.inf, -1.0, -0.0]
    blocks = [((1, number, value), mean) for number, value in enumerate(exposures, start=1)]
    yield sample_file("summary_exposure_nan", "summary", why, blocks)


def id_quirks() -> Iterator[Golden]:
    """Reserved, negative and extreme ids."""
    one: Pairs = [(1, 1.0)]
    why = "The reserved id 0: for the event, for the item, for both. A block header of two\n"
    why += "zeros has the bytes of a delimiter, and is still a block header."
    blocks: Blocks = [((0, 0), one), ((0, 1), one), ((1, 0), one), ((1, 1), one)]
    yield sample_file("loss_zero_ids", "loss", why, blocks)
    why = "The reserved id 0 in a summary stream: event, summary and summary set."
    blocks = [((0, 0, 0.0), one), ((1, 0, 5.0), one)]
    yield sample_file("summary_zero_ids", "summary", why, blocks, summary_set_id=0)

    why = "Negative event and item ids, and the lowest and highest of four bytes."
    low = -I4_MAX - 1
    ids = [(-1, -1), (-7, 1), (1, -2), (low, low), (I4_MAX, I4_MAX)]
    blocks = [((event, item), one) for event, item in ids]
    yield sample_file("loss_negative_ids", "loss", why, blocks)
    why = "Ids and sidx that only eight bytes can hold. Cut to four, event 4294967297 is event 1."
    pairs: Pairs = [(1, 1.0), (2**32, 2.0), (2**32 + 1, 3.0), (I8_MAX, 4.0)]
    blocks = [((1, 1), one), ((2**32 + 1, 2**32 + 1), pairs), ((I8_MAX, -I8_MAX - 1), one)]
    yield sample_file("loss_ids_i8", "loss", why, blocks, {"oasis_int": "i8"})
    why = "A negative summary_set_id."
    blocks = [((1, 1, 5.0), one)]
    yield sample_file("summary_set_id_negative", "summary", why, blocks, summary_set_id=-4)


def cdf_and_event_ids_quirks() -> Iterator[Golden]:
    why = "Blocks of no bins: first, in the middle of an event, an event of its own, and last."
    blocks: CdfBlocks = [
        ((1, 10, 20), []),
        ((1, 11, 20), BINS),
        ((1, 12, 20), []),
        ((2, 10, 20), []),
        ((3, 10, 20), BINS[:1]),
        ((3, 11, 20), []),
    ]
    yield cdf_file("cdf_zero_bins", why, blocks)
    why = "A block of one bin."
    yield cdf_file("cdf_one_bin", why, [((1, 10, 20), [(1.0, 0.5)])])
    why = "Areaperil ids are unsigned: above 2^31 in four bytes, up to the largest."
    ids = [2**31 - 1, 2**31, 2**31 + 5, 2**32 - 1]
    blocks = [((1, areaperil, 20), BINS[2:]) for areaperil in ids]
    yield cdf_file("cdf_areaperil_above_2_31", why, blocks)
    why = "Areaperil ids in eight bytes: above 2^32, above 2^63, the largest, and one that a\n"
    why += "float cannot hold."
    ids = [2**32 + 1, 2**53 + 1, 2**63, 2**63 + 5, 2**64 - 1]
    blocks = [((1, areaperil, 20), BINS[2:]) for areaperil in ids]
    yield cdf_file("cdf_areaperil_above_2_63", why, blocks, {"areaperil_int": "u8"})
    why = "Zero and negative ids in a cdf stream."
    blocks = [((0, 0, 0), BINS[2:]), ((-1, 10, -2), BINS[2:])]
    yield cdf_file("cdf_zero_and_negative_ids", why, blocks)
    why = "Bins of NaN, with and without a payload, of infinity, below zero and falling."
    odd: Bins = [(Bits(0x7FC00123), NAN), (math.inf, Bits(0x7F800001))]
    bins: Bins = [*odd, (-0.5, -0.0), (0.75, 2.0), (0.5, 2.0**-149)]
    yield cdf_file("cdf_odd_values", why, [((1, 10, 20), bins)])
    why = "Event 1, then 2, then 1 again, and areaperil 10 twice in it."
    blocks = [((1, 10, 20), BINS[:1]), ((2, 10, 20), BINS[:1]), ((1, 10, 20), BINS[1:])]
    yield cdf_file("cdf_event_interleaved", why, blocks)
    why = "Event ids that repeat, descend, are zero or negative, and the extremes of four bytes."
    events = [3, 3, 1, 3, 0, -1, I4_MAX, -I4_MAX - 1]
    yield event_ids_file("event_ids_odd", why, events)


def large_files() -> Iterator[Golden]:
    """Files around and above 65536 bytes, the capacity of a pipe and size of a buffer."""
    why = "The second block header of a summary stream starts at byte 65528, so that a read of\n"
    why += "65536 bytes ends between its summary_id and its exposure_value."
    pairs = [(sidx, float(sidx)) for sidx in range(1, 8188)]
    blocks: Blocks = [((1, 1, 1.0), pairs), ((2, 1, 2.0), [(-1, 2.0)])]
    name = "summary_header_straddles_65536"
    yield sample_file(name, "summary", why, blocks, len_sample=10000)

    why = "Exactly 65536 bytes: the end of the file and the end of the first buffer coincide."
    pairs = [(sidx, float(sidx)) for sidx in range(1, 8190)]
    name = "loss_exactly_65536"
    yield sample_file(name, "loss", why, [((1, 1), pairs)], len_sample=10000)

    why = "A file of 70000 bytes with a single item: an event larger than a buffer of 64 KiB."
    pairs = [(sidx, sidx / 2) for sidx in range(1, 8748)]
    name = "loss_item_larger_than_65536"
    yield sample_file(name, "loss", why, [((1, 1), pairs)], len_sample=10000)

    why = "A cdf block larger than a buffer of 64 KiB, between two small ones."
    bins = [(number / 16384, number / 32768) for number in range(1, 8251)]
    cdf_blocks = [((1, 10, 20), BINS), ((1, 11, 20), bins), ((2, 10, 20), BINS)]
    yield cdf_file("cdf_block_larger_than_65536", why, cdf_blocks)

    why = "400 events of a pair or two each, every one with an id above the last."
    blocks = [
        ((number * 3, 1), [(-1, float(number)), (number % 10 + 1, number / 4)][number % 2 :])
        for number in range(1, 401)
    ]
    yield sample_file("loss_many_tiny_events", "loss", why, blocks)


def broken_headers() -> Iterator[Golden]:
    why = "0 bytes where a stream should be: there is no type word."
    yield Golden("malformed_empty", None, why).fails("short_header", 0)

    whole = b"\x01\x00\x00\x02\x0a\x00\x00\x00"
    for length in range(1, 8):
        stream = "loss" if length >= 4 else None
        part = "len_sample" if stream else "type word"
        why = f"The first {length} of the 8 bytes of a loss stream header: the {part} is cut short."
        golden = Golden(f"malformed_header_{length}_bytes", stream, why)
        if stream:
            golden.type_word(*TYPES[stream])
        if rest := whole[len(golden.data) : length]:
            golden.put("broken", ("raw", rest, f"{len(rest)} of the 4 bytes of the {part}"))
        yield golden.fails("short_header", length)

    for name, widths, rest in [
        ("without_set_id", {}, b""),
        ("set_id_cut", {}, b"\x01\x00\x00"),
        ("set_id_cut_i8", WIDE_SAMPLE, b"\x01\x00\x00\x00"),
    ]:
        why = "A summary stream header that ends before, or within, its summary_set_id."
        golden = Golden(f"malformed_summary_{name}", "summary", why, widths)
        golden.type_word(*TYPES["summary"])
        golden.put("stream header", ("i4", 10, "len_sample = 10"))
        if rest:
            golden.put("broken", ("raw", rest, f"the first {len(rest)} bytes of summary_set_id"))
        yield golden.fails("short_header", len(golden.data))

    for name, source, aggregation, why in [
        ("unknown_source", 4, 1, "Source 4 is not known."),
        ("unknown_aggregation", 2, 3, "Aggregation 3 is not known."),
        ("unknown_large_aggregation", 2, 65537, "The aggregation is three bytes, not one or two."),
        ("unknown_combination", 2, 2, "Source 2 and aggregation 2 are known, but not together."),
    ]:
        golden = Golden(f"malformed_{name}", None, f"{why} What follows could be a loss stream.")
        golden.type_word(source, aggregation)
        golden.put("broken", ("i4", 10, "10"), ("i4", 1, "1"), ("i4", 1, "1"))
        golden.put("broken", ("i4", 1, "1"), ("f4", 1.0, "1.0"), ("i4", 0, "0"), ("f4", 0.0, "0.0"))
        yield golden.fails("unknown_type", 0)

    why = "A loss stream header with a len_sample below zero."
    golden = sample_file("malformed_negative_len_sample", "loss", why, [], len_sample=-1)
    golden.put("broken", ("i4", 1, "never reached"), ("i4", 1, "never reached"))
    yield golden.fails("negative_len_sample", 4)

    why = "The text that a converter prints, where the stream it was made from should be."
    golden = Golden("malformed_csv_text", None, why)
    text = b"event_id,item_id,sidx,loss\n1,1,1,2.00\n"
    chunks = [text[start : start + 8] for start in range(0, len(text), 8)]
    golden.put("broken", *[("raw", chunk, f"text {chunk.decode()!r}") for chunk in chunks])
    yield golden.fails("unknown_type", 0)


def broken_sample_streams() -> Iterator[Golden]:
    def whole(name: str, why: str, widths: dict[str, str] | None = None) -> Golden:
        return sample_file(f"malformed_{name}", "loss", why, WHOLE_BLOCKS, widths)

    golden = whole("cut_in_pair", "The file ends within the second pair of a block.")
    golden.block(2, 1)
    golden.pair(-1, 3.0)
    golden.put("broken", ("i4", 1, "sidx = 1, and its loss is missing"))
    yield golden.fails("truncated", 88, cut_block=True)

    golden = whole("cut_in_pair_i8_f8", "The file ends within the loss of a pair.", WIDE_SAMPLE)
    golden.block(2, 1)
    golden.pair(-1, 3.0)
    golden.put("broken", ("i8", 1, "sidx = 1"), ("raw", b"\x00" * 7, "7 of the 8 bytes of loss"))
    yield golden.fails("truncated", 168, cut_block=True)

    golden = whole("cut_in_first_pair", "The file ends within the first pair of a block.")
    golden.put("broken", ("i4", 2, "event_id = 2"), ("i4", 1, "item_id = 1"))
    golden.put("broken", ("i4", -1, "sidx = -1"), ("raw", b"\x00", "1 of the 4 bytes of loss"))
    yield golden.fails("truncated", 80)

    golden = whole("cut_in_delimiter", "The file ends within the delimiter of its last block.")
    golden.block(2, 1)
    golden.pair(-1, 3.0)
    golden.put("broken", ("i4", 0, "sidx = 0, and its loss is missing"))
    yield golden.fails("truncated", 88, cut_block=True)

    why = "The file ends within a block header, after its event_id."
    golden = whole("cut_in_block_header", why)
    golden.put("broken", ("i4", 2, "event_id = 2, and the item_id is missing"))
    yield golden.fails("truncated", 72)

    why = "The file ends within the exposure_value of a summary."
    golden = sample_file("malformed_summary_cut_in_exposure", "summary", why, [])
    golden.put("broken", ("i4", 1, "event_id = 1"), ("i4", 1, "summary_id = 1"))
    golden.put("broken", ("raw", b"\x00\x00", "2 of the 4 bytes of exposure_value"))
    yield golden.fails("truncated", 12)

    why = "A block header and nothing after it, not even a delimiter."
    golden = whole("block_header_at_end", why)
    golden.put("broken", ("i4", 2, "event_id = 2"), ("i4", 1, "item_id = 1"))
    yield golden.fails("block_without_entries", 72)

    golden = whole("block_header_at_end_i8_f8", why, WIDE_SAMPLE)
    golden.put("broken", ("i8", 2, "event_id = 2"), ("i8", 1, "item_id = 1"))
    yield golden.fails("block_without_entries", 136)

    why = "A second delimiter after the last one: it can only be a block header of event 0."
    golden = whole("second_delimiter", why)
    golden.put("broken", ("i4", 0, "event_id = 0"), ("i4", 0, "item_id = 0"))
    yield golden.fails("block_without_entries", 72)

    for length in range(1, 8):
        why = f"{length} bytes after a clean end, too few for a block header."
        golden = whole(f"trailing_{length}_bytes", why)
        rest = b"\x02\x00\x00\x00\x01\x00\x00"[:length]
        golden.put("broken", ("raw", rest, f"{length} of the 8 bytes of a block header"))
        yield golden.fails("truncated", 72)


def broken_cdf_and_event_ids() -> Iterator[Golden]:
    def whole(name: str, why: str, widths: dict[str, str] | None = None) -> Golden:
        blocks = [((1, 10, 20), BINS)]  # from byte 4 to 44; at the widest from 4 to 84
        return cdf_file(f"malformed_cdf_{name}", why, blocks, widths)

    def header(golden: Golden, integer: str, areaperil: str, no_of_bins: int) -> None:
        fields = (integer, 1, "event_id = 1"), (areaperil, 11, "areaperil_id = 11")
        golden.put("broken", *fields, (integer, 20, "vulnerability_id = 20"))
        golden.put("broken", (integer, no_of_bins, f"no_of_bins = {no_of_bins}"))

    golden = whole("negative_count", "A block header with a no_of_bins below zero.")
    header(golden, "i4", "u4", -1)
    golden.put("broken", ("f4", 1.0, "1.0"), ("f4", 0.5, "0.5"))
    yield golden.fails("negative_count", 44)

    golden = whole("negative_count_i8", "A no_of_bins below zero in eight bytes.", WIDE)
    header(golden, "i8", "u8", -(2**40))
    yield golden.fails("negative_count", 84)

    golden = whole("cut_in_last_bin", "The file ends within the last bin of its last block.")
    golden.cdf_block(1, 11, 20, 2)
    golden.bin(0.5, 0.25)
    golden.put("broken", ("f4", 1.0, "prob_to = 1.0, and its bin_mean is missing"))
    yield golden.fails("truncated", 68, cut_block=True)

    why = "The file ends between two bins. No record is cut, but the block is: the place is the\n"
    why += "end of the file, where the next bin should start."
    golden = whole("cut_between_bins", why)
    golden.cdf_block(1, 11, 20, 3)
    golden.bin(0.5, 0.25)
    golden.bin(0.75, 0.5)
    yield golden.fails("truncated", 76, cut_block=True)

    golden = whole("cut_in_block_header", "The file ends within a block header.")
    golden.put("broken", ("i4", 1, "event_id = 1"), ("u4", 11, "areaperil_id = 11"))
    golden.put("broken", ("raw", b"\x14\x00", "2 of the 4 bytes of vulnerability_id"))
    yield golden.fails("truncated", 44)

    golden = whole("block_header_at_end", "A block header that announces bins, and nothing after.")
    header(golden, "i4", "u4", 2)
    yield golden.fails("block_without_entries", 44)

    why = "A no_of_bins far above what the file holds. A reader that makes room for it\n"
    why += "beforehand asks for 16 GiB."
    golden = whole("huge_count", why)
    golden.cdf_block(1, 11, 20, I4_MAX)
    golden.bin(1.0, 0.5)
    yield golden.fails("truncated", 68, cut_block=True)

    why = "A no_of_bins whose size in bytes is 0 if computed in 64 bits: 2^60 bins of 16 bytes."
    golden = whole("huge_count_i8", why, WIDE)
    golden.cdf_block(1, 11, 20, 2**60)
    golden.bin(1.0, 0.5)
    yield golden.fails("truncated", 132, cut_block=True)

    why = "Two events, and three of the four bytes of a third."
    golden = event_ids_file("malformed_event_ids_cut", why, [1, 2])
    golden.put("broken", ("raw", b"\x03\x00\x00", "3 of the 4 bytes of an event_id"))
    yield golden.fails("truncated", 8)


# ---------------------------------------------------------------------------


def manifest_text(entries: list[dict[str, object]]) -> str:
    """JSON with one line per key, and per record where there are any."""
    texts = []
    for entry in entries:
        lines = []
        for key, value in entry.items():
            text = json.dumps(value, allow_nan=False)
            if isinstance(value, list) and value:
                rows = ",\n    ".join(json.dumps(row, allow_nan=False) for row in value)
                text = f"[\n    {rows}\n   ]"
            lines.append(f"   {json.dumps(key)}: {text}")
        texts.append("  {\n" + ",\n".join(lines) + "\n  }")
    about = json.dumps(ABOUT, indent=2).replace("\n", "\n ")
    return f'{{\n "about": {about},\n "files": [\n' + ",\n".join(texts) + "\n ]\n}\n"


def outputs() -> dict[str, bytes]:
    """The contents of every golden file by its name."""
    contents: dict[str, bytes] = {}
    entries = []
    for golden in files():
        assert f"{golden.name}.bin" not in contents, golden.name
        contents[f"{golden.name}.bin"] = bytes(golden.data)
        contents[f"{golden.name}.txt"] = golden.text().encode()
        entries.append(golden.manifest_entry())
    contents["manifest.json"] = manifest_text(entries).encode()
    return contents | run_folder.outputs()


def differing(contents: dict[str, bytes]) -> list[str]:
    """Names of files that are missing, differ, or that nothing here writes."""
    found = [*HERE.glob("*.bin"), *HERE.glob(f"{run_folder.FOLDER}/*/*")]
    stray = {path.relative_to(HERE).as_posix() for path in found} - contents.keys()
    changed = [
        name
        for name, content in contents.items()
        if not (HERE / name).is_file() or (HERE / name).read_bytes() != content
    ]
    return sorted([*changed, *stray])


def main(arguments: Sequence[str]) -> int:
    check = list(arguments) == ["--check"]
    if arguments and not check:
        print("usage: write_golden.py [--check]", file=sys.stderr)
        return 2
    contents = outputs()
    for name in differing(contents):
        if check or name not in contents:
            print(f"differs: {name}", file=sys.stderr)
        else:
            (HERE / name).parent.mkdir(parents=True, exist_ok=True)
            (HERE / name).write_bytes(contents[name])
            print(f"wrote {name}")
    return 1 if differing(contents) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
