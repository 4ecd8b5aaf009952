"""File formats that streams convert to and from, each a module with `read` and `write`.

`read(opened)` gives a Table: Arrow record batches one after the other, and what the file
says of the stream. `write(table, out)` takes one and writes it to a binary file object.
Everything goes through record batches, so each format only knows itself.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from evstream._support.arguments import did_you_mean
from evstream.conversion.table import Options, Table
from evstream.reading.index_files import PACKED
from evstream.transport.compression import SUFFIXES

FORMATS = {
    "bin": ("bin",),
    "csv": ("csv",),
    "parquet": ("parquet", "pq"),
    "arrow": ("arrow", "feather", "ipc"),
    "jsonl": ("jsonl", "ndjson"),
}
"""Format -> file name extensions."""


def format_of(name: str) -> tuple[str, str | None]:
    """(format, compression around it) by the extensions of a file name.

    Raises ValueError for an extension that says nothing.
    """
    stem, extension = os.path.splitext(name)
    if extension.lower() == PACKED:
        stem, extension = os.path.splitext(stem)
    compression = SUFFIXES.get(extension[1:].lower())
    if compression is not None:
        extension = os.path.splitext(stem)[1]
    for name_, extensions in FORMATS.items():
        if extension[1:].lower() in extensions:
            return name_, compression
    known = [f".{e}" for extensions in FORMATS.values() for e in extensions]
    name = name.replace("\n", "\\n")
    raise ValueError(
        f"{name}: the extension does not name a format, expected {', '.join(known)} "
        f"(and .gz or .zst after it), or --from and --to{did_you_mean(extension, known)}"
    )


def module_of(name: str) -> Any:
    """The module of a format, e.g. evstream.conversion.parquet_file."""
    file = "stream" if name == "bin" else name
    return importlib.import_module(f"evstream.conversion.{file}_file")


__all__ = ["FORMATS", "Options", "Table", "format_of", "module_of"]
