"""Random streams: what is encoded is read, what is written is decoded, at all widths.

Reading is compared with the oracle's bytes, writing with the oracle's decoding, and a
matrix with itself, so that no pair of equal mistakes in reader and writer can hide.
"""

from __future__ import annotations

import io
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import evstream
from evstream._generated import layout
from oracle import BLOCK_HEADERS, DEFAULT_WIDTHS, Bits, Widths, decode, encode
from support import Trickle, assert_same, raw, read_all, rows_to_blocks

BLOCK_ID = {
    "gul_item": "item_id",
    "gul_coverage": "coverage_id",
    "loss": "item_id",
    "summary": "summary_id",
}
STREAMS = ["cdf", *BLOCK_ID, "event_ids"]
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

Blocks = list[tuple[Any, Any]]


# What there may be


def all_widths() -> st.SearchStrategy[Widths]:
    return st.fixed_dictionaries(
        {
            "oasis_int": st.sampled_from(["i4", "i8"]),
            "oasis_float": st.sampled_from(["f4", "f8"]),
            "areaperil_int": st.sampled_from(["u4", "u8"]),
        }
    )


def integers(width: str) -> st.SearchStrategy[int]:
    """Any value of an integer width, small ones and the limits more often."""
    limits = np.iinfo(width)
    return st.one_of(
        st.integers(max(int(limits.min), -3), 3),
        st.sampled_from([int(limits.min), int(limits.max)]),
        st.integers(int(limits.min), int(limits.max)),
    )


SPECIAL_BITS = {
    "f4": [0x7F800000, 0xFF800000, 0x80000000, 0x7F800001, 0x7FC00123, 0xFFFFFFFF, 1],
    "f8": [0x7FF << 52, 0xFFF << 52, 1 << 63, (0x7FF << 52) + 1, (0x7FF8 << 48) + 9, 2**64 - 1, 1],
}


def float_bits(width: str) -> st.SearchStrategy[Bits]:
    """Any bits: NaN payloads, infinities, -0.0 and denormal numbers among them."""
    size = 8 * int(width[1])
    return st.one_of(st.sampled_from(SPECIAL_BITS[width]), st.integers(0, 2**size - 1)).map(Bits)


def finite(width: str) -> st.SearchStrategy[float]:
    return st.floats(allow_nan=False, allow_infinity=False, width=8 * int(width[1]))


@st.composite
def any_streams(draw: st.DrawFn, stream: str) -> tuple[bytes, Widths]:
    """A stream that can be parsed, with whatever values."""
    widths = draw(all_widths())
    integer, number = integers(widths["oasis_int"]), float_bits(widths["oasis_float"])
    of_type = {
        "oasis_int": integer,
        "oasis_float": number,
        "areaperil_int": integers(widths["areaperil_int"]),
    }
    types = BLOCK_HEADERS[stream][: -1 if stream == "cdf" else None]
    ids = st.tuples(*(of_type[name] for name in types))
    # Readers take what looks like the type word of a stream, and like one behind it, for a second
    # stream; of wide event ids the low bytes count.
    words = {0x01000001, 0x01000002, 0x02000001, 0x03000001} | ({1} if stream == "cdf" else set())
    ids = ids.filter(lambda values: values[0] & 0xFFFFFFFF not in words)
    entry = st.tuples(number, number)
    if stream in BLOCK_ID:
        entry = st.tuples(integer.filter(bool), number)
    entries = st.lists(entry, max_size=6) if stream != "event_ids" else st.just([])
    blocks = draw(st.lists(st.tuples(ids, entries), max_size=8))
    header = {
        "len_sample": draw(st.integers(0, 2**31 - 1)),
        "summary_set_id": draw(integer),
    }
    closed = draw(st.booleans()) or not blocks or not blocks[-1][1]
    return encode(stream, header, blocks, widths, closed), widths


@st.composite
def valid_rows(draw: st.DrawFn, stream: str, widths: Widths) -> dict[str, list[Any]]:
    """Rows of a stream that keeps to every rule."""
    largest = 2**31 - 1
    ids = st.lists(st.integers(1, largest), min_size=1, max_size=3, unique=True)
    number = finite(widths["oasis_float"])
    events = draw(st.lists(st.integers(1, largest), max_size=3, unique=True))
    if stream == "event_ids":
        return {"event_id": events}
    names = [
        *(["event_id", "areaperil_id", "vulnerability_id", "bin_index", "prob_to", "bin_mean"]
          if stream == "cdf" else ["event_id", BLOCK_ID[stream]]),
        *(["exposure_value"] if stream == "summary" else []),
        *(["sidx", "loss"] if stream in BLOCK_ID else []),
    ]  # fmt: skip
    specials = [special.sidx for special in layout.STREAMS[stream].specials]
    sidx = st.lists(st.sampled_from([*specials, *range(1, 10)]), min_size=1, unique=True)
    rows: list[tuple[Any, ...]] = []
    for event in events:
        for block_id in draw(ids):
            if stream == "cdf":
                vulnerability = draw(st.integers(1, 3))
                for index in range(1, draw(st.integers(1, 5)) + 1):
                    entry = (index, draw(number), draw(number))
                    rows.append((event, block_id, vulnerability, *entry))
            else:
                exposure = (draw(number),) if stream == "summary" else ()
                for value in sorted(draw(sidx)):
                    rows.append((event, block_id, *exposure, value, draw(number)))
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def header_of(stream: str) -> dict[str, int]:
    header = {"len_sample": 9} if stream in BLOCK_ID else {}
    return header | ({"summary_set_id": 4} if stream == "summary" else {})


