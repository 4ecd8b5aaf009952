"""The Kaitai Struct descriptions say the same as the oracle: two readers share only the spec.

What they must be like is tested always. Whether the compiler takes them, and what the
readers that it writes make of the golden files, is tested where the compiler is: node and
the npm package kaitai-struct-compiler, which `make kaitai` puts into .venv-kaitai, or
wherever EVSTREAM_KAITAI says that its node_modules are.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from codegen.__main__ import main as generate_own
from codegen.load import load_spec
from codegen.outputs import OWN
from codegen.render import render
from oracle import DEFAULT_WIDTHS, Bits, Decoded, Row, Widths, bits_float, decode, encode

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
FOLDER = ROOT / "docs" / "kaitai"
MODULES = Path(os.environ.get("EVSTREAM_KAITAI", ROOT / ".venv-kaitai" / "node_modules"))

ENTRIES: list[dict[str, Any]] = json.loads((GOLDEN / "manifest.json").read_text())["files"]
LEGAL_ENTRIES = [entry for entry in ENTRIES if not entry["error"]]
SMALL_ENTRIES = [entry for entry in LEGAL_ENTRIES if entry["bytes"] <= 1000]
MALFORMED_ENTRIES = [entry for entry in ENTRIES if entry["error"]]
CHOICES = [("i4", "i8"), ("f4", "f8"), ("u4", "u8")]
WIDTHS = [dict(zip(DEFAULT_WIDTHS, chosen, strict=True)) for chosen in itertools.product(*CHOICES)]
SPEC_PATH = ROOT / "spec" / "oasis.yaml"
SPEC = load_spec(SPEC_PATH)
DESCRIPTIONS = {
    Path(path).stem: text
    for path, text in render(
        SPEC, SPEC_PATH, dataclasses.replace(OWN, all_widths=True), only=("kaitai",)
    ).items()
}
"""Those of all widths, which `python -m codegen --kaitai-widths all` writes."""

# Written here by hand, as the oracle has its types: what is what is not taken from the spec.
PAIR = ["sidx", "loss"]
NAMES = {
    "cdf": (
        ["event_id", "areaperil_id", "vulnerability_id", "no_of_bins"],
        ["prob_to", "bin_mean"],
    ),
    "gul_item": (["event_id", "item_id"], PAIR),
    "gul_coverage": (["event_id", "coverage_id"], PAIR),
    "loss": (["event_id", "item_id"], PAIR),
    "summary": (["event_id", "summary_id", "exposure_value"], PAIR),
    "event_ids": (["event_id"], []),
}
PRIMITIVES = {"s4": 4, "s8": 8, "u4": 4, "u8": 8, "f4": 4, "f8": 8, "b8le": 1, "b24le": 3}


def file_name(entry: dict[str, Any]) -> str:
    return str(entry["file"])


def description_of(stream: str, widths: Widths) -> str:
    """loss, i4 f4 u4 -> loss_i4_f4: a name has the widths that its stream uses."""
    used = {"event_ids": 1, "cdf": 3}.get(stream, 2)
    return "_".join([stream, *list(widths.values())[:used]])


# What they are like; no compiler needed


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
    assert {path.stem for path in (tmp_path / "docs/kaitai").iterdir()} == set(DESCRIPTIONS)


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


# What compiled readers make of the golden files


def missing() -> str | None:
    """What is not here, and how to get it; None where all is."""
    if shutil.which("node") is None:
        return "no node: install Node.js, then run `make kaitai`"
    if not (MODULES / "kaitai-struct-compiler").is_dir():
        return f"no Kaitai compiler in {MODULES}: run `make kaitai`"
    if importlib.util.find_spec("kaitaistruct") is None:
        return "no kaitaistruct: pip install 'evstream[dev]', or run `make kaitai`"
    return None


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Description -> the class that the Kaitai compiler made of it."""
    if (reason := missing()) is not None:
        pytest.skip(reason)
    result = subprocess.run(
        ["node", str(ROOT / "tests" / "kaitai_compile.js")],
        input=json.dumps({name: yaml.safe_load(text) for name, text in DESCRIPTIONS.items()}),
        env=os.environ | {"NODE_PATH": str(MODULES)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    folder = tmp_path_factory.mktemp("kaitai")
    modules: dict[str, ModuleType] = {}
    for name, text in json.loads(result.stdout).items():
        path = folder / name
        path.write_text(text)
        module_spec = importlib.util.spec_from_file_location(path.stem, path)
        assert module_spec is not None
        assert module_spec.loader is not None
        module = importlib.util.module_from_spec(module_spec)
        module_spec.loader.exec_module(module)
        modules[path.stem] = module
    assert set(modules) == set(DESCRIPTIONS)

    def reader(name: str) -> Any:
        return getattr(modules[name], "".join(part.capitalize() for part in name.split("_")))

    return reader


def read(reader: Any, data: bytes) -> Any:
    from kaitaistruct import KaitaiStream

    stream = reader(KaitaiStream(BytesIO(data)))
    stream._read()
    return stream


class Values:
    """The fields of what was read, floats as Bits.

    kaitaistruct gives floats as Python floats, which keep no payload of an f4 NaN. So the
    bits are taken from where the reader says that it read the field, and must be those of
    the number that it gave.
    """

    def __init__(self, data: bytes, widths: Widths) -> None:
        self.data = data
        self.width = widths["oasis_float"]

    def of(self, record: Any, names: Iterable[str]) -> Row:
        return tuple(self.value(record, name) for name in names)

    def value(self, record: Any, name: str) -> int:
        value = getattr(record, name)
        place = record._debug[name]
        raw = self.data[place["start"] : place["end"]]
        if isinstance(value, int):
            assert int.from_bytes(raw, "little", signed=value < 0) == value
            return value
        assert len(raw) == int(self.width[1])
        bits = Bits(int.from_bytes(raw, "little"))
        same = struct.pack("<d", bits_float(bits, self.width)) == struct.pack("<d", value)
        assert same or (value != value and bits_float(bits, self.width) != value)
        return bits


def offset_of(record: Any) -> int:
    """Where the first field of a record was read."""
    return int(record._debug[record.SEQ_FIELDS[0]]["start"])


def blocks_of(stream: Any, name: str, values: Values) -> Iterator[tuple[Row, list[Row]]]:
    """(offset, ids ...) and entries of each block, without the count and delimiters."""
    of_header, of_entry = NAMES[name]
    for block in stream.blocks:
        ids = values.of(block.header, (name for name in of_header if name != "no_of_bins"))
        entries = [values.of(entry, of_entry) for entry in getattr(block, "entries", [])]
        if hasattr(block, "is_closed") and block.is_closed:
            entries.pop()
        yield (offset_of(block.header), *ids), entries


def records_of(blocks: list[tuple[Row, list[Row]]], stream: str) -> Iterator[Row]:
    for (_, *ids), entries in blocks:
        if stream == "event_ids":
            yield tuple(ids)
        for number, entry in enumerate(entries, start=1):
            yield (*ids, number, *entry) if stream == "cdf" else (*ids, *entry)


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
