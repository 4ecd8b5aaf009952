"""What a callback is given keeps to the rules that bound an entry: it may be used as an index."""

from __future__ import annotations

import io
import os
import struct
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

import evstream
from evstream import CorruptStreamError, StreamMismatchError
from evstream._generated import layout
from evstream.event_stream import read_stream_info

LEN_SAMPLE = 3
WIDTHS = [{"oasis_int": "i4", "oasis_float": "f4"}, {"oasis_int": "i8", "oasis_float": "f8"}]


def stream(blocks: list[list[int]], widths: dict[str, str], len_sample: int = LEN_SAMPLE) -> bytes:
    """A loss stream: event 1, 2, ... with one block of item 7 each and these sidx."""
    integer, real = ("i", "f") if widths["oasis_int"] == "i4" else ("q", "d")
    data = bytes([1, 0, 0, 2]) + struct.pack("<i", len_sample)
    for event, sidxs in enumerate(blocks, 1):
        data += struct.pack(f"<2{integer}", event, 7)
        for sidx in [*sidxs, 0]:
            data += struct.pack(f"<{integer}{real}", sidx, 1.0 if sidx else 0.0)
    return data


@numba.njit
def keep_sidx(state, sidx, loss):  # type: ignore[no-untyped-def]
    state[state[0] + 1] = sidx
    state[0] += 1


@cache
def keeps_sidx(widths: tuple[tuple[str, str], ...], check: bool) -> Any:
    """A reader class, which is compiled once."""
    return evstream.reader_class("loss", on_entry=keep_sidx, widths=dict(widths), check=check)


def seen_by(
    source: Any, widths: dict[str, str], *, check: bool = True
) -> tuple[list[int], list[int], Any]:
    """The events, the sidx that the callback was given, and the error."""
    state = np.zeros(1000, np.int64)
    reader = keeps_sidx(tuple(widths.items()), check)(state)
    events, error = [], None
    try:
        for event_id in reader.read(source):
            events.append(event_id)
    except CorruptStreamError as found:
        error = found
    return events, state[1 : 1 + state[0]].tolist(), error


@pytest.mark.parametrize("widths", WIDTHS, ids=["i4", "i8"])
@pytest.mark.parametrize("sidx", [4, 500_000_000, -6, -(2**31)])
@pytest.mark.parametrize("at", [0, 1, 7, 8, 9, 30])
def test_no_callback_sees_a_sidx_outside_of_the_stream(
    sidx: int, at: int, widths: dict[str, str]
) -> None:
    good = [-5, -4, -3, -2, -1, *[1, 2, 3] * 10]
    bad = good.copy()
    bad[at] = sidx
    events, seen, error = seen_by(io.BytesIO(stream([good, bad], widths)), widths)
    size = 16 if widths["oasis_int"] == "i8" else 8
    assert events == [1]
    assert seen == good + bad[:at]
    assert (error.event_id, error.item_id) == (2, 7)
    assert error.offset == 8 + (2 + len(good) + 1 + at) * size
    assert error.problem == f"sidx is {sidx}"
    limit = "at most 3, the len_sample of the stream header"
    special = "from 1, or a special one: -5, -4, -3, -2, -1"
    assert error.expected == (limit if sidx > 0 else special)


@pytest.mark.parametrize("widths", WIDTHS, ids=["i4", "i8"])
def test_an_unchecked_reader_gives_what_is_there(widths: dict[str, str]) -> None:
    blocks = [[-6, 1, 900], [4]]
    data = io.BytesIO(stream(blocks, widths))
    assert seen_by(data, widths, check=False) == ([1, 2], [-6, 1, 900, 4], None)


def test_every_special_sidx_of_a_stream_reaches_its_callback() -> None:
    sidxs = [*sorted(s.sidx for s in layout.STREAMS["loss"].specials), 1, LEN_SAMPLE]
    assert seen_by(io.BytesIO(stream([sidxs], WIDTHS[0])), WIDTHS[0]) == ([1], sidxs, None)


def test_an_entry_is_refused_again_when_it_is_read_again() -> None:
    source = io.BytesIO(stream([[1, 2], [9]], WIDTHS[0]))
    read_stream_info(source)

    @numba.njit
    def on_entry(state, sidx, loss):  # type: ignore[no-untyped-def]
        state[sidx - 1] += 1

    state = np.zeros(LEN_SAMPLE)
    reader = evstream.reader_class("loss", on_entry=on_entry)(state)
    for _ in range(2):
        with pytest.raises(CorruptStreamError, match="sidx is 9, expected at most 3"):
            list(reader.read_streams([source]))
        assert state.tolist() == [1, 1, 0]


def test_entries_are_refused_in_windows_of_any_size() -> None:
    good = [-3, -1, 1, 2, 3]
    data = stream([good] * 200 + [[*good, 4]], WIDTHS[0])

    @numba.njit
    def on_entry(state, sidx, loss):  # type: ignore[no-untyped-def]
        state[0] += 1

    kind = evstream.reader_class("loss", on_entry=on_entry)
    for size in (16, 64, 1000):
        read_end, write_end = os.pipe()
        os.write(write_end, data)
        os.close(write_end)
        with open(read_end, "rb") as source:
            read_stream_info(source)
            kind.buffer_size = size
            state = np.zeros(1)
            with pytest.raises(CorruptStreamError, match="sidx is 4") as caught:
                list(kind(state).read_streams([source]))
            assert state[0] == 201 * 5
            assert caught.value.offset == len(data) - 16


def test_sources_of_one_reader_have_the_same_header(tmp_path: Path) -> None:
    """As the documented module demands of its inputs."""
    paths = [str(tmp_path / name) for name in ("a.bin", "b.bin", "c.bin")]
    for path, len_sample in zip(paths, (3, 8, 3), strict=True):
        Path(path).write_bytes(stream([[1]], WIDTHS[0], len_sample))
    reader = evstream.reader_class("loss")(np.zeros(1))
    assert list(reader.read(paths[0], paths[2])) == [1, 1]
    with pytest.raises(StreamMismatchError, match=r"len_sample 8, expected .* 3 as in .*") as e:
        list(reader.read(*paths[:2]))
    assert (e.value.source, e.value.offset) == (paths[1], 0)
    Path(paths[1]).write_bytes(b"\1\0\0\1" + Path(paths[0]).read_bytes()[4:])
    with pytest.raises(StreamMismatchError, match="this is a gul_item stream with len_sample 3"):
        list(reader.read(*paths[:2]))
    assert list(reader.read(paths[1])) == [1]


def test_streams_opened_elsewhere_keep_their_own_limits() -> None:
    a, b = io.BytesIO(stream([[3]], WIDTHS[0], 3)), io.BytesIO(stream([[8], [9]], WIDTHS[0], 8))
    for source in (a, b):
        read_stream_info(source)
    reader = evstream.reader_class("loss")(np.zeros(1))
    message = "event_id 2, item_id 7: sidx is 9, expected at most 8"
    with pytest.raises(CorruptStreamError, match=message):
        list(reader.read_streams([a, b]))
