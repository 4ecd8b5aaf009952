"""A subclass of EventReader yields what its stream holds, or an error says what it does."""

from __future__ import annotations

import io
import struct
import warnings
from typing import Any

import numpy as np
import pytest

import evstream
from documented import row_parser
from evstream import ReaderError, SkippedEventWarning
from evstream.compat.feed import feed_of, learn
from evstream.compat.known_stream import KnownStream
from evstream.event_stream import EventReader, read_stream_info
from evstream.reading.block_tracker import BlockTracker
from evstream.wire.header import StreamHeader

BLOCK = 8 + 3 * 8
EVENTS = [(event, item) for event in range(1, 40) for item in range(1, event % 4 + 2)]


def stream(integer: str = "i", real: str = "f") -> io.BytesIO:
    """Events of one to four blocks with two entries each."""
    data = bytes([1, 0, 0, 2]) + struct.pack("<i", 3)
    for event, item in EVENTS:
        data += struct.pack(f"<2{integer}", event, item)
        for sidx, loss in ((-1, 1.25), (1, 2.3), (0, 0.0)):
            data += struct.pack(f"<{integer}{real}", sidx, loss)
    return io.BytesIO(data)


class Rows(EventReader):
    """The documented reader, with an output of `room` rows."""

    buffer_size = 256

    def __init__(self, room: int = 1000) -> None:
        self.rows, self.used = np.zeros((room, 4)), np.zeros(1, np.int64)
        self.parse = row_parser(np.float32)

    def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id):  # type: ignore[no-untyped-def, override]
        return self.parse(byte_mv, cursor, valid_buff, event_id, item_id, self.rows, self.used)


def read(reader: EventReader, source: io.BytesIO | None = None) -> list[int]:
    source = source or stream()
    read_stream_info(source)
    found = []
    for event_id in reader.read_streams([source]):
        found.append(event_id)
        if isinstance(reader, Rows):
            reader.used[0] = 0
    return found


@pytest.mark.parametrize("room", [1, 2, 3, 5, 1000])
def test_an_event_may_be_yielded_in_parts(room: int) -> None:
    found = read(Rows(room))
    assert list(dict.fromkeys(found)) == list(range(1, 40))


@pytest.mark.parametrize(("integer", "real"), [("q", "d"), ("q", "f"), ("i", "d")])
def test_code_of_other_widths_is_an_error(integer: str, real: str) -> None:
    source = stream(integer, real)
    source.seek(8)
    widths = {"oasis_int": "i8" if integer == "q" else "i4", "areaperil_int": "u4"}
    widths |= {"oasis_float": "f8" if real == "d" else "f4", "sample_count": "i4"}
    learn(source, KnownStream(StreamHeader("loss", {"len_sample": 3}, widths), 8))
    with pytest.raises(ReaderError, match="read_buffer of Rows yields") as caught:
        list(Rows().read_streams([source]))
    assert caught.value.offset < 500


def test_event_ends_are_searched_by_the_thousand(monkeypatch: pytest.MonkeyPatch) -> None:
    searches: list[int] = []
    ends_after = BlockTracker.ends_after

    def counted(tracker: BlockTracker, offset: int) -> tuple[list[int], list[int]]:
        searches.append(offset)
        return ends_after(tracker, offset)

    monkeypatch.setattr(BlockTracker, "ends_after", counted)
    target = io.BytesIO()
    with evstream.create(target, "loss", len_sample=1) as out:
        out.write_columns(np.arange(1, 5001), 1, 1, 2.5)
    reader = Rows(6000)
    reader.buffer_size = 65536
    target.seek(0)
    assert read(reader, target) == list(range(1, 5001))
    assert len(searches) <= 6


def test_an_end_is_next_if_no_other_was_passed() -> None:
    source = stream()
    read_stream_info(source)
    feed = feed_of(source)
    feed.readinto(memoryview(bytearray(4096)))
    first, second, third = (8 + BLOCK * sum(event <= n for event, _ in EVENTS) for n in (1, 2, 3))
    assert feed.ends.is_next(8, 1, first)
    assert feed.ends.is_next(first, 2, second)
    assert not feed.ends.is_next(first, 2, third)
    assert not feed.ends.is_next(first, 1, second)
    assert feed.ends.is_ahead(second)
    assert not feed.ends.is_next(first, 3, third)  # event 2 ended in between
    assert feed.ends.is_next(second, 3, third)
    feed.give_back(memoryview(b""), 0, 0)


class Drops(Rows):
    """Jumps over all blocks of one event."""

    def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id):  # type: ignore[no-untyped-def, override]
        cursor, event_id, item_id, done = super().read_buffer(
            byte_mv, cursor, valid_buff, event_id, item_id
        )
        if done and event_id == 7:
            cursor += BLOCK
        return cursor, event_id, item_id, done


def test_an_event_that_is_dropped_is_a_warning() -> None:
    assert EVENTS.count((8, 1)) == 1
    assert (8, 2) not in EVENTS
    reader = Drops()
    reader.buffer_size = 65536
    with pytest.warns(SkippedEventWarning, match="read_buffer of Drops passed event 8 ") as caught:
        assert read(reader) == [e for e in range(1, 40) if e != 8]
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(Rows()) == list(range(1, 40))


class Returns(EventReader):
    """Moves its cursor by `step` after the first event."""

    def __init__(self, step: int) -> None:
        self.step, self.inner = step, Rows()

    def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id):  # type: ignore[no-untyped-def, override]
        new, *rest = self.inner.read_buffer(byte_mv, cursor, valid_buff, event_id, item_id)
        return (new + self.step if rest[2] else new), *rest


def test_a_cursor_outside_of_the_window_is_an_error() -> None:
    with pytest.raises(
        ReaderError, match="moved the cursor back by 32 bytes, which would be read twice"
    ):
        read(Returns(-3 * BLOCK))
    with pytest.raises(ReaderError, match=r"moved the cursor \d+ bytes past the end of the data"):
        read(Returns(1 << 20))


@pytest.mark.parametrize("step", [1, -1, 3, 11, -7])
def test_a_cursor_inside_a_record_is_an_error(step: int) -> None:
    with pytest.raises(ReaderError, match="yields with its cursor inside a record"):
        read(Returns(step))


class PerBuffer(EventReader):
    """Takes whole records and yields once per buffer, without an id of its own."""

    def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id):  # type: ignore[no-untyped-def, override]
        return valid_buff - (valid_buff - cursor) % 8, 0, 0, True


def test_a_subclass_may_yield_once_per_buffer() -> None:
    assert set(read(PerBuffer())) == {0}


def test_an_error_names_the_folder_of_stale_code(tmp_path: Any) -> None:
    import importlib.util

    path = tmp_path / "stale_reader.py"
    path.write_text(
        "import numba\n@numba.njit(cache=True)\n"
        "def parse(byte_mv, cursor, valid_buff, event_id, item_id):\n"
        "    return valid_buff, 12345, 0, 1\n"
        "from evstream.event_stream import EventReader\n"
        "class Stale(EventReader):\n"
        "    def read_buffer(self, *arguments, file_idx=0):\n"
        "        return parse(*arguments)\n"
    )
    spec = importlib.util.spec_from_file_location("stale_reader", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(ReaderError, match="yields event 12345, expected one of the events") as e:
        read(module.Stale())
    assert f"numba caches its code in {module.parse._cache.cache_path}: delete" in str(e.value)
