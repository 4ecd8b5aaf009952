"""What a table does not say of its stream: what is assumed, and what has to be known."""

from __future__ import annotations

import dataclasses

from evstream._support.arguments import listed
from evstream.conversion.table import Options, Table, complete_header, missing_fields
from evstream.errors import TableError
from evstream.wire.header import StreamHeader


def inferred_header(
    table: Table, output_format: str, options: Options
) -> tuple[StreamHeader, list[str]]:
    """The header, completed where a value can be assumed, and a note on each assumption."""
    header = table.header
    notes: list[str] = []
    if table.carried:
        return header, notes
    if options.stream is None:
        notes.append(f"a stream of type {header.stream}, by its columns")
    for f in header.header_fields:
        if f.assumed is None or f.name not in missing_fields(header):
            continue
        header = dataclasses.replace(header, values={**header.values, f.name: f.assumed})
        carries = output_format == "bin" or not missing_fields(header)
        if carries and output_format not in {"csv", "jsonl"}:
            notes.append(f"{f.name} {f.assumed}, assumed ({option(f.name)})")
    return header if missing_fields(header) else complete_header(header, {}), notes


def refuse_unknown(table: Table, output_format: str) -> None:
    """Raise TableError where a stream needs a header field that nothing in the input has."""
    samples = table.header.samples_field
    unknown = [name for name in missing_fields(table.header) if name != samples]
    if unknown and output_format == "bin" and not table.carried:
        options = listed(option(name) for name in unknown)
        raise TableError(
            f"the stream header needs {listed(unknown)}", source=table.name,
            expected=f"{options}, or a file that carries the header",
        )  # fmt: skip


def option(name: str | None) -> str:
    """The option of the command line for a field of the stream header."""
    return f"--{name}".replace("_", "-")
