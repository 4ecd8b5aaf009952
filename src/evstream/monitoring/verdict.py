"""Which program of a run is slow.

A program that is slow makes both neighbours wait: the pipe before it waits for it to read, the pipe
after it waits for it to write. Everything further up waits for output, everything further down for
input, so of all programs only the slow one stands between the two. Its score is the smallest share
of the last seconds that any pipe waited for it: a program that waits itself, for another input or
another reader, has a pipe that does not wait. Where such a pipe is not measured, the slow program
may as well be one beyond it, and the words say so.

A pipe that has ended waits for nothing. If it fed the program, that has all of its input, and what
it still owes is its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from evstream.monitoring.record import DONE, RUNNING, Program, Recent, Record

SLOW = 0.5
"""Share of the time that others wait for a program from which on it is called slow."""

LEAST = 0.9
"""Seconds of measurement that say anything."""


@dataclass
class Suspect:
    """A program, and how much of the time its pipes wait for it.

    Attributes:
        program, pid: its name, and its process; "" and 0 if the system does not show it.
        share: 0 to 1.
        before, after: names of the pipes that it reads, and that it writes.
        has_all: whether the pipes that it reads have ended.
        is_pipe: whether it is `evstream tee` itself, which checks or copies as fast as it can.
        beyond: where programs are that cannot be distinguished from it, for want of a measured
            pipe.
    """

    program: str
    pid: int
    share: float
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    has_all: bool = False
    is_pipe: bool = False
    beyond: str = ""

    @property
    def words(self) -> str:
        """A sentence for people."""
        share = f"{100 * self.share:.0f}% of the time"
        if self.is_pipe:
            return f"`evstream tee` of {self.before[0]}, which is busy {share}"
        name = f"{self.program} (pid {self.pid})" if self.program else "the program"
        beyond = f", or a program {self.beyond} it" if self.beyond else ""
        if self.before and self.after and self.has_all:
            return (
                f"{name} that writes {_listed(self.after)}, and has all of {_listed(self.before)}"
                f"{beyond}: it is waited for {share}"
            )
        if self.before and self.after:
            place = f"between {_listed(self.before)} and {_listed(self.after)}"
            return f"{name} {place}, which both wait for it {share}{beyond}"
        if self.before:
            place = f"that reads {_listed(self.before)}{beyond}"
            return f"{name} {place}: it waits for its reader {share}"
        return f"{name} that feeds {_listed(self.after)}{beyond}: it waits for input {share}"


def suspects(records: Sequence[Record]) -> list[Suspect]:
    """All programs at running pipes, those that are waited for most first."""
    found = [_tee(record) for record in records if _counts(record) and _is_settled(record)]
    tees = {record.pid for record in records}
    found += [one for node in _nodes(records) if (one := _judged(node, tees)) is not None]
    return sorted(found, key=lambda one: -one.share)


def slowest(records: Sequence[Record]) -> list[Suspect]:
    """The programs that are slow, the slowest first."""
    return [one for one in suspects(records) if one.share >= SLOW]


def conclusion(records: Sequence[Record], most: int = 5) -> list[str]:
    """What is to be said about a run: one line per slow program."""
    running = [record for record in records if record.state == RUNNING]
    if not running:
        return _looking_back(records)
    early = ["too early to say which stage is slow"]
    if not any(_counts(record) for record in running):
        return early
    found = slowest(records)
    if not found:
        return [_NONE] if any(record.seconds >= SHORT for record in running) else early
    lines = [f"slowest: {one.words}" for one in found[:most]]
    if len(found) > most:
        lines.append(f"and {len(found) - most} more that others wait for")
    return lines


_NONE = "no stage is slow by itself: none makes both of its neighbours wait half the time"


def _looking_back(records: Sequence[Record]) -> list[str]:
    """What is to be said of a run that has ended, by the times of all of it."""
    whole = max((record.seconds for record in records), default=0.0)
    if whole < SHORT or any(record.state != DONE for record in records):
        return []  # of which too much is the start, or where pipes ended before their time
    found = slowest([_of_all(record, whole) for record in records])
    return [f"slowest of the whole run: {found[0].words}" if found else _NONE]


def _of_all(record: Record, whole: float) -> Record:
    """The record as if all of its time were the last seconds. Once it had ended, its reader had
    all that it needed."""
    waited = record.waited_output + whole - record.seconds
    recent = Recent(whole, record.bytes, record.events, record.waited_input, waited)
    settled = whole + SHORT if whole >= LONG else whole
    return replace(record, state=RUNNING, recent=recent, seconds=settled)


SHORT = 3.0
"""Seconds of a run that are too few to look back on."""

LONG = 10.0
"""Seconds of a run in which the start of a tee, when it loads its kernels, weighs little."""


@dataclass
class _Node:
    """A program: the pipes that it reads, and those that it writes."""

    program: Program | None
    reads: list[Record] = field(default_factory=list)
    writes: list[Record] = field(default_factory=list)


def _nodes(records: Sequence[Record]) -> list[_Node]:
    """The programs of a run, each once. Where the system does not show what is at an end of a pipe,
    that end has a program of its own, unless it is a pipe of another record."""
    known: dict[tuple[str, int], _Node] = {}
    alone: list[_Node] = []
    tees = {(record.host, record.pid) for record in records}
    for record in records:
        for programs, side in ((record.upstream, "writes"), (record.downstream, "reads")):
            others = [one for one in programs if (record.host, one.pid) not in tees]
            if not others and (programs or _is_joined(record, side, records)):
                continue  # another tee, which has its own record
            for one in others:
                node = known.setdefault((record.host, one.pid), _Node(one))
                getattr(node, side).append(record)
            if not others:
                alone.append(_Node(None, **{side: [record]}))
    return [*known.values(), *alone]


def _is_joined(record: Record, side: str, records: Sequence[Record]) -> bool:
    """Whether a pipe of this record is one of another record, without a program between."""
    if side == "writes":
        return record.input is not None and record.input in [one.output for one in records]
    return record.output is not None and record.output in [one.input for one in records]


def _judged(node: _Node, tees: set[int]) -> Suspect | None:
    reads = [one for one in node.reads if _counts(one) or one.state == DONE]
    writes = [one for one in node.writes if _counts(one)]
    shares = [1.0 if one.state == DONE else _share(one, "waited_output") for one in reads]
    shares += [_share(one, "waited_input") for one in writes]
    if not writes and not any(_counts(one) for one in reads):
        return None
    program = node.program or Program(0, "")
    return Suspect(
        program.name, program.pid, min(shares), _names(node.reads), _names(node.writes),
        has_all=bool(reads) and all(one.state == DONE for one in reads),
        beyond=_unmeasured(node, tees),
    )  # fmt: skip


def _unmeasured(node: _Node, tees: set[int]) -> str:
    """Where a program has pipes that no tee measures: "after", "before", both, or ""."""
    sides = (("before", node.writes, "upstream"), ("after", node.reads, "downstream"))
    return " or ".join(
        word
        for word, records, side in sides
        if node.program is not None
        and any(
            set(one.beyond) - tees
            for record in records
            for one in getattr(record, side)
            if one.pid == node.program.pid
        )
    )


def in_flow_order(records: Sequence[Record]) -> list[Record]:
    """The records from the first pipe of a pipeline to its last, one pipeline after the other."""
    following: dict[int, list[int]] = {at: [] for at in range(len(records))}
    places = {id(record): at for at, record in enumerate(records)}
    for node in _nodes(records):
        for one in node.reads:
            following[places[id(one)]] += [places[id(other)] for other in node.writes]
    for at, one in enumerate(records):
        if one.output is not None:
            following[at] += [to for to, other in enumerate(records) if other.input == one.output]
    fed = {to for many in following.values() for to in many}
    heads = [at for at in range(len(records)) if at not in fed]
    waiting = [*reversed(range(len(records))), *reversed(heads)]  # all, since there may be circles
    order: dict[int, Record] = {}
    while waiting:
        at = waiting.pop()
        if at not in order:
            order[at] = records[at]
            waiting += reversed(following[at])
    return list(order.values())


def _tee(record: Record) -> Suspect:
    idle = _share(record, "waited_input") + _share(record, "waited_output")
    return Suspect("evstream tee", record.pid, max(1.0 - idle, 0.0), [record.name], is_pipe=True)


def _is_settled(record: Record) -> bool:
    """Whether the last seconds are not the first ones, in which a tee loads its kernels."""
    return record.seconds > record.recent.seconds + LEAST


def _share(record: Record, what: str) -> float:
    return min(float(getattr(record.recent, what)) / record.recent.seconds, 1.0)


def _counts(record: Record) -> bool:
    return record.state == RUNNING and record.recent.seconds >= LEAST


def _names(records: Sequence[Record]) -> list[str]:
    return [record.name for record in records]


def _listed(names: Sequence[str]) -> str:
    if len(names) > 3:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return " and ".join(names)
