"""The first pass over the inputs of a merge: what they must have in common, and their order."""

from __future__ import annotations

from collections.abc import Sequence

from evstream.errors import StreamMismatchError
from evstream.merging.inputs import Input
from evstream.transport.endpoints import SourceLike
from evstream.wire.header import StreamHeader


def refuse_twice(sources: Sequence[SourceLike]) -> None:
    """Raise ValueError where stdin is to be read twice."""
    if sum(isinstance(source, str) and source == "-" for source in sources) > 1:
        raise ValueError("stdin can be read only once")


def first_look(inputs: list[Input], check_order: bool) -> tuple[StreamHeader, str | None]:
    """The stream header of all inputs, and a place where event ids do not ascend.

    Raises StreamMismatchError for an input whose header is not that of the first one.
    """
    header: StreamHeader | None = None
    obstacle: str | None = None
    for one in inputs:
        found, descent = one.look(check_order and obstacle is None)
        if header is None:
            header = found
        if (found.stream, found.values) != (header.stream, header.values):
            raise _mismatch(found, one.name, header, inputs[0].name)
        obstacle = obstacle or descent
    assert header is not None
    return header, obstacle


def _mismatch(
    found: StreamHeader, name: str, header: StreamHeader, first: str
) -> StreamMismatchError:
    if found.stream != header.stream:
        problem, expected = f"this is a {found.stream} stream", f"a {header.stream} stream"
    else:
        differ = [n for n, value in header.values.items() if found.values[n] != value]
        problem = " and ".join(f"{n} is {found.values[n]}" for n in differ)
        expected = " and ".join(f"{header.values[n]}" for n in differ)
    return StreamMismatchError(problem, source=name, offset=0, expected=f"{expected} as in {first}")
