"""The compiled form of `memory`: an address from an unsigned offset, and one instruction."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
# (numba compares the parameters of an overload and its implementations, annotations too)
from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic, overload, register_jitable

from evstream._support.build_mark import leave_mark
from evstream._support.memory import AHEAD, load, prefetch, record_of, size_of, store


def _address(
    context: Any, builder: Any, array_type: Any, array: Any, offset: Any, kind: Any
) -> Any:
    """A pointer to `kind` at `offset` bytes into the array's data."""
    data = context.make_array(array_type)(context, builder, array).data
    bytes_pointer = builder.bitcast(data, ir.IntType(8).as_pointer())
    return builder.bitcast(builder.gep(bytes_pointer, [offset], inbounds=True), kind.as_pointer())


def _number(dtype: Any) -> Any:
    """The type of a number or text of a dtype, or of a number used in place of its dtype."""
    return dtype.dtype if isinstance(dtype, types.DType) else dtype


def _size(kind: Any) -> int | None:
    """Bytes in a stream; None for a type that is not in one. Text is an array of bytes."""
    if isinstance(kind, types.CharSeq):
        return int(kind.count)
    return kind.bitwidth // 8 if isinstance(kind, types.Number) else None


@intrinsic
def _unaligned_load(typing_context: Any, buffer: Any, offset: Any, dtype: Any) -> Any:
    number = _number(dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        leave_mark(context)
        kind = context.get_data_type(number)
        pointer = _address(context, builder, buffer, arguments[0], arguments[1], kind)
        value = builder.load(pointer)
        value.align = 1
        return value

    return number(buffer, types.uint64, dtype), generate


@intrinsic
def _unaligned_store(typing_context: Any, buffer: Any, offset: Any, dtype: Any, value: Any) -> Any:
    number = _number(dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        leave_mark(context)
        kind = context.get_data_type(number)
        pointer = _address(context, builder, buffer, arguments[0], arguments[1], kind)
        builder.store(arguments[3], pointer).align = 1
        return context.get_dummy_value()

    return types.void(buffer, types.uint64, dtype, number), generate


def _is_byte_array(buffer):
    return (
        isinstance(buffer, types.Array)
        and buffer.ndim == 1
        and buffer.layout == "C"
        and buffer.dtype in (types.int8, types.uint8)
    )


@intrinsic
def _prefetch(typing_context: Any, buffer: Any, offset: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bytes_pointer = ir.IntType(8).as_pointer()
        data = context.make_array(buffer)(context, builder, arguments[0]).data
        number = ir.IntType(32)
        function = ir.FunctionType(ir.VoidType(), [bytes_pointer, number, number, number])
        # Not inbounds: the address may lie outside of the array.
        line = builder.gep(
            builder.bitcast(data, bytes_pointer),
            [builder.add(arguments[1], ir.Constant(ir.IntType(64), AHEAD))],
        )
        read, keep, data_cache = (ir.Constant(number, value) for value in (0, 3, 1))
        builder.call(
            cgutils.get_or_insert_function(builder.module, function, "llvm.prefetch.p0"),
            [line, read, keep, data_cache],
        )
        return context.get_dummy_value()

    return types.void(buffer, types.uint64), generate


@overload(prefetch)
def _prefetch_overload(buffer, offset):
    if not _is_byte_array(buffer):
        return None
    return lambda buffer, offset: _prefetch(buffer, np.uint64(offset))


@overload(load)
def _load(buffer, offset, dtype):
    size = _size(_number(dtype))
    if not _is_byte_array(buffer) or size is None:
        return None
    if config.BOUNDSCHECK:

        def checked(buffer, offset, dtype):
            if offset < 0 or offset + size > buffer.shape[0]:
                raise IndexError("load outside the buffer")
            return _unaligned_load(buffer, np.uint64(offset), dtype)

        return checked
    return lambda buffer, offset, dtype: _unaligned_load(buffer, np.uint64(offset), dtype)


def _plain(value):
    """A number, from a number or a 0-d array."""
    return value[()] if isinstance(value, np.ndarray) else value


@overload(_plain)
def _plain_overload(value):
    if isinstance(value, types.Array):
        return lambda value: value[()]
    return lambda value: value


@overload(store)
def _store(buffer, offset, dtype, value):
    number = _number(dtype)
    size = _size(number)
    if not _is_byte_array(buffer) or size is None or not buffer.mutable:
        return None
    if isinstance(value, types.Bytes) and isinstance(number, types.CharSeq):
        return _store_bytes(size)
    if isinstance(number, types.CharSeq):
        number = _same
    if config.BOUNDSCHECK:

        def checked(buffer, offset, dtype, value):
            if offset < 0 or offset + size > buffer.shape[0]:
                raise IndexError("store outside the buffer")
            _unaligned_store(buffer, np.uint64(offset), dtype, number(_plain(value)))

        return checked

    def unchecked(buffer, offset, dtype, value):
        _unaligned_store(buffer, np.uint64(offset), dtype, number(_plain(value)))

    return unchecked


@register_jitable
def _same(value):
    return value


def _store_bytes(size):
    """Bytes of any length in the place of a text, which a caller in plain Python passes."""

    def store_bytes(buffer, offset, dtype, value):
        if len(value) > size:
            raise ValueError("text longer than its field")
        for i in range(size):
            buffer[offset + i] = value[i] if i < len(value) else 0

    return store_bytes


@intrinsic
def _size_of(typing_context: Any, number: Any) -> Any:
    size = number.bitwidth // 8

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(ir.IntType(64), size)

    return types.uint64(number), generate


@overload(size_of)
def _size_of_overload(number):
    return lambda number: _size_of(number)  # noqa: PLW0108 (an overload gives a function)


@overload(record_of)
def _record_of_overload(state):
    if isinstance(state, types.Array):
        return lambda state: state[0]
    return lambda state: state
