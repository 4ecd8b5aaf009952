"""Commands that seal streams or print what they hold, as users call them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

import oracle
from evstream.cli.program import main
from support import run_main

GOLDEN = Path(__file__).parent / "golden"
LOSS = GOLDEN / "loss_i4_f4.bin"
TWO_EVENTS = oracle.encode("loss", {"len_sample": 2}, [((1, 1), [(1, 2.5)]), ((2, 1), [(2, 1.0)])])


def test_a_seal_that_cannot_be_read_is_named(tmp_path, capsys):
    missing = tmp_path / "missing.seal"
    for seal, reason in ((missing, "No such file or directory"), (tmp_path, "Is a directory")):
        assert main(["validate", str(LOSS), "--seal", str(seal)]) == 2
        assert capsys.readouterr().err == f"evstream: {seal}: {reason}\n"


def test_a_tee_does_not_write_the_seal_over_the_stream(tmp_path):
    both = tmp_path / "both"
    for seal, output in ((both, both), (tmp_path / "." / "both", both), ("-", "-")):
        result = run_main("tee", "--seal", seal, "--output", output, stdin=TWO_EVENTS)
        assert result.returncode == 2
        assert result.stderr.endswith(b": the stream, its seal and its index need a file each\n")
        assert result.stdout == b""
    assert list(tmp_path.iterdir()) == []


def test_seal_goes_on_after_a_file_that_it_cannot_seal(tmp_path, capsys):
    for name in ("a.bin", "b.bin"):
        (tmp_path / name).write_bytes(TWO_EVENTS)
    (tmp_path / "cut.bin").write_bytes(TWO_EVENTS[:-3])
    (tmp_path / "folder").mkdir()
    names = ["a.bin", "none.bin", "cut.bin", "folder", "b.bin"]
    assert main(["seal", *(str(tmp_path / name) for name in names)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert errors[0] == f"evstream: {tmp_path / 'none.bin'}: No such file or directory"
    assert "cut.bin: byte " in errors[1]
    assert "not a file" in errors[2]
    assert errors[3:] == ["evstream: 5 files: 2 sealed, 3 not sealed"]
    assert sorted(path.name for path in tmp_path.glob("*.seal")) == ["a.bin.seal", "b.bin.seal"]


def test_info_as_json_is_json_even_for_nan(tmp_path, capsys):
    path = tmp_path / "loss.bin"
    pairs = [(-3, math.inf), (1, math.nan), (2, 0.5)]
    path.write_bytes(oracle.encode("loss", {"len_sample": 2}, [((1, 1), pairs)]))
    main(["info", "--json", str(path)])
    losses = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["losses"]
    assert (losses["samples"]["sum"], losses["tiv"]["sum"]) == ("nan", "inf")
