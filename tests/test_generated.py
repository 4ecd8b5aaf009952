"""The generated files: fresh, deterministic, and all that a change of format needs."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from codegen.__main__ import main
from codegen.load import load_spec
from codegen.render import render
from codegen.write import stale, write

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "spec" / "oasis.yaml"
PACKAGE = ROOT / "src" / "evstream"


def test_generated_files_are_fresh():
    files = render(load_spec(SPEC), SPEC)
    assert stale(ROOT, files) == [], "run `make generate`"


def test_check_writes_nothing_and_tells_what_is_stale(tmp_path, capsys):
    assert main(["--check", "--root", str(tmp_path)]) == 1
    assert "stale docs/format.md" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    assert main(["--root", str(tmp_path)]) == 0
    assert main(["--check", "--root", str(tmp_path)]) == 0


def test_only_what_changed_is_written(tmp_path):
    files = {"docs/a.md": "a\n", "docs/b.md": "b\n"}
    assert write(tmp_path, files) == ["docs/a.md", "docs/b.md"]
    before = (tmp_path / "docs/a.md").stat().st_mtime_ns
    assert write(tmp_path, files | {"docs/b.md": "c\n"}) == ["docs/b.md"]
    assert (tmp_path / "docs/a.md").stat().st_mtime_ns == before


def test_modules_of_a_width_that_is_gone_are_removed(tmp_path):
    old = tmp_path / "src/evstream/_generated/item_i2_f4.py"
    old.parent.mkdir(parents=True)
    old.touch()
    assert write(tmp_path, {}) == ["src/evstream/_generated/item_i2_f4.py"]
    assert not old.exists()


def test_the_output_does_not_depend_on_the_hash_seed(tmp_path):
    texts = []
    for seed in ("1", "2"):
        root = tmp_path / seed
        subprocess.run(
            [sys.executable, "-m", "codegen", "--root", str(root)],
            cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed}, check=True, capture_output=True,
        )  # fmt: skip
        texts.append({p.name: p.read_text() for p in root.rglob("*") if p.is_file()})
    assert texts[0] == texts[1]


def test_generated_files_carry_no_date():
    for path in (PACKAGE / "_generated").glob("*.py"):
        assert not re.search(r"\b20\d\d-\d\d", path.read_text()), path


def test_a_spec_error_is_told_with_its_place(tmp_path, capsys):
    bad = tmp_path / "bad.yaml"
    bad.write_text(SPEC.read_text().replace("widths: [f4, f8]", "widths: [f4, f9]"))
    assert main(["--spec", str(bad), "--root", str(tmp_path)]) == 1
    line = next(n for n, t in enumerate(bad.read_text().splitlines(), 1) if "f9" in t)
    error = capsys.readouterr().err
    assert f"bad.yaml:{line}:" in error
    assert "f9" in error
    assert [p.name for p in tmp_path.iterdir()] == ["bad.yaml"]


def changed_package(tmp_path: Path, change) -> Path:
    """A copy of the package, generated from a changed spec; where to import it from."""
    spec = tmp_path / "spec.yaml"
    spec.write_text(change(SPEC.read_text()))
    ignore = shutil.ignore_patterns("_generated", "__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "src" / "evstream", ignore=ignore)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*.py")}
    assert main(["--spec", str(spec), "--root", str(tmp_path)]) == 0
    assert all(p.read_bytes() == text for p, text in before.items())
    return tmp_path / "src"


def run_with(package: Path, code: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(package), "EVSTREAM_CACHE": "0"}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_a_new_default_width_needs_nothing_but_the_spec(tmp_path):
    package = changed_package(
        tmp_path, lambda spec: spec.replace("widths: [f4, f8]", "widths: [f8, f4]")
    )
    code = (
        "import evstream, io; b = io.BytesIO();"
        "w = evstream.create(b, 'loss', len_sample=1); w.write_event(1, [2], [[0.1]]); w.close();"
        "b.seek(0); (e,) = evstream.open(b); print(evstream.__file__, len(b.getvalue()), e.loss)"
    )
    out = run_with(package, code)
    assert out == f"{package / 'evstream/__init__.py'} 40 [0.1]\n"


def with_a_new_stream(spec: str) -> str:
    """The spec with a stream of claims per policy: a record, block and stream more."""
    spec = spec.replace(
        "enums:\n  source_type:",
        "enums:\n  source_type:",
    ).replace(
        "      SUMMARY: {value: 3,",
        "      CLAIM: {value: 9, constant: CLAIM_STREAM_ID, doc: Claims.}\n"
        "      SUMMARY: {value: 3,",
    )
    record = """\
  policy_header:
    doc: Opens a block of claims of one policy.
    fields:
      - {name: event_id, type: oasis_int, plural: event_ids, reserved: [0], doc: The event.}
      - {name: branch, type: areaperil_int, plural: branches, doc: The branch.}
      - {name: policy_id, type: oasis_int, plural: policy_ids, reserved: [0], doc: The policy.}
  sidx_loss:
"""
    block = """\
  policy:
    doc: The claims of one policy.
    header: policy_header
    entry: sidx_loss
    end: {delimiter: delimiter}
  cdf:
    doc: The damage distribution"""
    stream = """\
  claim:
    doc: Claims per policy.
    source: CLAIM
    aggregation: ITEM
    header: sample_stream_header
    block: policy
    special_sidx:
      MEAN: {required: true, doc: The mean claim.}
  loss:
    doc: Losses per item, ground-up"""
    for old, new in (
        ("  sidx_loss:\n", record),
        ("  cdf:\n    doc: The damage distribution", block),
        ("  loss:\n    doc: Losses per item, ground-up", stream),
    ):
        assert spec.count(old) == 1, old
        spec = spec.replace(old, new)
    return spec


def test_a_new_record_block_and_stream_need_nothing_but_the_spec(tmp_path):
    package = changed_package(tmp_path, with_a_new_stream)
    code = """
import io, evstream
for widths in ({}, {"oasis_int": "i8", "areaperil_int": "u8"}):
    b = io.BytesIO()
    with evstream.create(b, "claim", len_sample=2, widths=widths) as out:
        out.write_columns(1, [7, 7, 7], [8, 8, 9], [-1, 2, 1], [1.5, 2.5, 3.5])
    b.seek(0)
    (event,) = evstream.open(b, widths=widths)
    print(len(b.getvalue()), event.branches, event.policy_ids, event.offsets, event.loss)
"""
    out = run_with(package, code)
    assert out == "72 [7 7] [8 9] [0 2 3] [1.5 2.5 3.5]\n116 [7 7] [8 9] [0 2 3] [1.5 2.5 3.5]\n"


WIDTH = re.compile(r"[<>=]?[iuf][1248]")


@pytest.mark.parametrize(
    "path", sorted(p for p in PACKAGE.rglob("*.py") if "_generated" not in p.parts), ids=str
)
def test_no_width_is_written_by_hand(path):
    tree = ast.parse(path.read_text())
    widths = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and WIDTH.fullmatch(node.value)
    ]
    assert widths == []
    imported = [n.names[0].name for n in ast.walk(tree) if isinstance(n, ast.Import)]
    assert "struct" not in imported
