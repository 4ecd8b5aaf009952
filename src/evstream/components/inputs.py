"""What a component reads: one stream, several in turn, or several merged.

Merged inputs go through a pipe: a thread merges into it, and the component reads from it as from
any other pipe. If the merge fails, the pipe ends inside a record, so that the reader fails too; the
error of the merge is the one that counts.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from evstream.cli import log
from evstream.components.design import Design, ModelError
from evstream.components.options import input_names
from evstream.errors import EvstreamError, StreamMismatchError
from evstream.indexing.opening import open as open_stream
from evstream.merging import merge
from evstream.reading.dataset import is_several, sources_of
from evstream.reading.stream import EventStream


@contextmanager
def opened_input(design: Design, options: argparse.Namespace) -> Iterator[EventStream]:
    """The stream that the options name, of a type that the component reads."""
    names = input_names(design, options)
    if names.count("-") > 1:
        raise ValueError("stdin can be read once only")
    if "-" in names and log.is_terminal(sys.stdin):
        raise EvstreamError("this is a terminal", source="<stdin>", expected="a pipe, or -i FILE")
    stream = design.inputs[0] if len(design.inputs) == 1 else None
    how: dict[str, Any] = {
        "stream": stream, "widths": dict(options.width), "strict": options.strict,
        "timeout": options.timeout, "format": design.format,
    }  # fmt: skip
    if options.merge:
        with _merged(names, how) as merged:
            yield _checked(merged, design)
    else:
        with open_stream(names[0] if len(names) == 1 else names, **how) as one:
            yield _checked(one, design)


def _checked(stream: EventStream, design: Design) -> EventStream:
    found = stream.header.stream
    if design.inputs and found not in design.inputs:
        raise StreamMismatchError(
            f"this is a {found} stream", source=stream.name, offset=0,
            expected=f"a {' or '.join(design.inputs)} stream",
        )  # fmt: skip
    return stream


@contextmanager
def _merged(names: Sequence[str], how: dict[str, Any]) -> Iterator[EventStream]:
    sources: list[Any] = []
    for name in names:
        sources += sources_of(name) if is_several(name) else [name]
    reader, writer = os.pipe()
    failures: list[BaseException] = []

    def work() -> None:
        with open(writer, "wb", buffering=0) as target:
            try:
                merge(sources, target, **how)
            except BrokenPipeError:
                pass  # the component has stopped
            except BaseException as error:
                failures.append(error)

    # A daemon, since it may wait for an input that never comes.
    thread = threading.Thread(target=work, name="merge", daemon=True)
    with open(reader, "rb", buffering=0) as source:
        try:
            thread.start()
        except BaseException:
            os.close(writer)
            raise
        try:
            with open_stream(source, **how) as stream:
                stream.name = ", ".join(names)
                yield stream
        except (EvstreamError, OSError) as error:
            if _is_of_reading(error):
                thread.join()
            if failures:
                raise failures[0] from None
            raise
    thread.join()


def _is_of_reading(error: BaseException) -> bool:
    """Whether the merge ends with this error, which is maybe its own."""
    return isinstance(error, EvstreamError) and not isinstance(error, ModelError)
