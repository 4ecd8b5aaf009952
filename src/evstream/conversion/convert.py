"""Convert between streams and tables: any format to any other, in bounded memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import numpy as np

from evstream._support.arguments import described, did_you_mean, flag, function
from evstream._support.format import Format
from evstream._support.known_formats import find_format, stream_header_fields
from evstream.conversion import partitions, several_files
from evstream.conversion.formats import FORMATS, Options, Table, format_of, module_of
from evstream.conversion.inferred import inferred_header, option, refuse_unknown
from evstream.conversion.output import written
from evstream.conversion.parallel import ahead
from evstream.conversion.several_files import Streams, is_opened_here
from evstream.conversion.stream_file import checked, copy
from evstream.conversion.table import missing_fields
from evstream.errors import EvstreamError
from evstream.partition.part import Part
from evstream.reading.dataset import sources_of
from evstream.reading.ids import Ids, kept
from evstream.reading.index_files import is_placed, laid_out
from evstream.reading.indexed_blocks import JoinedSource, open_blocks
from evstream.reading.selection import Names
from evstream.tables.batches import BATCH_ROWS, join_rows
from evstream.tables.column_names import fill_gaps
from evstream.tables.file_column import FILE
from evstream.transport.compression import may_be_compressed
from evstream.transport.endpoints import SourcesLike, TargetLike
from evstream.transport.environment import strict_of
from evstream.transport.range_file import is_url, shown
from evstream.transport.same_file import refuse_same_file
from evstream.transport.sink import Sink
from evstream.transport.source import Source
from evstream.transport.watching import one_bar
from evstream.transport.whole_folder import WholeFolder
from evstream.wire.columns import Array
from evstream.wire.header import StreamHeader

Rows = dict[str, Array]


@one_bar
def convert(
    source: SourcesLike,
    target: TargetLike,
    *,
    from_: str | None = None,
    to: str | None = None,
    options: Options | None = None,
    sort: bool = False,
    say: Callable[[str], None] = lambda text: None,
    progress: Callable[[int], None] = lambda offset: None,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    precision: int | None = None,
    compression: str | None = None,
    durable: bool | None = None,
    max_line: int | None = None,
    max_batch: int | None = None,
    max_metadata: int | None = None,
    file: bool | str | None = None,
    events: Ids = None,
    sidx: Ids = None,
    items: Ids = None,
    columns: Names = None,
    partition_by: str | Sequence[str] | None = None,
    force: bool = False,
    threads: int | None = None,
    storage_options: Mapping[str, Any] | None = None,
    format: Format | None = None,
    **header_fields: float | str | None,
) -> None:
    """Convert one file to another.

    What comes from a file that carries a stream header (a stream, Parquet or Arrow files of
    evstream) is written as it is. All other rows have to keep the rules of the stream,
    whatever they become.

    Args:
        source: what evstream.open takes, holding a stream, CSV, Parquet, Arrow or JSON lines,
            which may be compressed with gzip or zstd. Several streams (a pattern, a folder, a
            list), a Part or Parts become one table.
        target: what evstream.create takes. A file appears when it is complete.
        from_, to: "bin", "csv", "parquet", "arrow" or "jsonl"; by default what the file
            names' extensions say.
        sort: bring the rows into the order of a stream; holds all of them in memory.
        say: called with a sentence for each header value that was inferred.
        progress: called now and then with the number of bytes of the source that are read.
        stream, widths: of the stream, as for evstream.create, where the source does not say it.
        strict, timeout, format: as for evstream.open.
        precision: decimals of floats in CSV; None for the fewest that read back as the number.
        compression: of Parquet and Arrow pages: "zstd", "lz4", "snappy", "gzip", "none".
        durable: of the file that is written, as for evstream.create.
        max_line: bytes that a line of CSV or JSON lines may have.
        max_batch: bytes that a batch of Arrow, or the open pages of Parquet, may take expanded.
        max_metadata: bytes that a footer or schema of Parquet or Arrow may have.
        file: of several streams, as for evstream.read_columns; for Parquet and Arrow.
        events, sidx, items: of a stream, only these, as for evstream.read_columns.
        columns: of a stream, only these columns, in their order; a stream has all of its columns.
        partition_by: write a folder of Parquet files, with a folder for each value of a column
            ("summary_id", "file") or for so many ids of it ("event_id:1000"); a list for folders
            in folders. The target is its path; it appears when it is complete.
        force: replace such a folder.
        threads: how many convert rows, which are written in their order, so that the file is the
            same; None for the number of cores that this process may use.
        storage_options: of the object stores of URLs.
        **header_fields: any field of a stream header, e.g. len_sample=100.
        options: all of the above, from `stream` on, in one object; arguments that are given
            replace what is in it.

    Raises:
        TableError: a row, value or column is wrong; with the line in a text file.
        EvstreamError: the target is the source, by whatever name.
        FileExistsError: the folder to write exists.
        The errors of evstream.open for a source that is a stream.
    """
    named = {
        "stream": stream, "widths": widths, "strict": strict, "timeout": timeout,
        "precision": precision, "compression": compression, "durable": durable,
        "max_line": max_line, "max_batch": max_batch, "max_metadata": max_metadata,
        "format": format, "file": file, "storage_options": storage_options,
        "threads": threads, "events": kept(events), "sidx": kept(sidx), "items": kept(items),
        "columns": kept(columns),
    }  # fmt: skip
    options = _with(Options() if options is None else options, named, header_fields)
    is_several = is_opened_here(source)
    sources: Any = (
        sources_of(source, options.storage_options)
        if is_several and not isinstance(source, Part)
        else [source]
    )
    input_format = "bin" if is_several and from_ is None else _format("from_", from_, source)
    keys = None if partition_by is None else partitions.parsed(partition_by)
    output_format = "parquet" if keys and to is None else _format("to", to, target)
    function("say", say)
    function("progress", progress)
    sort = flag("sort", sort)
    if not is_several and "bin" in (input_format, output_format):
        typed = source if input_format == "bin" else target
        known, name = find_format(options.format, options.stream, typed)
        name = laid_out(known, name, source) if input_format == "bin" else name
        options = dataclasses.replace(options, stream=name)
    _refuse_idle(options, output_format)
    _refuse_selection(options, input_format, output_format, sort=sort)
    is_forced = flag("force", force)
    if keys is None:
        if is_forced:
            raise EvstreamError("force goes with partition_by: a file is replaced without it")
    elif is_url(target):
        raise EvstreamError(
            "a folder of an object store does not appear whole", source=shown(str(target)),
            expected="a path, or one file as the target",
        )  # fmt: skip
    elif output_format != "parquet":
        raise EvstreamError(f"partitions of {output_format}", expected="parquet")
    elif not options.file and FILE in [key.column for key in keys]:
        options = dataclasses.replace(options, file=True)
    if options.file and not is_several:
        raise EvstreamError("a column of files goes with several streams", source=str(source))
    refuse_same_file([one.path if isinstance(one, Part) else one for one in sources], [target])
    if is_several and input_format != "bin":
        raise EvstreamError(f"several files of {input_format}", expected="one, or several streams")
    with ExitStack() as stack:
        opened: Any
        storage = options.storage_options
        if is_several:
            opened = Streams(sources, options)
        elif input_format == "bin" and is_placed(known, options.stream):
            strict, name = strict_of(options.strict), str(options.stream)
            opened = open_blocks(source, known, name, options.widths, strict=strict)
        else:
            expand = _expands(source, input_format, options)
            opened = Source(source, expand=expand, timeout=options.timeout, storage_options=storage)
        stack.callback(opened.close)
        if keys is not None:
            folder = WholeFolder(target, replaces=is_forced, durable=options.durable)
            stack.enter_context(folder)
        else:
            sink = Sink(target, durable=options.durable, storage_options=storage)
            stack.enter_context(sink)
        is_copy = input_format == output_format == "bin" and not sort and not options.selects
        if is_copy and not is_several:
            header = opened.header if isinstance(opened, JoinedSource) else None
            with written(sink, target, header, options) as out:
                copy(opened, out, options, progress)
            return
        table = (
            several_files.read(opened, options, output_format)
            if is_several
            else module_of(input_format).read(opened, options)
        )
        stack.callback(table.close)
        table.header, notes = inferred_header(table, output_format, options)
        for note in notes:
            say(note)
        refuse_unknown(table, output_format)
        table.is_sorted = sort
        batches = stack.enter_context(
            _in_thread(_prepared(table, output_format), opened, options.threads)
        )
        table.batches = _watched(batches, opened, progress)
        infers = not table.carried and table.header.samples_field in missing_fields(table.header)
        if keys is not None:
            partitions.write(table, folder, keys, options)
            return
        header = table.header if output_format == "bin" else None
        with written(sink, target, header, options) as out:
            module_of(output_format).write(table, out, options)
        if infers and output_format == "bin":
            name, given = table.header.samples_field, option(table.header.samples_field)
            say(f"{name} {table.header.samples}, the highest {table.header.sidx} ({given})")


def _format(name: str, given: Any, file: Any) -> str:
    """The format that is given, else that of a file's extension."""
    if given is None:
        return format_of(shown(str(file)))[0]
    if not isinstance(given, str) or given not in FORMATS:
        hint = did_you_mean(given, FORMATS)
        raise ValueError(f"{name} is {described(given)}, expected {', '.join(FORMATS)}{hint}")
    return given


