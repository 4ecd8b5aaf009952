"""EventReader calls its hooks as documented."""

from __future__ import annotations

import io
import logging

import numpy as np
import pytest

import evstream
import oracle
from event_reader_cases import EVENTS, HEADER, ROWS, SUMMARY, Collector, opened_in, two_events
from evstream import event_stream as es
from evstream.compat.selector import InputSelector


def test_hooks_come_in_the_documented_order_before_the_event():
    reader = Collector()
    for event_id in reader.read_streams([two_events()]):
        reader.calls.append(event_id)
    assert reader.calls == [
        ("event_read_log", 1), "finalize_event", 1,
        "item_exit", ("event_read_log", 2), "finalize_event", 2,
    ]  # fmt: skip


def test_read_event_works_with_the_documented_arguments_alone():
    stream = two_events()
    reader = Collector()
    main_selector, (data,) = es.EventReader.register_streams_in(InputSelector, [stream])
    names = ("stream_selector", "mv", "byte_mv", "cursor", "valid_buff")
    documented = [data[name] for name in names]
    assert data["byte_mv"].dtype == np.int8
    assert len(data["mv"]) == es.PIPE_CAPACITY
    event_id, cursor, valid_buff = reader.read_event(stream, main_selector, *documented)
    assert event_id == 1
    assert 0 <= cursor < valid_buff
    assert stream in main_selector.get_map()


@pytest.mark.parametrize("opened", ["pipe", "file", "object"])
def test_read_event_gives_what_was_buffered_behind_the_header(tmp_path, opened):
    stream, selector_class = opened_in(opened, tmp_path, oracle.encode("loss", HEADER, EVENTS))
    with stream:
        es.read_stream_info(stream)
        reader = Collector()
        main_selector, (data,) = es.EventReader.register_streams_in(selector_class, [stream])
        names = ("stream_selector", "mv", "byte_mv", "cursor", "valid_buff")
        arguments = [data[name] for name in names]
        event_ids = []
        while main_selector.get_map():
            event_id, *window = reader.read_event(stream, main_selector, *arguments)
            arguments[3:] = window
            event_ids.append(event_id)
    assert event_ids == [1, 2, 3, 4]
    assert reader.rows == ROWS


def test_a_subclass_may_override_the_documented_methods():
    calls = []

    class Overriding(Collector):
        @staticmethod
        def register_streams_in(selector_class, streams_in):
            calls.append("register_streams_in")
            return es.EventReader.register_streams_in(selector_class, streams_in)

        def read_event(
            self, stream_in, main_selector, stream_selector, mv, byte_mv, cursor, valid_buff
        ):
            calls.append("read_event")
            return super().read_event(
                stream_in, main_selector, stream_selector, mv, byte_mv, cursor, valid_buff
            )

        def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id, file_idx):
            calls.append(file_idx)
            return super().read_buffer(byte_mv, cursor, valid_buff, event_id, item_id)

    streams = [two_events(), two_events()]
    reader = Overriding()
    assert sorted(reader.read_streams(streams)) == [1, 1, 2, 2]
    assert len(reader.rows) == 4
    assert calls[0] == "register_streams_in"
    assert calls.count("read_event") >= 4
    assert {0, 1} <= set(calls[1:]) - {"read_event"}


def test_a_subclass_with_five_arguments_works():
    class Five(Collector):
        def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id):
            return super().read_buffer(byte_mv, cursor, valid_buff, event_id, item_id)

    assert list(Five().read_streams([two_events()])) == [1, 2]


def test_a_subclass_that_asks_for_it_gets_file_idx():
    seen = set()

    class WithIndex(Collector):
        def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id, file_idx):
            seen.add(file_idx)
            return super().read_buffer(byte_mv, cursor, valid_buff, event_id, item_id)

    assert sorted(WithIndex().read_streams([two_events(), two_events()])) == [1, 1, 2, 2]
    assert seen == {0, 1}


def test_the_window_starts_at_cursor_0_and_may_be_changed():
    data = oracle.encode(
        "loss", {"len_sample": 9999}, [((e, 1), [(s, 1.0) for s in range(1, 9999)]) for e in (1, 2)]
    )
    starts = []

    class Doubling(Collector):
        def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id, **kwargs):
            starts.append((cursor, valid_buff))
            byte_mv[valid_buff - 1] = 0x41  # 1.0 becomes 16.0 at most: structure stays
            return super().read_buffer(byte_mv, cursor, valid_buff, event_id, item_id)

    stream = io.BytesIO(data)
    es.read_stream_info(stream)
    assert list(Doubling().read_streams([stream])) == [1, 2]
    assert max(valid for _, valid in starts) <= es.PIPE_CAPACITY
    assert sum(cursor == 0 for cursor, _ in starts) >= 2


def test_an_error_of_the_subclass_says_where_it_happened(caplog):
    class Failing(Collector):
        logger = logging.getLogger("Failing")

        def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id, **kwargs):
            raise ValueError("duplicated sidx in input stream")

    place = "byte 8: read_buffer of Failing raised ValueError: duplicated sidx"
    with pytest.raises(evstream.ReaderError, match=place) as caught:
        list(Failing().read_streams([two_events()]))
    assert isinstance(caught.value.__cause__, ValueError)
    assert place in caplog.text


def test_a_subclass_that_consumes_nothing_is_an_error():
    class Stuck(Collector):
        def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id, **kwargs):
            return cursor, 0, 0, 0

    with pytest.raises(evstream.ReaderError, match="left the last 48 bytes unread"):
        list(Stuck().read_streams([two_events()]))


def test_a_summary_stream_without_events_ends_without_one():
    stream = io.BytesIO(SUMMARY[:12])
    es.read_stream_info(stream)
    assert list(Collector().read_streams([stream])) == []
