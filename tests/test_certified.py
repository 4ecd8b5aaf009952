"""A seal certifies nothing that `evstream validate` calls an error."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import evstream
from evstream.checking.seal import Seal
from evstream.checking.tee import tee
from evstream.cli.program import main

BROKEN = ["sidx-in-range", "sidx-unique", "events-contiguous"]


def broken_stream(path: Path, rule: str) -> None:
    with evstream.create(path, "loss", len_sample=3, validate=False) as out:
        if rule == "events-contiguous":
            for event in (1, 2, 1):
                out.write_columns([event, event], [1, 1], [-3, -1], [1.0, 1.0])
        elif rule == "sidx-in-range":
            out.write_columns([1, 1, 1], [1, 1, 1], [-3, -1, 9], [1.0, 1.0, 1.0])
        else:
            out.write_columns([1, 1, 1, 1], [1, 1, 1, 1], [-3, -1, 1, 1], [1.0, 1.0, 1.0, 2.0])


@pytest.mark.parametrize("rule", BROKEN)
def test_seal_refuses_a_stream_that_breaks_a_rule(tmp_path, capsys, rule):
    file = tmp_path / "gul.bin"
    broken_stream(file, rule)
    assert rule in evstream.validate(file).counts
    assert main(["seal", str(file)]) == 2
    assert rule in capsys.readouterr().err
    assert not (tmp_path / "gul.bin.seal").exists()


@pytest.mark.parametrize("rule", BROKEN)
def test_tee_passes_it_on_and_does_not_certify_it(tmp_path, rule):
    file, seal, target = tmp_path / "gul.bin", tmp_path / "gul.seal", io.BytesIO()
    broken_stream(file, rule)
    passed = tee(file, target, seal=str(seal))
    assert target.getvalue() == file.read_bytes()
    assert passed.problem is None
    assert rule in str(passed.uncertified)
    assert not Seal.read(seal).complete


def test_a_warning_is_certified(tmp_path):
    file, seal = tmp_path / "gul.bin", tmp_path / "gul.seal"
    with evstream.create(file, "loss", len_sample=1) as out:
        out.write_columns([1], [1], [-1], [-2.0])  # negative, and without a total insured value
    assert main(["seal", str(file)]) == 0
    assert tee(file, io.BytesIO(), seal=str(seal)).uncertified is None
    assert Seal.read(seal).complete


def test_a_writer_that_checks_nothing_has_no_seal(tmp_path):
    with pytest.raises(ValueError, match="validate=False"):
        evstream.create(tmp_path / "gul.bin", len_sample=1, validate=False, seal=True)
    assert list(tmp_path.iterdir()) == []
