"""`evstream.create`: open a stream for writing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evstream._support.format import Format
from evstream._support.known_formats import find_format
from evstream.transport.endpoints import TargetLike
from evstream.wire.header_bytes import build_header
from evstream.writing.writer import Writer


def create(
    target: TargetLike,
    stream: str | None = None,
    *,
    widths: Mapping[str, str] | None = None,
    validate: bool = True,
    seal: str | bool = False,
    durable: bool | None = None,
    index: str | bool = False,
    storage_options: Mapping[str, Any] | None = None,
    format: Format | None = None,
    **header_fields: int | str | None,
) -> Writer:
    """Open a stream for writing; use it as a context manager.

    Args:
        target: a path, "-" for stdout, a file descriptor, a pipe or socket, or any binary
            file object; or a URL, see docs/scale.md. A file or object appears under its name when
            the stream is complete, and not at all after an exception; it is compressed if its name
            ends in .gz or .zst.
        stream: the type to write, e.g. "loss", "summary", "cdf"; see docs/format.md. By default
            that of a file with a usual name, such as items.bin, else a loss stream.
        widths: as for evstream.open.
        validate: refuse what breaks a rule of severity error in docs/format.md. False is
            for those who want a broken stream, in tests for example.
        seal: True writes a seal next to the file (gul.bin.seal), a path writes it there; see
            evstream.Seal. `evstream validate` finds it and uses it.
        durable: wait until a file is on the disk before it appears under its name, so that it
            is whole even after a power cut. False is faster where that does not matter; None
            takes EVSTREAM_FSYNC from the environment, else True.
        index: True writes an index next to the file (gul.bin.evx), a path writes it there; see
            evstream.build_index.
        storage_options: of the object store of a URL.
        format: the format of the stream; that of evstream by default.
        **header_fields: the fields of the stream header: len_sample, the number of samples per
            event, 0 or more, for streams that have samples; summary_set_id as well for a summary
            stream. None stands for one that is not given.

    Raises:
        TypeError: a field of the stream header is missing, does not belong, or is no whole
            number.
        ValueError: an unknown stream type or width, a seal without validation, or an index of a
            compressed stream.
        WriteError: a value of the stream header is out of range.
    """
    format, stream = find_format(format, stream, target)
    header = build_header(stream, header_fields, widths, format)
    return Writer(
        target,
        header,
        validate=validate,
        seal=seal,
        durable=durable,
        index=index,
        storage_options=storage_options,
    )
