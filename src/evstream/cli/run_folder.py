"""A run folder as `evstream info` and `evstream validate` print it: a table, or findings."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from evstream._support.words import counted
from evstream.cli import log


def is_run_folder(name: str, options: argparse.Namespace) -> bool:
    """Whether a command looks at an argument as a whole."""
    if not getattr(options, "takes_folders", False) or not os.path.isdir(name):
        return False
    from evstream.checking import folder_files

    return folder_files.is_run_folder(name, options.stream, options.spec_format)


def with_files_of(options: argparse.Namespace) -> list[str]:
    """The files of a command, with those of a known type in place of their run folder."""
    from evstream.checking.folder_files import folder_files

    files: list[str] = []
    for name in options.files:
        if not is_run_folder(name, options):
            files.append(name)
            continue
        found = list(folder_files(name, options.spec_format))
        files += [file.path for file in found if file.stream is not None]
        if left := [f"{file.name} ({file.note})" for file in found if file.stream is None]:
            log.note(f"{name}: not in the table: {', '.join(left)}", file=name)
    return files


def files_of(name: str) -> list[str]:
    """All files of a folder and those below it."""
    return [os.path.join(top, file) for top, _, files in os.walk(name) for file in files]


def read_folder(name: str, options: argparse.Namespace, **more: Any) -> Any:
    """The report of a run folder; `more` is for evstream.validate."""
    from evstream.checking.validated_sources import validate

    return validate(
        name, threads=options.jobs, widths=dict(options.width), timeout=options.timeout,
        format=options.spec_format, **more,
    )  # fmt: skip


def table(report: Any) -> str:
    """The files of a folder in columns: type, records, size, range of the first keys, problems."""
    rows: list[tuple[str, ...]] = [("file", "type", "records", "bytes", "keys", "problems")]
    rows += sorted(_row(one, report.source) for one in report.reports)
    widths = [max(len(row[at]) for row in rows) for at in range(5)]
    lines = [_line(row, widths) for row in rows]
    for kind, names in _by_reason(report.unknown).items():
        lines.append(f"{kind}: {', '.join(names)}")
    head = f"{report.source}: {counted(len(report.reports), 'file')}, {_bytes(report)}"
    return "\n".join([head, *(f"  {line}" for line in lines)])


def _row(one: Any, folder: str) -> tuple[str, ...]:
    name = _below(one.source, folder)
    if one.error is not None:
        return name, one.stream, "", "", "", f"not readable: {_reason(one)}"
    has_blocks = one.records != one.blocks
    records = f"{one.records:,}" + (f" in {counted(one.blocks, 'block')}" if has_blocks else "")
    names = list(one.keys)[: 2 if one.source_type is not None or has_blocks else 1]
    keys = ", ".join(f"{n} {_range(*one.keys[n])}" for n in names)
    problems = ", ".join(
        [f"{counted(one.holes, 'block')} of zero bytes alone"] * bool(one.holes)
        + [f"{count:,} x {rule}" for rule, count in one.counts.items()]
    )
    return name, one.stream, records, f"{one.bytes:,}", keys, problems


def _reason(one: Any) -> str:
    return str(one.error).removeprefix(f"{one.source}: ")


def _range(low: Any, high: Any) -> str:
    return _number(low) if low == high else f"{_number(low)} to {_number(high)}"


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """A row of the table; numbers of bytes are flush right."""
    cells = [
        cell.rjust(width) if at == 3 else cell.ljust(width)
        for at, (cell, width) in enumerate(zip(row, widths, strict=False))
    ]
    return "  ".join([*cells, row[-1]]).rstrip()


def _below(path: str, folder: str) -> str:
    return PurePath(path).relative_to(folder).as_posix() if folder else path


def _bytes(report: Any) -> str:
    return counted(report.bytes, "byte")


def _by_reason(unknown: dict[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, reason in unknown.items():
        found.setdefault(reason, []).append(name)
    return found


def findings(report: Any) -> str:
    """The lines of a validated folder: findings, what to do, and what was not looked at."""
    looked_at = f"{counted(len(report.reports), 'file')}, {_bytes(report)}"
    lines = [f"{report.source}: {verdict(report)}: {looked_at}"]
    lines += [f"  not readable: {one.source}: {_reason(one)}" for one in unread(report)]
    lines += finding_lines(report)
    lines += [f"  not checked: {text}" for text in report.unchecked]
    for kind, names in _by_reason(report.unknown).items():
        lines.append(f"  {kind}: {', '.join(names)}")
    return "\n".join(lines)


def verdict(report: Any) -> str:
    """Whether anything was found, in a word."""
    if report.clean:
        return log.styled("clean", "good", sys.stdout)
    return log.styled("findings", "error" if report.errors else "warning", sys.stdout)


def finding_lines(report: Any) -> list[str]:
    """The places that break rules, and for each rule how many there are and what to do."""
    lines = []
    for finding in report.findings:
        data = f" [{finding.bytes}]" if finding.bytes else ""
        severity = log.styled(finding.severity, finding.severity, sys.stdout)
        lines.append(f"  {severity}: {finding.text}{data}")
    return lines + [f"  {n:,} x {rule}: {report.fixes[rule]}" for rule, n in report.counts.items()]


def unread(report: Any) -> list[Any]:
    """The files that cannot be read."""
    return [one for one in report.reports if one.error is not None]


def report_unread(report: Any) -> bool:
    """Report the files that cannot be read; whether there are any."""
    found = unread(report)
    for one in found:
        log.error(one.error, 2, problem=_reason(one), file=one.source)
    return bool(found)


def is_broken(report: Any, options: argparse.Namespace) -> bool:
    """Whether some file of a known type cannot be read to its end."""
    from evstream._support.known_formats import formats_beside

    rules = [rule for known in formats_beside(options.spec_format) for rule in known.rules.values()]
    ends = {rule.id for rule in rules if rule.check in {"whole", "single"}}
    return bool(unread(report)) or not ends.isdisjoint(report.counts)
