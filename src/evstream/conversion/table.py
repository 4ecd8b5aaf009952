"""What passes between two formats: batches of rows, and what is known of the stream."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from evstream._support.arguments import described, refuse_other_options, whole_number
from evstream._support.format import Format
from evstream._support.known_formats import find_format
from evstream.conversion.batch_guard import MAX_BATCH, MAX_METADATA
from evstream.conversion.line_guard import MAX_LINE
from evstream.errors import TableError
from evstream.extras import import_arrow
from evstream.reading.ids import Ids
from evstream.reading.selection import Names, Selection
from evstream.tables.arrow import header_of
from evstream.tables.arrow_columns import fits_dates, values_of
from evstream.tables.column_names import parquet_titles, streams_of, titles_of
from evstream.tables.file_column import FileColumn, column_name
from evstream.text.limits import MOST_PRECISION
from evstream.transport.source import Source
from evstream.wire.columns import Array
from evstream.wire.dates import date_columns
from evstream.wire.header import StreamHeader
from evstream.wire.header_bytes import build_header
from evstream.writing.conversion import cast, legal_range, lost, may_be_rounded

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import RecordBatch

W = TypeVar("W", bound=Any)


@dataclass(frozen=True)
class Options:
    """What the user says of a conversion; None where nothing was said.

    Attributes:
        stream, values, widths: of the stream, as for evstream.create.
        strict, timeout: as for evstream.open.
        precision: decimals of floats in CSV.
        compression: of Parquet and Arrow pages: "zstd", "lz4", "snappy", "gzip", "none".
        max_line: bytes that a line of CSV or JSON lines may have.
        max_batch: bytes that a batch of Arrow, or the open pages of Parquet, may take expanded.
        max_metadata: bytes that a footer or schema of Parquet or Arrow may have.
        durable: of the file that is written, as for evstream.create.
        file: of several streams, as for evstream.read_columns.
        storage_options: of the object stores of URLs.
        threads: how many convert rows; None for the cores that this process may use.
        events, sidx, items, columns: what is wanted of a stream, as for evstream.read_columns.
    """

    stream: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    widths: Mapping[str, str] = field(default_factory=dict)
    strict: bool | None = None
    timeout: float | None = None
    precision: int | None = None
    compression: str | None = None
    max_line: int = MAX_LINE
    max_batch: int = MAX_BATCH
    max_metadata: int = MAX_METADATA
    durable: bool | None = None
    storage_options: Mapping[str, Any] | None = field(default=None, repr=False)
    format: Format | None = None
    file: bool | str = False
    threads: int | None = None
    events: Ids = None
    sidx: Ids = None
    items: Ids = None
    columns: Names = None

    @property
    def selects(self) -> bool:
        """Whether only a part of a stream is wanted."""
        wish = (self.events, self.sidx, self.items, self.columns)
        return any(one is not None for one in wish)

    def selection(self, header: StreamHeader, file: str | None = None) -> Selection:
        """What is wanted of a stream."""
        return Selection(header, self.events, self.sidx, self.items, self.columns, file)

    def __post_init__(self) -> None:
        for name in ("max_line", "max_batch", "max_metadata"):
            whole_number(name, getattr(self, name), 1)
        if self.precision is not None:
            whole_number("precision", self.precision, most=MOST_PRECISION)
        if self.threads is not None:
            whole_number("threads", self.threads, 1)
        refuse_other_options(self.storage_options)
        column_name(self.file)
        if self.compression is not None and not isinstance(self.compression, str):
            raise TypeError(f"compression is {described(self.compression)}, expected a text")
        if self.stream is not None:
            object.__setattr__(self, "stream", find_format(self.format, self.stream)[1])


@dataclass
class Table:
    """A stream as batches of rows that come one after the other.

    Attributes:
        header: of the stream; its len_sample is missing where it is not known.
        batches: column name -> array, equally long, in wire order and the dtypes of the stream.
        name: of the file, for messages.
        carried: whether the file carries the header of a stream, so that it is written back
            as it is; otherwise its rows have to keep the rules of the stream.
        clean_end: False, once the batches are through, for a stream without its final
            delimiter.
        first_line: line of the first row in a text file, which has a line per row; None in
            others.
        is_sorted: whether rows have other numbers here than in the file.
        has_gaps: whether columns have gaps, as in the tables of the field; see `column_names`.
        highest_sidx: of the rows that were checked or written so far.
        close: closes what reading has opened besides the source.
        files: the files of the rows, where a column says them.
        columns: those that batches have, in their order; None for all.
    """

    header: StreamHeader
    batches: Iterator[dict[str, Array]]
    name: str
    carried: bool
    clean_end: bool = True
    first_line: int | None = None
    is_sorted: bool = False
    has_gaps: bool = False
    highest_sidx: int = 0
    close: Callable[[], None] = lambda: None
    files: FileColumn | None = None
    columns: Sequence[str] | None = None

    @property
    def file_column(self) -> str | None:
        """The name of the column of files; None for none."""
        return None if self.files is None else self.files.name

    @property
    def file_names(self) -> list[str]:
        """What the numbers in that column stand for, so far."""
        return [] if self.files is None else self.files.names

    def place(self, row: int | None) -> dict[str, Any]:
        """Where a row is in the file, as TableError takes it."""
        if row is None or self.is_sorted:
            return {}
        return {"row": row} if self.first_line is None else {"line": self.first_line + row}


def guess_header(
    names: list[str],
    options: Options,
    source: str,
    *,
    in_text: bool = False,
    schema: pa.Schema | None = None,
) -> StreamHeader:
    """The header that columns of these names allow, without what only a header can say.

    Args:
        in_text: whether they are those of CSV, where a date is several columns.
        schema: of the columns under their own names: its dates tell variants of a stream apart.

    Raises TableError for columns that no stream has, and for options that the stream does
    not have.
    """
    legal: dict[str, None] = {}
    for known in streams_of(options.format, options.stream):
        columns = titles_of(known, in_text=in_text)
        if options.stream or known.format is find_format(options.format, None)[0]:
            legal[", ".join(columns)] = None
        if sorted(columns) == sorted(names) and _may_be(known, names, options, schema):
            widths = known.format.choose_widths(options.widths)
            values = {**dict(known.spec.where), **options.values}
            header = StreamHeader(known.stream, values, widths, known.format)
            for name in options.values.keys() - set(header_fields(header)):
                raise TableError(f"a {header.stream} stream has no {name}", source=source)
            return header
    found = ", ".join(name or "''" for name in names)
    raise TableError(f"the columns are {found}", source=source, expected=" or ".join(legal))


def _may_be(
    known: StreamHeader, names: list[str], options: Options, schema: pa.Schema | None
) -> bool:
    """Whether a table can be this one of the variants of a stream."""
    where = known.spec.where
    if any(options.values.get(name, value) != value for name, value in where):
        return False
    return not where or schema is None or fits_dates(schema, names, date_columns(known))


def column_names(schema: pa.Schema, source: str) -> list[str]:
    """The names of the columns. Raises TableError for one that is not text."""
    try:
        return list(schema.names)
    except UnicodeDecodeError as error:
        raise TableError(
            f"the name of a column is {error.object!r}", source=source, expected="UTF-8"
        ) from None


def carried_header(schema: pa.Schema, options: Options, source: str) -> StreamHeader | None:
    """The header that a file carries in its schema, None without one.

    Raises TableError if an option says otherwise, or the columns are not those of the stream.
    """
    names = column_names(schema, source)
    header = header_of(schema, source, options.format)
    if header is None:
        return None
    said = {"stream": options.stream, **options.values, **options.widths}
    facts = {"stream": header.stream, **header.values, **header.widths}
    for name, value in said.items():
        is_said = name == "stream" and value and header.format.is_variant(header.stream, value)
        if value is not None and value != facts.get(name) and not is_said:
            raise TableError(
                f"the file says {name} {facts.get(name)}", source=source, expected=f"{value}"
            )
    wanted = list(header.row_columns)
    titles = parquet_titles(header)
    if sorted(names) not in (sorted(wanted), sorted(titles.get(n, n) for n in wanted)):
        raise TableError(
            f"the columns are {', '.join(schema.names)}", source=source, expected=", ".join(wanted)
        )
    return header


def header_fields(header: StreamHeader) -> list[str]:
    """Names of the fields of the stream header."""
    return [f.name for f in header.header_fields]


def missing_fields(header: StreamHeader) -> list[str]:
    """Fields of the stream header that are not known yet."""
    return [name for name in header_fields(header) if name not in header.values]


def complete_header(header: StreamHeader, values: Mapping[str, int]) -> StreamHeader:
    """The header with these values added, checked."""
    return build_header(header.stream, {**header.values, **values}, header.widths, header.format)


def conform(
    batch: RecordBatch, header: StreamHeader, first_row: int, source: str
) -> dict[str, Array]:
    """The columns of the stream out of a foreign batch, each value unchanged.

    Raises TableError for a missing value and one that the type of its column does not hold.
    """
    rows, dates = {}, date_columns(header)
    for name, dtype in header.row_columns.items():
        column = batch.column(batch.schema.get_field_index(name))
        values = values_of(column, dtype, first_row, name, source, dates.get(name))
        rows[name] = (
            values if values.dtype == dtype else _exactly(values, dtype, first_row, name, source)
        )
    return rows


def _exactly(values: Array, dtype: np.dtype[Any], first_row: int, name: str, source: str) -> Array:
    converted: Array = cast(values, dtype)
    changed = lost(values, converted) | may_be_rounded(values, dtype)
    if changed.any():
        at = int(np.argmax(changed))
        raise TableError(
            f"{values[at]}", source=source, row=first_row + at, column=name,
            expected=legal_range(dtype, is_tiny=bool(abs(values[at]) < 1)),
        )  # fmt: skip
    return converted


@contextmanager
def completed(writer: W) -> Generator[W]:
    """A library's writer, closed only when all went well: closing it completes its file, which
    must not look whole after an error."""
    yield writer
    writer.close()


@contextmanager
def arrow_errors(kind: str, source: str) -> Generator[None]:
    """What pyarrow says of a broken file, in a line that names it."""
    pa = import_arrow()
    try:
        yield
    except MemoryError:  # pyarrow's own is an ArrowException too
        raise
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        line = " ".join(str(error).split())
        raise TableError(f"not a valid {kind} file ({line})", source=source) from None


def seekable(source: Source) -> Any:
    """A file object that can seek, for formats that need it: the file itself, or a copy of
    what comes from a pipe or is compressed in a temporary file, to be closed."""
    plain = source.plain_file()
    if plain is not None:
        return plain
    copy = tempfile.TemporaryFile()  # noqa: SIM115 (closed by Table.close)
    try:
        piece = bytearray(1 << 20)
        view = memoryview(piece)
        while size := source.readinto(view):
            copy.write(view[:size])
        copy.seek(0)
    except BaseException:
        copy.close()
        raise
    return copy
