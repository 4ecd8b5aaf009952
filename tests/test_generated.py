"""The generated files: fresh, deterministic, and all that a change of format needs."""

from __future__ import annotations

import ast
import inspect
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest

import evstream
from codegen.__main__ import main
from codegen.digest import BLANK, sealed
from codegen.language import (
    CREATE_NAMES,
    EVENT_NAMES,
    RECORD_NAMES,
    RECORDS_MODULE_NAMES,
    SNAKE,
    WRITER_NAMES,
)
from codegen.load import load_spec
from codegen.outputs import OWN
from codegen.render import TemplateError, environment, render, template_errors
from codegen.write import EditedError, stale, write
from evstream._generated import layout
from evstream._support.protocol import STATE_FIELDS

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "spec" / "oasis.yaml"
PACKAGE = ROOT / "src" / "evstream"


def test_generated_files_are_fresh():
    files = render(load_spec(SPEC), SPEC)
    assert stale(ROOT, files, OWN.owned) == [], "run `make generate`"


def examples(folder: Path) -> Path:
    """The spec that the examples of the reference make up."""
    path = folder / "examples.yaml"
    text = (ROOT / "spec" / "README.md").read_text()
    path.write_text("".join(re.findall(r"(?ms)^```yaml\n(.*?)^```", text)))
    return path


@pytest.mark.parametrize("spec", ["minimal", "examples"])
def test_a_small_spec_is_enough(tmp_path, spec):
    """Also one without special sidx, delimiters, stream headers and rules."""
    path = ROOT / "tests/minimal_spec.yaml" if spec == "minimal" else examples(tmp_path)
    files = render(load_spec(path), path)
    for name, text in files.items():
        if name.endswith(".py"):
            compile(text, name, "exec")
    layout: dict[str, Any] = {}
    exec(files["src/evstream/_generated/layout.py"], layout)
    assert layout["SPECIAL_PARAMETERS"] == ({} if spec == "minimal" else {"mean": -1})
    assert ("## Special sidx" in files["docs/format.md"]) == (spec == "examples")


def snake(names: Iterable[str]) -> set[str]:
    return {name for name in names if re.fullmatch(SNAKE.pattern, name)}


def test_reserved_names_of_events_are_those_of_the_class():
    assert snake(dir(evstream.Event)) | {"property"} == EVENT_NAMES


def arguments(*functions):
    """Parameters that have names of their own, but for those that are fields of the spec."""
    found = {
        p.name
        for function in functions
        for p in inspect.signature(function).parameters.values()
        if p.kind is not p.VAR_KEYWORD
    }
    return found - layout.FORMAT.stream_header_fields().keys()


def test_the_reserved_names_of_the_writer_are_its_arguments():
    assert arguments(evstream.Writer.write_event, evstream.Writer.write_events) == WRITER_NAMES
    assert arguments(evstream.create, evstream.write_arrow) == CREATE_NAMES


def test_a_spec_may_use_the_names_of_kernel_variables():
    spec = ROOT / "tests" / "kernel_names_spec.yaml"
    files = render(load_spec(spec), spec)
    for block in ("item", "counted"):
        source = files[f"src/evstream/_generated/{block}.py"].replace("@jit\n", "")
        module = {}
        exec(source, module)
        fields = module["HEADER_FIELDS"] + module["ENTRY_COLUMNS"]
        state = np.zeros(1, [(n, "i8") for n in STATE_FIELDS] + [(f"{n}_", "i4") for n in fields])[
            0
        ]
        numbers = [7, 8, 1, 0] if block == "counted" else [7, 8, 0, 1, 2, 0, 0]
        data = np.array(numbers + [1, 2] * (block == "counted"), "<i4").view(np.uint8)
        columns = [np.zeros(2, "i4") for _ in module["HEADER_COLUMNS"]]
        entry = [np.zeros(2, "i4") for _ in module["ENTRY_COLUMNS"]]
        offsets = np.zeros(3, "i8")
        module["decode_blocks"](data, 0, len(data), 0, state, *columns, offsets, *entry, 0, 0)
        assert [column[0] for column in columns[:2]] == [7, 8]


def test_reserved_names_of_records_are_those_of_the_class():
    spec = load_spec(SPEC)
    fields = {field.name for record in spec.records.values() for field in record.fields}
    for path in (PACKAGE / "_generated").glob("records_*.py"):
        used: set[str] = set()
        module = ast.parse(path.read_text())
        for function in module.body:
            if isinstance(function, ast.FunctionDef) and function.name.startswith("mv_write"):
                body = ast.Module(function.body, [])
                names = {n.id for n in ast.walk(body) if isinstance(n, ast.Name)}
                parameters = {a.arg for a in function.args.args} - {"byte_mv", "cursor"}
                used |= names - parameters - fields
        assert snake(used) == RECORD_NAMES
        imported = {
            alias.asname or alias.name
            for node in module.body
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        }
        assert imported == RECORDS_MODULE_NAMES