def _with(options: Options, named: Mapping[str, Any], header_fields: Mapping[str, Any]) -> Options:
    """The options with the arguments that are given in their place."""
    if not isinstance(options, Options):
        raise TypeError(f"options is {described(options)}, expected formats.Options")
    given = {name: value for name, value in named.items() if value is not None}
    known = stream_header_fields(given.get("format", options.format))
    for name in header_fields.keys() - known.keys():
        raise TypeError(f"convert takes no {name}")
    for name, value in header_fields.items():
        if not isinstance(value, (int, float, str, bytes, np.number, type(None))):
            raise TypeError(f"{name} is {described(value)}, expected a number or a text")
    values = {name: value for name, value in header_fields.items() if value is not None}
    if values:
        given["values"] = {**options.values, **values}
    return dataclasses.replace(options, **given)


def _refuse_idle(options: Options, output_format: str) -> None:
    """An option that would do nothing was meant to do something."""
    if options.precision is not None and output_format != "csv":
        raise EvstreamError(f"a precision does not go with {output_format}", expected="csv")
    if options.compression is not None and output_format not in {"parquet", "arrow"}:
        raise EvstreamError(
            f"a compression of pages does not go with {output_format}",
            expected="parquet or arrow (.gz or .zst compress a whole file)",
        )


