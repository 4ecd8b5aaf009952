"""`evstream.open`, and single events of what it opens."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream._support.format import Format
from evstream.errors import AbsentEventError, EvstreamError, plain_id
from evstream.reading.assembler import EventAssembler
from evstream.reading.ids import Wanted
from evstream.reading.section import Section, Sectioned
from evstream.reading.sources import open_stream
from evstream.reading.stream import EventStream
from evstream.transport.endpoints import SourcesLike
from evstream.wire.columns import Array, Chunk, differ, keep_blocks
from evstream.wire.event import Event

if TYPE_CHECKING:  # what reads by an index is imported where there may be one
    from evstream.indexing.index import Index
    from evstream.indexing.indexed_file import IndexedFile


def open(
    source: SourcesLike,
    stream: str | None = None,
    *,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    verify: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    format: Format | None = None,
) -> EventStream:
    """Open a stream for reading.

    Args:
        source: a path or URL, "-" for stdin, a file descriptor, a pipe or socket, or any binary
            file object, io.BytesIO included. gzip and zstd are detected by their first bytes.
            Or several files, which are read one after the other: a pattern ("out/*.bin"), a
            folder (its files *.bin, *.bin.gz and *.bin.zst), or a list of these. Or parts of
            files; see evstream.parts. Files do not share events, and must have equal headers.
        stream: the type to expect, e.g. "loss"; required for "event_ids", which has no stream
            header that names its type.
        widths: scalar type -> width, e.g. {"oasis_float": "f8"}. Widths that are not named come
            from the environment (OASIS_INT, OASIS_FLOAT, OASIS_AREAPERIL_TYPE), else they are
            i4, f4 and u4.
        strict: True makes a missing final delimiter, or a block of zero bytes alone, an error
            instead of a warning. None takes EVSTREAM_STRICT from the environment, else False.
        timeout: seconds to wait for data from a pipe, FIFO or socket, or for a writer to open a
            FIFO for writing. None takes EVSTREAM_TIMEOUT from the environment, else waits
            forever, as math.inf does.
        verify: compare all that is read by an index with its checksums; see evstream.build_index.
        storage_options: of the object store of a URL, see docs/scale.md. The functions that read
            tables take them with the parts of evstream.parts.
        format: the format of the stream; that of evstream by default.

    Raises:
        StreamHeaderError, StreamMismatchError: here.
        TruncatedStreamError, CorruptStreamError: while iterating, after the events before it.
        SecondStreamError: while iterating, where two streams were joined byte by byte.
        ChangedSourceError: while iterating, if the file was changed since it was opened, or the
            process was forked.
        StallError: here or while iterating, when no data received for `timeout` seconds.
    """
    opened = open_stream(
        source, stream, widths=widths, strict=strict, timeout=timeout, verify=verify,
        format=format, storage_options=storage_options,
    )  # fmt: skip
    opened.lookup = event_of
    return opened


def index_of(stream: EventStream) -> IndexedFile | None:
    """The file that a stream of one source reads, or a part of it, with its index; None if it has
    none, or is not a file that can be read from the middle.

    Raises StaleIndexError for an index that cannot be read or does not fit, OSError.
    """
    from evstream.indexing.indexed_file import indexed_file

    (source,) = stream.sources[:1] or [None]
    if isinstance(source, Sectioned):
        section = stream.source
        if not isinstance(section, Section) or not section.size:
            return None
        return indexed_file(source.path, stream.header, source.storage_options, section)
    path = _path_of(stream)
    return None if path is None else indexed_file(path, stream.header, stream.storage_options)


def chunks_of(stream: EventStream, wanted: Wanted | None) -> Iterator[Chunk]:
    """The chunks of an unread stream of one source, which have the blocks of
    some events, and maybe others: by its index if it has one. None is
    for all events, or those that a part is of."""
    wanted = stream.wanted if wanted is None else wanted
    if wanted is None:
        return stream.chunks()
    indexed = index_of(stream)
    if indexed is None:
        return stream.chunks()
    ids = wanted_ids(wanted, indexed.index)
    if ids is None:
        indexed.close()
        return stream.chunks()
    return indexed.read(stream, ids)


def wanted_ids(wanted: Wanted, index: Index) -> Array | None:
    """The wanted events in ascending order, of a long range those that the file may have; None
    where these are too many to list."""
    ids = wanted.listed()
    if ids is not None:
        return ids
    from evstream.indexing.lookup import candidates

    known = candidates(index)
    return None if known is None else known[wanted.among(known)]


def event_of(stream: EventStream, event: Any) -> Event:
    """All blocks of one event of the sources of a stream; see EventStream.event."""
    assembler = EventAssembler(stream.header)
    wanted = _as_id(stream, event)
    for source in stream.sources:
        if not isinstance(source, (str, os.PathLike, Sectioned)) or source == "-":
            raise EvstreamError(
                "an event is looked up in a file", source=stream.name,
                expected="a path; other sources give their events in turn",
            )  # fmt: skip
        header = stream.header
        with open_stream(
            source, header.stream, widths=header.widths, strict=stream.strict, warn=stream.warns,
            format=header.format, verify=stream.verify, named=header.named,
            storage_options=stream.storage_options,
        ) as again:  # fmt: skip
            for chunk in chunks_of(again, Wanted(wanted, wanted.dtype)):
                found = ~differ(chunk.columns.block[0], wanted[0])
                for _ in assembler.push(keep_blocks(chunk, found)):
                    raise AssertionError("another event was not left out")
    for found_event in assembler.finish():
        return found_event
    raise AbsentEventError(
        "the event is not in the stream", source=stream.name,
        ids={stream.header.event_column: event},
    )  # fmt: skip


def _as_id(stream: EventStream, event: Any) -> Array:
    """An event id as a column of the stream. Raises TypeError for a value of another kind,
    AbsentEventError for one that the column cannot have."""
    name, header = stream.header.event_column, stream.header
    dtype = header.block_columns[name]
    value = event.encode() if isinstance(event, str) else event
    kinds = {"S": (bytes,), "f": (int, float, np.integer, np.floating)}
    if not isinstance(value, kinds.get(dtype.kind, (int, np.integer))) or isinstance(value, bool):
        expected = "a text" if dtype.kind == "S" else "a number"
        raise TypeError(f"{name} is {event!r}, expected {expected}")
    try:
        column: Array = np.array([value], dtype)
    except OverflowError:
        column = np.empty(0, dtype)
    if not len(column) or (dtype.kind != "f" and plain_id(column[0]) != plain_id(value)):
        raise AbsentEventError(
            f"no {header.stream} stream can have this event", source=stream.name,
            ids={name: event}, expected=f"an id of type {dtype.name}",
        )  # fmt: skip
    return column


def _path_of(stream: EventStream) -> str | None:
    """The path or URL of the one file that a stream reads as it is."""
    (source,) = stream.sources[:1] or [None]
    is_path = isinstance(source, (str, os.PathLike)) and source != "-"
    return os.fspath(source) if is_path and stream.size is not None else None
