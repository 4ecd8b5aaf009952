"""What evstream opened it closes, whatever happens; what was passed in stays open."""

from __future__ import annotations

import contextlib
import errno
import gc
import gzip
import io
import os
import socket
import sys
import warnings
import weakref
from pathlib import Path
from typing import Any

import pytest

import evstream
from evstream import (
    CorruptStreamError,
    MissingExtraError,
    StreamHeaderError,
    StreamMismatchError,
    TruncatedStreamError,
    errors,
)
from open_files import open_descriptors
from source_cases import SMALL, as_path

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")


def test_a_file_is_closed_when_its_stream_is(tmp_path: Path) -> None:
    with as_path(SMALL, tmp_path) as path:
        before = open_descriptors()
        stream = evstream.open(path)
        assert open_descriptors() == before + 1
        next(iter(stream))
        stream.close()
        assert open_descriptors() == before
        stream.close()
        with pytest.raises(ValueError, match="is closed"):
            iter(stream)


@pytest.mark.parametrize(
    ("data", "stream", "error"),
    [
        (b"", None, StreamHeaderError),
        (SMALL[:5], None, StreamHeaderError),
        (b"text", None, StreamHeaderError),
        (SMALL, "cdf", StreamMismatchError),
        (gzip.compress(SMALL, mtime=0)[:12], None, TruncatedStreamError),
        (b"\x1f\x8b\x08" + SMALL, None, CorruptStreamError),
        (b"\x28\xb5\x2f\xfd" + SMALL, None, MissingExtraError),
    ],
)  # fmt: skip
def test_a_file_that_is_refused_is_closed(
    data: bytes,
    stream: str | None,
    error: type[Exception],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with as_path(data, tmp_path) as path:
        before = open_descriptors()
        with pytest.raises(error) as caught:
            evstream.open(path, stream)
        left = open_descriptors() - before
        # Close what may be left, for the tests after this one.
        for entry in caught.traceback:
            source = entry.frame.f_locals.get("self")
            if hasattr(source, "_close") and callable(source._close):
                source._close()
        assert left == 0


def test_a_bad_width_leaves_nothing_open(tmp_path: Path) -> None:
    with as_path(SMALL, tmp_path) as path:
        before = open_descriptors()
        with pytest.raises(ValueError, match="expected i4 or i8") as caught:
            evstream.open(path, widths={"oasis_int": "i2"})
        assert open_descriptors() == before
        del caught


def test_a_file_is_closed_when_reading_fails(tmp_path: Path) -> None:
    with as_path(SMALL[:-1], tmp_path) as path:
        before = open_descriptors()

        def read() -> None:
            with evstream.open(path) as stream:
                list(stream)

        with pytest.raises(TruncatedStreamError):
            read()
        assert open_descriptors() == before


def test_a_missing_end_is_a_warning_at_the_line_that_reads() -> None:
    """Streams without a name have the same warning, which Python would show but once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            list(evstream.open(io.BytesIO(SMALL[:-8])))
    assert [warning.category for warning in caught] == [evstream.MissingDelimiterWarning] * 3
    assert {warning.filename for warning in caught} == {__file__}


def test_a_stream_that_is_over_is_not_one_without_events() -> None:
    with evstream.open(io.BytesIO(SMALL)) as stream:
        assert len(list(stream)) == 2
        for again in (iter, lambda s: s.chunks()):
            with pytest.raises(evstream.EvstreamError, match="has been read to its end"):
                again(stream)
    with pytest.raises(evstream.EvstreamError, match="has been read to its end"):
        iter(stream)
    stream = evstream.open(io.BytesIO(SMALL))
    stream.close()
    with pytest.raises(ValueError, match="is closed"):
        iter(stream)
    stream = evstream.open(io.BytesIO(SMALL))
    assert len(list(stream.chunks())) == 1
    with pytest.raises(evstream.EvstreamError, match="has been read to its end"):
        iter(stream)


def test_iterating_goes_on_where_it_was_left() -> None:
    stream = evstream.open(io.BytesIO(SMALL))
    ids = [event.event_id for event, _ in zip(stream, range(1), strict=False)]
    assert ids == [1]
    assert len(list(evstream.open(io.BytesIO(SMALL)))) == 2
    assert [next(iter(evstream.open(io.BytesIO(SMALL)))).event_id] == ids


def test_an_error_that_ended_a_stream_comes_again() -> None:
    stream = evstream.open(io.BytesIO(SMALL[:-12]))
    with pytest.raises(TruncatedStreamError) as first:
        list(stream)
    with pytest.raises(TruncatedStreamError) as second:
        list(stream)
    assert str(second.value) == str(first.value)


@pytest.mark.parametrize("cut", [0, 12])
def test_a_stream_is_gone_when_nobody_has_it(cut: int) -> None:
    """Not when the garbage collector comes by: a window is a megabyte."""
    stream = evstream.open(io.BytesIO(SMALL[: len(SMALL) - cut]))
    with contextlib.suppress(TruncatedStreamError):
        list(stream)
    gone = weakref.ref(stream)
    gc.disable()
    try:
        del stream
        assert gone() is None
    finally:
        gc.enable()


def test_an_error_of_the_system_names_the_source_and_the_byte() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(SMALL[:50])
        ours.settimeout(0.05)
        with pytest.raises(evstream.StallError, match="byte 50: no data received: timed out"):
            list(evstream.open(ours))

    class Failing(io.BytesIO):
        def readinto1(self, view: Any) -> int:
            if self.tell() > 100:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return super().readinto1(memoryview(view)[:60])

    with pytest.raises(OSError, match=r"'<Failing>: byte 124'"):
        list(evstream.open(Failing(SMALL)))


def test_an_error_is_kept_without_its_traceback() -> None:
    """Even where a library has copies of errors keep it, as those do that send errors away."""

    class KeptError(TruncatedStreamError):
        def __copy__(self) -> KeptError:
            return KeptError(str(self)).with_traceback(self.__traceback__)

    with pytest.raises(KeptError) as caught:
        raise KeptError("cut")
    assert caught.value.__traceback__ is not None
    assert errors.without_traceback(caught.value).__traceback__ is None
