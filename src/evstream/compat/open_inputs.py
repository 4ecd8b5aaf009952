"""Open the inputs of the documented module and read their headers."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Any

import numpy as np

from evstream._generated import layout
from evstream._support.arguments import checked_path, described, whole_number
from evstream.compat.feed import learn
from evstream.compat.known_stream import KnownStream, position_of
from evstream.errors import StallError, StreamHeaderError, StreamMismatchError
from evstream.transport.compression import compression, unread_compression
from evstream.transport.environment import timeout_of
from evstream.transport.file_objects import (
    checked_read,
    name_of,
    opened_descriptor,
    refuse_closed,
)
from evstream.transport.polling import descriptor_of, is_waitable, wait_readable
from evstream.transport.source import open_without_waiting
from evstream.wire.header import StreamHeader
from evstream.wire.header_bytes import stream_by_source

_WIDTHS = layout.FORMAT.choose_widths()
_sample_header = layout.FORMAT.record_dtype("sample_stream_header", _WIDTHS)


def stream_info_to_bytes(stream_source_type: int, stream_agg_type: int) -> bytes:
    """The type word at the start of a stream, 4 bytes.

    Raises TypeError for what is not a whole number, ValueError for one that does not fit.
    """
    numbers = {"source": stream_source_type, "aggregation": stream_agg_type}
    for name, size in layout.TYPE_WORD.parts:
        number = numbers[name] = whole_number(name, numbers[name])
        if number >= 1 << 8 * size:
            raise ValueError(f"{name} is {number}, expected a number of {size} bytes")
    return layout.TYPE_WORD.pack(numbers)


def bytes_to_stream_types(stream_header: bytes) -> tuple[np.int8, np.int32]:
    """(source type, aggregation type) of the first 4 bytes of a stream, as numpy integers.

    Raises:
        StreamHeaderError: there are fewer than 4 bytes.
    """
    if not isinstance(stream_header, (bytes, bytearray, memoryview)):
        raise TypeError(f"the stream header is {described(stream_header)}, expected bytes")
    if len(stream_header) < layout.TYPE_WORD.size:
        raise StreamHeaderError(
            f"the type word has {len(stream_header)} bytes", expected=f"{layout.TYPE_WORD.size}"
        )
    numbers = layout.TYPE_WORD.unpack(stream_header[: layout.TYPE_WORD.size])
    source, aggregation = numbers["source"], numbers["aggregation"]
    return np.uint8(source).astype(np.int8), np.int32(aggregation)


def read_stream_info(
    stream_obj: Any, timeout: float | None = None
) -> tuple[np.int8, np.int32, np.int32]:
    """Read the type word and len_sample from an open stream, 8 bytes.

    The summary_set_id of a summary stream stays unread. In a BufferedReader on a pipe this function
    waits for it, to know later whether the program has read it.

    Args:
        stream_obj: a binary file object.
        timeout: seconds to wait for each byte of a pipe, FIFO or socket; None to wait on.

    Returns:
        (source type, aggregation type, len_sample) as numpy integers.

    Raises:
        StreamHeaderError: the stream ends inside its header, has a source type that the format
            does not define, or a negative len_sample. An unknown aggregation number gives an
            AggregationWarning: the stream is read as the first one with its source type.
        StallError: no data received for `timeout` seconds.
    """
    timeout = timeout_of(timeout)
    refuse_closed(stream_obj)
    name = name_of(stream_obj)
    size = layout.TYPE_WORD.size + _sample_header.itemsize
    with _without_blocking(stream_obj) if timeout is not None else contextlib.nullcontext():
        data, buffered = _read_counted(stream_obj, size, timeout)
    if len(data) < size:
        raise StreamHeaderError(
            "the stream ends inside the stream header",
            source=name,
            offset=len(data),
            expected=f"{size - len(data)} more bytes",
        )
    source, aggregation = bytes_to_stream_types(data)
    _refuse_unknown(data, name)
    len_sample = np.frombuffer(data, _sample_header, 1, layout.TYPE_WORD.size)[0]["len_sample"]
    numbers = int(source), int(aggregation)
    format = layout.FORMAT
    found = format.find_stream(*numbers) or stream_by_source(format, *numbers, name)
    header = None
    if found is not None and found.header is not None:
        if len_sample < 0:
            raise StreamHeaderError(
                f"len_sample is {len_sample}",
                source=name, offset=layout.TYPE_WORD.size, expected="0 or more",
            )  # fmt: skip
        header = StreamHeader(found.name, {"len_sample": int(len_sample)}, _WIDTHS, layout.FORMAT)
    left = header.size - size if header is not None else 0
    known = KnownStream(header, size, left, buffered, position=position_of(stream_obj))
    if left and known.position is None and isinstance(stream_obj, io.BufferedReader):
        ahead = _peek(stream_obj, size, timeout)
        known.buffered, known.ahead = len(ahead), ahead[:left]
    learn(stream_obj, known)
    return source, aggregation, len_sample


def _refuse_unknown(data: bytes, name: str) -> None:
    """Raise StreamHeaderError for a source type that the format does not define."""
    numbers = layout.TYPE_WORD.unpack(data[: layout.TYPE_WORD.size])
    source, aggregation = numbers["source"], numbers["aggregation"]
    if source in set(layout.SourceType) and aggregation in set(layout.AggregationType):
        return
    if (unread := unread_compression(data)) is not None:
        raise StreamHeaderError(
            f"the stream is compressed with {unread[0]}", source=name, offset=0,
            expected=f"the stream itself, the output of {unread[1]}",
        )  # fmt: skip
    if (kind := compression(data)) is not None:
        raise StreamHeaderError(
            f"the stream is compressed with {kind}", source=name, offset=0,
            expected=f"the stream itself: read it with evstream.open, or pass a {kind} file object",
        )  # fmt: skip
    if source in set(layout.SourceType):
        return  # with a warning, see stream_by_source
    raise StreamHeaderError(
        f"not an event stream: it begins with {data[: layout.TYPE_WORD.size].hex(' ')}, "
        f"source {source} and aggregation {aggregation}",
        source=name, offset=0,
        expected=f"source {_numbers(layout.SourceType)} and aggregation "
        f"{_numbers(layout.AggregationType)}",
    )  # fmt: skip


def _numbers(enum: type[IntEnum]) -> str:
    return " or ".join(str(int(member)) for member in enum)


def _read_counted(stream: Any, size: int, timeout: float | None) -> tuple[bytes, int]:
    """Read `size` bytes; these, and how many more a BufferedReader holds in its buffer then.

    The system reports a pipe as empty when its last bytes lie in that buffer, so waiting for it
    would hang. Hence no more is read than the buffer holds.
    """
    data, buffered = b"", 0
    is_buffered = isinstance(stream, io.BufferedReader)
    waited = False
    while len(data) < size:
        wanted = size - len(data)
        if is_buffered:
            buffered = len(stream.peek(1))
            wanted = min(buffered, wanted)
        piece = checked_read(stream, wanted) if wanted else b""
        if piece:
            data += piece
            buffered -= len(piece) if is_buffered else 0
            waited = False
        elif waited or not _wait_if_non_blocking(stream, timeout, len(data)):
            break  # the end; on a non-blocking descriptor nothing means the end only after a wait
        else:
            waited = True
    return data, buffered


def _peek(stream: io.BufferedReader, offset: int, timeout: float | None) -> bytes:
    """The bytes that a BufferedReader holds, after waiting for the rest of a stream header. They
    show later whether the program has read this rest."""
    with _without_blocking(stream) if timeout is not None else contextlib.nullcontext():
        ahead = stream.peek(1)
        if not ahead and _wait_if_non_blocking(stream, timeout, offset):
            ahead = stream.peek(1)
    return ahead


def _wait_if_non_blocking(stream: Any, timeout: float | None, offset: int) -> bool:
    """Wait until a non-blocking stream has bytes or ends; False for any other stream."""
    descriptor = descriptor_of(stream)
    if descriptor is None or os.get_blocking(descriptor) or not is_waitable(descriptor):
        return False
    if not wait_readable([descriptor], timeout):
        raise StallError(
            f"no data received for {timeout:g} s", source=name_of(stream), offset=offset
        )
    return True


@contextlib.contextmanager
def _without_blocking(stream: Any) -> Iterator[None]:
    """Let reads of a pipe or socket return what is there."""
    descriptor = descriptor_of(stream)
    if descriptor is None or not os.get_blocking(descriptor) or not is_waitable(descriptor):
        yield
        return
    os.set_blocking(descriptor, False)
    try:
        yield
    finally:
        os.set_blocking(descriptor, True)


def get_streams_in(files_in: Any, stack: contextlib.ExitStack) -> list[Any]:
    """Open the inputs: None for stdin, else a path or a list of paths; `stack` closes them."""
    return _open_streams(files_in, stack, None)


def _open_streams(files_in: Any, stack: contextlib.ExitStack, opener: Any) -> list[Any]:
    if files_in is None:
        return [getattr(sys.stdin, "buffer", sys.stdin)]
    files = files_in if isinstance(files_in, list) else [files_in]
    if not files:
        raise ValueError("files_in is an empty list, expected None, a path, or a list of paths")
    return [stack.enter_context(_open_one(file, opener)) for file in files]


def _open_one(file: Any, opener: Any) -> Any:
    if isinstance(file, int):
        opened_descriptor(file, "rb")  # raises if it is not one
    elif isinstance(file, (str, bytes, os.PathLike)):
        file = checked_path(file)
    else:
        raise TypeError(f"files_in has {described(file)}, expected a path")
    return open(file, "rb", opener=opener)


def get_and_check_header_in(
    streams_in: Sequence[Any], timeout: float | None = None
) -> tuple[np.int8, np.int32, np.int32]:
    """Read the header of each stream; they must be the same.

    Raises:
        StreamHeaderError: as for read_stream_info.
        StreamMismatchError: two streams have different headers.
        StallError: no data received from a stream for `timeout` seconds.
        ValueError: `streams_in` is empty.
    """
    if not streams_in:
        raise ValueError("streams_in is empty, expected one stream or more")
    infos = [read_stream_info(stream, timeout) for stream in streams_in]
    for stream, info in zip(streams_in, infos, strict=True):
        if info != infos[0]:
            raise StreamMismatchError(
                f"source, aggregation and len_sample are {_plain(info)}",
                source=name_of(stream),
                offset=0,
                expected=f"{_plain(infos[0])} as in {name_of(streams_in[0])}",
            )
    return infos[0]


def init_streams_in(
    files_in: Any, stack: contextlib.ExitStack, timeout: float | None = None
) -> tuple[list[Any], tuple[np.int8, np.int32, np.int32]]:
    """Open the inputs and read their headers.

    All are opened before the first header is read, so that a program which writes several FIFOs may
    open them in any order.

    Args:
        files_in: None for stdin, a path, or a list of paths.
        stack: an ExitStack that closes them.
        timeout: seconds to wait for each byte of a FIFO, and for a writer to open it.

    Returns:
        (open streams past their headers, (source type, aggregation type, len_sample)).

    Raises:
        StreamHeaderError, StreamMismatchError, StallError.
        ValueError: the list is empty.
    """
    streams_in = _open_streams(files_in, stack, open_without_waiting)
    info = get_and_check_header_in(streams_in, timeout)
    if files_in is not None:
        for stream in streams_in:
            os.set_blocking(stream.fileno(), True)
    return streams_in, info


def _plain(info: tuple[Any, ...]) -> str:
    return ", ".join(str(int(value)) for value in info)