def test_check_writes_nothing_and_tells_what_is_stale(tmp_path, capsys):
    assert main(["--check", "--root", str(tmp_path)]) == 1
    assert "stale docs/format.md" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    assert main(["--root", str(tmp_path)]) == 0
    assert main(["--check", "--root", str(tmp_path)]) == 0


def generated(text: str) -> str:
    """A text as the generator writes it."""
    return sealed(f"# digest {BLANK}\n{text}\n")


def test_a_file_edited_by_hand_is_not_overwritten(tmp_path):
    path = tmp_path / "a.py"
    files = {"a.py": generated("one"), "b.py": generated("two")}
    path.write_text(generated("one") + "edited\n")
    with pytest.raises(EditedError, match=r"a\.py: edited by hand"):
        write(tmp_path, files, {})
    assert path.read_text().endswith("edited\n")
    assert not (tmp_path / "b.py").exists()
    assert write(tmp_path, files, {}, force=True) == ["a.py", "b.py"]
    assert path.read_text() == files["a.py"]


def test_a_stale_file_is_overwritten(tmp_path):
    (tmp_path / "a.py").write_text(generated("one"))
    assert write(tmp_path, {"a.py": generated("two")}, {}) == ["a.py"]


def test_a_comment_in_the_spec_changes_no_file(tmp_path):
    spec = tmp_path / "oasis.yaml"
    spec.write_text("# A comment.\n" + SPEC.read_text())
    assert render(load_spec(spec), spec) == render(load_spec(SPEC), SPEC)


def test_a_template_error_names_template_and_line():
    with pytest.raises(TemplateError, match=r"^banner.j2:1: .*") as caught, template_errors():
        environment().get_template("init.py.j2").render(digest="0")
    assert "undefined" in str(caught.value)


def test_only_what_changed_is_written(tmp_path):
    files = {f"docs/{name}.md": generated(name) for name in "ab"}
    assert write(tmp_path, files, {}) == ["docs/a.md", "docs/b.md"]
    before = (tmp_path / "docs/a.md").stat().st_mtime_ns
    assert write(tmp_path, files | {"docs/b.md": generated("c")}, {}) == ["docs/b.md"]
    assert (tmp_path / "docs/a.md").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "path",
    [
        "docs/kaitai/loss_i2_f4.ksy",
        "src/evstream/_generated/records_i2_f4.py",
        "src/evstream/include/old.h",
    ],
)
def test_files_of_a_width_that_is_gone_are_removed(tmp_path, path):
    old = tmp_path / path
    old.parent.mkdir(parents=True)
    old.write_text(generated("old"))
    assert write(tmp_path, {}, OWN.owned) == [path]
    assert not old.exists()


