"""The rules of the spec on one stream, stretch by stretch, in bounded memory.

A finding names the rule, the byte, the ids and the value. The rules and what they concern
come from the spec (`header.format.rules`), their checks from `rules`; here is where a row of a
stretch lies in the stream, and what concerns the stream as a whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from evstream._support.schema import Rule
from evstream.checking.in_parts import CheckedParts
from evstream.checking.places import Places
from evstream.checking.references import Reference, broken_references
from evstream.checking.reports import Finding, Report
from evstream.checking.seal import Seal, Sealer
from evstream.errors import (
    CorruptStreamError,
    EvstreamError,
    SecondStreamError,
    TruncatedStreamError,
    plain_id,
)
from evstream.reading.stream import EventStream
from evstream.wire.columns import Array, Chunk, Columns, differ
from evstream.wire.first_event import FirstEvent, follow, goes_on
from evstream.wire.header import StreamHeader
from evstream.wire.rule_checks import OVER_BLOCKS
from evstream.wire.rules import Checker


class Validation:
    """Looks for what breaks the rules of some severities in an open stream."""

    def __init__(
        self,
        stream: EventStream | CheckedParts,
        first: int,
        sealed: Seal | None = None,
        sealer: Sealer | CheckedParts | None = None,
        severities: tuple[str, ...] = ("error", "warning"),
        since: int = 0,
        references: Sequence[Reference] | None = None,
        like: Checker | None = None,
    ) -> None:
        """`since`: list no place in a stretch that ends before this byte; count all. `references`
        are the rules between the stream and other files of its folder; None for a stream that is
        not checked as one of a folder. `like` is the checker of the stream that this is a part
        of."""
        self._stream = stream
        self._references = references
        self._since = since
        self._sealed, self._sealer = sealed, sealer
        self._first = first
        self._checker = Checker(stream.header, severities, screened=True, like=like)
        header = stream.header
        self._report = Report(
            stream.name, header.stream, source_type=header.source, aggregation=header.aggregation,
            header=dict(header.values), widths=dict(header.widths),
        )  # fmt: skip
        self._places = Places(stream)
        self._events: set[Any] = set()
        self._severities = severities
        self._first_event: FirstEvent | None = None
        self.event_runs = 0
        self._has_records = header.block.entry is None and header.block.row is None
        self._first_record = 1
        # In a folder, ids of items and coverages are not events; there may be many of them.
        is_stream = header.spec.type_word is not None or header.block.entry is not None
        self._counts_events = is_stream or references is None

    @property
    def report(self) -> Report:
        """What was found so far. Attribute `event_runs`: how often the event id changed."""
        return self._report

    @property
    def header(self) -> StreamHeader:
        """Of the stream."""
        return self._stream.header

    @property
    def events(self) -> set[Any]:
        """The events that were found so far."""
        return self._events

    def of_part(self, stream: EventStream) -> Validation:
        """The validation of a part of this stream by itself, for `follow`."""
        part = Validation(
            stream, 1, severities=self._severities, references=self._references, like=self._checker
        )
        part._first_event = FirstEvent(part._checker.unique_fields)
        return part

    def follow(self, part: Validation) -> bool:
        """Take over what was found in the part that follows; False if this validation has to look
        at it, since it breaks a rule, or would after what was here before."""
        first, checker = part._first_event, self._checker
        assert first is not None
        if not part.report.clean:
            return False
        if first.event is None:
            return True
        is_same = goes_on(checker, first)
        new = part._events - {first.event} if is_same else part._events
        if not self._events.isdisjoint(new) or not follow(checker, part._checker, first):
            return False
        self._events |= new
        self.event_runs += part.event_runs - int(is_same)
        self._report.blocks += part.report.blocks
        self._report.records += part.report.records
        for name, (low, high) in part.report.keys.items():
            self._widen(name, low, high)
        return True

    def move_on(self) -> None:
        """The next chunk is of another section of the stream."""
        self._places = Places(self._stream)

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
        if (joined := self._stream.places) is not None:
            report.bytes = joined.file_size
        report.events, report.holes = len(self._events), self._stream.holes
        self._put_in_order()
        return report

    def _put_in_order(self) -> None:
        """By byte, then as the spec lists the rules: however the bytes came in stretches."""
        report = self._report
        numbers = {rule: number for number, rule in enumerate(self._stream.header.format.rules)}
        report.findings.sort(key=lambda f: (f.offset is None, f.offset or 0, numbers[f.rule]))
        rules = sorted(report.counts, key=lambda rule: numbers[rule])
        report.counts = {rule: report.counts[rule] for rule in rules}
        report.fixes = {rule: report.fixes[rule] for rule in rules}

    def look_at(self, chunk: Chunk) -> None:
        """Check the blocks of the next stretch."""
        report, columns = self._report, chunk.columns
        if not len(columns.block[0]):
            return
        self._places.enter(chunk)
        self._first_record = report.blocks + 1
        report.blocks += len(columns.block[0]) - int(chunk.continues)
        report.records += len(columns.entry[0]) if columns.entry else len(columns.block[0])
        events = columns.block[0]
        starts, before = columns.event_starts, self._checker.event
        self.event_runs += len(starts) - int(before is not None and not differ(before, events[0]))
        if self._counts_events:
            self._events.update(np.unique(events[starts]).tolist())
        if self._first_event is not None:
            self._first_event.see(self._checker, columns, chunk.continues)
        broken = self._checker.broken(columns, chunk.continues, chunk.is_open)
        for rule, fields in groupby(broken, lambda found: found[0]):
            self._add_places(rule, [(name, mask) for _, name, mask in fields], chunk)
        if self._references is not None:
            self._look_at_folder(self._references, columns, starts, chunk)
        self._checker.remember()

    def _look_at_folder(
        self, references: Sequence[Reference], columns: Columns, starts: Array, chunk: Chunk
    ) -> None:
        """Check the rules between files, and note the lowest and highest value of each key."""
        header, before = self.header, self._checker.event
        blocks = dict(zip(header.block_columns, columns.block, strict=True))
        for reference, found in broken_references(references, blocks):
            mask = found
            if reference.field == header.event_column and header.block.entry is not None:
                mask = np.zeros(len(found), bool)
                mask[starts] = found[starts]
                mask[0] &= before is None or bool(differ(before, columns.block[0][0]))
            if mask.any():
                fields = [(reference.field, mask)]
                self._add_places(reference.rule, fields, chunk, reference.expected)
        for name in header.key_columns:
            if (values := blocks[name]).dtype.kind in "iuf":
                self._widen(name, values.min().item(), values.max().item())

    def _widen(self, name: str, low: Any, high: Any) -> None:
        before = self._report.keys.get(name, (low, high))
        self._report.keys[name] = (min(before[0], low), max(before[1], high))

    def _add_places(
        self, rule: Rule, fields: list[tuple[str, Array]], chunk: Chunk, expected: str = ""
    ) -> None:
        """Count the places where fields break a rule, and list the first in the order of bytes."""
        columns, checker = chunk.columns, self._checker
        total = sum(int(mask.sum()) for _, mask in fields)
        if self._stream.offset <= self._since:
            self._count(rule, total)
            return
        counted = self._report.counts.get(rule.id, 0)
        left = max(self._first - counted, 0)
        places = []
        for name, mask in fields:
            for at in np.flatnonzero(mask)[:left].tolist():
                block = at
                if is_entry := checker.is_over_entries(rule, name):
                    block = int(np.searchsorted(columns.offsets, at, side="right")) - 1
                of = self._places
                offset = of.of_entry(at, block) if is_entry else of.of_block(at)
                places.append((offset, name, at, block, is_entry))
        places.sort(key=lambda place: place[0])
        for offset, name, at, block, is_entry in places[:left]:
            place = self._places.in_files(offset)
            sidx = int(columns.entry[0][at]) if is_entry and self._has_sidx else None
            value = None
            if rule.check not in {*OVER_BLOCKS, "not_empty"}:
                value = plain_id(checker.column(name, columns)[at])
            ids = checker.ids(columns, block)
            text = rule.doc if value is None else f"{name} {value}: {rule.doc}"
            self._add(
                rule, place.offset, ids, sidx, value, place.bytes, text, expected,
                self._first_record + block if self._has_records else place.record, place.file,
            )  # fmt: skip
        self._count(rule, total - (self._report.counts.get(rule.id, 0) - counted))

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
        expected: str = "",
        record: int | None = None,
        file: str = "",
    ) -> None:
        if self._count(rule, 1) <= self._first:
            source = self._report.source
            other = f" of {file}" if file not in ("", source) else ""
            place = [] if offset is None else [f"byte {offset}{other}"]
            place += [] if record is None else [f"record {record}"]
            place += [f"{name} {number}" for name, number in ids.items()]
            place += [] if sidx is None else [f"sidx {sidx}"]
            line = ": ".join(filter(None, [", ".join(place), rule.id, text])).rstrip(".")
            line += f", expected {expected}" if expected else ""
            finding = Finding(
                rule.id, rule.severity, offset, ids, sidx, value, data, line,
                file or source, record, expected,
            )  # fmt: skip
            self._report.findings.append(finding)


def broken_rules(report: Report | None) -> EvstreamError | None:
    """The error of a stream that breaks rules of severity error; None where it breaks none."""
    if report is None or not report.errors:
        return None
    first = next(finding for finding in report.findings if finding.severity == "error")
    count = f"{report.errors} findings break rules of the format, the first"
    return EvstreamError(f"{count}: {first.text}", source=report.source)
