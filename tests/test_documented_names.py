"""Documented functions come from the spec, and a change of their signatures is reported."""

from __future__ import annotations

import ast
import importlib
import inspect
import struct
from pathlib import Path

import numpy as np
import pytest

from codegen.__main__ import main
from codegen.load import load_spec
from codegen.model import Spec
from evstream import event_stream
from evstream._generated import layout
from evstream.wire.kernels import record_functions

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "spec" / "oasis.yaml"
ITEM_HEADER = "    documented: {mv_write_item_header: fields}\n"
NEXT_RECORD = "  coverage_header:\n"
BRANCH = "      - {name: branch, type: oasis_int, plural: branches, doc: The branch.}\n"
WARNING = "a documented name; programs of others call it"


def documented_names(spec: Spec) -> list[str]:
    of_records = [f.name for record in spec.records.values() for f in record.documented]
    return of_records + [n for d in spec.delimiters.values() for n in d.documented]


def test_the_documented_module_takes_generated_names():
    names = documented_names(load_spec(SPEC))
    own = {name for name in event_stream.__all__ if name.startswith("mv_write_")}
    assert own == set(names)
    records = record_functions(layout.FORMAT, layout.FORMAT.choose_widths())
    assert list(records.DOCUMENTED) == names
    assert all(getattr(event_stream, name) is getattr(records, name) for name in names)


def test_no_writer_of_a_record_is_written_by_hand():
    source = ast.parse(inspect.getsource(event_stream))
    defined = {node.name for node in source.body if isinstance(node, ast.FunctionDef)}
    assert not {name for name in defined if name.startswith("mv_")}


def generate(spec: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    status = main(["--spec", str(spec), "--root", str(spec.parent), *options])
    return status, capsys.readouterr().err


def test_a_changed_signature_is_a_warning(tmp_path, capsys):
    spec = tmp_path / "oasis.yaml"
    text = SPEC.read_text()
    spec.write_text(text)
    assert generate(spec, capsys) == (0, "")
    assert generate(spec, capsys) == (0, "")
    assert text.count(NEXT_RECORD) == 1
    spec.write_text(text.replace(NEXT_RECORD, BRANCH + NEXT_RECORD))
    line = (
        "warning: mv_write_item_header(byte_mv, cursor, event_id, item_id) becomes "
        f"(byte_mv, cursor, event_id, item_id, branch): {WARNING}\n"
    )
    assert generate(spec, capsys, "--check") == (1, f"{line}run `make generate`\n")
    assert generate(spec, capsys) == (0, line)
    assert generate(spec, capsys) == (0, "")


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (
            "      mv_write_sidx_loss: fields\n",
            "",
            None,  # the generated writer of the record has the same name and signature
        ),
        (
            ITEM_HEADER,
            "    documented: {mv_write_item_header: [item_id, event_id]}\n",
            "mv_write_item_header(byte_mv, cursor, event_id, item_id) becomes "
            "(byte_mv, cursor, item_id, event_id)",
        ),
        (
            "sidx, loss, sidx_type, loss_type, sidx_size, loss_size",
            "sidx, loss, sidx_type, sidx_size, loss_type, loss_size",
            "mv_write_sidx_loss_cached(byte_mv, cursor, sidx, loss, sidx_type, loss_type, "
            "sidx_size, loss_size) becomes (byte_mv, cursor, sidx, loss, sidx_type, sidx_size, "
            "loss_type, loss_size)",
        ),
        (
            "mv_write_sidx_loss_cached:",
            "mv_write_pair:",
            "mv_write_sidx_loss_cached(byte_mv, cursor, sidx, loss, sidx_type, loss_type, "
            "sidx_size, loss_size) is removed",
        ),
    ],
    ids=["mark", "order", "dtypes", "name"],
)
def test_each_kind_of_change_is_a_warning(tmp_path, capsys, old, new, change):
    spec = tmp_path / "oasis.yaml"
    text = SPEC.read_text()
    assert text.count(old) == 1
    spec.write_text(text)
    assert generate(spec, capsys) == (0, "")
    spec.write_text(text.replace(old, new))
    expected = "" if change is None else f"warning: {change}: {WARNING}\n"
    assert generate(spec, capsys) == (0, expected)


def test_a_module_edited_by_hand_gives_no_warning(tmp_path, capsys):
    """Nothing is written, so nothing changes."""
    spec = tmp_path / "oasis.yaml"
    text = SPEC.read_text()
    spec.write_text(text)
    assert generate(spec, capsys) == (0, "")
    edited = tmp_path / "src/evstream/_generated/records_i4_f4_u4.py"
    edited.write_text(edited.read_text() + "edited = True\n")
    spec.write_text(text.replace(NEXT_RECORD, BRANCH + NEXT_RECORD))
    status, error = generate(spec, capsys)
    assert status == 1
    assert "edited by hand" in error
    assert "warning" not in error


def test_a_list_orders_arguments_and_not_bytes(tmp_path, monkeypatch, capsys):
    spec = tmp_path / "oasis.yaml"
    old = "documented: {mv_write_item_header: fields}"
    new = "documented: {put_item: [item_id, event_id]}"
    assert SPEC.read_text().count(old) == 1
    spec.write_text(SPEC.read_text().replace(old, new))
    assert generate(spec, capsys) == (0, "")
    monkeypatch.syspath_prepend(tmp_path / "src/evstream/_generated")
    module = importlib.import_module("records_i8_f4_u8")
    monkeypatch.delitem(importlib.sys.modules, "records_i8_f4_u8")
    buffer = np.zeros(17, np.uint8)
    assert module.put_item.py_func(buffer, 1, 5, 7) == 17
    assert buffer[1:].tobytes() == struct.pack("<qq", 7, 5)
    assert module.mv_write_item_header.py_func(buffer, 0, 1, 2) == 16
    assert buffer[:16].tobytes() == struct.pack("<qq", 1, 2)
