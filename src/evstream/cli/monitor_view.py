"""The table of a run: a row for each pipe, and below it which stage is slow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evstream._support.words import counted
from evstream.extras import import_extra
from evstream.monitoring.record import DONE, FAILED, RUNNING, Record
from evstream.monitoring.register import KILLED, SILENT
from evstream.monitoring.verdict import conclusion

HEADS = ("pipe", "events", "event", "MB", "MB/s", "waited in", "now", "waited out", "now", "state")
"""The columns; `now` is the share of the last seconds that the side was waited for."""

_STYLES = {RUNNING: "", DONE: "green", FAILED: "bold red", KILLED: "bold red", SILENT: "yellow"}


def row(record: Record) -> tuple[str, ...]:
    """The cells of a pipe."""
    recent, runs = record.recent, record.state == RUNNING
    seconds = recent.seconds if runs else record.seconds
    size = recent.bytes if runs else record.bytes
    rate = f"{size / 1e6 / seconds:,.1f}" if seconds > 0 else ""
    return (
        record.name, f"{record.events:,}", "" if record.event is None else str(record.event),
        f"{record.bytes / 1e6:,.1f}", rate,
        _seconds(record.waited_input), _share(recent.waited_input, record),
        _seconds(record.waited_output), _share(recent.waited_output, record), _state(record),
    )  # fmt: skip


def _state(record: Record) -> str:
    if record.state != RUNNING:
        return f"{record.state}: {record.problem}" if record.problem else record.state
    if record.waiting and record.waiting_seconds >= 1:
        return f"waits for {record.waiting} for {record.waiting_seconds:.0f} s"
    return record.state


def _seconds(seconds: float) -> str:
    return f"{seconds:,.1f} s"


def _share(seconds: float, record: Record) -> str:
    if record.state != RUNNING or not record.recent.seconds:
        return ""
    return f"{100 * min(seconds / record.recent.seconds, 1):.0f}%"


def below(records: Sequence[Record], former: int, problems: Sequence[str]) -> list[str]:
    """The lines under the table."""
    lines = conclusion(records)
    if former:
        lines.append(f"not shown: {counted(former, 'pipe')} of earlier runs")
    return lines + [f"not readable: {problem}" for problem in problems]


def plain(records: Sequence[Record], former: int, problems: Sequence[str]) -> str:
    """The table as text."""
    rows = [HEADS, *map(row, records)]
    widths = [max(len(cells[at]) for cells in rows) for at in range(len(HEADS))]
    lines = []
    for cells in rows:
        pairs = list(zip(cells, widths, strict=True))
        name, *numbers = pairs[:-1]
        parts = [name[0].ljust(name[1]), *(text.rjust(width) for text, width in numbers)]
        lines.append("  ".join([*parts, cells[-1]]).rstrip())
    return "\n".join([*lines, *below(records, former, problems)])


def live(records: Sequence[Record], former: int, problems: Sequence[str]) -> Any:
    """The same for a terminal, as rich draws it."""
    import_extra("rich")
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for head in HEADS:
        is_text = head in {"pipe", "state"}
        table.add_column(head, justify="left" if is_text else "right", overflow="ellipsis")
    for record in records:
        cells = [Text(cell) for cell in row(record)]
        cells[0].stylize("bold")
        cells[-1].stylize(_STYLES[record.state])
        for at, waited in ((6, record.recent.waited_input), (8, record.recent.waited_output)):
            if record.state == RUNNING and waited >= record.recent.seconds / 2 > 0:
                cells[at].stylize("yellow")
        table.add_row(*cells)
    lines = []
    for line in below(records, former, problems):
        is_slow = line.startswith("slowest")
        lines.append(Text(line, "bold yellow" if is_slow else ""))
    return Group(table, *lines)
