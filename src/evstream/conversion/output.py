"""Files that tables are written to: compressed as their names say, and rows of a known type."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from evstream.conversion.formats import Options, format_of, module_of
from evstream.conversion.table import Table, completed
from evstream.transport.compression import compression_by_name, compressor
from evstream.transport.endpoints import TargetLike
from evstream.transport.range_file import shown
from evstream.transport.sink import Sink, SinkFile
from evstream.wire.columns import Array
from evstream.wire.header import StreamHeader
from evstream.writing.placed_blocks import placed_target


@contextmanager
def written(
    sink: Sink, target: TargetLike, header: StreamHeader | None, options: Options
) -> Generator[Any]:
    """A file that is written to a sink; with the `header` of a stream whose blocks another file
    places, both, which appear together."""
    file = SinkFile(sink)
    placed = None if header is None else placed_target(file.write, header, target)
    if placed is None:
        with _compressed(file, target) as out:
            yield out
        return
    yield placed
    sink.commit_with(placed.staged(durable=options.durable))


@contextmanager
def _compressed(file: SinkFile, target: TargetLike) -> Generator[Any]:
    """The file, compressed as the name of the target says."""
    kind = compression_by_name(target)
    if kind is None:
        yield file
        return
    with completed(compressor(kind, file)) as out:
        yield out


def write_rows(
    header: StreamHeader,
    batches: Iterator[dict[str, Array]],
    target: TargetLike,
    options: Options,
    to: str | None = None,
) -> None:
    """Write rows of a stream type to a file, which appears when it is complete.

    Args:
        header, batches: as in a Table.
        to: "bin", "csv", "parquet", "arrow" or "jsonl"; None for what the extension of the file
            says, and for CSV where the target is no path.
    """
    if to is None:
        is_named = (isinstance(target, str) and target != "-") or hasattr(target, "__fspath__")
        to = format_of(shown(str(target)))[0] if is_named else "csv"
    with Sink(target, durable=options.durable, storage_options=options.storage_options) as sink:
        table = Table(header, batches, sink.name, carried=True)
        with written(sink, target, header if to == "bin" else None, options) as out:
            module_of(to).write(table, out, options)
