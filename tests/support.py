"""What several test files need: reading to the end, the oracle's answer in the same shape,
and sources that give their bytes in pieces.

Values are compared as raw bits, like in the oracle: NaN payloads and the sign of zero count.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from evstream import (
    CorruptStreamError,
    Event,
    EvstreamError,
    MissingDelimiterWarning,
    SecondStreamError,
    StreamHeader,
    StreamHeaderError,
    SuspectWarning,
    TruncatedStreamError,
)
from evstream._support.format import Format
from evstream.cli.program import main
from evstream.reading.stream import EventStream
from evstream.transport.source import CHUNK
from golden_files import Entry
from oracle import BIN, BLOCK_HEADERS, PAIR, Decoded, Row

ROOT = Path(__file__).parents[1]

PATIENCE = 300
"""Seconds after which something counts as stuck: long, since a loaded machine is slow."""

BlockRow = tuple[Row, list[Row]]
"""One block: the fields of its header (but the count), and its entries."""


@dataclass
class Reading:
    """All that a stream gave, up to its end or its first error.

    Attributes:
        opened: whether the stream header was accepted.
        events: the blocks of each event.
        warnings: text of each MissingDelimiterWarning.
    """

    opened: bool = False
    header: StreamHeader | None = None
    events: list[list[BlockRow]] = field(default_factory=list)
    clean_end: bool | None = None
    warnings: list[str] = field(default_factory=list)
    error: EvstreamError | None = None


def read_all(
    source: Any,
    stream: str | None = None,
    widths: dict[str, str] | None = None,
    *,
    strict: bool = False,
    chunk: int = CHUNK,
) -> Reading:
    """Read a stream with evstream as far as it goes."""
    reading = Reading()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MissingDelimiterWarning)
        warnings.simplefilter("ignore", SuspectWarning)
        try:
            with EventStream(source, stream, widths=widths, strict=strict, chunk=chunk) as opened:
                reading.opened, reading.header = True, opened.header
                for event in opened:
                    reading.events.append(event_blocks(event))
                reading.clean_end = opened.clean_end
        except EvstreamError as error:
            reading.error = error
    reading.warnings = [str(warning.message) for warning in caught]
    return reading


def read_golden(entry: Entry, source: Any, **options: Any) -> Reading:
    """Read `source`, which has the bytes of a golden file or of a part of it."""
    stream = "event_ids" if entry["stream"] == "event_ids" else None
    return read_all(source, stream, entry["widths"], **options)


def raw(column: np.ndarray[Any, Any]) -> list[int]:
    """The values of a column; of floats the bits."""
    if column.dtype.kind == "f":
        column = np.ascontiguousarray(column).view(f"u{column.itemsize}")
    values: list[int] = column.tolist()
    return values


def event_blocks(event: Event) -> list[BlockRow]:
    """The blocks of an event, with raw values."""
    columns = event.own_columns()
    offsets = columns.offsets.tolist()
    ids = list(zip(*(raw(column) for column in columns.block), strict=True))
    entries = list(zip(*(raw(column) for column in columns.entry), strict=True))
    return [
        (block, entries[first:last])
        for block, first, last in zip(ids, offsets[:-1], offsets[1:], strict=True)
    ]


def oracle_events(decoded: Decoded, data: bytes) -> list[list[BlockRow]]:
    """The events that the oracle finds whole: an error takes the event that it interrupts.

    That is the event named by the block header before the error; where this header is cut
    itself, it may belong to the last event, so that one is not known to be whole.
    """
    blocks = decoded.block_entries()[: len(decoded.complete_blocks)]
    events = [list(group) for _, group in groupby(blocks, key=lambda block: block[0][0])]
    if decoded.error is None or not events:
        return events
    interrupted = open_block_ids(decoded, data)
    if not interrupted or interrupted[0] == events[-1][0][0][0]:
        events.pop()
    return events


def is_beyond_oracle(error: Exception | None) -> bool:
    """Whether a reader refused a stream for its widths, or for a second stream in it, which the
    oracle does not look for."""
    return isinstance(error, SecondStreamError) or (
        isinstance(error, CorruptStreamError)
        and error.problem.startswith("the stream does not fit its widths")
    )


def assert_same(reading: Reading, decoded: Decoded, data: bytes) -> None:
    """evstream and the oracle found the same events, the same end or the same error; or evstream
    refused what the oracle does not look for, after events that the oracle found too."""
    if is_beyond_oracle(reading.error):
        blocks = [block for event in reading.events for block in event]
        found = decoded.block_entries()[: len(blocks)]
        assert blocks[:-1] == found[:-1]  # the last one ends where the second stream begins
        for (ids, entries), (same, more) in zip(blocks[-1:], found[-1:], strict=True):
            assert (ids, entries) == (same, more[: len(entries)])
        return
    assert reading.events == oracle_events(decoded, data)
    assert type(reading.error) is ERROR_CLASSES.get(decoded.error, type(None))
    if reading.error is not None:
        assert reading.error.offset == decoded.error_offset
    else:
        assert reading.clean_end is (decoded.final_delimiter is not False)
    assert len(reading.warnings) == (decoded.final_delimiter is False)
    if reading.opened:
        assert reading.header is not None
        assert (reading.header.stream, reading.header.values) == (decoded.stream, decoded.header)


def open_block_ids(decoded: Decoded, data: bytes) -> Row:
    """The ids in the header of the block that an error strikes, () where that is cut."""
    if decoded.stream is None or decoded.error in HEADER_ERRORS:
        return ()
    header = StreamHeader(decoded.stream, decoded.header, decoded.widths | {"sample_count": "i4"})
    start = header.size
    if decoded.complete_blocks:
        last = decoded.complete_blocks[-1]
        start = last[0] + block_size(decoded, last[-1])
    dtype = header.block_dtype
    if len(data) < start + dtype.itemsize:
        return ()
    record = np.frombuffer(data, dtype, 1, start)[0]
    fields = header.block_fields
    return tuple(int(record[f.name]) for f in fields if f.plural and f.scalar != "oasis_float")


def block_size(decoded: Decoded, entries: int) -> int:
    """Bytes of a whole block."""
    stream = str(decoded.stream)
    size = {name: int(width[1]) for name, width in decoded.widths.items()}
    header = sum(size[name] for name in BLOCK_HEADERS[stream])
    if stream in ("cdf", "event_ids"):
        return header + entries * sum(size[name] for name in BIN)
    return header + (entries + 1) * sum(size[name] for name in PAIR)


ERROR_CLASSES: dict[str | None, type[EvstreamError]] = {
    "short_header": StreamHeaderError,
    "unknown_type": StreamHeaderError,
    "negative_len_sample": StreamHeaderError,
    "negative_count": CorruptStreamError,
    "truncated": TruncatedStreamError,
    "block_without_entries": TruncatedStreamError,
}

HEADER_ERRORS = ("short_header", "unknown_type", "negative_len_sample")


def rows_to_blocks(stream: str, rows: dict[str, list[Any]]) -> list[tuple[Any, Any]]:
    """Columns as the blocks that `oracle.encode` takes: a new one wherever the ids change
    (or bins start again at 1)."""
    columns = dict(rows)
    index = columns.pop("bin_index", None)
    n_entry_fields = 0 if stream == "event_ids" else 2
    blocks: list[tuple[Any, Any]] = []
    for number, row in enumerate(zip(*columns.values(), strict=True)):
        ids, entry = row[: len(row) - n_entry_fields], row[len(row) - n_entry_fields :]
        is_new = not entry or (index is not None and index[number] == 1)
        if is_new or not blocks or blocks[-1][0] != ids:
            blocks.append((ids, []))
        if entry:
            blocks[-1][1].append(entry)
    return blocks


class Trickle:
    """A source that gives `size` bytes at a time and has nothing but `readinto`."""

    def __init__(self, data: bytes, size: int) -> None:
        self._pieces: Iterator[bytes] = iter(
            [data[at : at + size] for at in range(0, len(data), size)]
        )
        self._piece = b""

    def readinto(self, view: memoryview) -> int:
        self._piece = self._piece or next(self._pieces, b"")
        given = self._piece[: len(view)]
        view[: len(given)] = given
        self._piece = self._piece[len(given) :]
        return len(given)


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run this Python in the project, with the package on its path."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=child_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * PATIENCE,
    )


def run_main(
    *arguments: object, stdin: bytes | None = None, format: Format | None = None
) -> subprocess.CompletedProcess[bytes]:
    """`evstream` in this process, with pipes as its standard streams: what does not depend on
    being a process of its own is seen without the second that one takes to start."""
    ends = [os.pipe() for _ in range(3)]
    (reads, feeds), (told, tells), (warned, warns) = ends
    caught: dict[int, bytes] = {}

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError), open(feeds, "wb") as file:
            file.write(stdin or b"")

    def drain(descriptor: int) -> None:
        with open(descriptor, "rb") as file:
            caught[descriptor] = file.read()

    threads = [threading.Thread(target=feed)]
    threads += [threading.Thread(target=drain, args=(end,)) for end in (told, warned)]
    for thread in threads:
        thread.start()
    with (
        open(reads) as source, open(tells, "w") as out, open(warns, "w") as err,
        patch.object(sys, "stdin", source), patch.object(sys, "stdout", out),
        patch.object(sys, "stderr", err),
    ):  # fmt: skip
        try:
            status = main([str(argument) for argument in arguments], format=format)
        except SystemExit as end:
            status = end.code  # type: ignore[assignment]
    for thread in threads:
        thread.join()
    return subprocess.CompletedProcess(arguments, status, caught[told], caught[warned])


def child_environment(**changes: str) -> dict[str, str]:
    """This process's environment with evstream importable and `changes` on top."""
    paths = [str(ROOT / "src"), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **changes}


def run_examples(document: Path) -> int:
    """Run the python blocks of a document in order, in one namespace and the current folder;
    each must print what the document says that it does. The number that say something."""
    pattern = r"```python\n(.*?)```(?:\n\nprints\n\n```\n(.*?)```|\n\nprints `(.*?)`)?"
    namespace: dict[str, Any] = {}
    said = 0
    for match in re.finditer(pattern, document.read_text(), re.DOTALL):
        code, block, inline = match.groups()
        line = document.read_text()[: match.start()].count("\n") + 1
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile("\n" * line + code, document.name, "exec"), namespace)
        assert out.getvalue() == (block or (f"{inline}\n" if inline else ""))
        said += bool(block or inline)
    return said


def in_time(work: Callable[..., Any], *arguments: Any) -> Any:
    """The result of `work`, which must come within PATIENCE."""
    result: list[Any] = []
    thread = threading.Thread(target=lambda: result.append(work(*arguments)), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), "stuck"
    assert result, "failed"
    return result[0]
