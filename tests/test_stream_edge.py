"""What a stream looks like whose writer was stopped: never complete."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream import TruncatedStreamError
from evstream import event_stream as es
from evstream.reading.stream import EventStream
from evstream.transport.sink import Sink
from evstream.wire.header_bytes import build_header
from evstream.wire.stream_edge import Edge, give_up, given_up_mark
from row_reader import RowReader
from support import read_all
from writer_cases import (
    HEADERS,
    NARROW_AND_WIDE,
    Steps,
    expected_bytes,
    good_rows,
    later_rows,
    new_writer,
)

GAVE_UP = "the stream is not complete: its writer gave up here"


def one_entry_blocks(stream: str, events: int) -> dict[str, Any]:
    """Rows of one block of one entry per event."""
    first = {name: column[0] for name, column in good_rows(stream).items()}
    return first | {"event_id": np.arange(10, 10 + events)}


def end_of(data: bytes, stream: str | None = None, widths: Any = None) -> Exception | None:
    """The error with which a stream ends, None if it looks whole."""
    try:
        with EventStream(io.BytesIO(data), stream, widths=widths, strict=True) as opened:
            for _ in opened.chunks():
                pass
    except evstream.EvstreamError as error:
        return error
    return None


def write_rows(out: Any, stream: str) -> None:
    for rows in (good_rows(stream), later_rows(stream)):
        out.write_columns(**rows)
        out.flush()


def write_events(out: Any, stream: str) -> None:
    data = expected_bytes(stream, good_rows(stream), widths=out.header.widths)
    with evstream.open(io.BytesIO(data), stream, widths=out.header.widths) as events:
        for event in events:
            out.write(event)
            out.flush()


def write_much(out: Any, stream: str) -> None:
    out.write_columns(**one_entry_blocks(stream, 30_000))


@pytest.mark.parametrize("widths", NARROW_AND_WIDE, ids=lambda w: "_".join(w.values()))
@pytest.mark.parametrize("stream", HEADERS)
@pytest.mark.parametrize("write", [write_rows, write_events, write_much])
def test_a_stream_of_a_killed_writer_is_refused(
    write: Callable[[Any, str], None], stream: str, widths: dict[str, str]
) -> None:
    target = Steps()
    with new_writer(target, stream, widths=widths) as out:
        write(out, stream)
        out.flush()
        assert out.offset - len(target.data) == 1  # no more is held back
    places = target.killed_at
    assert len(places) > 2
    for size in places if len(places) < 20 else random.Random(0).sample(places, 20):
        if size or stream != "event_ids":  # nothing at all is an empty list
            assert end_of(target.data[:size], stream, widths), size
    assert end_of(target.data, stream, widths) is None


def test_a_matrix_that_is_flushed_holds_its_end_back() -> None:
    target = Steps()
    with evstream.create(target, "loss", len_sample=2) as out:
        for event in range(1, 4):
            out.write_event(event, [1, 2], [[1.0, 2.0], [3.0, 4.0]])
            out.flush()
            reading = read_all(io.BytesIO(target.data))
            assert isinstance(reading.error, TruncatedStreamError)
            assert len(reading.events) == event - 1  # the last one may lack items
    assert len(read_all(io.BytesIO(target.data)).events) == 3


def test_a_header_that_is_flushed_goes_out_whole() -> None:
    target = Steps()
    with evstream.create(target, "loss", len_sample=2) as out:
        out.flush()
        assert len(target.data) == 8
        out.write_columns(1, 1, 1, 5.0)
        out.flush()
        assert len(target.data) == 8 + 15


# The mark of a writer that gives up


def given_up(stream: str, widths: dict[str, str], flushed: bool) -> bytes:
    target = Steps()
    out = new_writer(target, stream, widths=widths)
    if flushed:
        out.write_columns(**good_rows(stream))
        out.flush()
    out.write_columns(**later_rows(stream))
    out.abort()
    return target.data


@pytest.mark.parametrize("flushed", [True, False])
@pytest.mark.parametrize("widths", NARROW_AND_WIDE, ids=lambda w: "_".join(w.values()))
@pytest.mark.parametrize("stream", HEADERS)
def test_a_writer_that_gave_up_is_recognised(
    stream: str, widths: dict[str, str], flushed: bool
) -> None:
    data = given_up(stream, widths, flushed)
    reading = read_all(io.BytesIO(data), stream, widths)
    assert isinstance(reading.error, TruncatedStreamError)
    has_room = stream != "event_ids" or widths["oasis_int"] == "i8"
    assert (reading.error.problem == GAVE_UP) is has_room
    if has_room:
        mark = given_up_mark(build_header(stream, HEADERS[stream], widths))
        assert mark.startswith(bytes.fromhex("4f 34 8b ff ff ff ff"))
        assert data.endswith(mark)
        assert reading.error.offset == len(data) - len(mark)
    whole = expected_bytes(stream, good_rows(stream), widths=widths)
    assert not flushed or data.startswith(whole[:-16])


@pytest.mark.parametrize("stream", HEADERS)
def test_a_cut_stream_is_not_taken_for_one_given_up(stream: str) -> None:
    data = expected_bytes(stream, good_rows(stream))
    for size in range(len(data)):
        error = read_all(io.BytesIO(data[:size]), stream).error
        assert error is None or error.problem != GAVE_UP


def test_an_event_reader_names_a_writer_that_gave_up(tmp_path: Path) -> None:
    path = tmp_path / "loss.bin"
    path.write_bytes(given_up("loss", NARROW_AND_WIDE[0], True))
    with ExitStack() as stack:
        streams, _ = es.init_streams_in(str(path), stack)
        events = RowReader().read_streams(streams)
        with pytest.raises(TruncatedStreamError, match=GAVE_UP):
            list(events)


class Breaks:
    """Takes `size` bytes of a stream, is broken once, then takes the rest."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.data = b""
        self.has_failed = False

    def write(self, view: memoryview) -> int:
        if self.has_failed:
            self.data += bytes(view)
            return len(view)
        if not self.left:
            self.has_failed = True
            raise KeyboardInterrupt
        taken = bytes(view[: self.left])
        self.data += taken
        self.left -= len(taken)
        return len(taken)