# Reading


@pytest.mark.parametrize("stream", STREAMS)
@QUICK
@given(data=st.data())
def test_whatever_is_encoded_is_read_bit_by_bit(stream: str, data: st.DataObject) -> None:
    encoded, widths = data.draw(any_streams(stream))
    decoded = decode(encoded, stream, widths)
    assert decoded.error is None
    assert_same(read_all(io.BytesIO(encoded), stream, widths), decoded, encoded)
    size = data.draw(st.integers(1, 50))
    assert_same(read_all(Trickle(encoded, size), stream, widths), decoded, encoded)


@pytest.mark.parametrize("stream", STREAMS)
@QUICK
@given(data=st.data())
def test_a_damaged_stream_ends_as_the_oracle_says(stream: str, data: st.DataObject) -> None:
    encoded, widths = data.draw(any_streams(stream))
    assume(len(encoded) > 4)
    broken = bytearray(encoded[: data.draw(st.integers(4, len(encoded)))])
    if data.draw(st.booleans()) and len(broken) > 4:
        broken[data.draw(st.integers(4, len(broken) - 1))] = data.draw(st.integers(0, 255))
    decoded = decode(bytes(broken), stream, widths)
    source = Trickle(bytes(broken), data.draw(st.integers(1, 50)))
    assert_same(read_all(source, stream, widths), decoded, bytes(broken))


@pytest.mark.parametrize("stream", STREAMS)
@QUICK
@given(data=st.data())
def test_events_are_written_back_to_the_same_bytes(stream: str, data: st.DataObject) -> None:
    encoded, widths = data.draw(any_streams(stream))
    decoded = decode(encoded, stream, widths)
    target = io.BytesIO()
    with (
        evstream.open(io.BytesIO(encoded), stream, widths=widths) as source,
        evstream.create(target, stream, widths=widths, validate=False, **decoded.header) as out,
    ):
        for event in source:
            out.write(event)
    expected = encode(stream, decoded.header, decoded.block_entries(), widths)
    assert target.getvalue() == expected


# Writing


def cuts(data: st.DataObject, length: int) -> list[int]:
    inner = data.draw(st.lists(st.integers(0, length), max_size=4))
    return [0, *sorted(inner), length]


@pytest.mark.parametrize("stream", STREAMS)
@QUICK
@given(data=st.data())
def test_rows_are_decoded_as_written_in_any_pieces(stream: str, data: st.DataObject) -> None:
    """A counted block has to come in one piece; the others may be cut anywhere."""
    widths = data.draw(all_widths())
    rows = data.draw(valid_rows(stream, widths))
    length = len(rows["event_id"])
    places = cuts(data, length)
    if stream == "cdf":
        ends = [i for i, index in enumerate(rows["bin_index"]) if index == 1] + [length]
        places = sorted({0, length} | {place for place in places if place in ends})
    target = io.BytesIO()
    with evstream.create(target, stream, widths=widths, **header_of(stream)) as out:
        for first, last in pairwise(places):
            out.write_columns(*(column[first:last] for column in rows.values()))
            if data.draw(st.booleans()):
                out.flush()
    expected = encode(stream, header_of(stream), rows_to_blocks(stream, rows), widths)
    assert target.getvalue() == expected
    found = decode(target.getvalue(), stream, widths)
    assert found.error is None
    assert found.records == list(zip(*rows.values(), strict=True))


@st.composite
def matrices(draw: st.DrawFn, widths: Widths) -> dict[str, Any]:
    """Arguments of write_event but the event id; a good many losses are zero."""
    items = draw(st.lists(st.integers(1, 2**31 - 1), max_size=4, unique=True))
    number = finite(widths["oasis_float"])
    loss = st.one_of(st.just(0.0), st.just(-0.0), number)
    losses = draw(
        st.lists(st.lists(loss, min_size=9, max_size=9), min_size=len(items), max_size=len(items))
    )
    names = draw(st.sets(st.sampled_from(list(layout.SPECIAL_PARAMETERS))))
    column = st.lists(number, min_size=len(items), max_size=len(items))
    dtype = widths["oasis_float"]
    return {
        "item_ids": items,
        "losses": np.array(losses, dtype).reshape(len(items), 9),
        "specials": {name: np.array(draw(column), dtype) for name in sorted(names)},
    }


