"""The Kaitai Struct descriptions say the same as the oracle: two readers share only the spec.

What they must be like is tested always. Whether the compiler takes them, and what the
readers that it writes make of the golden files, is tested where the compiler is: node and
the npm package kaitai-struct-compiler, which `make kaitai` puts into .venv-kaitai, or
wherever EVSTREAM_KAITAI says that its node_modules are.
"""

from __future__ import annotations

import itertools
import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from codegen.__main__ import main as generate_own
from kaitai_readers import (
    DESCRIPTIONS,
    FOLDER,
    ROOT,
    SPEC,
    SPEC_PATH,
    Values,
    blocks_of,
    description_of,
    read,
    readers,
    records_of,
)
from oracle import DEFAULT_WIDTHS, Bits, Decoded, Row, bits_float, decode, encode

__all__ = ["readers"]  # a fixture

GOLDEN = ROOT / "tests" / "golden"

ENTRIES: list[dict[str, Any]] = json.loads((GOLDEN / "manifest.json").read_text())["files"]

LEGAL_ENTRIES = [entry for entry in ENTRIES if not entry["error"]]

SMALL_ENTRIES = [entry for entry in LEGAL_ENTRIES if entry["bytes"] <= 1000]

MALFORMED_ENTRIES = [entry for entry in ENTRIES if entry["error"]]

CHOICES = [("i4", "i8"), ("f4", "f8"), ("u4", "u8")]

WIDTHS = [dict(zip(DEFAULT_WIDTHS, chosen, strict=True)) for chosen in itertools.product(*CHOICES)]

PRIMITIVES = {"s4": 4, "s8": 8, "u4": 4, "u8": 8, "f4": 4, "f8": 8, "b8le": 1, "b24le": 3}


def file_name(entry: dict[str, Any]) -> str:
    return str(entry["file"])


def test_each_stream_has_a_description_at_each_width() -> None:
    names = {description_of(entry["stream"] or "loss", entry["widths"]) for entry in ENTRIES}
    assert set(DESCRIPTIONS) == names
    assert {entry["stream"] for entry in LEGAL_ENTRIES} == set(SPEC.streams)


def test_docs_have_the_descriptions_of_the_default_widths() -> None:
    names = {description_of(stream, DEFAULT_WIDTHS) for stream in SPEC.streams}
    kept = {path.stem: path.read_text() for path in FOLDER.glob("*.ksy")}
    assert kept == {name: DESCRIPTIONS[name] for name in names}


def test_all_widths_are_generated_on_demand(tmp_path: Path) -> None:
    command = ["--kaitai-widths", "all", "--root", str(tmp_path)]
    assert generate_own(command) == 0
    assert {path.stem for path in (tmp_path / "docs/kaitai").glob("*.ksy")} == set(DESCRIPTIONS)


@pytest.mark.parametrize("widths", ["default", "all"])
def test_a_package_has_the_widths_that_are_asked_for(widths: str, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "evstream", "generate", str(SPEC_PATH), "--package", "mine",
         "--out", str(tmp_path), "--only", "kaitai", "--widths", widths],
        check=True, capture_output=True,
    )  # fmt: skip
    names = {path.stem for path in (tmp_path / "mine/kaitai").iterdir()}
    own = {description_of(stream, DEFAULT_WIDTHS) for stream in SPEC.streams}
    assert names == (own if widths == "default" else set(DESCRIPTIONS))


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_description_is_whole(name: str) -> None:
    """Its id is its file's name, and every type and enum that it uses is in it or built in."""
    description = yaml.safe_load(DESCRIPTIONS[name])
    assert description["meta"]["id"] == name
    assert description["meta"]["endian"] == "le"
    types, enums = description["types"], description.get("enums", {})
    assert description["seq"][-1]["id"] == "blocks"
    used = {field["type"] for field in description["seq"]}
    for fields in types.values():
        assert fields["doc"]
        for field in fields["seq"]:
            used.add(field["type"])
            assert field.get("enum") in (None, *enums)
    assert set(types) == used - set(PRIMITIVES)
    assert used <= set(types) | set(PRIMITIVES)