@pytest.mark.parametrize("stream", HEADERS)
def test_a_write_broken_at_any_byte_invents_nothing(stream: str) -> None:
    def write(target: Any) -> None:
        with new_writer(target, stream) as out:
            out.write_columns(**one_entry_blocks(stream, 700))

    whole = Steps()
    write(whole)
    wanted = read_all(io.BytesIO(whole.data), stream).events
    sizes = [*range(50), *random.Random(3).sample(range(50, len(whole.data)), 50)]
    for size in sizes:
        target = Breaks(size)
        with pytest.raises(KeyboardInterrupt):
            write(target)
        reading = read_all(io.BytesIO(target.data), stream)
        assert reading.error is not None, size
        found = reading.events
        assert found == wanted[: len(found)] or found[:-1] == wanted[: len(found) - 1]
        last = found[-1] if found else []
        for block, wanted_block in zip(last, wanted[len(found) - 1], strict=False):
            assert block[0] == wanted_block[0]
            assert block[1] == wanted_block[1][: len(block[1])]
        if stream == "loss":
            assert reading.error.problem == GAVE_UP


def test_a_stream_given_up_by_a_relay_is_refused() -> None:
    header = build_header("loss", {"len_sample": 3}, None)
    data = expected_bytes("loss", good_rows("loss"))
    for size in range(len(data)):
        target = io.BytesIO()
        sink = Sink(target)
        edge = Edge(sink.write, header if size >= header.size else None)
        edge.hand_on(memoryview(data[:size]))
        give_up(sink, edge)
        reading = read_all(io.BytesIO(target.getvalue()))
        assert reading.error is not None, size


@pytest.mark.parametrize("size", [100, 5000, 300_000])
def test_a_copy_of_a_stream_holds_its_end_back(size: int, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path, target = tmp_path / "loss.bin", Steps()
    with evstream.create(path, "loss", len_sample=1) as out:
        out.write_columns(np.arange(1, size), 1, 1, 5.0)
    evstream.convert(path, target, from_="bin", to="bin")
    assert target.data == path.read_bytes()
    places = target.killed_at
    for place in places if len(places) < 50 else random.Random(2).sample(places, 50):
        assert end_of(target.data[:place]) is not None, place


def test_a_pipe_ends_inside_a_record_until_the_end() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb", 0) as received, open(writer, "wb", 0) as given:
        out = evstream.create(given, "loss", len_sample=1)
        out.write_event(1, [1], [[5.0]])
        out.flush()
        before = received.read(1000)
        out.close()
        after = received.read(1000)
    assert len(after) == 1
    assert read_all(io.BytesIO(before + after)).error is None
    assert read_all(io.BytesIO(before)).error is not None
