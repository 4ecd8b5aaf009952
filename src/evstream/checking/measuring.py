"""Measure what goes through a pipe: how much of which stream, and how long both sides are waited
for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from evstream._support.format import Format
from evstream.checking.seal import Sealer
from evstream.errors import plain_id
from evstream.monitoring.flow import Flow, Position
from evstream.transport.endpoints import SourceLike, TargetLike
from evstream.transport.sink import Sink
from evstream.transport.source import CHUNK, Source


class MeteredSource(Source):
    """A source whose waiting is counted."""

    def __init__(self, source: SourceLike, timeout: float | None, flow: Flow) -> None:
        super().__init__(source, expand=False, timeout=timeout)
        self._timed = flow.reads(super().readinto)

    def readinto(self, view: memoryview) -> int:
        return self._timed(view)


def position(sealer: Sealer) -> Position:
    """How far the stream is that goes by a sealer."""
    seal, event = sealer.seal, sealer.event
    event = None if event is None else plain_id(event)
    return Position(seal.bytes, seal.events, event, seal.stream)


def measure(
    source: SourceLike,
    target: TargetLike,
    flow: Flow,
    *,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    timeout: float | None = None,
    format: Format | None = None,
) -> None:
    """Pass all bytes on as they come, whatever they are.

    Events are counted as far as the bytes are a stream. Nothing is judged: a cut stream passes as
    it would without this. Raises what reading and writing raise.
    """
    opened = MeteredSource(source, timeout, flow)
    try:
        sealer: Sealer | None = Sealer(opened.name, stream=stream, widths=widths, format=format)
        seen = Position()
        with Sink(target, durable=False) as sink:
            write = flow.writes(partial(_write, sink))
            view = memoryview(bytearray(CHUNK))
            flow.look = lambda: seen
            while size := opened.readinto(view):
                if sealer is not None:
                    try:
                        sealer.update(view[:size])
                        at = position(sealer)
                        seen.events, seen.event, seen.stream = at.events, at.event, at.stream
                    except Exception:  # whatever the bytes are, they pass
                        sealer = None
                write(view[:size])
                seen.bytes += size
    finally:
        opened.close()


def _write(sink: Sink, view: memoryview) -> None:
    sink.write(view)
    sink.flush()
