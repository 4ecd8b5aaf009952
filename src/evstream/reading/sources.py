"""From what a caller passes, one source or several, to a stream."""

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
    verify: bool = False,
    format: Format | None = None,
    named: frozenset[str] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> EventStream:
    """The stream of one source or of several; arguments as for EventStream."""

    def open_one(one: Any) -> EventStream:
        return EventStream(
            one, stream, widths=widths, strict=strict, chunk=chunk, timeout=timeout, warn=warn,
            verify=verify, format=format, named=named, storage_options=storage_options,
        )  # fmt: skip

    if not is_several(source):
        return open_one(source)
    return Dataset(sources_of(source, storage_options), open_one)
