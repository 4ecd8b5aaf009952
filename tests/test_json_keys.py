"""Commands that print JSON say the same things under the same keys."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import evstream
from evstream.cli.program import main
from golden_files import GOLDEN
from support import child_environment

SHARED = {
    "file", "stream", "source", "aggregation", "header", "widths", "bytes", "events", "blocks",
    "records", "error",
}  # fmt: skip


def said(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    main([*map(str, arguments)])
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ["loss_i4_f4.bin", "summary_i4_f4.bin", "cdf_i4_f4_u4.bin"])
def test_info_and_validate_agree(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    one = said(capsys, "info", "--json", GOLDEN / name)
    other = said(capsys, "validate", "--json", GOLDEN / name)
    assert set(one) >= SHARED
    assert set(other) >= SHARED
    for key in sorted(set(one) & set(other)):
        assert one[key] == other[key], key
    assert one["file"] == str(GOLDEN / name)


@pytest.mark.parametrize("command", ["info", "validate"])
def test_an_unreadable_file_has_an_object_too(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.bin").write_bytes(b"text")
    for path in (tmp_path / "a.bin", tmp_path / "missing.bin"):
        found = said(capsys, command, "--json", path)
        assert found["file"] == str(path)
        assert found["error"].startswith(f"{path}: ")


@pytest.mark.parametrize("data", [(GOLDEN / "loss_i4_f4.bin").read_bytes(), b"text"])
@pytest.mark.parametrize("command", ["info", "validate"])
def test_stdin_has_one_name(
    command: str, data: bytes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert said(capsys, command, "--json", "-")["file"] == "<stdin>"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    main([command, "-"])
    printed = capsys.readouterr()
    assert "<stdin>" in printed.out + printed.err
    assert "-:" not in printed.out + printed.err


def test_the_docstring_of_create_names_the_seal() -> None:
    assert "evstream.Seal" in str(evstream.create.__doc__)
    assert "Seal" in dir(evstream)


@pytest.mark.parametrize("module", ["dropin", "event_stream"])
def test_documented_modules_are_attributes(module: str) -> None:
    code = f"import evstream; print(evstream.{module}.__name__, {module!r} in dir(evstream))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=child_environment(),
    )  # fmt: skip
    assert done.stdout == f"evstream.{module} True\n"
