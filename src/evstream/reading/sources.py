"""`evstream.open`: from what a caller passes to a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evstream._support.format import Format
from evstream.reading.dataset import Dataset, is_several, sources_of
from evstream.reading.stream import EventStream
from evstream.transport.endpoints import SourcesLike
from evstream.transport.source import CHUNK


def open_stream(
    source: SourcesLike,
    stream: str | None = None,
    *,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    chunk: int = CHUNK,
    timeout: float | None = None,
    warn: bool = True,
    format: Format | None = None,
    named: frozenset[str] | None = None,
) -> EventStream:
    """The stream of one source or of several; arguments as for EventStream."""

    def open_one(one: Any) -> EventStream:
        return EventStream(
            one, stream, widths=widths, strict=strict, chunk=chunk, timeout=timeout, warn=warn,
            format=format, named=named,
        )  # fmt: skip

    return Dataset(sources_of(source), open_one) if is_several(source) else open_one(source)


def open(
    source: SourcesLike,
    stream: str | None = None,
    *,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    format: Format | None = None,
) -> EventStream:
    """Open a stream for reading.

    Args:
        source: a path, "-" for stdin, a file descriptor, a pipe or socket, or any binary
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
        timeout: seconds to wait for data from a pipe, FIFO or socket, or for somebody to open a
            FIFO for writing. None takes EVSTREAM_TIMEOUT from the environment, else waits
            forever, as math.inf does.
        format: the format of the stream; that of evstream by default.

    Raises:
        StreamHeaderError, StreamMismatchError: here.
        TruncatedStreamError, CorruptStreamError: while iterating, after the events before it.
        SecondStreamError: while iterating, where two streams were joined byte by byte.
        ChangedSourceError: while iterating, if the file was changed since it was opened, or the
            process was forked.
        StallError: here or while iterating, when no data received for `timeout` seconds.
    """
    return open_stream(source, stream, widths=widths, strict=strict, timeout=timeout, format=format)