def _refuse_selection(options: Options, input_format: str, output_format: str, sort: bool) -> None:
    """Raise EvstreamError for a selection that cannot be made."""
    if not options.selects:
        return
    if input_format != "bin":
        raise EvstreamError(
            f"events, sidx, items and columns are selected from streams, not from {input_format}",
            expected="a stream as the source",
        )
    if options.columns is None:
        return
    if output_format == "bin":
        raise EvstreamError(
            "columns do not go with bin", expected="a table: a stream has all of its columns"
        )
    if sort:
        raise EvstreamError("sorting needs all columns", expected="either sort or columns")


def _expands(source: Any, input_format: str, options: Options) -> bool:
    """Whether the source may be compressed: a list of event ids has no header, so its first
    bytes can look like anything."""
    format, stream = find_format(options.format, options.stream)
    bare = stream is not None and format.stream(stream).type_word is None
    return input_format != "bin" or may_be_compressed(source, bare)


@contextmanager
def _in_thread(
    batches: Iterator[Rows], source: Source, threads: int | None
) -> Generator[Iterator[Rows]]:
    """The batches, read and decoded while others are written; not from a pipe, since a thread
    that waits for one cannot be ended."""
    if source.size is None or threads == 1:
        yield batches
        return
    with closing(ahead(batches)) as drawn:
        yield drawn


def _watched(
    batches: Iterator[Rows], source: Source, progress: Callable[[int], None]
) -> Iterator[Rows]:
    for batch in batches:
        yield batch
        progress(source.offset())
    source.check_unchanged()


def _prepared(table: Table, output_format: str) -> Iterator[Rows]:
    """The batches of a table as they are written: sorted if wanted, exposures filled in, checked
    unless the writer of a stream does that."""
    batches = table.batches
    if table.is_sorted:
        batches = _sorted(batches, table.header)
    if table.has_gaps:
        batches = fill_gaps(batches, table.header, table.name)
    if not table.carried and output_format != "bin":
        batches = checked(table, batches)
    return batches


def _sorted(batches: Iterator[Rows], header: StreamHeader) -> Iterator[Rows]:
    """All rows at once, in the order of a stream: by block, then by sidx or index. Rows that are
    equal in these stay in their order."""
    several = list(batches)
    if not several:
        return
    whole = join_rows(several)
    several.clear()
    keys = list(header.key_columns)
    within = [name for name in header.row_columns if name not in header.block_columns][:1]
    order = np.lexsort([whole[name] for name in reversed([*keys, *within])])
    for first in range(0, len(order), BATCH_ROWS):
        part = order[first : first + BATCH_ROWS]
        yield {name: column[part] for name, column in whole.items()}
