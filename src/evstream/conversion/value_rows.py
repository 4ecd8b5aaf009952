"""CSV of blocks whose entries are the bytes of one value (`value` in the spec): a row per block.

A value is printed as the tools of the field print it: a text as it is, anything else as Python
does. Text is what such a column is read back as, so other values are reported once they are
printed. Batches have a row per byte, as those of every other block; a run of rows with the same
ids is a block.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from evstream.conversion.text_values import TextColumn
from evstream.errors import EvstreamError, RowsWarning, TableError, plain_id, warn
from evstream.extras import import_extra
from evstream.tables.batches import BATCH_ROWS
from evstream.wire.columns import Array, csv_columns
from evstream.wire.header import StreamHeader

Ids = tuple[Any, ...]


def has_value_rows(header: StreamHeader) -> bool:
    """Whether CSV of this stream has a row per block."""
    return header.block.value is not None


def refuse_columns(header: StreamHeader, columns: Sequence[str] | None) -> None:
    """Raise EvstreamError where some columns are wanted of CSV that has a row per block."""
    if columns is not None and has_value_rows(header):
        raise EvstreamError(
            f"CSV of a {header.stream} stream has all of its columns", expected="another format"
        )


def lines_of(
    header: StreamHeader, batches: Iterable[Mapping[str, Array]], source: str
) -> Iterator[str]:
    """The line of each block. Raises TableError for bytes that are not one value; a RowsWarning
    at the end says how many values are not text."""
    unpack = import_extra("msgpack").unpackb
    name, *_ = header.entry_columns
    order = [list(header.block_columns).index(n) if n != name else -1 for n in csv_columns(header)]
    total = others = 0
    for ids, data in _blocks(header, name, batches):
        try:
            value = unpack(data, raw=False)
        except (ValueError, TypeError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            problem = f"not one value of MessagePack ({reason})"
            shown = ", ".join(
                f"{key} {plain_id(i)}" for key, i in zip(header.block_columns, ids, strict=True)
            )
            raise TableError(
                f"{shown}: {problem}", source=source, column=name,
                expected=f"{len(data)} bytes of one value",
            ) from None  # fmt: skip
        total += 1
        others += not isinstance(value, str)
        line = io.StringIO()
        values = (*ids, value)
        csv.writer(line, lineterminator="\n").writerow([values[at] for at in order])
        yield line.getvalue()
    if others:
        problem = f"{others} of {total} values of {name} are not text, and are read back as text"
        warn(problem, RowsWarning, source=source)


def _blocks(
    header: StreamHeader, name: str, batches: Iterable[Mapping[str, Array]]
) -> Iterator[tuple[Ids, bytes]]:
    """The ids and the bytes of each block; one may go on in the next batch."""
    last: Ids | None = None
    data = bytearray()
    for rows in batches:
        keys = [rows[key] for key in header.block_columns]
        if not len(keys[0]):
            continue
        new = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
        starts = [0, *(np.flatnonzero(new) + 1).tolist()]
        packed = rows[name].tobytes()
        for start, end in zip(starts, [*starts[1:], len(packed)], strict=True):
            ids = tuple(key[start].item() for key in keys)
            if last is not None and ids != last:
                yield last, bytes(data)
                data.clear()
            last = ids
            data += packed[start:end]
    if last is not None:
        yield last, bytes(data)


def parsed(
    header: StreamHeader, names: Sequence[str], columns: Mapping[str, TextColumn],
    blocks: Iterable[memoryview], source: str,
) -> Iterator[dict[str, Array]]:  # fmt: skip
    """The batches of the lines after the first, whose columns are `names`; a value is text, which
    may have several lines. Raises TableError with the line."""
    pack = import_extra("msgpack").packb
    name, *_ = header.entry_columns
    lines = csv.reader(_decoded(blocks, source), strict=True)
    waiting: list[tuple[Ids, bytes]] = []
    size, before = 0, None
    while True:
        line = lines.line_num + 2
        try:
            values = next(lines, None)
        except csv.Error as error:
            raise TableError(f"not valid CSV ({error})", source=source, line=line) from None
        if values is None:
            break
        if len(values) != len(names):
            raise TableError(
                f"there are {len(values)} values", source=source, line=line,
                expected=f"the columns {', '.join(names)}",
            )  # fmt: skip
        row = dict(zip(names, values, strict=True))
        ids = tuple(columns[key].of_text(row[key], line) for key in header.block_columns)
        if ids == before:
            shown = ", ".join(f"{key} {row[key]}" for key in header.block_columns)
            raise TableError(
                f"{shown}, as in the row before", source=source, line=line,
                expected="one row per block",
            )  # fmt: skip
        before = ids
        waiting.append((ids, pack(row[name])))
        size += len(waiting[-1][1])
        if size >= BATCH_ROWS:
            yield _batch(header, name, waiting)
            waiting, size = [], 0
    if waiting:
        yield _batch(header, name, waiting)


def _batch(
    header: StreamHeader, name: str, blocks: Sequence[tuple[Ids, bytes]]
) -> dict[str, Array]:
    counts = [len(data) for _, data in blocks]
    columns: dict[str, Array] = {
        key: np.repeat(np.array([ids[at] for ids, _ in blocks], dtype), counts)
        for at, (key, dtype) in enumerate(header.block_columns.items())
    }
    columns[name] = np.frombuffer(b"".join(data for _, data in blocks), np.uint8)
    return columns


def _decoded(blocks: Iterable[memoryview], source: str) -> Iterator[str]:
    number = 1
    for block in blocks:
        for line in io.BytesIO(block):
            number += 1
            try:
                yield line.decode()
            except UnicodeDecodeError:
                raise TableError("not text", source=source, line=number, expected="UTF-8") from None
