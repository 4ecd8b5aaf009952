"""What the objects that streams are read from and written to may return."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream.event_stream import write_mv_to_stream
from oracle import encode

STREAM = encode("loss", {"len_sample": 3}, [((1, 1), [(1, 1.0), (2, 2.0), (3, 3.0)])])


class Target:
    """Keeps what it is given and returns `result`."""

    def __init__(self, result: Any) -> None:
        self.data = b""
        self.result = result

    def write(self, view: memoryview) -> Any:
        result = self.result(view) if callable(self.result) else self.result
        taken = result if isinstance(result, int) and 0 <= result <= len(view) else len(view)
        self.data += bytes(view[:taken])
        return result


class WithDescriptor(Target):
    """Has a descriptor too, which is ready at any time."""

    def __init__(self, result: Any) -> None:
        super().__init__(result)
        self.file = open(os.devnull, "wb")  # noqa: SIM115

    def fileno(self) -> int:
        return self.file.fileno()


KINDS = [Target, WithDescriptor]


def write(target: Any) -> None:
    try:
        with evstream.create(target, "loss", len_sample=3) as out:
            out.write_event(1, [1], [[1.0, 2.0, 3.0]])
    finally:
        if isinstance(target, WithDescriptor):
            target.file.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "result", [None, len, lambda view: 1, lambda view: np.int64(len(view))],
    ids=["None", "all", "one", "numpy"],
)  # fmt: skip
def test_every_byte_is_written_once(kind: type[Target], result: Any) -> None:
    target = kind(result)
    write(target)
    assert target.data == STREAM


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("result", [-1, 10**6, "8", 8.0, b"8", True, object()])
def test_a_count_that_cannot_be_is_an_error(kind: type[Target], result: Any) -> None:
    with pytest.raises(evstream.WriteError, match=r"write returned .*, expected the number of"):
        write(kind(result))


def test_nothing_taken_without_an_end_is_an_error() -> None:
    with pytest.raises(evstream.WriteError, match="takes no data"):
        write(Target(0))


def test_a_raw_stream_that_would_block_is_not_taken_for_done() -> None:
    class Full(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> None:
            return None

    with pytest.raises(evstream.WriteError, match="takes no data"):
        write(Full())


def test_write_mv_to_stream_keeps_the_same_contract() -> None:
    target = Target(None)
    write_mv_to_stream(target, memoryview(bytearray(STREAM)), len(STREAM))
    assert target.data == STREAM
    with pytest.raises(evstream.WriteError, match="write returned -1"):
        write_mv_to_stream(Target(-1), memoryview(bytearray(STREAM)), len(STREAM))


class FillingObject:
    """A source whose `readinto` returns `result`."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def readinto(self, view: Any) -> Any:
        return self.result


@pytest.mark.parametrize("result", [10**9, -1, "8", 8.0, True, b""])
@pytest.mark.parametrize("read", ["open", "callbacks", "validate"])
def test_a_read_count_that_cannot_be_is_an_error(read: str, result: Any) -> None:
    source = FillingObject(result)
    readers = {
        "open": lambda: list(evstream.open(source)),
        "callbacks": lambda: list(evstream.reader_class("loss")(np.zeros(1)).read(source)),
        "validate": lambda: evstream.validate(source),
    }
    with pytest.raises(evstream.EvstreamError, match=r"readinto returned .*, expected the number"):
        readers[read]()


def test_nothing_to_read_without_an_end_is_an_error() -> None:
    with pytest.raises(BlockingIOError, match="no data and nothing to wait on"):
        evstream.open(FillingObject(None))


class Reading:
    def __init__(self, data: Any) -> None:
        self.data = data

    def read(self, size: int) -> Any:
        return self.data


def test_more_bytes_than_asked_for_are_an_error() -> None:
    with pytest.raises(evstream.EvstreamError, match=r"read\([0-9]+\) returned .* bytes"):
        list(evstream.open(Reading(STREAM * 100)))
    with pytest.raises(evstream.EvstreamError, match=r"read\(8\) returned .* bytes"):
        evstream.event_stream.read_stream_info(Reading(STREAM))


def test_text_is_not_read_as_bytes(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="reads str, expected bytes"):
        evstream.open(Reading("text"))