def test_what_was_removed_is_told(tmp_path, capsys):
    assert main(["--root", str(tmp_path)]) == 0
    summaries = [line for line in capsys.readouterr().out.splitlines() if line[0].isdigit()]
    streams, files = (line.partition(",")[0] for line in summaries)
    old = tmp_path / "docs/kaitai/loss_i2_f4.ksy"
    old.write_text(generated("old"))
    (tmp_path / "docs/format.md").unlink()
    assert main(["--check", "--root", str(tmp_path)]) == 1
    assert capsys.readouterr().out == (
        f"stale docs/format.md\nstale docs/kaitai/loss_i2_f4.ksy\n{files}, 0 changed\n"
    )
    assert main(["--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out == (
        "wrote docs/format.md\nremoved docs/kaitai/loss_i2_f4.ksy\n"
        f"{streams}, 1 changed, 1 removed\n{files}, 0 changed\n"
    )
    assert not old.exists()


def test_only_generated_files_are_removed(tmp_path):
    kept = [
        tmp_path / "docs/analysis.md",
        tmp_path / "docs/kaitai/README.md",
        tmp_path / "src/evstream/include/__init__.py",
        tmp_path / "src/evstream/reading/window.py",
    ]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert write(tmp_path, {}, OWN.owned) == []
    assert all(path.exists() for path in kept)


def test_every_folder_of_the_generator_is_its_own():
    """So that nothing generated is left behind, wherever it is put."""
    files = render(load_spec(SPEC), SPEC)
    ours = {folder: PurePath(pattern).suffix for folder, pattern in OWN.owned.items()}
    for path in map(PurePath, files):
        assert str(path) == "docs/format.md" or ours[str(path.parent)] == path.suffix


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
    for path, text in render(load_spec(SPEC), SPEC).items():
        assert not re.search(r"\b20\d\d-\d\d", text), path


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
    """What plain Python prints, where nothing needs compiling; test_other_format.py compiles."""
    environment = os.environ | {"PYTHONPATH": str(package), "NUMBA_DISABLE_JIT": "1"}
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
      - {name: policy_id, type: oasis_int, plural: policy_ids, doc: The policy.}
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


def test_a_new_record_block_and_stream_need_the_spec_alone(tmp_path):
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


def c_answers(folder: Path, body: str) -> None:
    """Compile a program with the header below a folder, without a warning, and run it."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc here")
    source = folder / "answers.c"
    source.write_text(f'#include "evstream.h"\nint main(void)\n{{\n{body}\n}}\n')
    warnings = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion"]
    include = folder / "src/evstream/include"
    binary = folder / "answers"
    command = ["gcc", *warnings, f"-I{include}", str(source), "-o", str(binary)]
    compiled = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (compiled.returncode, compiled.stderr) == (0, "")
    assert subprocess.run([str(binary)], check=False).returncode == 0


def test_a_new_stream_is_in_the_c_header_and_in_kaitai(tmp_path):
    changed_package(tmp_path, with_a_new_stream)
    c_answers(
        tmp_path,
        """
    unsigned char bytes[EVS_MAX_RECORD_SIZE] = {1};
    evs_policy_header_i8_u8 block = {1, 2, 3};
    evs_sidx_loss_i8_f4 entry;
    evs_reader reader;
    evs_begin(&reader, EVS_AT_BLOCK);
    evs_feed(&reader, bytes, evs_write_policy_header_i8_u8(bytes, &block));
    block.policy_id = 0;
    if (evs_next_policy_i8_f4_u8(&reader, &block, &entry) != EVS_BLOCK || block.policy_id != 3)
        return 1;
    return EVS_TYPE_CLAIM == evs_pack_type(EVS_ITEM_STREAM, EVS_CLAIM_STREAM_ID) ? 0 : 1;
""",
    )
    names = {path.stem for path in (tmp_path / "docs/kaitai").glob("claim_*")}
    assert names == {"claim_i4_f4_u4"}


def test_the_c_header_takes_words_of_c_and_extreme_numbers(tmp_path):
    """Names of fields that C has taken, 64-bit limits, and unsigned counts: no warning."""

    def change(spec: str) -> str:
        for old, new in (
            ("name: exposure_value, type", "name: register, type"),
            ("gaps: {exposure_value: loss}", "gaps: {register: loss}"),
            ("[loss, exposure_value, prob_to", "[loss, register, prob_to"),
            ("field: [loss, exposure_value]", "field: [loss, register]"),
            ("exposure_value: ImpactedExposure", "register: ImpactedExposure"),
            ("summary_id, exposure_value, event_id_type", "summary_id, register, event_id_type"),
            ("exposure_value_dtype, exposure_value_size", "register_dtype, register_size"),
            ("Identifier of the coverage.", "Identifier /* of the coverage."),
            ("name: no_of_bins, type: oasis_int", "name: no_of_bins, type: areaperil_int"),
            (
                "no_of_bins, type: areaperil_int, minimum: 0",
                "no_of_bins, type: areaperil_int, minimum: 1",
            ),
            ("match: {sidx: 0}", "match: {sidx: -2147483648}"),
            ("write: {sidx: 0,", "write: {sidx: -2147483648,"),
        ):
            assert spec.count(old) == 1, old
            spec = spec.replace(old, new)
        return spec

    changed_package(tmp_path, change)
    c_answers(
        tmp_path,
        """
    unsigned char bytes[EVS_MAX_RECORD_SIZE];
    evs_summary_header_i4_f4 block;
    evs_sidx_loss_i8_f8 entry;
    block.register_ = 1.5f;
    evs_write_delimiter_i8_f8(bytes);
    evs_read_sidx_loss_i8_f8(bytes, &entry);
    return evs_is_delimiter_i8_f8(&entry) && entry.sidx == INT32_MIN && block.register_ > 1 ? 0 : 1;
""",
    )


WIDTH = re.compile(r"[<>=]?[iuf][1248]")

NOT_OF_THE_FORMAT = {
    "text/limits.py": "text of a number of any numpy type",
    "text/column_texts.py": "text of a number of any numpy type",
    "text/parse_kernels.py": "text of a number of any numpy type",
    "text/digits.py": "the bits of a float, as IEEE 754 lays them out",
    "indexing/index.py": "the arrays of an index",
    "engines/spark_source.py": "the types of columns that Spark has",
    "conversion/batch_guard.py": "the length before a message of an Arrow file",
}
"""Modules with widths that come from elsewhere, and from where."""


@pytest.mark.parametrize(
    "module",
    sorted(
        name
        for path in PACKAGE.rglob("*.py")
        if (name := path.relative_to(PACKAGE).as_posix()) not in NOT_OF_THE_FORMAT
        and "_generated" not in path.parts
    ),
)
def test_no_width_is_written_by_hand(module):
    tree = ast.parse((PACKAGE / module).read_text())
    assert widths_by_hand(tree) == []


@pytest.mark.parametrize("module", NOT_OF_THE_FORMAT)
def test_an_exempt_module_has_widths_of_its_own(module):
    assert widths_by_hand(ast.parse((PACKAGE / module).read_text()))


def widths_by_hand(tree: ast.Module) -> list[int]:
    """Lines with the name of a width, or with an import of struct."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and WIDTH.fullmatch(node.value)
        )
        or (isinstance(node, ast.Import) and "struct" in [alias.name for alias in node.names])
    ]
