"""The documented event-stream module: the same names, signatures and behaviour.

A program that imports these names from the reference only changes the import, and gets errors
where the reference was silent. The facts of the format are generated; the widths are those of the
environment when this module is imported.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

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
from evstream._support.arguments import described
from evstream._support.jit import jit
from evstream._support.number import mv_read, mv_write
from evstream.compat.event_reader import PIPE_CAPACITY, EventReader
from evstream.compat.open_inputs import (
    bytes_to_stream_types,
    get_and_check_header_in,
    get_streams_in,
    init_streams_in,
    read_stream_info,
    stream_info_to_bytes,
)
from evstream.transport.file_objects import refuse_closed, write_all
from evstream.wire.kernels import record_functions

_WIDTHS = layout.FORMAT.choose_widths()
_records = record_functions(layout.FORMAT, _WIDTHS)
_item = layout.FORMAT.record_dtype("item_header", _WIDTHS)
_summary = layout.FORMAT.record_dtype("summary_header", _WIDTHS)
_pair = layout.FORMAT.record_dtype("sidx_loss", _WIDTHS)

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
mv_write_summary_header_cached = _records.mv_write_summary_header_cached
mv_write_item_header = _records.mv_write_item_header
mv_write_sidx_loss = _records.mv_write_sidx_loss
mv_write_sidx_loss_cached = _records.mv_write_sidx_loss_cached
mv_write_delimiter = _records.mv_write_delimiter


@jit
def reservation_overflows(idx, reservation, capacity, name):  # type: ignore[no-untyped-def]
    """Whether `reservation` more rows do not fit after the `idx` rows of an output buffer.

    Raises:
        ValueError: they do not fit into an empty buffer either, so that flushing it would not
            help. (The only exception raised inside njit code, since it is documented.)
    """
    fits = idx + reservation <= capacity
    if not fits and idx == 0:
        raise ValueError(
            f"{name} needs room for {reservation} rows of one summary, while its output buffer "
            f"holds {capacity}: set a higher OASIS_DEFAULT_BUFFER_SIZE"
        )
    return not fits


def write_mv_to_stream(stream: Any, byte_mv: Any, cursor: int) -> None:
    """Write byte_mv[:cursor] to a stream, all of it, waiting while the reader is slow.

    Args:
        stream: a binary file object, non-blocking ones included.
        byte_mv: one-dimensional int8 or uint8 array.
        cursor: number of bytes.
    """
    if not hasattr(stream, "write"):
        raise TypeError(f"cannot write to {described(stream)}, expected a binary file")
    refuse_closed(stream)
    view = memoryview(byte_mv[:cursor]).cast("B")
    if isinstance(stream, (io.FileIO, io.BufferedWriter, io.BufferedRandom, io.BytesIO)):
        write_all(stream.write, view, stream)
    else:
        # Another object may keep the bytes that it gets, and byte_mv is reused.
        write_all(lambda part: stream.write(bytes(part)), view, stream)


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