@pytest.mark.parametrize("stream", BLOCK_ID)
@QUICK
@given(data=st.data())
def test_a_matrix_comes_back_as_it_was_written(stream: str, data: st.DataObject) -> None:
    """All items with an entry do: one that has no special and no loss is not in the stream."""
    widths = data.draw(all_widths())
    events = data.draw(st.lists(st.integers(1, 2**31 - 1), max_size=3, unique=True))
    written = [(event, data.draw(matrices(widths))) for event in events]
    target = io.BytesIO()
    with evstream.create(target, stream, widths=widths, **header_of(stream)) as out:
        for event, m in written:
            exposure = {"exposure_values": 2.5} if stream == "summary" else {}
            out.write_event(event, m["item_ids"], m["losses"], **m["specials"], **exposure)
    assert_oracle_finds(target.getvalue(), stream, widths, written)
    kept = [
        (event, m, np.array([bool(m["specials"]) or row.any() for row in m["losses"]], bool))
        for event, m in written
    ]
    kept = [(event, m, mask) for event, m, mask in kept if mask.any()]
    with evstream.open(io.BytesIO(target.getvalue()), widths=widths) as source:
        for found, (event, m, mask) in zip(source, kept, strict=True):
            dense = found.to_dense()
            assert found.event_id == event
            assert dense.ids.tolist() == np.array(m["item_ids"])[mask].tolist()
            assert raw(dense.losses) == raw(m["losses"][mask] + 0.0)  # -0.0 is a zero loss
            assert {n: raw(v) for n, v in dense.specials.items()} == {
                n: raw(v[mask]) for n, v in m["specials"].items()
            }


def assert_oracle_finds(
    encoded: bytes, stream: str, widths: Widths, written: list[tuple[int, dict[str, Any]]]
) -> None:
    expected = []
    for event, m in written:
        for row, item in enumerate(m["item_ids"]):
            entries = sorted(
                (layout.SPECIAL_PARAMETERS[n], float(v[row])) for n, v in m["specials"].items()
            )
            entries += [(i, float(v)) for i, v in enumerate(m["losses"][row], 1) if v != 0]
            expected += [(event, item, *entry) for entry in entries]
    found = decode(encoded, stream, widths)
    assert found.error is None
    assert [(*row[:2], *row[-2:]) for row in found.records] == expected
    runs = [ids for ids, _ in groupby(row[:2] for row in expected)]
    assert [block[1:3] for block in found.blocks] == runs


@QUICK
@given(  # no losses near 0, whose bytes may fit other widths as well
    blocks=st.lists(
        st.lists(
            st.tuples(st.sampled_from([-5, -3, -1, 1, 2, 9]), st.integers(3, 1 << 20).map(float)),
            max_size=9,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_entries_in_any_order_have_their_places_in_the_matrix(blocks: Any) -> None:
    blocks = [list(dict(entries).items()) for entries in blocks]
    encoded = encode(
        "loss", {"len_sample": 9}, [((1, n), entries) for n, entries in enumerate(blocks, 1)]
    )
    with evstream.open(io.BytesIO(encoded)) as source:
        [event] = list(source)
    dense = event.to_dense()
    for row, entries in enumerate(blocks):
        given_sidx = dict(entries)
        assert dense.losses[row].tolist() == [given_sidx.get(i, 0.0) for i in range(1, 10)]
        for name, column in dense.specials.items():
            special = given_sidx.get(layout.SPECIAL_PARAMETERS[name])
            assert np.isnan(column[row]) if special is None else column[row] == special
    has = {sidx for entries in blocks for sidx, _ in entries if sidx < 0}
    assert {layout.SPECIAL_PARAMETERS[name] for name in dense.specials} == has


@pytest.mark.parametrize("sidx", [10, -6, -(2**31), 2**31 - 1])
def test_a_sidx_without_a_place_in_the_matrix_is_refused(sidx: int) -> None:
    encoded = encode("loss", {"len_sample": 9}, [((1, 1), [(1, 1.0)]), ((1, 7), [(sidx, 1.0)])])
    with evstream.open(io.BytesIO(encoded)) as source:
        [event] = list(source)
    with pytest.raises(
        evstream.CorruptStreamError, match=f"event_id 1, item_id 7: sidx {sidx} has no place"
    ):
        event.to_dense()


@pytest.mark.parametrize("sidx", [1, 9, -1, -5])
def test_a_sidx_that_occurs_twice_has_no_matrix(sidx: int) -> None:
    entries = [(sidx, 1.0), (2, 1.0), (sidx, 2.0)]
    encoded = encode("loss", {"len_sample": 9}, [((1, 1), [(sidx, 1.0)]), ((1, 7), entries)])
    with evstream.open(io.BytesIO(encoded)) as source:
        [event] = list(source)
    with pytest.raises(
        evstream.CorruptStreamError, match=f"item_id 7: sidx {sidx} occurs twice in its block"
    ):
        event.to_dense()


def test_a_stream_without_samples_has_no_matrix() -> None:
    encoded = encode("cdf", {}, [((1, 1, 1), [(0.5, 0.5)])], DEFAULT_WIDTHS)
    with evstream.open(io.BytesIO(encoded)) as source:
        [event] = list(source)
    with pytest.raises(TypeError, match="a cdf stream has no samples"):
        event.to_dense()
