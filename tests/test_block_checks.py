"""What every reader sees without `validate`: second streams, holes, ids that stand for none."""

from __future__ import annotations

import gzip
import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

import evstream
from evstream.checking.tee import tee
from evstream.cli.program import main
from evstream.reading.block_tracker import BlockTracker
from evstream.reading.stream import EventStream
from evstream.wire.header_bytes import read_header

WIDTHS = [
    {"oasis_int": i, "oasis_float": f} for i, f in itertools.product(("i4", "i8"), ("f4", "f8"))
]


def stream(
    name: str, events: list[int], widths: dict[str, str] | None = None, samples: int = 3
) -> bytes:
    more: dict[str, Any] = {"summary_set_id": 1} if name == "summary" else {}
    exposure = {"exposure_values": [10.0, 20.0]} if name == "summary" else {}
    out = io.BytesIO()
    with evstream.create(out, name, len_sample=samples, widths=widths, **more) as writer:
        for event in events:
            losses = np.full((2, samples), 100.0 * event)
            writer.write_event(event, [1, 2], losses, mean=1.0, tiv=2.0, **exposure)
    return out.getvalue()


def cdf(events: list[int], widths: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with evstream.create(out, "cdf", widths=widths) as writer:
        for event in events:
            writer.write_columns(
                event_id=[event] * 4, areaperil_id=[1, 1, 2, 2], vulnerability_id=[1] * 4,
                bin_index=[1, 2, 1, 2], prob_to=[0.5, 1, 0.5, 1], bin_mean=[0, 0.5, 0, 0.5],
            )  # fmt: skip
    return out.getvalue()


def refusals(data: bytes, widths: dict[str, str]) -> Iterator[tuple[list[int], str, int | None]]:
    """(events before, error, its offset) of events and of tracked bytes, in pieces of any size."""
    for chunk in (1 << 20, 256):
        events: list[int] = []
        with pytest.raises(evstream.EvstreamError) as caught:
            events.extend(
                e.event_id for e in EventStream(io.BytesIO(data), widths=widths, chunk=chunk)
            )
        yield events, caught.type.__name__, caught.value.offset
    header = read_header(io.BytesIO(data).read, "", None, widths)
    for size in (7, 64, len(data)):
        tracker = BlockTracker(header, "", 0, header.size)
        with pytest.raises(evstream.EvstreamError) as caught:
            track(tracker, data, size)
        yield [1, 2], caught.type.__name__, caught.value.offset


def track(tracker: BlockTracker, data: bytes, size: int) -> None:
    for at in range(0, len(data), size):
        tracker.see(np.frombuffer(data[at : at + size], np.uint8))
    tracker.check_end()


@pytest.mark.parametrize("widths", WIDTHS, ids=lambda w: "".join(w.values()))
@pytest.mark.parametrize("first", ["loss", "summary"])
@pytest.mark.parametrize("closed", [True, False], ids=["closed", "unclosed"])
def test_a_second_stream_is_refused(first: str, closed: bool, widths: dict[str, str]) -> None:
    head = stream(first, [1, 2], widths)
    if not closed:
        head = head[: -sum(int(width[1]) for width in widths.values())]
    for tail in (
        stream(first, [3], widths),
        stream(first, [3], widths, samples=8),
        stream("gul_item", [3], widths),
        stream("summary", [3], widths),
        stream("loss", [3], widths),
        stream("loss", [], widths),
        stream("summary", [], widths),
        stream("loss", [], widths) + stream("loss", [3], widths),
    ):
        for found in refusals(head + tail, widths):
            assert found == ([1, 2], "SecondStreamError", len(head))


@pytest.mark.parametrize("second", ["whole", "type word"])
def test_a_header_before_a_second_stream_gives_no_event(second: str) -> None:
    """The event is not whole, as in a stream that ends right after a block header."""
    tail = stream("loss", [3]) if second == "whole" else stream("loss", [])[:4]
    events = [e for e in range(1, 9) for _ in range(2)]
    head = stream("loss", [*range(1, 9)])
    block = (len(head) - 8) // len(events)
    for blocks in (1, 2, 9, 15):
        cut = head[: 8 + (blocks - 1) * block + 8]
        for chunk in (256, 257, 1 << 20):
            seen: list[tuple[int, int]] = []
            events_of = EventStream(io.BytesIO(cut + tail), chunk=chunk)
            with pytest.raises(evstream.SecondStreamError) as caught:
                seen.extend((event.event_id, len(event.item_ids)) for event in events_of)
            assert seen == [(event, 2) for event in range(1, events[blocks - 1])]
            assert (caught.value.offset, caught.value.event_id) == (len(cut), events[blocks - 1])


@pytest.mark.parametrize("areaperil", ["u4", "u8"])
@pytest.mark.parametrize("widths", WIDTHS, ids=lambda w: "".join(w.values()))
def test_a_second_cdf_stream_is_refused(widths: dict[str, str], areaperil: str) -> None:
    widths = {**widths, "areaperil_int": areaperil}
    head = cdf([1, 2], widths)
    for tail in (cdf([1], widths), cdf([7, 9], widths), stream("loss", [1])):
        for found in refusals(head + tail, widths):
            assert found == ([1, 2], "SecondStreamError", len(head))


def test_an_event_may_have_the_number_of_a_type_word() -> None:
    for word in (1, 0x01000001, 0x02000001, 0x03000001):
        data = stream("loss", [word, word + 1])
        assert [e.event_id for e in evstream.open(io.BytesIO(data))] == [word, word + 1]
    data = cdf([1, 2], {})
    assert [e.event_id for e in evstream.open(io.BytesIO(data))] == [1, 2]


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_a_cdf_of_event_1_may_have_odd_values(odd: float) -> None:
    out = io.BytesIO()
    with evstream.create(out, "cdf", validate=False) as writer:
        writer.write_columns(1, 2, [3, 4], 1, odd, 0.5)
    (event,) = evstream.open(io.BytesIO(out.getvalue()))
    assert (event.event_id, len(event)) == (1, 2)
    assert event.prob_to.tolist() == pytest.approx([odd, odd], nan_ok=True)


def test_a_stream_behind_one_without_events_is_refused() -> None:
    for name in ("loss", "summary"):
        head = stream(name, [])
        with pytest.raises(
            evstream.EvstreamError, match=f"byte {len(head)}: a second stream starts here"
        ):
            list(evstream.open(io.BytesIO(head + stream("loss", [1]))))


def test_members_of_a_gzip_file_are_no_streams_of_their_own() -> None:
    data = stream("loss", [1])
    joined = gzip.compress(data) + gzip.compress(data)
    with pytest.raises(
        evstream.EvstreamError, match=f"byte {len(data)}: a second stream starts here"
    ):
        list(evstream.open(io.BytesIO(joined)))


@numba.njit
def count_entries(total: Any, sidx: int, loss: float) -> None:
    total[0] += 1


def test_callbacks_never_see_a_second_stream() -> None:
    data = stream("loss", [1, 2])
    total = np.zeros(1)
    reader = evstream.reader_class("loss", on_entry=count_entries)(total)
    with pytest.raises(
        evstream.EvstreamError, match=f"byte {len(data)}: a second stream starts here"
    ):
        list(reader.read(io.BytesIO(data + data)))
    assert total[0] == 2 * 2 * 5


HOLES = {
    "aligned": lambda data, block: data[: 8 + block] + bytes(160) + data[8 + block :],
    "tail": lambda data, block: data[: 8 + block] + bytes(160),
    "from within a block": lambda data, block: data[:block] + bytes(8 + 160),
}


@pytest.mark.filterwarnings("ignore::evstream.RowsWarning")
@pytest.mark.parametrize("kind", HOLES)
def test_a_hole_is_reported_by_every_reader(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    block = 8 + 5 * 8 + 8
    data = HOLES[kind](stream("loss", [1, 2, 3]), block)
    path = tmp_path / "hole.bin"
    path.write_bytes(data)
    place = 8 + block
    with pytest.warns(evstream.HoleWarning, match=f"byte {place}: ") as caught:
        events = [event.event_id for event in evstream.open(path)]
    assert 0 in events
    assert len([w for w in caught if w.category is evstream.HoleWarning]) == 1
    with pytest.warns(evstream.HoleWarning, match=f"byte {place}: "):
        evstream.read_columns(path)
    with pytest.warns(evstream.HoleWarning, match=f"byte {place}: "):
        list(evstream.reader_class("loss")(None).read(path))
    with pytest.raises(evstream.CorruptStreamError, match=f"byte {place}: zero bytes"):
        list(evstream.open(path, strict=True))
    strict = evstream.reader_class("loss")(None)
    strict.strict = True
    with pytest.raises(evstream.CorruptStreamError, match=f"byte {place}: zero bytes"):
        list(strict.read(path))
    for command, status in (
        (["info"], 1), (["cat"], 1), (["cat", "--strict"], 2), (["info", "--strict"], 2),
        (["convert", "-", "--to", "csv"], 1), (["diff", str(path)], 2),
    ):  # fmt: skip
        found = main([command[0], str(path), *command[1:]])
        assert (found, f"byte {place}: " in capsys.readouterr().err) == (status, True), command


def test_a_hole_is_counted_across_windows() -> None:
    data = stream("loss", [1])
    data += bytes(16 * 1000)
    for chunk in (256, 1000, 1 << 20):
        with pytest.warns(evstream.HoleWarning, match=r"\(1000 in the stream\)"):
            list(EventStream(io.BytesIO(data), chunk=chunk))


def test_zero_ids_of_a_list_of_events_are_a_hole() -> None:
    data = np.array([1, 2, 0, 0, 5], "<i4").tobytes()
    with pytest.warns(evstream.HoleWarning, match=r"byte 8: .*\(2 in the stream\)"):
        list(evstream.open(io.BytesIO(data), "event_ids"))


def test_a_cdf_block_of_zeros_is_a_hole() -> None:
    data = cdf([3], {}) + bytes(32)
    with pytest.warns(evstream.HoleWarning, match=r"\(2 in the stream\)"):
        list(evstream.open(io.BytesIO(data)))


def test_a_reserved_id_stays_a_value_with_one_warning() -> None:
    out = io.BytesIO()
    with evstream.create(out, "loss", len_sample=1, validate=False) as writer:
        for item in (0, 1, 0):
            writer.write_columns(event_id=[7], item_id=[item], sidx=[1], loss=[5.0])
    out.seek(0)
    with pytest.warns(evstream.SuspectWarning) as caught:
        (event,) = evstream.open(out, strict=True)
    assert event.item_ids.tolist() == [0, 1, 0]
    (warning,) = caught
    assert "byte 8, event_id 7, item_id 0" in str(warning.message)
    assert "(2 in the stream)" in str(warning.message)


def test_a_hole_is_reported_of_a_stream_that_is_cut() -> None:
    data = stream("loss", [1]) + bytes(56)
    reader = evstream.reader_class("loss")(None)
    for events in (evstream.open(io.BytesIO(data)), reader.read(io.BytesIO(data))):
        with (
            pytest.warns(evstream.HoleWarning, match=r"\(3 in the stream\)"),
            pytest.raises(evstream.TruncatedStreamError),
        ):
            list(events)


@pytest.mark.parametrize("text", [b"1\n2\n", b"event_id\n1\n22\n", b"1\r\n2"])
def test_text_is_no_list_of_event_ids(text: bytes) -> None:
    with pytest.raises(evstream.CorruptStreamError, match="this is text"):
        list(evstream.open(io.BytesIO(text), "event_ids"))


@pytest.mark.parametrize(
    "text", [b"1,2,3,4,5,6,7,8,10\n1", b"a,b\n1,-2.5e-3\n4, 5\n7", b"id\n" + b"1;2.25\n" * 81]
)
@pytest.mark.parametrize("name", ["items.bin", "correlations.bin", "events.bin"])
def test_text_is_refused_in_place_of_records(name: str, text: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(text[: len(text) // 20 * 20])
    stream_of = {"items.bin": "items", "correlations.bin": "correlations"}.get(name, "event_ids")
    for read in (evstream.read_columns, evstream.build_index, evstream.validate):
        if read is evstream.validate:
            assert not read(path).clean
            continue
        with pytest.raises(evstream.CorruptStreamError, match="this is text"):
            read(path)
    passed = tee(io.BytesIO(path.read_bytes()), io.BytesIO(), stream=stream_of)
    assert "this is text" in str(passed.problem)


def test_a_stream_with_a_hole_gets_no_seal(tmp_path: Path) -> None:
    path = tmp_path / "hole.bin"
    path.write_bytes(stream("loss", [1]) + bytes(160))
    assert main(["seal", str(path)]) == 2
    assert not (tmp_path / "hole.bin.seal").exists()


def test_info_counts_holes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(stream("loss", [1]) + bytes(64))
    assert main(["info", str(path)]) == 1
    printed = capsys.readouterr().out
    assert "holes            4 blocks of zero bytes alone" in printed
    assert "clean, but the stream has holes" in printed
