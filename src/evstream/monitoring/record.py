"""What is known of one pipe at one moment; a small JSON object, which other programs may read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from evstream.errors import EvstreamError

VERSION = 1

RUNNING, DONE, FAILED = "running", "done", "failed"


@dataclass
class Program:
    """A program at one end of a pipe.

    Attributes:
        beyond: the processes that it passes its output to by other pipes, or, of a program that
            writes the pipe, those that it reads from.
    """

    pid: int
    name: str
    beyond: list[int] = field(default_factory=list)


@dataclass
class Recent:
    """The same numbers of the last seconds."""

    seconds: float = 0.0
    bytes: int = 0
    events: int = 0
    waited_input: float = 0.0
    waited_output: float = 0.0


@dataclass
class Record:
    """One pipe.

    Attributes:
        name: what the user calls it.
        pid, born, host: the process that passes its bytes on; `born` distinguishes it from a later
            process with the same number, 0 if the system does not say.
        state: RUNNING, DONE or FAILED; `problem` is why it failed.
        started, updated: seconds since 1970.
        seconds: how long it has been running.
        stream, bytes, events, event: how far the stream is.
        waited_input, waited_output: seconds since the start.
        waiting: the side that is waited for at the moment, "" for none, and for how long.
        recent: the same of the last seconds.
        input, output: device and number of the pipes at both ends, None for other files.
        upstream, downstream: the programs at their other ends, as far as they can be seen.
    """

    name: str = ""
    pid: int = 0
    born: int = 0
    host: str = ""
    state: str = RUNNING
    problem: str = ""
    started: float = 0.0
    updated: float = 0.0
    seconds: float = 0.0
    stream: str = ""
    bytes: int = 0
    events: int = 0
    event: int | float | str | None = None
    waited_input: float = 0.0
    waited_output: float = 0.0
    waiting: str = ""
    waiting_seconds: float = 0.0
    recent: Recent = field(default_factory=Recent)
    input: list[int] | None = None
    output: list[int] | None = None
    upstream: list[Program] = field(default_factory=list)
    downstream: list[Program] = field(default_factory=list)

    def to_json(self) -> str:
        """One line."""
        return json.dumps({"evstream_pipe": VERSION, **asdict(self)})

    @classmethod
    def from_json(cls, text: str, source: str) -> Record:
        """Raises EvstreamError for text that is not a record."""
        try:
            values = json.loads(text)
            if values.pop("evstream_pipe") != VERSION:
                raise ValueError("another version")
            record = cls(**values)
            record.recent = Recent(**values["recent"])
            record.upstream = [Program(**one) for one in values["upstream"]]
            record.downstream = [Program(**one) for one in values["downstream"]]
            _refuse_nonsense(record)
            _refuse_nonsense(record.recent)
            for program in (*record.upstream, *record.downstream):
                _refuse_nonsense(program)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise EvstreamError(f"not a record of a pipe ({error})", source=source) from None
        return record


_LEGAL: dict[str, tuple[type, ...]] = {
    "int": (int,), "float": (int, float), "str": (str,), "Recent": (Recent,),
    "int | float | str | None": (int, float, str, type(None)),
}  # fmt: skip


def _refuse_nonsense(record: Any) -> None:
    for f in fields(record):
        value, legal = getattr(record, f.name), _LEGAL.get(str(f.type))
        if legal is not None and (not isinstance(value, legal) or isinstance(value, bool)):
            raise TypeError(f"{f.name} is {value!r}")
        if f.name == "beyond" and not all(isinstance(pid, int) for pid in value):
            raise TypeError(f"{f.name} is {value!r}")
        if f.name in {"input", "output"} and value is not None:
            device, number = value
            if not (isinstance(device, int) and isinstance(number, int)):
                raise TypeError(f"{f.name} is {value!r}")
