"""Readers that the Kaitai compiler makes of the descriptions, and the blocks that they find."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from codegen.load import load_spec
from codegen.outputs import OWN
from codegen.render import render
from oracle import Bits, Row, Widths, bits_float

ROOT = Path(__file__).resolve().parent.parent

FOLDER = ROOT / "docs" / "kaitai"

MODULES = Path(os.environ.get("EVSTREAM_KAITAI", ROOT / ".venv-kaitai" / "node_modules"))

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


def description_of(stream: str, widths: Widths) -> str:
    """loss, i4 f4 u4 -> loss_i4_f4: a name has the widths that its stream uses."""
    used = {"event_ids": 1, "cdf": 3}.get(stream, 2)
    return "_".join([stream, *list(widths.values())[:used]])


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
