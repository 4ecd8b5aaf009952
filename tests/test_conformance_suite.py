"""Our readers and the conformance suite of tests/conformance: all streams, each reader.

What a reader cannot do is in known_failures.json; an entry that has become right is as wrong
there as one that is missing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle import records_sha256
from test_c_header import Found, Job, end_of, program, run
from test_kaitai import Values, blocks_of, description_of, read, readers, records_of

__all__ = ["program", "readers"]  # fixtures

FOLDER = Path(__file__).parent / "conformance"
ACCEPT, REFUSE = (
    json.loads((FOLDER / name).read_text())["files"] for name in ("accept.json", "refuse.json")
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
    """What a reader has to be told."""
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


# The readers


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
