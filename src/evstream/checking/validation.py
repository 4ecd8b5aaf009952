"""`evstream.validate`: every rule of the spec, on every byte of a stream, in bounded memory.

A finding names the rule, the byte, the ids and the value. The rules and what they concern
come from the spec (`header.format.rules`), their checks from `rules`; here is where a row of a
stretch lies in the stream, and what concerns the stream as a whole.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from evstream._support.arguments import checked_path, described, one_line, whole_number
from evstream._support.format import Format
from evstream._support.schema import Rule
from evstream.checking.places import Places
from evstream.checking.reports import Finding, Report, joined
from evstream.checking.seal import Seal, Sealer
from evstream.errors import (
    CorruptStreamError,
    EvstreamError,
    SecondStreamError,
    TruncatedStreamError,
    plain_id,
)
from evstream.partition.threads import in_order, threads_of
from evstream.reading.dataset import (
    is_several,
    neighbours_joined,
    refuse_other_header,
    sources_of,
)
from evstream.reading.section import Sectioned
from evstream.reading.stream import EventStream
from evstream.transport.endpoints import SourceLike, SourcesLike
from evstream.transport.range_file import shown
from evstream.wire.columns import Array, Chunk, plain, run_starts
from evstream.wire.header import StreamHeader
from evstream.wire.rule_checks import OVER_BLOCKS
from evstream.wire.rules import Checker


def validate(
    source: SourcesLike,
    *,
    expect_events: Iterable[Any] | None = None,
    seal: str | bool = True,
    first: int = 10,
    threads: int | None = None,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    timeout: float | None = None,
    format: Format | None = None,
) -> Report:
    """Check a stream against every rule of its type; or several, each on its own.

    Args:
        source, stream, widths, timeout, format: as for evstream.open.
        expect_events: event ids that must all be there, in any of the files.
        seal: the path of a seal to compare with; True takes the one next to the file if there
            is one, False none.
        first: how many places of each rule are listed; all are counted.
        threads: how many files are read at a time; None for the number of cores that this process
            may use.

    Raises:
        StreamHeaderError, StreamMismatchError: the stream cannot be read at all.
        SealError: the seal cannot be read.
        ValueError: a part of some events only, or one seal for several files.
    """
    first = whole_number("first", first)
    expected = _event_ids(expect_events)

    if isinstance(seal, (str, os.PathLike)) and is_several(source):
        raise ValueError(f"{one_line(seal)}: one seal for several files, expected True or False")
    sources = list(neighbours_joined(sources_of(source))) if is_several(source) else [source]
    checked: list[Validation] = []
    for found in validations(
        sources, threads_of(threads), first=first, seal=seal, stream=stream, widths=widths,
        timeout=timeout, format=format,
    ):  # fmt: skip
        if isinstance(found, Exception):
            raise found
        checked.append(found)
        refuse_other_header(
            found.header, found.report.source, checked[0].header, checked[0].report.source
        )
    events = set().union(*(validation.events for validation in checked))
    checked[-1].look_for(expected, events)
    if not is_several(source):
        return checked[0].report
    return joined([validation.report for validation in checked], len(events), first)


def validations(
    sources: Sequence[Any],
    threads: int,
    *,
    first: int,
    seal: str | bool,
    stream: str | None,
    widths: Mapping[str, str] | None,
    timeout: float | None,
    format: Format | None,
) -> Iterator[Validation | EvstreamError | OSError]:
    """The finished Validation of each source in order, or why it cannot be read; by so many
    threads."""
    stopped = threading.Event()

    def check(one: Any) -> Validation | EvstreamError | OSError:
        if isinstance(one, Sectioned) and one.wanted is not None:
            raise ValueError(f"{one!r} is of some events only, expected one of all")
        try:
            sealed = _seal_of(one, seal, timeout)
            sealer = (
                Sealer(shown(str(one)), stream=stream, widths=widths, format=format)
                if sealed is not None
                else None
            )

            def tap(view: memoryview) -> None:
                if stopped.is_set():
                    raise EvstreamError("stopped, since nobody waits for the result")
                if sealer is not None:
                    sealer.update(view)

            with EventStream(
                one, stream, widths=widths, tap=tap, timeout=timeout, format=format, warn=False
            ) as opened:
                validation = Validation(opened, first, sealed, sealer)
                validation.run()
                return validation
        except (EvstreamError, OSError) as error:
            return error

    threads = min(threads, len(sources))
    return in_order(check, sources, threads, stopped.set)


def _seal_of(source: SourceLike, seal: str | bool, timeout: float | None) -> Seal | None:
    if isinstance(seal, (str, os.PathLike)):
        return Seal.read(checked_path(seal), timeout)
    if seal is not None and not isinstance(seal, bool):
        raise TypeError(f"seal is {described(seal)}, expected True, False or a path")
    if seal and isinstance(source, (str, os.PathLike)) and source != "-":
        return Seal.beside(checked_path(source), timeout)
    return None


def _event_ids(expected: Iterable[Any] | None) -> set[Any]:
    """The event ids that are expected. Raises TypeError for what are none."""
    try:
        found = {plain(event) for event in expected} if expected is not None else set()
        sorted(found)
    except (TypeError, ValueError):
        problem = f"expect_events is {described(expected)}, expected event ids"
        raise TypeError(problem) from None
    return found


class Validation:
    """Looks for what breaks the rules of some severities in an open stream."""

    def __init__(
        self,
        stream: EventStream,
        first: int,
        sealed: Seal | None = None,
        sealer: Sealer | None = None,
        severities: tuple[str, ...] = ("error", "warning"),
        since: int = 0,
    ) -> None:
        """`since`: list no place in a stretch that ends before this byte; count all."""
        self._stream = stream
        self._since = since
        self._sealed, self._sealer = sealed, sealer
        self._first = first
        self._checker = Checker(stream.header, severities, screened=True)
        header = stream.header
        self._report = Report(
            stream.name, header.stream, source_type=header.source, aggregation=header.aggregation,
            header=dict(header.values), widths=dict(header.widths),
        )  # fmt: skip
        self._places = Places(stream)
        self._events: set[Any] = set()

    @property
    def report(self) -> Report:
        """What was found so far."""
        return self._report

    @property
    def header(self) -> StreamHeader:
        """Of the stream."""
        return self._stream.header

    @property
    def events(self) -> set[Any]:
        """The events that were found so far."""
        return self._events

    def look_for(self, expected: set[Any], found: set[Any]) -> None:
        """Report the expected events that were not found."""
        for event in sorted(expected - found):
            self._report_at(
                "expected_events",
                None,
                {self._stream.header.event_column: event},
                "the event is missing",
            )

    def run(self, until: int | None = None) -> Report:
        """Read to the end, or to the end of the stretch that has the byte `until`."""
        spec, report = self._stream.header.spec, self._report
        if spec.deprecated:
            text = f"{spec.name} streams are deprecated: {spec.deprecated}"
            self._report_at("not_deprecated", 0, {}, text)
        try:
            for chunk in self._stream.chunks():
                self.look_at(chunk)
                if until is not None and self._stream.offset > until:
                    return report
        except (TruncatedStreamError, CorruptStreamError) as error:
            text = error.problem + (f", expected {error.expected}" if error.expected else "")
            is_second = isinstance(error, SecondStreamError) and self._has_rule("single")
            self._report_at("single" if is_second else "whole", error.offset, error.ids, text)
        if self._stream.clean_end is False:
            text = "the stream ends without the final delimiter"
            self._report_at("final_delimiter", self._stream.offset, {}, text)
        if self._sealed is not None and self._sealer is not None:
            with contextlib.suppress(EvstreamError):
                self._sealer.finish()  # the error at the end is reported already
            for offset, text in self._sealed.differences(
                self._sealer.seal, self._stream.header.used_widths
            ):
                self._report_at("sealed", offset, {}, text)
        report.bytes = self._stream.offset - self._stream.start
        report.events = len(self._events)
        report.findings.sort(key=lambda f: (f.offset is None, f.offset or 0))
        return report

    def look_at(self, chunk: Chunk) -> None:
        """Check the blocks of the next stretch."""
        report, columns = self._report, chunk.columns
        if not len(columns.block[0]):
            return
        self._places.enter(chunk)
        report.blocks += len(columns.block[0]) - int(chunk.continues)
        report.records += len(columns.entry[0]) if columns.entry else len(columns.block[0])
        events = columns.block[0]
        self._events.update(np.unique(events[run_starts(events)]).tolist())
        for rule, name, mask in self._checker.broken(columns, chunk.continues, chunk.is_open):
            self._add_places(rule, name, mask, chunk)
        self._checker.remember()

    def _add_places(self, rule: Rule, name: str, mask: Array, chunk: Chunk) -> None:
        columns, checker = chunk.columns, self._checker
        if self._stream.offset <= self._since:
            self._count(rule, int(mask.sum()))
            return
        counted = self._report.counts.get(rule.id, 0)
        for at in np.flatnonzero(mask)[: max(self._first - counted, 0)].tolist():
            sidx = None
            if checker.is_over_entries(rule, name):
                block = int(np.searchsorted(columns.offsets, at, side="right")) - 1
                offset = self._places.of_entry(at, block)
                if self._has_sidx:
                    sidx = int(columns.entry[0][at])
            else:
                block, offset = at, self._places.of_block(at)
            value = None
            if rule.check not in {*OVER_BLOCKS, "not_empty"}:
                value = plain_id(checker.column(name, columns)[at])
            ids = checker.ids(columns, block)
            text = rule.doc if value is None else f"{name} {value}: {rule.doc}"
            self._add(rule, offset, ids, sidx, value, self._places.bytes_at(offset), text)
        self._count(rule, int(mask.sum()) - (self._report.counts.get(rule.id, 0) - counted))

    def _count(self, rule: Rule, places: int) -> int:
        """Count places that break a rule; how many there are now."""
        report = self._report
        report.counts[rule.id] = report.counts.get(rule.id, 0) + places
        report.errors += places if rule.severity == "error" else 0
        report.fixes[rule.id] = rule.fix
        return report.counts[rule.id]

    @property
    def _has_sidx(self) -> bool:
        return self._stream.header.sidx is not None

    def _report_at(self, check: str, offset: int | None, ids: dict[str, Any], text: str) -> None:
        """Add a finding about the stream as a whole, under the rule that the spec has for it."""
        header = self._stream.header
        rules = [rule for rule in header.rules.values() if rule.check == check]
        if not self._has_rule(check):
            problem = f"{text}; the spec has no rule with check {check!r}"
            raise EvstreamError(problem, source=self._stream.name, offset=offset, ids=ids)
        for rule in rules:
            self._add(rule, offset, ids, None, None, "", text)

    def _has_rule(self, check: str) -> bool:
        return any(r.check == check for r in self._stream.header.format.rules.values())

    def _add(
        self,
        rule: Rule,
        offset: int | None,
        ids: dict[str, Any],
        sidx: int | None,
        value: float | int | None,
        data: str,
        text: str,
    ) -> None:
        if self._count(rule, 1) <= self._first:
            place = [] if offset is None else [f"byte {offset}"]
            place += [f"{name} {number}" for name, number in ids.items()]
            place += [] if sidx is None else [f"sidx {sidx}"]
            line = ": ".join(filter(None, [", ".join(place), rule.id, text])).rstrip(".")
            finding = Finding(rule.id, rule.severity, offset, ids, sidx, value, data, line)
            self._report.findings.append(finding)


def broken_rules(report: Report | None) -> EvstreamError | None:
    """The error of a stream that breaks rules of severity error; None where it breaks none."""
    if report is None or not report.errors:
        return None
    first = next(finding for finding in report.findings if finding.severity == "error")
    count = f"{report.errors} findings break rules of the format, the first"
    return EvstreamError(f"{count}: {first.text}", source=report.source)
