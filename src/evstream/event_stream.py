"""The documented event-stream module: the same names, signatures and behaviour.

A program that imports these names from the reference runs by changing only the import, and
gets errors where the reference was silent. What follows from the format is generated; the
widths are those of the environment when this module is imported.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload
from numba.np.numpy_support import as_dtype

from evstream._generated import layout
from evstream._generated.layout import (
    CDF_STREAM_ID,
    CHANCE_OF_LOSS_IDX,
    COVERAGE_STREAM,
    FM_STREAM_ID,
    GUL_STREAM_ID,
    ITEM_STREAM,
    LOSS_STREAM_ID,
    MAX_LOSS_IDX,
    MEAN_IDX,
    NUM_SPECIAL_SIDX,
    NUMBER_OF_AFFECTED_RISK_IDX,
    STD_DEV_IDX,
    SUMMARY_STREAM_ID,
    TIV_IDX,
)
from evstream._jit import jit
from evstream.errors import StreamHeaderError, StreamMismatchError
from evstream.event_reader import PIPE_CAPACITY, EventReader
from evstream.feeds import KNOWN, KnownStream
from evstream.header import StreamHeader, find_stream, record_dtype
from evstream.kernels import record_functions
from evstream.memory import load, store
from evstream.schema import choose_widths
from evstream.sinks import write_all
from evstream.sources import name_of
from evstream.waiting import descriptor_of, is_waitable, wait_readable

_WIDTHS = choose_widths(layout.SCALARS)
_records = record_functions(_WIDTHS)
_item = record_dtype("item_header", _WIDTHS)
_summary = record_dtype("summary_header", _WIDTHS)
_pair = record_dtype("sidx_loss", _WIDTHS)
_sample_header = record_dtype("sample_stream_header", _WIDTHS)

oasis_int = np.dtype(_WIDTHS["oasis_int"])
oasis_float = np.dtype(_WIDTHS["oasis_float"])
oasis_int_size = oasis_int.itemsize
oasis_float_size = oasis_float.itemsize
event_id_type, event_id_size = _item["event_id"], _item["event_id"].itemsize
item_id_type, item_id_size = _item["item_id"], _item["item_id"].itemsize
summary_id_dtype, summary_id_size = _summary["summary_id"], _summary["summary_id"].itemsize
sidx_type, sidx_size = _pair["sidx"], _pair["sidx"].itemsize
loss_type, loss_size = _pair["loss"], _pair["loss"].itemsize

mv_write_summary_header = _records.mv_write_summary_header
mv_write_item_header = _records.mv_write_item_header
mv_write_sidx_loss = _records.mv_write_sidx_loss
mv_write_delimiter = _records.mv_write_delimiter


def mv_read(byte_mv: Any, cursor: Any, _dtype: Any, itemsize: Any) -> tuple[Any, Any]:
    """Read one number; from Python and from njit code.

    Args:
        byte_mv: one-dimensional int8 or uint8 array, of any alignment.
        cursor: byte offset of the number.
        _dtype: its numpy dtype or scalar type, e.g. np.int32.
        itemsize: its size in bytes.

    Returns:
        (value, offset of the byte after it).
    """
    return load(byte_mv, cursor, np.dtype(_dtype)), cursor + itemsize


def mv_write(byte_mv: Any, cursor: Any, _dtype: Any, itemsize: Any, value: Any) -> Any:
    """Write one number, converted to `_dtype`; from Python and from njit code.

    Args: as for mv_read; `value` is a number or a 0-d array.

    Returns:
        Offset of the byte after it.
    """
    store(byte_mv, cursor, np.dtype(_dtype), value)
    return cursor + itemsize


@overload(mv_read)
def _mv_read(byte_mv, cursor, _dtype, itemsize):  # type: ignore[no-untyped-def]
    if isinstance(_dtype, types.NumberClass):
        number = as_dtype(_dtype.dtype)
        return lambda byte_mv, cursor, _dtype, itemsize: (
            load(byte_mv, cursor, number),
            cursor + itemsize,
        )
    return lambda byte_mv, cursor, _dtype, itemsize: (
        load(byte_mv, cursor, _dtype),
        cursor + itemsize,
    )


@overload(mv_write)
def _mv_write(byte_mv, cursor, _dtype, itemsize, value):  # type: ignore[no-untyped-def]
    if isinstance(_dtype, types.NumberClass):
        number = as_dtype(_dtype.dtype)

        def write_number(byte_mv, cursor, _dtype, itemsize, value):  # type: ignore[no-untyped-def]
            store(byte_mv, cursor, number, value)
            return cursor + itemsize

        return write_number

    def write(byte_mv, cursor, _dtype, itemsize, value):  # type: ignore[no-untyped-def]
        store(byte_mv, cursor, _dtype, value)
        return cursor + itemsize

    return write


@jit
def mv_write_summary_header_cached(  # type: ignore[no-untyped-def]
    byte_mv, cursor, event_id, summary_id, exposure_value,
    event_id_type, event_id_size, summary_id_dtype, summary_id_size,
    exposure_value_dtype, exposure_value_size,
):  # fmt: skip
    """mv_write_summary_header at widths that the caller names."""
    cursor = mv_write(byte_mv, cursor, event_id_type, event_id_size, event_id)
    cursor = mv_write(byte_mv, cursor, summary_id_dtype, summary_id_size, summary_id)
    return mv_write(byte_mv, cursor, exposure_value_dtype, exposure_value_size, exposure_value)


@jit
def mv_write_sidx_loss_cached(  # type: ignore[no-untyped-def]
    byte_mv, cursor, sidx, loss, sidx_type, loss_type, sidx_size, loss_size
):
    """mv_write_sidx_loss at widths that the caller names."""
    cursor = mv_write(byte_mv, cursor, sidx_type, sidx_size, sidx)
    return mv_write(byte_mv, cursor, loss_type, loss_size, loss)


@jit
def reservation_overflows(idx, reservation, capacity, name):  # type: ignore[no-untyped-def]
    """Whether `reservation` more rows do not fit behind the `idx` rows of an output buffer.

    Raises:
        ValueError: they would not fit into an empty buffer either, so that flushing it
            would never help. (The one exception raised inside njit code: it is documented.)
    """
    fits = idx + reservation <= capacity
    if not fits and idx == 0:
        raise ValueError("one summary needs more rows than the output buffer holds")
    return not fits


def stream_info_to_bytes(stream_source_type: int, stream_agg_type: int) -> bytes:
    """The type word that opens a stream, 4 bytes."""
    numbers = {"source": stream_source_type, "aggregation": stream_agg_type}
    return layout.pack_type_word(**numbers)


def bytes_to_stream_types(stream_header: bytes) -> tuple[np.int8, np.int32]:
    """(source type, aggregation type) of the first 4 bytes of a stream, as numpy integers."""
    aggregation, source = layout.unpack_type_word(stream_header[: layout.TYPE_WORD_SIZE])
    return np.uint8(source).astype(np.int8), np.int32(aggregation)


def read_stream_info(stream_obj: Any) -> tuple[np.int8, np.int32, np.int32]:
    """Read the type word and len_sample from an open stream, 8 bytes.

    The summary_set_id of a summary stream stays unread: it is the first of the body.

    Returns:
        (source type, aggregation type, len_sample) as numpy integers.

    Raises:
        StreamHeaderError: the stream ends before, or len_sample is negative.
    """
    name = name_of(stream_obj)
    size = layout.TYPE_WORD_SIZE + _sample_header.itemsize
    data, buffered = _read_counted(stream_obj, size)
    if len(data) < size:
        raise StreamHeaderError(
            "the stream ends inside the stream header",
            source=name,
            offset=len(data),
            expected=f"{size - len(data)} more bytes",
        )
    source, aggregation = bytes_to_stream_types(data)
    len_sample = np.frombuffer(data, _sample_header, 1, layout.TYPE_WORD_SIZE)[0]["len_sample"]
    found = find_stream(int(source), int(aggregation))
    header = None
    if found is not None and found.header is not None:
        if len_sample < 0:
            raise StreamHeaderError(
                f"len_sample is {len_sample}",
                source=name, offset=layout.TYPE_WORD_SIZE, expected="0 or more",
            )  # fmt: skip
        header = StreamHeader(found.name, {"len_sample": int(len_sample)}, _WIDTHS)
    left = header.size - size if header is not None else 0
    with contextlib.suppress(TypeError):  # an object without hash or weak references
        KNOWN[stream_obj] = KnownStream(header, size, left, buffered)
    return source, aggregation, len_sample


def _read_counted(stream: Any, size: int) -> tuple[bytes, int]:
    """`size` bytes, and how many more a BufferedReader holds in its buffer then.

    Knowing them is the only way not to wait on the system for bytes that are here already.
    """
    data, buffered = b"", 0
    is_buffered = isinstance(stream, io.BufferedReader)
    waited = False
    while len(data) < size:
        wanted = size - len(data)
        if is_buffered:
            buffered = len(stream.peek(1))
            wanted = min(buffered, wanted)
        piece = stream.read(wanted) if wanted else b""
        if piece:
            data += piece
            buffered -= len(piece) if is_buffered else 0
            waited = False
        elif waited or not _wait_if_non_blocking(stream):
            break  # the end; nothing on a non-blocking descriptor means it only after a wait
        else:
            waited = True
    return data, buffered


def _wait_if_non_blocking(stream: Any) -> bool:
    """Wait for a non-blocking stream to have something or to end; False for any other."""
    descriptor = descriptor_of(stream)
    if descriptor is None or os.get_blocking(descriptor) or not is_waitable(descriptor):
        return False
    wait_readable([descriptor])
    return True


def get_streams_in(files_in: Any, stack: contextlib.ExitStack) -> list[Any]:
    """Open the inputs: None is stdin, else a path or a list of paths, closed by `stack`."""
    if files_in is None:
        return [getattr(sys.stdin, "buffer", sys.stdin)]
    files = files_in if isinstance(files_in, list) else [files_in]
    return [stack.enter_context(open(file, "rb")) for file in files]


def get_and_check_header_in(streams_in: Sequence[Any]) -> tuple[np.int8, np.int32, np.int32]:
    """Read the header of each stream; they must be the same.

    Raises:
        StreamHeaderError: a header is cut short.
        StreamMismatchError: two streams have different headers.
    """
    infos = [read_stream_info(stream) for stream in streams_in]
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
    files_in: Any, stack: contextlib.ExitStack
) -> tuple[list[Any], tuple[np.int8, np.int32, np.int32]]:
    """Open the inputs and read their headers.

    Args:
        files_in: None for stdin, a path, or a list of paths.
        stack: an ExitStack that closes them.

    Returns:
        (open streams past their headers, (source type, aggregation type, len_sample)).

    Raises:
        StreamHeaderError, StreamMismatchError.
    """
    streams_in = get_streams_in(files_in, stack)
    return streams_in, get_and_check_header_in(streams_in)


def write_mv_to_stream(stream: Any, byte_mv: Any, cursor: int) -> None:
    """Write byte_mv[:cursor] to a stream, all of it, waiting while the reader is slow.

    Args:
        stream: a binary file object, non-blocking ones included.
        byte_mv: one-dimensional int8 or uint8 array.
        cursor: number of bytes.
    """
    view = memoryview(byte_mv[:cursor]).cast("B")
    if isinstance(stream, (io.FileIO, io.BufferedWriter, io.BufferedRandom, io.BytesIO)):
        write_all(stream.write, view, stream)
    else:
        # An object of somebody's own may keep what it is given, and byte_mv is reused.
        write_all(lambda part: stream.write(bytes(part)), view, stream)


def _plain(info: tuple[Any, ...]) -> str:
    return ", ".join(str(int(value)) for value in info)


__all__ = [
    "CDF_STREAM_ID",
    "CHANCE_OF_LOSS_IDX",
    "COVERAGE_STREAM",
    "FM_STREAM_ID",
    "GUL_STREAM_ID",
    "ITEM_STREAM",
    "LOSS_STREAM_ID",
    "MAX_LOSS_IDX",
    "MEAN_IDX",
    "NUMBER_OF_AFFECTED_RISK_IDX",
    "NUM_SPECIAL_SIDX",
    "PIPE_CAPACITY",
    "STD_DEV_IDX",
    "SUMMARY_STREAM_ID",
    "TIV_IDX",
    "EventReader",
    "bytes_to_stream_types",
    "event_id_size",
    "event_id_type",
    "get_and_check_header_in",
    "get_streams_in",
    "init_streams_in",
    "item_id_size",
    "item_id_type",
    "loss_size",
    "loss_type",
    "mv_read",
    "mv_write",
    "mv_write_delimiter",
    "mv_write_item_header",
    "mv_write_sidx_loss",
    "mv_write_sidx_loss_cached",
    "mv_write_summary_header",
    "mv_write_summary_header_cached",
    "oasis_float",
    "oasis_float_size",
    "oasis_int",
    "oasis_int_size",
    "read_stream_info",
    "reservation_overflows",
    "sidx_size",
    "sidx_type",
    "stream_info_to_bytes",
    "summary_id_dtype",
    "summary_id_size",
    "write_mv_to_stream",
]
