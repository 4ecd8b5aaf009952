"""`evstream.open`: a stream header and an iterator of events, in bounded memory.

One generator reads chunks: it fills the window, decodes the whole records in it, and judges the end
of the stream. Another generator, built on the first, puts events together. Both exist from the
start and each is handed out again at every call, so that no event can be read twice or lost between
two loops. Two flags say which of them still have something to give.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn, cast

from evstream._support.arguments import one_line
from evstream._support.format import Format
from evstream._support.known_formats import find_format, formats_beside
from evstream.errors import (
    CorruptStreamError,
    EvstreamError,
    SecondStreamError,
    TruncatedStreamError,
    plain_id,
    without_traceback,
)
from evstream.reading.assembler import EventAssembler
from evstream.reading.block_checks import BlockChecks
from evstream.reading.block_places import BlockPlaces
from evstream.reading.decoder import Decoder
from evstream.reading.display import Displayed
from evstream.reading.first_bytes import LOOKED_AT, refuse_content
from evstream.reading.ids import Wanted
from evstream.reading.indexed_blocks import open_source
from evstream.reading.one_reader import OneReader, started
from evstream.reading.record_variants import has_variants, variant_in
from evstream.reading.row_decoder import RowDecoder, RowOutput
from evstream.reading.section import Section, Sectioned, judge_end, refuse_other
from evstream.reading.stream_end import report_unclosed
from evstream.reading.width_trial import WidthTrial
from evstream.reading.window import SMALLEST, Window
from evstream.transport.endpoints import SourceLike
from evstream.transport.environment import strict_of
from evstream.transport.source import CHUNK, Source
from evstream.wire.columns import Chunk, keep_blocks
from evstream.wire.event import Event
from evstream.wire.header import StreamHeader
from evstream.wire.header_bytes import read_header


class EventStream(Displayed):
    """An open stream: `header`, and the events by iteration, each once, in wire order.

    Memory holds one chunk and the event that is being read. Values come out as they are; only
    bytes that cannot be parsed raise an error, which names source, byte, event and item.

    Use `evstream.open`, which documents the arguments. These are additional:

        chunk: bytes to decode at once.
        tap: called with all bytes of the stream, in order, as they are read.
        warn: False suppresses warnings of a missing final delimiter (see `clean_end`) or a hole.
        named: the scalar types whose width the caller chose, if these are not all of `widths`.

    Attributes:
        header: the StreamHeader.
        name: of the source, for messages.
        unclosed: at the end, the error of a missing final delimiter; else None.
        sources, strict, warns, verify, storage_options: what the stream was opened with.
        lookup: finds an event in the sources; set by whoever knows of indexes.
        wanted: the events of a part of some events only; None for all.
    """

    def __init__(
        self,
        source: SourceLike | Source | Sectioned,
        stream: str | None = None,
        *,
        widths: Mapping[str, str] | None = None,
        strict: bool | None = None,
        chunk: int = CHUNK,
        tap: Callable[[memoryview], None] | None = None,
        timeout: float | None = None,
        warn: bool = True,
        verify: bool = False,
        format: Format | None = None,
        named: frozenset[str] | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.sources: Sequence[Any] = [source]
        self.storage_options = storage_options
        part = source if isinstance(source, Sectioned) else None
        formats = formats_beside(format)
        self._guessed = formats if stream is None and part is None else ()
        if part is None:
            format, stream = find_format(format, stream, source)
        else:
            refuse_other(part.header, stream, widths)
            known = part.header
            stream, widths, format, named = known.stream, known.widths, known.format, known.named
        self.strict, self.warns, self.verify = strict_of(strict), warn, verify
        if isinstance(source, Sectioned):
            source = source.open_section(timeout)
        else:
            source, stream = open_source(
                source, format, stream, widths=widths, strict=self.strict, timeout=timeout,
                storage_options=storage_options,
            )  # fmt: skip
        self._source: Source | Section = source
        self.name = self._source.name
        try:
            self._trial = WidthTrial(self.name)
            self._window = Window(self._source, max(chunk, SMALLEST), self._show_to(tap))
            self.header: StreamHeader = (
                source.header
                if isinstance(source, Section)
                else read_header(self._window.take, self.name, stream, widths, format, named)
            )
            if part is not None:
                part.check_header(self.header, self.name)
            elif isinstance(self._source, Source) and has_variants(self.header):
                self.header = variant_in(self._window, self.header, self._source.content_size)
            self._decoder = Decoder(self.header, self.name, self.strict)
            self._decode: Callable[[Window, bool], Any] = self._decoder.decode
            self._decoder.checks.places = self.places
            self._window.ahead = self._decoder.checks.size
            self._trial.header = self.header
        except BaseException:
            self._source.close()
            raise
        self.wanted: Wanted | None = None if part is None else part.wanted
        self._begin()

    def _begin(self) -> None:
        self.unclosed: TruncatedStreamError | None = None
        self.lookup: Callable[[EventStream, Any], Event] | None = None
        self._error: EvstreamError | OSError | None = None
        self._closed = False
        self._chunks_left = self._events_left = True
        self._builds_events = False
        self._chunks: Generator[Chunk] = started(self._read_chunks())
        self._events: Generator[Event] = started(self._read_events())
        check = self._source.check_process
        self._chunk_reader = OneReader(self._chunks, self.name, check)
        self._event_reader = OneReader(self._events, self.name, check)

    def streams(self) -> Iterator[EventStream]:
        """The streams that this one is made of, each opened when its turn comes: itself, or one per
        file of several. Instead of the other ways to read it."""
        yield self

    @property
    def size(self) -> int | None:
        """Size of the whole stream in bytes; None where it is not known before the end."""
        return self._source.size

    @property
    def source(self) -> Source | Section:
        """What the bytes are read from."""
        return self._source

    @property
    def places(self) -> BlockPlaces | None:
        """Where the bytes are in the two files that a stream may be made of."""
        return getattr(self._source, "places", None)

    @property
    def checks(self) -> BlockChecks:
        """The checks that every reader makes, of the bytes read so far."""
        return self._decoder.checks

    @property
    def start(self) -> int:
        """Byte offset at which reading began: above 0 in a part of a file."""
        return self._source.start if isinstance(self._source, Section) else 0

    @property
    def offset(self) -> int:
        """Byte offset up to which the stream is decoded."""
        return self._window.offset

    @property
    def bytes_read(self) -> int:
        """Bytes read from the source so far, counted before they are expanded; for progress."""
        return self._source.offset()

    def peek_back(self, offset: int, size: int) -> bytes:
        """Bytes of the chunk that was decoded last, b"" if they are not in memory."""
        return self._window.peek_back(offset, size)

    @property
    def holes(self) -> int:
        """Number of blocks of zero bytes alone, so far; see docs/reliability.md."""
        return self._decoder.checks.holes

    @property
    def clean_end(self) -> bool | None:
        """Whether the last block is closed; None until the end is reached."""
        return self._decoder.clean_end

    def event(self, event: Any) -> Event:
        """All blocks of one event, by its id, of the file opened again: by its index if it has one,
        else by reading all of it. Raises AbsentEventError, StaleIndexError, TypeError."""
        if self.lookup is None:
            raise EvstreamError("no event by its id", source=self.name, expected="evstream.open")
        return self.lookup(self, event)

    def __iter__(self) -> Iterator[Event]:
        """The events that have not been read yet.

        A stream that has nothing left raises an error instead of looking empty.

        Raises:
            EvstreamError: the stream was read to its end; or the error that ended it before.
            ValueError: the stream was closed.
            ChangedSourceError: the process was forked since the stream was opened.
            EvstreamError, while iterating: two threads read the stream at the same time.
        """
        self._source.check_process()
        if not self._events_left or not (self._chunks_left or self._builds_events):
            self._refuse_reading()
        return self._event_reader

    def chunks(self) -> Iterator[Chunk]:
        """The stream in chunks as they are decoded, for programs that group blocks themselves;
        faster than events where these are small. Use either chunks or events. Raises the same
        errors as iterating over the events."""
        self._source.check_process()
        if not self._chunks_left:
            self._refuse_reading()
        is_all = self.wanted is None
        return self._chunk_reader if is_all else map(self.wanted_blocks, self._chunk_reader)

    def wanted_blocks(self, chunk: Chunk) -> Chunk:
        """The blocks of a chunk that are of wanted events."""
        if self.wanted is None:
            return chunk
        return keep_blocks(chunk, self.wanted.among(chunk.columns.block[0]))

    def decode_rows(self, out: RowOutput) -> Iterator[None]:
        """Decode an unread stream into rows, a chunk at each step; instead of
        `chunks` or events. Raises as `chunks` does."""
        self.chunks()
        chunks = self._chunk_reader
        decoder = RowDecoder(self.header, self.name, self.strict, out, self.wanted)
        decoder.checks.places = self.places
        self._decoder, self._decode = decoder, decoder.decode_rows
        return cast(Iterator[None], chunks)

    def _refuse_reading(self) -> NoReturn:
        if self._error is not None:
            raise without_traceback(self._error)
        if self._closed and self.clean_end is None:
            raise ValueError(f"{one_line(self.name)}: the stream is closed")
        raise EvstreamError(
            "the stream has been read to its end", source=self.name,
            expected="one pass, or another evstream.open",
        )  # fmt: skip

    def _read_chunks(self) -> Generator[Any]:
        try:
            yield  # see started
            window, decoder, decode = self._window, self._decoder, self._decode
            while True:
                if window.left:
                    if window.offset == self.header.size:
                        first = window.peek_back(window.offset, min(window.left, LOOKED_AT))
                        refuse_content(first, self.header, self._guessed, self.name)
                    self._trial.judge(strict=self.strict)
                    yield decode(window, False)
                    decoder.refuse()
                if window.fill() == 0:
                    break
            self._trial.judge(ended=True, strict=self.strict)
            if window.left:  # less than a record, or a block header that looked like a stream's
                yield decode(window, True)
                decoder.refuse()
            self.unclosed = judge_end(self._source, partial(decoder.finish, window))
            if self.strict or self.warns:
                report_unclosed(self.unclosed, self.strict)
            if self.warns:
                decoder.checks.finish()
        except (EvstreamError, OSError) as error:
            if self.warns and not self.strict:
                decoder.checks.finish()
            cause = self._trial.cause_of(error)
            cause = self.places.placed(cause) if self.places else cause
            self._error = without_traceback(cause)  # which leads back here
            try:
                if cause is error:
                    raise
                raise cause from None
            finally:
                del cause  # its traceback holds this frame, which would hold it
        finally:
            self._chunks_left = False
            self._source.close()

    def _show_to(self, tap: Callable[[memoryview], None] | None) -> Callable[[memoryview], None]:
        """What is shown all bytes as they are read: the trial of their widths, and the tap."""
        trial, section = self._trial, isinstance(self._source, Section)
        if isinstance(self._source, Section):
            trial.take(self._source.head)

        def show(view: memoryview) -> None:
            if not section:
                trial.take(view)
            if tap is not None:
                tap(view)

        return show

    def _read_events(self) -> Generator[Any]:
        assembler = EventAssembler(self.header)
        try:
            yield  # see started
            self._builds_events = True
            try:
                for chunk in self._chunks:
                    yield from self._shown(assembler.push(chunk))
            except CorruptStreamError as error:
                follows = isinstance(error, SecondStreamError) and not error.ids
                # The event before the error is whole.
                event = error.ids.get(self.header.event_column)
                if follows or event not in (None, plain_id(assembler.event_key)):
                    yield from self._shown(assembler.finish())
                raise
            yield from self._shown(assembler.finish())
        finally:
            self._events_left = False

    def _shown(self, events: Iterator[Event]) -> Iterator[Event]:
        """The events that are wanted."""
        wanted = self.wanted
        return events if wanted is None else (e for e in events if wanted.has(e.event_key))

    def close(self) -> None:
        """Close the file that was opened for this stream, as its end does; an object that
        was passed in stays open."""
        self._closed = True
        self._events.close()
        self._chunks.close()
        self._source.close()

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
