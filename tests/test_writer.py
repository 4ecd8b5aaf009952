"""What the writer writes: the bytes of the oracle, in whatever order and number of calls."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest

import evstream
from golden_files import GOLDEN
from oracle import decode, encode
from writer_cases import (
    HEADERS,
    SAMPLE_STREAMS,
    WIDE,
    expected_bytes,
    good_rows,
    later_rows,
    new_writer,
)


@pytest.mark.parametrize("widths", [{}, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("stream", HEADERS)
def test_rows_are_written_as_the_oracle_writes_them(stream: str, widths: dict[str, str]) -> None:
    target = io.BytesIO()
    with new_writer(target, stream, widths=widths) as out:
        out.write_columns(**good_rows(stream))
        out.write_columns(*later_rows(stream).values())
    expected = expected_bytes(stream, good_rows(stream), later_rows(stream), widths=widths)
    assert target.getvalue() == expected


@pytest.mark.parametrize("stream", HEADERS)
def test_a_stream_may_have_no_event(stream: str) -> None:
    target = io.BytesIO()
    with new_writer(target, stream):
        pass
    assert target.getvalue() == encode(stream, HEADERS[stream], [])


@pytest.mark.parametrize("stream", SAMPLE_STREAMS)
def test_a_matrix_has_specials_first_and_no_zero_losses(stream: str) -> None:
    exposure = {"exposure_values": [10.0, 20.0]} if stream == "summary" else {}
    target = io.BytesIO()
    with new_writer(target, stream) as out:
        out.write_event(
            4, [9, 5], [[1.5, 0.0, 2.5], [0.0, 0.0, 0.0]],
            mean=[0.0, 8.0], tiv=3.0, max_loss=[6.0, 7.0], **exposure,
        )  # fmt: skip
    header = [(10.0,), (20.0,)] if stream == "summary" else [(), ()]
    if stream == "summary":
        assert decode(target.getvalue()).header == HEADERS["summary"]
    assert target.getvalue() == encode(
        stream,
        HEADERS[stream],
        [
            ((4, 9, *header[0]), [(-5, 6.0), (-3, 3.0), (-1, 0.0), (1, 1.5), (3, 2.5)]),
            ((4, 5, *header[1]), [(-5, 7.0), (-3, 3.0), (-1, 8.0)]),
        ],
    )


def test_an_item_without_specials_and_losses_is_left_out() -> None:
    target = io.BytesIO()
    with new_writer(target, "loss") as out:
        out.write_event(1, [1, 2, 3], [[0, 0, 0], [0, 5, 0], [0, 0, -0.0]])
    assert (
        decode(target.getvalue()).block_entries()
        == decode(encode("loss", HEADERS["loss"], [((1, 2), [(2, 5.0)])])).block_entries()
    )


def test_a_loss_below_zero_is_written() -> None:
    target = io.BytesIO()
    with new_writer(target, "loss") as out:
        out.write_event(1, [1], [[0, -5, 0]])
    assert decode(target.getvalue()).records == [(1, 1, 2, -5.0)]


def test_a_stream_of_len_sample_0_needs_no_losses() -> None:
    target = io.BytesIO()
    with evstream.create(target, "loss", len_sample=0) as out:
        out.write_event(1, [1, 2], mean=[3.0, 4.0])
    assert decode(target.getvalue()).records == [(1, 1, -1, 3.0), (1, 2, -1, 4.0)]


def test_an_event_may_be_written_in_several_calls() -> None:
    target = io.BytesIO()
    with new_writer(target, "loss") as out:
        out.write_event(1, [1], [[1, 2, 3]])
        out.write_event(1, [2], [[4, 5, 6]])
        out.write_columns(1, 3, [1, 2], 7.0)
        out.write_columns(1, 3, 3, 8.0)
        out.write_event(1, [4], [[9, 0, 0]])
    blocks = decode(target.getvalue()).block_entries()
    assert [(ids, len(entries)) for ids, entries in blocks] == [
        ((1, 1), 3),
        ((1, 2), 3),
        ((1, 3), 3),
        ((1, 4), 1),
    ]


def test_bins_that_start_again_at_1_are_a_block_of_their_own() -> None:
    target = io.BytesIO()
    with new_writer(target, "cdf") as out:
        out.write_columns(1, 1, 1, [1, 2, 1], [0.5, 1.0, 1.0], 0.0)
    assert [block[-1] for block in decode(target.getvalue()).blocks] == [2, 1]


def test_no_rows_write_nothing() -> None:
    target = io.BytesIO()
    with new_writer(target, "loss") as out:
        out.write_columns([], [], [], [])
        out.write_columns(1, 1, [], [])
        out.write_event(1, [], np.empty((0, 3)))
    assert target.getvalue() == encode("loss", HEADERS["loss"], [])


@pytest.mark.parametrize("other", ["gul_item", "loss"])
def test_an_event_is_copied_to_a_stream_of_the_same_block(other: str) -> None:
    target = io.BytesIO()
    with (
        evstream.open(GOLDEN / "loss_i4_f4.bin") as source,
        evstream.create(target, other, len_sample=10) as out,
    ):
        for event in source:
            out.write(event)
    found = decode(target.getvalue())
    assert found.stream == other
    assert found.raw_records == decode((GOLDEN / "loss_i4_f4.bin").read_bytes()).raw_records


def test_only_the_columns_of_the_block_are_asked_for() -> None:
    out = new_writer(io.BytesIO(), "loss")
    with pytest.raises(TypeError, match="got event_id, item_id, sidx, expected event_id, item_id"):
        out.write_columns(1, 1, 1)
    with pytest.raises(TypeError, match="got event_id, item_id, sidx, loss, tiv, expected"):
        out.write_columns(1, 1, 1, 1.0, tiv=1.0)
    with pytest.raises(TypeError, match="takes each of event_id, item_id, sidx, loss once"):
        out.write_columns(1, 1, 1, 1.0, loss=1.0)
    with pytest.raises(TypeError, match="takes each of event_id, item_id, sidx, loss once"):
        out.write_columns(1, 1, 1, 1.0, 1.0)


def test_threads_write_whole_events() -> None:
    target = io.BytesIO()
    losses = np.ones((50, 3))
    with evstream.create(target, "loss", len_sample=3) as out:

        def write(first: int) -> None:
            for event in range(first, first + 200):
                out.write_event(event, range(1, 51), losses * event)

        threads = [threading.Thread(target=write, args=(1 + 200 * i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    target.seek(0)
    read = {event.event_id: event for event in evstream.open(target)}
    assert sorted(read) == list(range(1, 801))
    for number, event in read.items():
        assert event.loss.tolist() == [number] * 150
