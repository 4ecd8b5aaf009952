"""The peers of evstream: C, the reference implementation, and memory itself."""

from __future__ import annotations

import ctypes
import importlib
import logging
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numba
import numpy as np


def compile_c() -> Any | None:
    """The C kernels as a library; without gcc None, and a message."""
    if shutil.which("gcc") is None:
        print("no gcc: the C peers are left out")
        return None
    library = Path(tempfile.mkdtemp()) / "kernels.so"
    source = Path(__file__).with_name("kernels.c")
    options = ["-O3", "-march=native", "-shared", "-fPIC"]
    subprocess.run(["gcc", *options, "-o", str(library), str(source)], check=True)
    loaded = ctypes.CDLL(str(library))
    pointer, i4, i8 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "sum_losses": (ctypes.c_double, [pointer, i8]),
        "find_blocks": (i8, [pointer, i8, *[pointer] * 4]),
        "decode_rows": (i8, [pointer, i8, *[pointer] * 6, i8]),
        "encode_rows": (i8, [*[pointer] * 5, i8]),
        "encode_dense": (i8, [pointer, i4, pointer, pointer, i8, i8]),
        "write_blocks": (i8, [pointer, i8, i8]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


def pointer(array: Any) -> int:
    """The address of an array's data, for a C function."""
    return int(array.ctypes.data)


def reference() -> Any | None:
    """The reference's event_stream module; None, and a message, if it is not installed."""
    try:
        return importlib.import_module("oasislmf.pytools.common.event_stream")
    except ImportError:
        print("no oasislmf: the reference peers are left out (make bench installs it)")
        return None


def reference_gul_reader() -> Any:
    """The reference's newest reader of loss streams into rows."""
    module = importlib.import_module("oasislmf.pytools.converters.bintocsv.utils.gul")
    data = importlib.import_module("oasislmf.pytools.converters.data")
    return lambda len_sample: module.GulReader(len_sample, data.TOOL_INFO["gul"]["dtype"])


def sum_with(module: Any) -> Any:
    """A loop over all pairs with the mv_read of a module."""
    mv_read = module.mv_read
    integer, real = np.dtype("i4"), np.dtype("f4")

    @numba.njit(nogil=True)
    def sum_losses(data, valid):  # type: ignore[no-untyped-def]
        cursor, total = 0, 0.0
        while cursor + 8 <= valid:
            cursor += 8
            while cursor + 8 <= valid:
                sidx, cursor = mv_read(data, cursor, integer, 4)
                if sidx == 0:
                    cursor += 4
                    break
                loss, cursor = mv_read(data, cursor, real, 4)
                total += loss
        return total

    return sum_losses


def write_with(module: Any) -> Any:
    """Blocks with the mv_write functions of a module."""
    header = module.mv_write_item_header
    pair = module.mv_write_sidx_loss

    @numba.njit
    def without_delimiter(out, cursor):  # type: ignore[no-untyped-def]
        return pair(out, cursor, 0, 0.0)

    # The newest reference no longer has mv_write_delimiter.
    delimiter = getattr(module, "mv_write_delimiter", without_delimiter)

    @numba.njit(nogil=True)
    def write_blocks(out, blocks, pairs):  # type: ignore[no-untyped-def]
        cursor = 0
        for block in range(blocks):
            cursor = header(out, cursor, 1, block)
            for sidx in range(1, pairs + 1):
                cursor = pair(out, cursor, sidx, 1.5)
            cursor = delimiter(out, cursor)
        return cursor

    return write_blocks


def template_reader(module: Any, kernel_of: Any = None) -> Any:
    """A subclass of the module's EventReader in the documented form, which sums losses.
    It uses the mv_read of another module if one is given."""
    mv_read = (kernel_of or module).mv_read
    integer, real = np.dtype("i4"), np.dtype("f4")

    @numba.njit
    def read_buffer(byte_mv, cursor, valid, event_id, item_id, total):  # type: ignore[no-untyped-def]
        last_event_id = event_id
        while valid - cursor >= 8:
            if item_id:
                sidx, cursor = mv_read(byte_mv, cursor, integer, 4)
                if sidx:
                    loss, cursor = mv_read(byte_mv, cursor, real, 4)
                    total[0] += loss
                else:
                    cursor += 4
                    item_id = 0
            else:
                event_id, cursor = mv_read(byte_mv, cursor, integer, 4)
                if event_id != last_event_id:
                    if last_event_id:
                        return cursor - 4, last_event_id, 0, 1
                    last_event_id = event_id
                item_id, cursor = mv_read(byte_mv, cursor, integer, 4)
        return cursor, event_id, item_id, 0

    class Reader(module.EventReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.logger = logging.getLogger("benchmark")
            self.total = np.zeros(1)

        def read_buffer(self, byte_mv, cursor, valid, event_id, item_id, **_):  # type: ignore[no-untyped-def]
            return read_buffer(byte_mv, cursor, valid, event_id, item_id, self.total)

    return Reader
