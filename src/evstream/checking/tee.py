"""Pass a stream on, byte for byte, and judge it on its way: `evstream tee`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from evstream._support.format import Format
from evstream.checking.measuring import MeteredSource, position
from evstream.checking.one_stream import Validation, broken_rules
from evstream.checking.reports import Report
from evstream.checking.seal import Seal, Sealer
from evstream.errors import EvstreamError, TruncatedStreamError, WriteError
from evstream.indexing.builder import IndexBuilder
from evstream.monitoring.flow import Flow
from evstream.reading.stream import EventStream
from evstream.transport.endpoints import SourceLike, TargetLike
from evstream.transport.environment import strict_of
from evstream.transport.sink import Sink
from evstream.transport.source import CHUNK, Source
from evstream.wire.stream_edge import Edge, give_up


@dataclass
class Passed:
    """What went through.

    Attributes:
        seal: counts and checksums of what came.
        problem: why the stream is not whole, or breaks a rule; None if all is well.
        unclosed: the error of a missing final delimiter; None if it is there.
        uncertified: why the seal does not call a stream complete that breaks rules of severity
            error and passed on as it is; None if it keeps them, or with `validate`.
        report: of the validation, None without one.
    """

    seal: Seal
    problem: EvstreamError | None
    unclosed: TruncatedStreamError | None
    report: Report | None
    uncertified: EvstreamError | None = None


def tee(
    source: SourceLike,
    target: TargetLike,
    *,
    seal: str | None = None,
    index: str | None = None,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    format: Format | None = None,
    validate: bool = False,
    durable: bool | None = None,
    flow: Flow | None = None,
) -> Passed:
    """Pass a stream on from `source` to `target` as it comes, and seal it.

    A stream with a problem stays one: what came is passed on, and its end is not made whole. A
    file as target does not appear then, nor its seal; the seal of another target says that the
    stream is not complete.

    Args:
        source, stream, widths, strict, timeout, format: as for evstream.open; but compressed
            data is not expanded.
        target, durable: as for evstream.create; never compressed.
        seal: a path for the seal. It calls the stream complete only if no rule of severity error
            is broken.
        index: a path for the index. It is written if the stream is whole, whatever its rules.
        validate: check every rule of the format; a broken one of severity error is a problem.
        flow: counts what goes through, and how long both sides are waited for.

    Raises:
        StallError: no data came for `timeout` seconds; the target gets a visibly cut stream.
    """
    opened = (
        Source(source, expand=False, timeout=timeout)
        if flow is None
        else MeteredSource(source, timeout, flow)
    )
    try:
        sealer = Sealer(opened.name, stream=stream, widths=widths, format=format)
        with Sink(target, durable=durable) as sink:
            if flow is not None:
                flow.look = partial(position, sealer)
            indexer = None
            if index is not None:
                indexer = IndexBuilder(opened.name, None, stream, widths, format)
            passage = _Passage(sink, sealer, indexer, flow)
            try:
                report = broken = None
                if validate or seal is not None:
                    severities = ("error", "warning") if validate else ("error",)
                    report = passage.validate(opened, stream, widths, format, severities)
                    broken = broken_rules(report)
                else:
                    passage.run(opened)
                problem = passage.judge(strict_of(strict))
                if broken is not None and problem is None:
                    sealer.seal.complete = False
                    problem, broken = (broken, None) if validate else (None, broken)
            except BaseException:
                with contextlib.suppress(Exception):  # the first failure is the one to report
                    passage.settle()
                give_up(sink, passage.edge)
                raise
            _complete(sink, passage, problem, seal, index, durable)
            return Passed(
                sealer.seal, problem, sealer.unclosed, report if validate else None, broken
            )
    finally:
        opened.close()


class _Passage:
    """The way of the bytes: first to the sealer, which finds the stream header, then out."""

    def __init__(
        self, sink: Sink, sealer: Sealer, indexer: IndexBuilder | None, flow: Flow | None
    ) -> None:
        self.edge = Edge(sink.write)
        self._send = self._pass_on if flow is None else flow.writes(self._pass_on)
        self.indexer = indexer
        self._sink, self._sealer = sink, sealer
        self._kept = b""  # came, and is not passed on yet
        self._waits = False  # for more bytes, since the length of a record is not known
        self._wrong: EvstreamError | None = None

    def run(self, source: Source) -> None:
        view = memoryview(bytearray(CHUNK))
        while size := source.readinto(view):
            self.take(view[:size])

    def validate(
        self,
        source: Source,
        stream: str | None,
        widths: Mapping[str, str] | None,
        format: Format | None,
        severities: tuple[str, ...],
    ) -> Report | None:
        """Read the stream for its rules while it passes; None where it cannot be read at all."""
        try:
            with EventStream(
                source, stream, widths=widths, tap=self.take, warn=False, format=format
            ) as opened:
                return Validation(opened, 10, severities=severities).run()
        except (TimeoutError, WriteError):  # of the source, of the target
            raise
        except EvstreamError as error:
            self._wrong = self._wrong or error
            return None

    def take(self, view: memoryview) -> None:
        if not view:
            return
        if self._wrong is None:
            try:
                self._sealer.update(view)
                if self.indexer is not None:
                    self.indexer.update(view)
            except EvstreamError as error:
                self._wrong = error
        self._waits = self._sealer.is_undecided and self._wrong is None
        if self._waits:
            self._kept += view
        else:
            self._send(view)

    def settle(self) -> None:
        """Pass on what waited for more bytes, which do not come."""
        if self._waits:
            self._waits = False
            with contextlib.suppress(EvstreamError):
                self._sealer.decide()
            self._pass_on(memoryview(b""))

    def _pass_on(self, view: memoryview) -> None:
        header = self.edge.header = self._sealer.header
        data = memoryview(self._kept + view) if self._kept else view
        only_header = header is not None and self.edge.position + len(data) == header.size
        size = self.edge.hand_on(data, whole=only_header)
        self._kept = bytes(data[size:])
        self._sink.flush()

    def judge(self, strict: bool) -> EvstreamError | None:
        """What is wrong with the stream at its end."""
        if self._wrong is not None:
            return self._wrong
        try:
            self._sealer.finish()
        except EvstreamError as error:
            return error
        finally:
            self.settle()
        if self._sealer.unclosed is not None:
            self._sealer.seal.complete = False  # whole blocks, but maybe not all of them
            return self._sealer.unclosed if strict else None
        return None

    def finish(self) -> None:
        self.edge.hand_on(memoryview(self._kept), whole=True)
        self._kept = b""


def _complete(
    sink: Sink,
    passage: _Passage,
    problem: EvstreamError | None,
    seal: str | None,
    index: str | None,
    durable: bool | None,
) -> None:
    """End the target and write the seal and the index, all or none where they are files."""
    sealed = passage._sealer.seal
    if problem is not None:
        sealed.complete = False
        is_file = sink.is_file
        give_up(sink, passage.edge)
        if seal is not None and not is_file:
            sealed.write(seal, durable=durable)
        return
    passage.finish()
    sink.flush()

    def beside() -> Iterator[Sink]:
        if seal is not None:
            yield sealed.staged(seal, durable=durable)
        if index is not None and passage.indexer is not None:
            yield passage.indexer.finish(sink.tag).staged(index, durable=durable)

    sink.commit_with(*beside())
