"""Index files: which streams have one, and what it is called.

The file beside footprint.bin is footprint.idx; with .z after both names the blocks are compressed.
"""

from __future__ import annotations

import os
from typing import Any

from evstream._support.format import Format
from evstream.errors import EvstreamError
from evstream.transport.range_file import is_url, local_path

INDEX = ".idx"
_ENDS = (".bin", ".bin.z")
PACKED = ".z"
"""End of the name of a file whose blocks are compressed."""


def index_file_of(path: Any) -> str:
    """The index file beside a file: footprint.idx beside footprint.bin, and footprint.idx.z beside
    footprint.bin.z."""
    name = str(os.fspath(path))
    for end in reversed(_ENDS):
        if name.lower().endswith(end):
            return name[: -len(end)] + INDEX + name[len(name) - len(end) + len(".bin") :]
    return name + INDEX


def is_packed_name(path: Any) -> bool:
    """Whether a name says that the blocks of a file are compressed."""
    return str(os.fspath(path)).lower().endswith(PACKED)


def laid_out(format: Format, stream: str | None, source: Any) -> str | None:
    """The type of a file, where an index file beside it makes it another variant of its stream."""
    if stream is None or format.stream(stream).index_file:
        return stream
    for variant in format.variants(stream)[1:]:
        if variant.index_file and is_path(source) and os.path.exists(index_file_of(source)):
            return variant.name
    return stream


def is_placed(format: Format, stream: str | None) -> bool:
    """Whether files of this type have an index file beside them."""
    return stream is not None and bool(format.stream(stream).index_file)


def refuse_placed(format: Format, stream: str | None, what: str, source: str) -> None:
    """Raise EvstreamError for what is done with the bytes of one file alone."""
    if is_placed(format, stream):
        raise EvstreamError(
            f"{what} of a {stream} file, whose blocks another file places", source=source,
            expected="a file that is whole by itself",
        )  # fmt: skip


def is_path(source: Any) -> bool:
    """Whether a source or target is a file of this machine, and can have one beside it."""
    is_named = isinstance(source, (str, os.PathLike)) and source != "-"
    return is_named and not is_url(local_path(source))
