"""What validation found in a stream, and in several of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from evstream._support.html import ROWS, facts, fragment, table


@dataclass(frozen=True)
class Finding:
    """One place that breaks a rule.

    Attributes:
        rule: id of the rule; see docs/format.md.
        severity: "error" or "warning".
        offset: byte of the record concerned (of the block header, for a block; where blocks are
            compressed, of the first byte of the block).
        ids: of the block, by field, e.g. {"event_id": 3, "item_id": 7}.
        sidx: of the entry, None for others.
        value: of the field concerned, None where the rule is about something missing.
        bytes: the eight bytes at the offset, in hexadecimal; "" where there are none.
        text: the finding in one line, without the source.
        file: name of the file; "" for a stream without one. Ids of a file with an index file are in
            the latter.
        record: number of the record in the file from 1, where a file is records alone.
        expected: what was expected, where it is not the rule alone.
    """

    rule: str
    severity: str
    offset: int | None
    ids: dict[str, Any]
    sidx: int | None
    value: float | int | None
    bytes: str
    text: str
    file: str = ""
    record: int | None = None
    expected: str = ""


@dataclass
class Report:
    """What validation found.

    Attributes:
        source: name of the source.
        stream: type of the stream.
        bytes, events, blocks, records: how much was looked at.
        source_type, aggregation, header, widths: as in StreamHeader.
        holes: number of blocks of zero bytes alone.
        counts: rule id -> number of places that break it.
        errors: number of places that break a rule of severity error.
        fixes: rule id -> what to do about a stream that breaks it.
        findings: the first places of each rule.
        reports: where several files were checked, the report of each.
        keys: key column -> its lowest and highest value, where a folder was checked.
        error: why the file cannot be read at all; None if it can.
        unknown: files of a folder that are of no known type, each with the reason.
        unchecked: rules between files that could not be looked at, each with the reason.
    """

    source: str
    stream: str
    bytes: int = 0
    events: int = 0
    blocks: int = 0
    records: int = 0
    source_type: int | None = None
    aggregation: int | None = None
    header: dict[str, int] = field(default_factory=dict)
    widths: dict[str, str] = field(default_factory=dict)
    holes: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    errors: int = 0
    fixes: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    keys: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    error: str | None = None
    unknown: dict[str, str] = field(default_factory=dict)
    unchecked: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was found, and each file can be read."""
        return not self.counts and self.error is None and all(r.error is None for r in self.reports)

    def _repr_html_(self) -> str:
        if self.error is not None:
            return fragment(facts(self.source, [("cannot be read", self.error)]))
        named = [
            ("type", self.stream or "a folder"),
            ("bytes", f"{self.bytes:,}"),
            ("events", f"{self.events:,}"),
            ("blocks", f"{self.blocks:,}"),
            ("records", f"{self.records:,}"),
            ("found", "nothing" if self.clean else f"{sum(self.counts.values()):,} places"),
        ]
        severity = {one.rule: one.severity for one in self.findings}
        counts = [
            (rule, severity.get(rule, ""), count, self.fixes.get(rule, ""))
            for rule, count in self.counts.items()
        ]
        places = [(one.severity, one.rule, one.text) for one in self.findings[:ROWS]]
        unread = [(one.source, one.error) for one in self.reports if one.error is not None]
        parts = [facts(self.source, named)]
        if counts:
            more = max(sum(self.counts.values()) - len(places), 0)
            parts.append(table("rules", ("rule", "severity", "places", "what to do"), counts))
            parts.append(table("places", ("severity", "rule", "place"), places, left_out=more))
        if unread:
            parts.append(table("cannot be read", ("file", "reason"), unread[:ROWS],
                               left_out=max(len(unread) - ROWS, 0)))  # fmt: skip
        return fragment(*parts)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON takes it: NaN and infinity as strings.

        Keys that `evstream info --json` has too have the same names: `file` is the name of the
        source, `source` and `aggregation` are the numbers of the stream type.
        """
        fields = asdict(self)
        fields |= {"file": self.source, "source": fields.pop("source_type")}
        fields |= {"clean": self.clean}
        del fields["reports"]
        for name in ("keys", "unknown", "unchecked"):
            if not fields[name]:
                del fields[name]
        if self.reports:
            fields["files"] = [report.to_json() for report in self.reports]
        for finding in fields["findings"]:
            value = finding["value"]
            if isinstance(value, float) and not np.isfinite(value):
                finding["value"] = str(value)
        return fields


def joined(reports: Sequence[Report], events: int, first: int) -> Report:
    """One report: sums, and of each rule the first places, with their files.

    Args:
        events: number of different events in all files.
        first: how many places of each rule to list.
    """
    total = replace(
        reports[0], source=f"{len(reports)} files", events=events, counts={}, fixes={}, findings=[],
        bytes=0, blocks=0, records=0, errors=0, holes=0, reports=list(reports), keys={},
    )  # fmt: skip
    for report in reports:
        total.bytes += report.bytes
        total.blocks += report.blocks
        total.records += report.records
        total.errors += report.errors
        total.holes += report.holes
        total.fixes |= report.fixes
        for rule, count in report.counts.items():
            listed = min(total.counts.get(rule, 0), first)
            total.counts[rule] = total.counts.get(rule, 0) + count
            own = [finding for finding in report.findings if finding.rule == rule]
            total.findings += [_placed(one, report.source) for one in own[: first - listed]]
    return total


def _placed(finding: Finding, source: str) -> Finding:
    return replace(finding, text=f"{source}: {finding.text}", file=finding.file or source)


def folder_report(
    folder: str,
    reports: Sequence[Report],
    events: int,
    first: int,
    unknown: dict[str, str],
    unchecked: list[str],
) -> Report:
    """The report of a run folder: that of its files, which may be of any type, and what was not
    looked at."""
    total = joined(reports, events, first) if reports else Report(folder, "")
    return replace(
        total, source=folder, stream="", source_type=None, aggregation=None, header={}, widths={},
        error=None, unknown=unknown, unchecked=unchecked,
    )  # fmt: skip
