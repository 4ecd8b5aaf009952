"""Our readers and the conformance suite of tests/conformance: all streams, each reader.

What a reader cannot do is in known_failures.json; an entry that has become right is as wrong
there as one that is missing.
"""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np

import evstream
from c_programs import Found, Job, end_of, program, run
from documented import row_parser
from evstream import event_stream as es
from evstream._generated import layout
from evstream.reading.stream import EventStream
from kaitai_readers import Values, blocks_of, description_of, read, readers, records_of
from oracle import Bits, records_sha256
from support import read_all

__all__ = ["program", "readers"]  # fixtures

FOLDER = Path(__file__).parent / "conformance"
ACCEPT, REFUSE, BREAK = (
    json.loads((FOLDER / f"{name}.json").read_text())["files"]
    for name in ("accept", "refuse", "break")
)
KNOWN: dict[str, dict[str, list[str]]] = json.loads((FOLDER / "known_failures.json").read_text())[
    "readers"
]
DEFAULT_WIDTHS = {"oasis_int": "i4", "oasis_float": "f4", "areaperil_int": "u4"}

Entry = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What a reader made of a stream. `offset` is None for an error without a place."""

    is_refused: bool
    offset: int | None = None
    records: int | None = None
    sha256: str | None = None


def data_of(entry: Entry) -> bytes:
    return (FOLDER / entry["file"]).read_bytes()


def stream_name(entry: Entry) -> str | None:
    """The name that a reader needs."""
    return "event_ids" if entry["stream"] == "event_ids" else None


def wrongly_refused(outcomes: dict[str, Outcome]) -> list[str]:
    """Files of accept.json that a reader refuses, or reads otherwise."""
    wrong = []
    for entry in ACCEPT:
        if (outcome := outcomes.get(entry["file"])) is None:
            continue
        is_right = not outcome.is_refused and outcome.records == entry["records"]
        if not is_right or outcome.sha256 not in (None, entry["records_sha256"]):
            wrong.append(entry["file"])
    return sorted(wrong)


def wrongly_accepted(outcomes: dict[str, Outcome], *, names_bytes: bool = True) -> list[str]:
    """Files of refuse.json that a reader accepts, or refuses at another byte."""
    wrong = []
    for entry in REFUSE:
        if (outcome := outcomes.get(entry["file"])) is None:
            continue
        is_elsewhere = names_bytes and outcome.offset != entry["offset"]
        if not outcome.is_refused or is_elsewhere:
            wrong.append(entry["file"])
    return sorted(wrong)


def check(reader: str, outcomes: dict[str, Outcome], **options: bool) -> None:
    known = KNOWN.get(reader, {})
    found = {
        "accept": wrongly_refused(outcomes),
        "refuse": wrongly_accepted(outcomes, **options),
    }
    expected = {name: sorted(known.get(name, [])) for name in found}
    assert found == expected, f"known_failures.json of {reader} is not what fails"


# The suite itself


def test_the_files_of_the_suite_are_fresh() -> None:
    command = [sys.executable, str(FOLDER / "write_conformance.py"), "--check"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_suite_has_streams_of_each_kind() -> None:
    streams = {"loss", "gul_item", "gul_coverage", "summary", "cdf", "event_ids"}
    assert {entry["stream"] for entry in ACCEPT} == streams
    assert {entry["stream"] for entry in REFUSE} == streams
    reasons = {entry["reason"] for entry in REFUSE}
    about = json.loads((FOLDER / "refuse.json").read_text())["about"]["reason"]
    assert reasons == set(about)


def test_known_failures_are_files_of_the_suite() -> None:
    files = {
        "accept": {entry["file"] for entry in ACCEPT},
        "refuse": {entry["file"] for entry in REFUSE},
    }
    for reader, lists in KNOWN.items():
        assert reader in {"open", "EventReader", "callbacks", "c", "kaitai"}
        for name, listed in lists.items():
            assert set(listed) <= files[name], reader


# Rules


def test_validation_conforms() -> None:
    """One rule is broken, at its byte, and a reader gives the stream all the same."""
    wrong = []
    for entry in BREAK:
        data, name = data_of(entry), stream_name(entry)
        report = evstream.validate(io.BytesIO(data), stream=name, widths=entry["widths"])
        errors = [(f.rule, f.offset) for f in report.findings if f.rule != "stream-not-deprecated"]
        read = read_all(io.BytesIO(data), name, entry["widths"])
        if errors != [(entry["rule"], entry["offset"])] or read.error is not None:
            wrong.append((entry["file"], errors, read.error))
    assert wrong == []


def test_the_writer_conforms() -> None:
    """Rows that break a rule of severity error are refused by its name."""
    wrong = []
    for entry in BREAK:
        if entry["widths"] != DEFAULT_WIDTHS:
            continue
        name, rule = entry["stream"], layout.RULES[entry["rule"]]
        with EventStream(io.BytesIO(data_of(entry)), stream_name(entry)) as stream:
            values = stream.header.values
        rows = evstream.read_columns(io.BytesIO(data_of(entry)), stream=stream_name(entry))
        refused = None
        with evstream.create(io.BytesIO(), name, **values) as out:
            try:
                out.write_columns(**rows)
            except evstream.WriteError as error:
                refused = error.rule
        if refused != (rule.id if rule.severity == "error" else None):
            wrong.append((entry["file"], refused))
    assert wrong == []


def test_the_c_reader_gives_what_breaks_a_rule(program: Path) -> None:
    jobs = [
        Job(entry["widths"], FOLDER / entry["file"], stream=stream_name(entry)) for entry in BREAK
    ]
    for entry, found in zip(BREAK, run(program, jobs), strict=True):
        assert end_of(found.ends[0])[0] is None, entry["file"]
        assert found.records, entry["file"]


# The readers


def test_open_conforms() -> None:
    outcomes = {}
    for entry in (*ACCEPT, *REFUSE):
        strict = "reason" in entry
        found = read_all(
            io.BytesIO(data_of(entry)), stream_name(entry), entry["widths"], strict=strict
        )
        if found.error is not None:
            outcomes[entry["file"]] = Outcome(True, found.error.offset)
            continue
        rows = [row for event in found.events for block in event for row in _rows(entry, *block)]
        sha256 = records_sha256(entry["stream"], rows, entry["widths"])
        outcomes[entry["file"]] = Outcome(False, None, len(rows), sha256)
    check("open", outcomes)


def _rows(entry: Entry, ids: tuple[int, ...], entries: list[tuple[int, ...]]) -> list[Any]:
    """The records of a block, in wire order."""
    if entry["stream"] == "event_ids":
        return [ids]
    if entry["stream"] == "cdf":
        return [(*ids, number, *row) for number, row in enumerate(entries, start=1)]
    return [(*ids, *row) for row in entries]


@cache
def documented_parser() -> Any:
    return row_parser(np.int32)  # the bits of a loss


class RowReader(es.EventReader):
    """The loop that programs are documented to have."""

    def __init__(self, strict: bool, room: int) -> None:
        self.logger = logging.getLogger("RowReader")
        self.strict = strict
        self.rows = np.zeros((room, 4))
        self.used = np.zeros(1, np.int64)

    def read_buffer(self, byte_mv, cursor, valid_buff, event_id, item_id, **_):
        parse = documented_parser()
        return parse(byte_mv, cursor, valid_buff, event_id, item_id, self.rows, self.used)


def is_item_stream(entry: Entry) -> bool:
    """Whether the documented loop fits: pairs at the default widths, after two ids."""
    names = ("loss", "gul_item", "gul_coverage")
    return entry["stream"] in names and entry["widths"] == DEFAULT_WIDTHS


def test_event_reader_conforms() -> None:
    outcomes = {}
    for entry in filter(is_item_stream, (*ACCEPT, *REFUSE)):
        data = data_of(entry)
        reader = RowReader("reason" in entry, len(data))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                stream = io.BytesIO(data)
                es.read_stream_info(stream)
                list(reader.read_streams([stream]))
        except evstream.EvstreamError as error:
            outcomes[entry["file"]] = Outcome(True, error.offset)
            continue
        rows = [
            (*map(int, row[:3]), Bits(int(row[3]) & 0xFFFFFFFF))
            for row in reader.rows[: int(reader.used[0])]
        ]
        sha256 = records_sha256(entry["stream"], rows, entry["widths"])
        outcomes[entry["file"]] = Outcome(False, None, len(rows), sha256)
    check("EventReader", outcomes)


@numba.njit
def count_entry(counts, first, second):  # type: ignore[no-untyped-def]
    counts[0] += 1


def test_callbacks_conform() -> None:
    outcomes = {}
    classes: dict[str, Any] = {}
    for entry in (*ACCEPT, *REFUSE):
        is_narrow = entry["widths"] == DEFAULT_WIDTHS
        if not is_narrow or entry["stream"] == "event_ids":
            continue
        stream = entry["stream"]
        if stream not in classes:
            classes[stream] = evstream.reader_class(  # a sidx is a value here, no index
                stream, on_entry=count_entry, widths=entry["widths"], check=False
            )
        reader = classes[stream](np.zeros(1, np.int64))
        reader.strict = "reason" in entry
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                list(reader.read(io.BytesIO(data_of(entry))))
        except evstream.EvstreamError as error:
            outcomes[entry["file"]] = Outcome(True, error.offset)
            continue
        outcomes[entry["file"]] = Outcome(False, None, int(reader.state[0]))
    check("callbacks", outcomes)


def test_the_c_reader_conforms(program: Path) -> None:
    entries = [*ACCEPT, *REFUSE]
    jobs = [
        Job(entry["widths"], FOLDER / entry["file"], stream=stream_name(entry)) for entry in entries
    ]
    found = run(program, jobs)
    check("c", {e["file"]: _c_outcome(e, f) for e, f in zip(entries, found, strict=True)})


def _c_outcome(entry: Entry, found: Found) -> Outcome:
    error, offset, _ = end_of(found.ends[0])
    if found.holes:
        return Outcome(True, found.holes[0])
    if error is not None:
        return Outcome(True, offset)
    sha256 = records_sha256(entry["stream"], found.records, entry["widths"])
    return Outcome(False, None, len(found.records), sha256)


def test_kaitai_readers_conform(readers: Callable[[str], Any]) -> None:
    """Their errors name no byte of the stream."""
    from kaitaistruct import KaitaiStructError

    outcomes = {}
    for entry in (*ACCEPT, *REFUSE):
        data = data_of(entry)
        try:
            stream = read(readers(description_of(entry["stream"], entry["widths"])), data)
        except (EOFError, KaitaiStructError):
            outcomes[entry["file"]] = Outcome(True)
            continue
        blocks = list(blocks_of(stream, entry["stream"], Values(data, entry["widths"])))
        records = list(records_of(blocks, entry["stream"]))
        sha256 = records_sha256(entry["stream"], records, entry["widths"])
        outcomes[entry["file"]] = Outcome(False, None, len(records), sha256)
    check("kaitai", outcomes, names_bytes=False)
