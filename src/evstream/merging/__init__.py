"""`evstream.merge`: several streams of one kind as one stream, block by block.

Two passes. The first reads the stream headers, which must be equal, and for regular files the
event ids, to see whether they ascend in each. The second copies the bytes of whole events:
the input whose next event id is the lowest goes on until another one has a lower id, or, where
ids do not ascend, one input after the other. Bytes of blocks are copied as they are.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np

from evstream._support.arguments import described, function
from evstream._support.format import Format
from evstream.errors import EvstreamError
from evstream.merging.event_ids import EventIds
from evstream.merging.first_look import first_look, refuse_twice
from evstream.merging.inputs import Input, ReadOptions
from evstream.merging.pipes import Pipes
from evstream.reading.meter import Meter
from evstream.transport.endpoints import SourceLike, TargetLike
from evstream.transport.same_file import refuse_same_file
from evstream.transport.watching import expect, one_bar
from evstream.wire.columns import differ
from evstream.wire.header import StreamHeader
from evstream.writing.output import Outlet

SAME_EVENT = ("refuse", "merge")
ORDERS = ("auto", "ids", "inputs")

MEMORY = 1 << 26
"""Bytes that the windows of all inputs take together, about."""


@one_bar
def merge(
    sources: Iterable[SourceLike],
    target: TargetLike,
    *,
    same_event: str = "refuse",
    order: str = "auto",
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    strict: bool | None = None,
    timeout: float | None = None,
    format: Format | None = None,
    seal: str | bool = False,
    durable: bool | None = None,
    say: Callable[[str], None] = lambda text: None,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Merge streams that have the same stream header.

    A block that lacks its final delimiter, at the end of an input, gets one, and a warning
    names it. An input that cannot be read to its end is an error, and no file appears.

    Args:
        sources: two or more of what evstream.open takes, each read once, regular files twice.
            Any number of paths: a regular file is open only while it is read. Pipes and FIFOs must
            not be fed by one program in turn: it would wait for one to be read while the merge
            waits for another. With a `timeout` the StallError names both.
        target: as for evstream.create; never one of the sources.
        same_event: "refuse" an event that is in two sources, or "merge" its blocks, those of
            the first source first. A block that is in both is refused always; in lists of
            event ids the event is written once.
        order: "ids" interleaves the sources by event id, which must ascend in each; "inputs"
            writes one source after the other; "auto" chooses "ids" unless a source is a
            regular file whose ids do not ascend.
        stream, widths, strict, timeout, format: as for evstream.open.
        seal, durable: as for evstream.create.
        say: gets one sentence where "auto" chooses "inputs", and one where a pipe has had no data
            for 10 s while others have some.
        progress: called now and then with the number of bytes read, which counts regular files
            twice with "auto".

    Raises:
        StreamMismatchError: two stream headers differ.
        EvstreamError: an event or block is in two sources, ids do not ascend with "ids", or
            the target is one of the sources.
        TypeError, ValueError: an argument is not legal.
        The errors of evstream.open and of reading.
    """
    if isinstance(sources, (str, bytes)) or not isinstance(sources, Iterable):
        raise TypeError(f"sources is {described(sources)}, expected a list of sources")
    for name, value, legal in (("same_event", same_event, SAME_EVENT), ("order", order, ORDERS)):
        if not isinstance(value, str) or value not in legal:
            raise ValueError(f"{name} is {described(value)}, expected {' or '.join(legal)}")
    function("say", say)
    meter = Meter(progress)
    given = list(sources)
    if not given:
        raise ValueError("there is no source to merge")
    refuse_twice(given)
    refuse_same_file(given, [target])
    options = ReadOptions(stream, widths, strict, timeout, format)
    expect(given * (2 if order == "auto" else 1))
    chunk = min(max(MEMORY // len(given), 1 << 12), 1 << 20)
    with ExitStack() as stack:
        pipes = Pipes(timeout, say, stack)
        inputs = [
            stack.enter_context(Input(source, options, chunk, pipes, meter)) for source in given
        ]
        header, obstacle = first_look(inputs, check_order=order == "auto")
        by_id = order == "ids" or (order == "auto" and obstacle is None)
        if order == "auto" and obstacle is not None and len(inputs) > 1:
            say(f"{obstacle}: the inputs are written one after the other")
        out = Outlet(target, header, seal, durable)
        try:
            if by_id:
                _by_event(inputs, header, out, same_event)
            else:
                _one_after_the_other(inputs, out)
        except BaseException:
            out.abort()
            raise
        out.close()


def _by_event(inputs: list[Input], header: StreamHeader, out: Outlet, same_event: str) -> None:
    """Always go on with the input that has the lowest next event, as far as it is the lowest."""
    for one in inputs:
        one.must_ascend = True
    heads = [(one.head, i) for i, one in enumerate(inputs) if one.head is not None]
    heapq.heapify(heads)
    while heads:
        event, first = heapq.heappop(heads)
        sharing = [first]
        while heads and not differ(heads[0][0], event):
            sharing.append(heapq.heappop(heads)[1])
        if len(sharing) > 1:
            _copy_shared(event, [inputs[i] for i in sharing], header, out, same_event)
        else:
            inputs[first].copy_below(heads[0][0] if heads else None, out)
        for i in sharing:
            if (head := inputs[i].head) is not None:
                heapq.heappush(heads, (head, i))
        out.flush_if_due()


def _copy_shared(
    event: Any, sharing: list[Input], header: StreamHeader, out: Outlet, same_event: str
) -> None:
    """An event that several inputs have: its blocks in the order of the inputs."""
    if same_event == "refuse":
        raise _in_two(event, sharing[1], sharing[0].name)
    owners: dict[tuple[Any, ...], str] = {}
    for number, one in enumerate(sharing):
        if header.block.entry is None and number:
            one.skip_event(event)
            continue
        blocks = one.copy_event(event, out)
        for key, offset in blocks.items():
            if key in owners:
                ids = dict(zip(one.key_names, (event, *key), strict=True))
                raise EvstreamError(
                    f"this block is in {owners[key]} too", source=one.name, offset=offset,
                    ids=ids, expected="each block in one of the inputs",
                )  # fmt: skip
        owners.update(dict.fromkeys(blocks, one.name))


def _one_after_the_other(inputs: list[Input], out: Outlet) -> None:
    """Each input whole; an event that an earlier one has is refused."""
    known = EventIds()
    for number, one in enumerate(inputs):
        own = EventIds()
        while one.head is not None:
            events = np.unique(one.events)
            if (found := known.find(events)) is not None:
                event, owner = found
                raise _in_two(event, one, inputs[owner].name, by_id=False)
            own.add(events, number)
            one.copy_stretch(out)
            out.flush_if_due()
        known.update(own)


def _in_two(event: Any, one: Input, other: str, by_id: bool = True) -> EvstreamError:
    remedy = "each event in one input, or same_event='merge' (--same-event merge)"
    if not by_id:
        remedy = "each event in one input, or inputs whose event ids ascend"
    return EvstreamError(
        f"this event is in {other} too", source=one.name, offset=one.offset_of(event),
        ids={one.key_names[0]: event}, expected=remedy,
    )  # fmt: skip
