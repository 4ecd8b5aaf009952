"""Write the conformance suite: streams to accept, to refuse, and to accept and report.

    python tests/conformance/write_conformance.py            write what is missing or differs
    python tests/conformance/write_conformance.py --check    write nothing; exit 1 if a file differs

The golden files are part of it; what they lack is written here, with the same encoder, which
shares no code with evstream. README.md says how another implementation uses the suite.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "golden"))

from write_golden import (  # noqa: E402
    DEFAULT_WIDTHS,
    TYPES,
    Bits,
    Golden,
    cdf_file,
    event_ids_file,
    sample_file,
)
from write_golden import files as golden_files  # noqa: E402

STREAMS = HERE / "streams"
NARROW: dict[str, str] = {}
WIDE = {"oasis_int": "i8", "oasis_float": "f8", "areaperil_int": "u8"}
WIDTHS = {"narrow": NARROW, "wide": WIDE}
SAMPLES = ("loss", "gul_item", "gul_coverage", "summary")
ALL = (*SAMPLES, "cdf", "event_ids")

REASONS = {
    "short_header": "The stream ends before its blocks begin; the byte is its end.",
    "unknown_type": "The type word is not one of the format.",
    "negative_len_sample": "len_sample is below 0; the byte is that of the field.",
    "negative_count": "no_of_bins is below 0; the byte is that of the block header.",
    "truncated": "The stream ends inside a record, which starts at the byte; or, at its end, "
    "between two bins of a block.",
    "block_without_entries": "The stream ends right after the block header at the byte.",
    "second_stream": "Two streams were joined byte by byte; the second starts at the byte.",
    "hole": "Zero bytes where a block should be: all ids are 0 and there is no entry.",
    "gave_up": "The writer gave the stream up and left its mark at the byte.",
    "text": "Text where a list of event ids should be.",
}

ABOUT = {
    "file": "path of the stream, relative to this file",
    "bytes, sha256": "of the file",
    "stream": "the type to read it as; event_ids has no type word, so name it to the reader",
    "widths": "the widths to read it at",
    "why": "what is special about it",
}
ABOUT_ACCEPT = ABOUT | {
    "header": "fields of the stream header",
    "blocks, records": "how many; an event id is a block and a record",
    "final_delimiter": "false: the last block is not closed, which a reader accepts and reports",
    "records_sha256": "of the records in wire order, each with the fields of its block header "
    "(for cdf bin_index, counted from 1, instead of no_of_bins), packed little-endian at widths",
    "decoded": "those records; NaN as 'nan:' and its bits; null for a large file",
}
ABOUT_REFUSE = ABOUT | {
    "reason": REASONS,
    "offset": "the byte that a reader has to name",
}


ABOUT_BREAK = ABOUT | {
    "rule": "the rule of spec/oasis.yaml that the stream breaks, and the only one of them",
    "offset": "the byte of the block header or entry that breaks it",
}


@dataclass(frozen=True)
class Broken:
    """A stream that can be read, and breaks a rule at a byte."""

    golden: Golden
    rule: str
    offset: int


@dataclass(frozen=True)
class Refused:
    """A stream that must be refused, with the reason and the byte."""

    name: str
    stream: str
    why: str
    widths: dict[str, str]
    data: bytes
    reason: str
    offset: int


def a_stream(
    stream: str,
    events: Sequence[int],
    widths: dict[str, str] | None = None,
    *,
    first: int = 1,
    is_closed: bool = True,
) -> Golden:
    """A stream of one block per event, of two entries each, from sidx `first` on."""
    if stream == "event_ids":
        return event_ids_file("x", "", events, widths)
    if stream == "cdf":
        bins = [(0.5, 0.25), (1.0, 0.75)]
        return cdf_file("x", "", [((event, 7, 8), bins) for event in events], widths)
    exposure = (1000.0,) if stream == "summary" else ()
    pairs = [(first, 2.5), (first + 1, 4.0)]
    blocks = [((event, 7, *exposure), pairs) for event in events]
    return sample_file("x", stream, "", blocks, widths, final_delimiter=is_closed)


def data_of(*arguments: object, **more: object) -> bytes:
    return bytes(a_stream(*arguments, **more).data)  # type: ignore[arg-type]


def sizes(stream: str, widths: dict[str, str]) -> tuple[int, int, int]:
    """Bytes of the stream header, of a block header and of an entry."""
    width = {name: int(dtype[1:]) for name, dtype in (DEFAULT_WIDTHS | widths).items()}
    i, f, a = width["oasis_int"], width["oasis_float"], width["areaperil_int"]
    return {
        "loss": (8, 2 * i, i + f),
        "gul_item": (8, 2 * i, i + f),
        "gul_coverage": (8, 2 * i, i + f),
        "summary": (8 + i, 2 * i + f, i + f),
        "cdf": (4, 3 * i + a, 2 * f),
        "event_ids": (0, i, 0),
    }[stream]


# Streams to accept


def accepted() -> Iterator[Golden]:
    """Streams that look like broken ones, and are not."""
    for stream in (*SAMPLES, "cdf"):
        aggregation, source = TYPES[stream][1], TYPES[stream][0]
        word = source << 24 | aggregation
        for first in (-3, 1) if stream != "cdf" else (1,):
            golden = a_stream(stream, [word, word + 1], first=first)
            golden.name = f"event_{stream}_type_word_{'special' if first < 0 else 'sample'}_first"
            golden.why = f"The type word of a {stream} stream is a legal event id."
            yield golden
    for stream in SAMPLES:
        exposure = (0.0,) if stream == "summary" else ()
        blocks = [
            ((0, 0, *exposure), [(1, 0.5)]), ((0, 4, *exposure), []), ((4, 0, *exposure), []),
        ]  # fmt: skip
        name, why = f"zero_ids_{stream}", "Ids of 0 with entries, or with an id that is not 0."
        yield sample_file(name, stream, why, blocks)
        golden = a_stream(stream, [1, 2], is_closed=False)
        golden.name = f"open_end_{stream}"
        golden.why = "The last block is not closed, as some C++ tools write it."
        yield golden
    why = "A sidx that is a type word, inside a block and below len_sample."
    pairs = [(1, 1.0), (33554433, 2.0)]
    yield sample_file("sidx_type_word", "loss", why, [((1, 1), pairs)], len_sample=40_000_000)
    why = "A block without bins, of ids that are not 0."
    yield cdf_file("zero_bins", why, [((0, 0, 8), []), ((3, 7, 8), [])])


# Streams to refuse


def refused() -> Iterator[Refused]:
    yield from cuts()
    yield from bad_headers()
    yield from joined()
    yield from holes()
    yield from given_up()
    yield from texts()


def cuts() -> Iterator[Refused]:
    """Cut at each kind of place; between two blocks is none, as nothing can show it."""
    for stream in ALL:
        for name, widths in WIDTHS.items():
            whole = data_of(stream, [1, 2], widths)
            opening, header, entry = sizes(stream, widths)
            start = opening + (len(whole) - opening) // 2
            body = start + header

            def cut(
                place: str, length: int, reason: str, offset: int,
                stream: str = stream, name: str = name, widths: dict[str, str] = widths,
                whole: bytes = whole,
            ) -> Refused:  # fmt: skip
                text = f"Cut in {place.replace('_', ' ')}, after {length} of {len(whole)} bytes."
                title = f"cut_{stream}_{name}_in_{place}"
                return Refused(title, stream, text, widths, whole[:length], reason, offset)

            if opening:
                yield cut("type_word", 3, "short_header", 3)
            if opening > 4:
                yield cut("stream_header", opening - 1, "short_header", opening - 1)
            yield cut("block_header", start + header - 1, "truncated", start)
            yield cut("first_byte_of_block_header", start + 1, "truncated", start)
            if not entry:
                continue
            yield cut("block_after_its_header", body, "block_without_entries", start)
            yield cut("first_field_of_entry", body + 1, "truncated", body)
            yield cut("last_field_of_entry", body + entry - 1, "truncated", body)
            if stream == "cdf":
                yield cut("block_between_bins", body + entry, "truncated", body + entry)
            else:
                end = body + 2 * entry
                yield cut("sidx_of_delimiter", end + 1, "truncated", end)
                yield cut("loss_of_delimiter", end + entry - 1, "truncated", end)


def bad_headers() -> Iterator[Refused]:
    body = data_of("loss", [1, 2])[4:]
    for source, aggregation in [(0, 0), (0, 2), (1, 3), (2, 0), (2, 257), (3, 2), (4, 1), (255, 1)]:
        word = aggregation.to_bytes(3, "little") + bytes([source])
        yield Refused(
            f"type_{source}_{aggregation}", "loss", f"Source {source}, aggregation {aggregation}.",
            NARROW, word + body, "unknown_type", 0,
        )  # fmt: skip
    for stream in SAMPLES:
        whole = data_of(stream, [1, 2])
        for number in (-1, -(2**31)):
            data = whole[:4] + number.to_bytes(4, "little", signed=True) + whole[8:]
            name = f"len_sample_{stream}_{'minus_1' if number == -1 else 'lowest'}"
            yield Refused(
                name, stream, f"len_sample is {number}.", NARROW, data, "negative_len_sample", 4
            )
    for name, widths in WIDTHS.items():
        whole = data_of("cdf", [1, 2], widths)
        opening, header, _ = sizes("cdf", widths)
        start = opening + (len(whole) - opening) // 2
        width = int((DEFAULT_WIDTHS | widths)["oasis_int"][1:])
        for number in (-1, -(2 ** (8 * width - 1))):
            count = number.to_bytes(width, "little", signed=True)
            data = whole[: start + header - width] + count + whole[start + header :]
            title = f"count_{name}_{'minus_1' if number == -1 else 'lowest'}"
            why = f"no_of_bins of the second block is {number}."
            yield Refused(title, "cdf", why, widths, data, "negative_count", start)


def joined() -> Iterator[Refused]:
    """Two streams, one after the other, as `cat a.bin b.bin` makes them."""
    for stream in SAMPLES:
        for name, widths in WIDTHS.items():
            one = data_of(stream, [1, 2], widths)
            opened = data_of(stream, [1, 2], widths, is_closed=False)
            kinds = {
                "samples": (one, data_of(stream, [3], widths)),
                "specials": (one, data_of(stream, [3], widths, first=-3)),
                "large_event_id": (one, data_of(stream, [123_456], widths)),
                "after_open_block": (opened, data_of(stream, [3], widths)),
            }
            for kind, (first, second) in kinds.items():
                yield Refused(
                    f"joined_{stream}_{name}_{kind}", stream,
                    f"Two {stream} streams, the first of {len(first)} bytes.", widths,
                    first + second, "second_stream", len(first),
                )  # fmt: skip
    for stream in SAMPLES:
        one = data_of(stream, [1, 2])
        for other in SAMPLES:
            if other != stream:
                yield Refused(
                    f"joined_{stream}_and_{other}", stream,
                    f"A {stream} stream and a {other} stream after it.", NARROW,
                    one + data_of(other, [3]), "second_stream", len(one),
                )  # fmt: skip
    for stream in ("loss", "gul_item", "gul_coverage", "summary"):
        one = data_of(stream, [1, 2])
        yield Refused(
            f"joined_{stream}_and_empty", stream, "A stream without blocks after another.",
            NARROW, one + data_of(stream, []), "second_stream", len(one),
        )  # fmt: skip
    one = data_of("cdf", [1, 2])
    yield Refused(
        "joined_cdf", "cdf", "Two cdf streams; the type word is the id of event 1.", NARROW,
        one + data_of("cdf", [3]), "second_stream", len(one),
    )  # fmt: skip


def holes() -> Iterator[Refused]:
    for stream in ALL:
        for name, widths in WIDTHS.items():
            opening, header, entry = sizes(stream, widths)
            size = header + (entry if stream in SAMPLES else 0)
            whole = data_of(stream, [1, 2], widths)
            middle = opening + (len(whole) - opening) // 2
            places = {"start": (opening, 1), "middle": (middle, 1), "end": (len(whole), 40)}
            for place, (offset, count) in places.items():
                if stream == "event_ids" and place == "start" and name == "wide":
                    continue
                data = whole[:offset] + bytes(size * count) + whole[offset:]
                why = f"{size * count} zero bytes at the {place} of the blocks."
                title = f"hole_{stream}_{name}_{place}"
                yield Refused(title, stream, why, widths, data, "hole", offset)


def given_up() -> Iterator[Refused]:
    for stream in (*SAMPLES, "cdf"):
        for name, widths in WIDTHS.items():
            _, header, entry = sizes(stream, widths)
            mark = bytes.fromhex("4f348bff").ljust(min(header, entry) - 1, b"\xff")
            whole = data_of(stream, [1, 2], widths)
            places = {"after_block": whole}
            if stream != "cdf":
                places["in_block"] = data_of(stream, [1, 2], widths, is_closed=False)
            else:
                places["in_block"] = whole[:-entry]
            for place, data in places.items():
                yield Refused(
                    f"gave_up_{stream}_{name}_{place}", stream,
                    "The writer gave up: the number -7654321 begins a record, and ff fills it "
                    "up to its last byte but one.", widths, data + mark, "gave_up", len(data),
                )  # fmt: skip


def texts() -> Iterator[Refused]:
    for name, text in {"lines": b"1\n2\n", "csv": b"event_id\n1\n2\n3\n\n\n\n"}.items():
        data = text[: len(text) // 4 * 4]
        yield Refused(
            f"text_{name}", "event_ids", "Numbers as text.", NARROW, data, "text", 0
        )  # fmt: skip


# Writing


def entry_of(path: str, data: bytes, **facts: object) -> dict[str, object]:
    return {
        "file": path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), **facts
    }  # fmt: skip


# Streams to accept and report


def broken() -> Iterator[Broken]:
    """Reserved ids and values out of range, in the second of three blocks."""
    for name, widths in WIDTHS.items():
        for stream in SAMPLES:
            yield from broken_samples(stream, name, widths)
        opening, header, entry = sizes("cdf", widths)
        second = opening + header + 2 * entry
        bins = [(0.5, 0.25), (1.0, 0.75)]
        cases = {
            "event_0": ((0, 7, 8), bins, "event-id-positive", second),
            "areaperil_0": ((2, 0, 8), bins, "block-id-positive", second),
            "vulnerability_negative": ((2, 7, -8), bins, "block-id-positive", second),
            "prob_negative": (
                (2, 7, 8), [(-0.5, 0.25), bins[1]], "prob-in-range", second + header,
            ),
            "mean_above_1": (
                (2, 7, 8), [bins[0], (1.0, 1.5)], "prob-in-range", second + header + entry,
            ),
        }  # fmt: skip
        for case, (ids, values, rule, offset) in cases.items():
            blocks = [((1, 7, 8), bins), (ids, values), ((3, 7, 8), bins)]
            why = f"The second block breaks {rule}."
            golden = cdf_file(f"breaks_cdf_{name}_{case}", why, blocks, widths)
            yield Broken(golden, rule, offset)
        golden = event_ids_file(
            f"breaks_event_ids_{name}_negative", "A negative event id.", [1, -2, 3], widths
        )
        yield Broken(golden, "event-id-positive", sizes("event_ids", widths)[1])


def broken_samples(stream: str, name: str, widths: dict[str, str]) -> Iterator[Broken]:
    opening, header, entry = sizes(stream, widths)
    exposure = (1000.0,) if stream == "summary" else ()
    pairs = [(-3, 9.0), (-1, 2.5), (2, 4.0)]
    second = opening + header + 4 * entry
    entries = second + header

    not_a_number = Bits(0x7FF8000000000000 if name == "wide" else 0x7FC00000)

    def third(loss: float) -> list[tuple[int, float]]:
        return [*pairs[:2], (2, loss)]

    cases = {
        "event_0": ((0, 7), pairs, "event-id-positive", second),
        "event_negative": ((-2, 7), pairs, "event-id-positive", second),
        "id_0": ((2, 0), pairs, "block-id-positive", second),
        "id_negative": ((2, -7), pairs, "block-id-positive", second),
        "sidx_above_len_sample": (
            (2, 7), [*pairs, (11, 1.0)], "sidx-in-range", entries + 3 * entry,
        ),
        "sidx_unknown": ((2, 7), [(-6, 1.0), *pairs], "sidx-known", entries),
        "loss_nan": ((2, 7), third(not_a_number), "loss-finite", entries + 2 * entry),
        "loss_infinite": ((2, 7), third(math.inf), "loss-finite", entries + 2 * entry),
        "loss_negative": ((2, 7), third(-4.0), "loss-not-negative", entries + 2 * entry),
    }  # fmt: skip
    for case, (ids, values, rule, offset) in cases.items():
        if stream != "loss" and (name == "wide" or case.startswith("loss_")):
            continue  # as in a loss stream
        blocks = [
            ((1, 7, *exposure), pairs), ((*ids, *exposure), values), ((3, 7, *exposure), pairs),
        ]  # fmt: skip
        why = f"The second block breaks {rule}."
        golden = sample_file(f"breaks_{stream}_{name}_{case}", stream, why, blocks, widths)
        yield Broken(golden, rule, offset)


def outputs() -> dict[str, bytes]:
    """The contents of every file of the suite by its path."""
    contents: dict[str, bytes] = {}
    accept, refuse = [], []
    for golden in [*golden_files(), *accepted()]:
        manifest = golden.manifest_entry()
        is_golden = (HERE.parent / "golden" / f"{golden.name}.bin").is_file()
        path = f"{'../golden' if is_golden else 'streams'}/{golden.name}.bin"
        data = bytes(golden.data)
        if not is_golden:
            contents[path] = data
        common = {"stream": golden.stream, "widths": golden.widths, "why": golden.why}
        if golden.error:
            common["stream"] = golden.stream or "loss"
            facts = {"reason": golden.error, "offset": golden.error_offset}
            refuse.append(entry_of(path, data, **common, **facts))
        elif not has_hole(golden):
            names = ("header", "blocks", "records", "final_delimiter", "records_sha256", "decoded")
            accept.append(entry_of(path, data, **common, **{n: manifest[n] for n in names}))
    for case in refused():
        path = f"streams/{case.name}.bin"
        assert path not in contents, path
        contents[path] = case.data
        widths = DEFAULT_WIDTHS | case.widths
        refuse.append(
            entry_of(
                path, case.data, stream=case.stream, widths=widths, why=case.why,
                reason=case.reason, offset=case.offset,
            )
        )  # fmt: skip
    reported = []
    for case in broken():
        golden = case.golden
        path, data = f"streams/{golden.name}.bin", bytes(golden.data)
        contents[path] = data
        common = {"stream": golden.stream, "widths": golden.widths, "why": golden.why}
        reported.append(entry_of(path, data, **common, rule=case.rule, offset=case.offset))
    contents["break.json"] = text_of(ABOUT_BREAK, reported)
    contents["accept.json"] = text_of(ABOUT_ACCEPT, accept)
    contents["refuse.json"] = text_of(ABOUT_REFUSE, refuse)
    return contents


def has_hole(golden: Golden) -> bool:
    """Whether it has a block whose ids are 0 and that has no entry (refused when strict)."""
    n_ids = {"cdf": 3, "event_ids": 1}.get(golden.stream or "", 2)
    return any(not any(block[1 : 1 + n_ids]) and not block[-1] for block in golden.blocks)


def text_of(about: dict[str, object], entries: list[dict[str, object]]) -> bytes:
    """JSON with a line per file."""
    lines = ",\n".join("  " + json.dumps(entry, allow_nan=False) for entry in entries)
    head = json.dumps(about, indent=1).replace("\n", "\n ")
    return f'{{\n "about": {head},\n "files": [\n{lines}\n ]\n}}\n'.encode()


def differing(contents: dict[str, bytes]) -> list[str]:
    """Paths of files that are missing, differ, or that nothing here writes."""
    stray = [f"streams/{p.name}" for p in STREAMS.glob("*") if f"streams/{p.name}" not in contents]
    changed = [
        path
        for path, content in contents.items()
        if not (HERE / path).is_file() or (HERE / path).read_bytes() != content
    ]
    return sorted(changed + stray)


def main(arguments: Sequence[str]) -> int:
    check = list(arguments) == ["--check"]
    if arguments and not check:
        print("usage: write_conformance.py [--check]", file=sys.stderr)
        return 2
    contents = outputs()
    STREAMS.mkdir(exist_ok=True)
    for path in differing(contents):
        if check or path not in contents:
            print(f"differs: {path}", file=sys.stderr)
        else:
            (HERE / path).write_bytes(contents[path])
    return 1 if differing(contents) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
