"""Records as metrics in the text format of Prometheus, for the textfile collector of its
node_exporter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from evstream.monitoring.record import Record

Values = Callable[[Record], list[tuple[dict[str, str], Any]]]

STATES = ("running", "done", "failed", "killed", "silent")


def _one(value: Callable[[Record], Any]) -> Values:
    return lambda record: [({}, value(record))]


_METRICS: list[tuple[str, str, str, Values]] = [
    ("bytes_total", "counter", "Bytes that went through the pipe.", _one(lambda r: r.bytes)),
    ("events_total", "counter", "Events that went through the pipe.", _one(lambda r: r.events)),
    (
        "event", "gauge", "The event under way, where its id is a number.",
        lambda r: [({}, r.event)] if isinstance(r.event, (int, float)) else [],
    ),
    (
        "waiting_seconds_total", "counter", "Seconds that the pipe waited for a side.",
        lambda r: [({"for": "input"}, r.waited_input), ({"for": "output"}, r.waited_output)],
    ),
    ("running_seconds", "gauge", "Seconds since the start.", _one(lambda r: r.seconds)),
    ("start_time_seconds", "gauge", "When it started.", _one(lambda r: r.started)),
    ("update_time_seconds", "gauge", "When it last reported numbers.", _one(lambda r: r.updated)),
    (
        "state", "gauge", "1 for the state that the pipe is in.",
        lambda r: [({"state": state}, int(r.state == state)) for state in STATES],
    ),
]  # fmt: skip


def metrics(records: Iterable[Record]) -> str:
    """All metrics of some pipes."""
    known, lines = list(records), []
    for name, kind, doc, values in _METRICS:
        full = f"evstream_pipe_{name}"
        lines += [f"# HELP {full} {doc}", f"# TYPE {full} {kind}"]
        for record in known:
            for labels, value in values(record):
                lines.append(f"{full}{_labels({'pipe': record.name, **labels})} {value}")
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
