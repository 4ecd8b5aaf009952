"""The seal of a file that is there already, by one thread or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event

from evstream._support.format import Format
from evstream.checking.in_parts import CheckedParts, StoppedError, parts_to_check, refuse_stopped
from evstream.checking.one_stream import Validation, broken_rules
from evstream.checking.seal import Seal, Sealer
from evstream.errors import EvstreamError
from evstream.reading.index_files import refuse_placed
from evstream.reading.stream import EventStream
from evstream.transport.source import LARGE_CHUNK

SEVERITIES = ("error",)


def seal_of(
    file: str,
    threads: int,
    *,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    format: Format | None = None,
    stopped: Event | None = None,
    progress: Callable[[int], None] = lambda offset: None,
) -> Seal:
    """Read a file to its end, and seal it.

    Raises EvstreamError for a stream that breaks a rule of severity error, StoppedError once
    `stopped` is set, and the errors of evstream.open.
    """
    planned = parts_to_check(file, threads, stream=stream, widths=widths, format=format)
    if planned is not None:
        parts = CheckedParts(
            planned, threads, seals=True, strict=strict, warn=True, stopped=stopped,
            progress=progress,
        )  # fmt: skip
        validation = parts.whole = Validation(parts, 1, severities=SEVERITIES)
        try:
            for chunk in parts.chunks():
                validation.look_at(chunk)
        except StoppedError:
            raise
        except (EvstreamError, OSError):
            pass  # one pass says what is wrong
        else:
            _refuse_broken(validation)
            return parts.finish()
    with EventStream(
        file, stream, widths=widths, strict=strict, timeout=timeout, format=format
    ) as opened:
        header, name = opened.header, opened.name
    refuse_placed(header.format, header.stream, "a seal", name)
    sealer = Sealer(name, header)
    with EventStream(
        file, stream, widths=widths, strict=strict, timeout=timeout, format=format,
        tap=sealer.update, chunk=LARGE_CHUNK,
    ) as opened:  # fmt: skip
        validation = Validation(opened, 1, severities=SEVERITIES)
        for chunk in opened.chunks():
            refuse_stopped(stopped, name)
            validation.look_at(chunk)
            progress(opened.bytes_read)
    _refuse_broken(validation)
    return sealer.finish()


def _refuse_broken(validation: Validation) -> None:
    broken = broken_rules(validation.report)
    if broken is not None:
        raise broken
