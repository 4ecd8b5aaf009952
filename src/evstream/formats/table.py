"""What passes between two formats: record batches, and what is known of the stream."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evstream._generated import layout
from evstream.blocks import row_columns
from evstream.errors import TableError
from evstream.header import StreamHeader, build_header, stream_named
from evstream.schema import choose_widths
from evstream.sources import Source

if TYPE_CHECKING:
    from pyarrow import RecordBatch


@dataclass(frozen=True)
class Options:
    """What the user says of a conversion; None where nothing was said.

    Attributes:
        stream, values, widths: of the stream, as for evstream.create.
        strict: as for evstream.open.
        precision: decimals of floats in text formats.
        compression: of Parquet and Arrow pages: "zstd", "lz4", "snappy", "gzip", "none".
    """

    stream: str | None = None
    values: Mapping[str, int] = field(default_factory=dict)
    widths: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    precision: int | None = None
    compression: str | None = None


@dataclass
class Table:
    """A stream as record batches that come one after the other.

    Attributes:
        header: of the stream; its len_sample is missing where nothing tells it.
        batches: with the columns of the stream, in wire order.
        name: of the file, for messages.
        carried: whether the file carries the header of a stream, so that it is written back
            as it is; otherwise its rows have to keep the rules of the stream.
        clean_end: False, once the batches are through, for a stream without its final
            delimiter.
        line_of: batch number, row in it -> line in a text file; None for others.
        offset: bytes of the file read so far.
        close: closes what reading has opened beside the source.
    """

    header: StreamHeader
    batches: Iterator[RecordBatch]
    name: str
    carried: bool
    clean_end: bool = True
    line_of: Callable[[int, int], int] | None = None
    offset: Callable[[], int] = lambda: 0
    close: Callable[[], None] = lambda: None


def guess_header(names: list[str], options: Options, source: str) -> StreamHeader:
    """The header that columns of these names allow, without what only a header can say.

    Raises TableError for columns that no stream has.
    """
    widths = choose_widths(layout.SCALARS, options.widths)
    streams = [options.stream] if options.stream else list(layout.STREAMS)
    # Of streams with the same columns the one that is not deprecated.
    streams.sort(key=lambda s: stream_named(s).deprecated is not None)
    wanted = {}
    for stream in streams:
        header = StreamHeader(stream, dict(options.values), widths)
        wanted[stream] = list(row_columns(header))
        if set(wanted[stream]) == set(names):
            return header
    legal = " or ".join(dict.fromkeys(", ".join(columns) for columns in wanted.values()))
    raise TableError(f"the columns are {', '.join(names)}", source=source, expected=legal)


def complete_header(header: StreamHeader, values: Mapping[str, int]) -> StreamHeader:
    """The header with these values added, checked."""
    return build_header(header.stream, {**header.values, **values}, header.widths)


def seekable(source: Source) -> Any:
    """A file object that can seek, for formats that need it: the file itself, or a copy of
    what comes from a pipe or is compressed in a temporary file, to be closed."""
    plain = source.plain_file()
    if plain is not None:
        return plain
    copy = tempfile.TemporaryFile()  # noqa: SIM115 (closed by Table.close)
    piece = bytearray(1 << 20)
    view = memoryview(piece)
    while size := source.readinto(view):
        copy.write(view[:size])
    copy.seek(0)
    return copy


def read_lines(source: Source, size: int) -> Iterator[bytes]:
    """A text source in blocks of whole lines, about `size` bytes each."""
    piece = bytearray(size)
    view = memoryview(piece)
    rest = b""
    while count := source.readinto(view):
        block = rest + bytes(view[:count])
        if len(block) < size:
            rest = block
            continue
        end = block.rfind(b"\n") + 1
        rest = block[end:]
        if end:
            yield block[:end]
    if rest:
        yield rest


class Lines:
    """Which lines of a text file the batches of a table come from."""

    def __init__(self, first: int) -> None:
        self._starts = [first]

    @property
    def next(self) -> int:
        """The line that the next batch starts at, from 1."""
        return self._starts[-1]

    def add(self, lines: int) -> None:
        """Another batch has this many lines, a row each."""
        self._starts.append(self._starts[-1] + lines)

    def of(self, batch: int, row: int) -> int:
        """The line of a row of a batch, both from 0."""
        return self._starts[batch] + row