@pytest.mark.parametrize("description", DESCRIPTIONS)
def test_a_description_has_the_records_of_the_spec(description: str) -> None:
    types = yaml.safe_load(DESCRIPTIONS[description])["types"]
    records = [name for name in types if name in SPEC.records]
    assert records
    for name in records:
        fields = {field["id"]: field["type"] for field in types[name]["seq"]}
        assert list(fields) == [field.name for field in SPEC.records[name].fields]
        for field in SPEC.records[name].fields:
            assert fields[field.name].replace("s", "i") in SPEC.scalars[field.type].widths


def compare(stream: Any, decoded: Decoded, data: bytes) -> None:
    assert decoded.stream is not None
    values = Values(data, decoded.widths)
    blocks = list(blocks_of(stream, decoded.stream, values))
    assert [(*ids, len(entries)) for ids, entries in blocks] == decoded.blocks
    assert list(records_of(blocks, decoded.stream)) == decoded.raw_records
    header = getattr(stream, "stream_header", None)
    assert (values.of(header, decoded.header) if header else ()) == tuple(decoded.header.values())
    last = stream.blocks[-1] if stream.blocks else None
    assert getattr(last, "is_closed", None) == decoded.final_delimiter


@pytest.mark.parametrize("entry", LEGAL_ENTRIES, ids=file_name)
def test_a_golden_file_is_read_as_the_oracle_reads_it(
    entry: dict[str, Any], readers: Callable[[str], Any]
) -> None:
    data = (GOLDEN / entry["file"]).read_bytes()
    decoded = decode(data, entry["stream"], entry["widths"])
    stream = read(readers(description_of(entry["stream"], entry["widths"])), data)
    compare(stream, decoded, data)
    assert decoded.error is None
    if decoded.stream != "event_ids":
        assert (stream.type_word.source, stream.type_word.aggregation) == (
            entry["source"],
            entry["aggregation"],
        )


@pytest.mark.parametrize("entry", SMALL_ENTRIES, ids=file_name)
def test_golden_values_are_read_at_every_width_that_fits(
    entry: dict[str, Any], readers: Callable[[str], Any]
) -> None:
    decoded = decode((GOLDEN / entry["file"]).read_bytes(), entry["stream"], entry["widths"])
    own = decoded.widths["oasis_float"]

    def numbers(row: Row) -> list[int | float]:
        return [bits_float(v, own) if isinstance(v, Bits) else v for v in row]

    blocks = [(numbers(ids), list(map(numbers, rows))) for ids, rows in decoded.block_entries()]
    read_at = 0
    for widths in WIDTHS:
        closed = decoded.final_delimiter is not False
        try:
            data = encode(entry["stream"], decoded.header, blocks, widths, closed)
        except (struct.error, OverflowError):
            continue
        stream = read(readers(description_of(entry["stream"], widths)), data)
        compare(stream, decode(data, entry["stream"], widths), data)
        read_at += 1
    assert read_at > 0


@pytest.mark.parametrize("entry", MALFORMED_ENTRIES, ids=file_name)
def test_a_malformed_file_is_refused(entry: dict[str, Any], readers: Callable[[str], Any]) -> None:
    from kaitaistruct import ValidationFailedError

    data = (GOLDEN / entry["file"]).read_bytes()
    cut = entry["error"] in ("short_header", "truncated", "block_without_entries")
    reader = readers(description_of(entry["stream"] or "loss", entry["widths"]))
    with pytest.raises(EOFError if cut else ValidationFailedError):
        read(reader, data)


@pytest.mark.parametrize(
    "entry",
    [entry for entry in LEGAL_ENTRIES if entry["stream"] != "event_ids"],  # without a type
    ids=file_name,
)
def test_a_stream_of_another_type_is_refused(
    entry: dict[str, Any], readers: Callable[[str], Any]
) -> None:
    from kaitaistruct import ValidationFailedError

    other = "cdf" if entry["stream"] != "cdf" else "summary"
    data = (GOLDEN / entry["file"]).read_bytes()
    with pytest.raises(ValidationFailedError):
        read(readers(description_of(other, entry["widths"])), data)
