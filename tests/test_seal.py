"""Seals: a stream that is not what it was is found out, even cut between two blocks."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import evstream
import oracle
from evstream.checking.seal import RANGE, Seal, Sealer, seal_path
from evstream.checking.validated_sources import validate
from evstream.cli.program import main
from support import PATIENCE

GOLDEN = Path(__file__).parent / "golden"
MANIFEST = json.loads((GOLDEN / "manifest.json").read_text())
LEGAL = [entry for entry in MANIFEST["files"] if entry["error"] is None]
PAIRS = [(-3, 5.0), (-1, 1.0), (1, 2.0)]
BLOCKS = [((event, item), PAIRS) for event in (1, 2, 3) for item in (1, 2)]
STREAM = oracle.encode("loss", {"len_sample": 3}, BLOCKS)
BLOCK = (len(STREAM) - 8) // len(BLOCKS)


def sealed_file(folder: Path, data: bytes = STREAM) -> Path:
    path = folder / "loss.bin"
    path.write_bytes(data)
    assert main(["seal", str(path)]) == 0
    return path


@pytest.mark.parametrize("entry", LEGAL, ids=lambda entry: entry["file"])
@pytest.mark.parametrize("piece", [1, 7, 100_000])
@pytest.mark.filterwarnings("ignore::evstream.MissingDelimiterWarning")
def test_a_seal_counts_what_the_file_holds(entry, piece):
    if piece == 1 and entry["bytes"] > 5000:
        piece = 4099
    data = (GOLDEN / entry["file"]).read_bytes()
    sealer = Sealer("golden", stream=entry["stream"], widths=entry["widths"])
    for at in range(0, len(data), piece):
        sealer.update(data[at : at + piece])
    if not data:
        sealer.update(b"")
    seal = sealer.finish()
    assert seal.complete
    assert seal.bytes == entry["bytes"]
    assert (seal.events, seal.blocks, seal.records) == (
        entry["events"], entry["blocks"], entry["records"],
    )  # fmt: skip
    assert len(seal.checksums) == -(-len(data) // RANGE)


def test_a_cut_between_two_blocks_is_found(tmp_path):
    path = sealed_file(tmp_path)
    assert validate(path).clean
    path.write_bytes(STREAM[:-BLOCK])
    assert validate(path, seal=False).clean  # nothing in the format shows it
    report = validate(path)
    assert report.counts.keys() == {"as-sealed"}
    assert any(f"bytes {len(STREAM) - BLOCK}, expected {len(STREAM)}" in f.text
               for f in report.findings)  # fmt: skip


def test_a_changed_byte_is_found_in_its_megabyte(tmp_path):
    many = [((event, 1), [(s, 1.0) for s in range(1, 3000)]) for event in range(1, 100)]
    data = bytearray(oracle.encode("loss", {"len_sample": 3000}, many))
    assert len(data) > 2 * RANGE
    path = sealed_file(tmp_path, bytes(data))
    data[RANGE + 4] ^= 1  # in a loss
    path.write_bytes(data)
    (finding,) = (f for f in validate(path).findings if f.rule == "as-sealed")
    assert finding.offset == RANGE


def test_a_writer_seals_as_it_goes(tmp_path):
    path = tmp_path / "loss.bin"
    with evstream.create(path, len_sample=3, seal=True) as out:
        for event in (1, 2, 3):
            out.write_event(event, [1, 2], [[2.0, 0, 0]] * 2, tiv=5.0, mean=1.0)
    assert path.read_bytes() == STREAM
    written = Path(seal_path(str(path))).read_text()
    assert main(["seal", str(path)]) == 0
    assert Path(seal_path(str(path))).read_text() == written


def test_a_writer_that_fails_leaves_no_seal(tmp_path):
    def fail():
        with evstream.create(tmp_path / "loss.bin", len_sample=3, seal=True) as out:
            out.write_event(1, [1], [[1.0, 0, 0]])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_target_without_a_path_needs_one_for_its_seal(tmp_path):
    with pytest.raises(TypeError, match="needs a path"):
        evstream.create(io.BytesIO(), len_sample=3, seal=True)
    target = io.BytesIO()
    with evstream.create(target, len_sample=3, seal=str(tmp_path / "out.seal")) as out:
        out.write_event(1, [1], [[1.0, 0, 0]])
    assert Seal.read(tmp_path / "out.seal").bytes == len(target.getvalue())


def run_tee(folder: Path, data: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "evstream", "tee", "--seal", str(folder / "out.seal")]
    return subprocess.run(command, input=data, capture_output=True, check=False)


def test_tee_passes_every_byte_on_and_seals(tmp_path):
    result = run_tee(tmp_path, STREAM)
    assert (result.returncode, result.stdout) == (0, STREAM)
    path = tmp_path / "loss.bin"
    path.write_bytes(STREAM)
    assert validate(path, seal=str(tmp_path / "out.seal")).clean


@pytest.mark.parametrize("data", [STREAM[:-3], STREAM[:5], b"", b"no stream at all"])
def test_tee_passes_a_broken_stream_on_and_says_so(tmp_path, data):
    result = run_tee(tmp_path, data)
    assert (result.returncode, result.stdout) == (1, data)
    assert result.stderr.startswith(b"evstream: <stdin>: byte ")
    seal = Seal.read(tmp_path / "out.seal")
    assert not seal.complete
    assert seal.bytes == len(data)


def test_tee_passes_on_what_has_come_before_more_comes(tmp_path):
    command = [sys.executable, "-m", "evstream", "tee", "--seal", str(tmp_path / "out.seal")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(STREAM[:20])
    assert os.read(process.stdout.fileno(), 100) == STREAM[:20]
    process.stdin.write(STREAM[20:])
    process.stdin.close()
    assert process.stdout.read() == STREAM[20:]
    process.stdout.close()
    assert process.wait(PATIENCE) == 0


def test_a_stream_that_is_cut_gets_no_seal(tmp_path, capsys):
    path = tmp_path / "loss.bin"
    path.write_bytes(STREAM[:-3])
    assert main(["seal", str(path)]) == 2
    assert "ends inside record sidx_loss" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["loss.bin"]


def test_what_is_no_seal_is_refused(tmp_path, capsys):
    path = sealed_file(tmp_path)
    for text in ("", "[]", "{}", '{"evstream_seal": 9}', '{"evstream_seal": 1, "new": 1}'):
        Path(seal_path(str(path))).write_text(text)
        with pytest.raises(evstream.SealError):
            validate(path)
    assert main(["validate", str(path)]) == 2
    assert "loss.bin.seal: not a seal" in capsys.readouterr().err


def test_a_seal_of_a_stream_that_was_not_complete_is_a_finding(tmp_path):
    path = sealed_file(tmp_path)
    seal = Seal.read(seal_path(str(path)))
    seal.complete = False
    seal.write(seal_path(str(path)))
    (finding,) = validate(path).findings
    assert "was not complete when it was sealed" in finding.text


@pytest.mark.parametrize(
    ("change", "problem"),
    [({"checksums": 5}, "checksums is 5"), ({"checksums": []}, "0 checksums for 1 ranges"),
     ({"bytes": "x"}, "bytes is 'x'"), ({"complete": 1}, "complete is 1"),
     ({"more": 1}, "unexpected keyword")],
)  # fmt: skip
def test_a_seal_that_does_not_say_what_a_seal_says_is_none(tmp_path, change, problem):
    path = tmp_path / "loss.bin"
    with evstream.create(path, "loss", len_sample=1, seal=True) as out:
        out.write_columns(1, 1, 1, 5.0)
    seal = tmp_path / "loss.bin.seal"
    seal.write_text(json.dumps(json.loads(seal.read_text()) | change))
    with pytest.raises(evstream.SealError, match=problem):
        validate(path)


def test_a_seal_lies_beside_the_file_wherever_the_program_goes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with evstream.create("loss.bin", "loss", len_sample=1, seal=True) as out:
        out.write_columns(1, 1, 1, 5.0)
        monkeypatch.chdir("elsewhere")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["elsewhere", "loss.bin", "loss.bin.seal"]


def test_a_seal_that_cannot_be_written_leaves_no_file(tmp_path):
    path, seal = tmp_path / "loss.bin", tmp_path / "nowhere" / "loss.seal"
    with (
        pytest.raises(FileNotFoundError, match=str(seal)),
        evstream.create(path, "loss", len_sample=1, seal=str(seal)) as out,
    ):
        out.write_columns(1, 1, 1, 5.0)
    assert not list(tmp_path.iterdir())


def test_widths_that_the_stream_has_no_use_for_are_not_compared(tmp_path, monkeypatch):
    path = sealed_file(tmp_path)
    monkeypatch.setenv("OASIS_AREAPERIL_TYPE", "u8")
    assert validate(path).clean
    seal = Seal.read(seal_path(str(path)))
    seal.widths["oasis_float"] = "f8"
    used = ["oasis_int", "oasis_float", "sample_count"]
    assert [what for _, what in seal.differences(Seal.read(seal_path(str(path))), used)] == [
        "widths {'oasis_int': 'i4', 'oasis_float': 'f4', 'sample_count': 'i4'}, expected "
        "{'oasis_int': 'i4', 'oasis_float': 'f8', 'sample_count': 'i4'} by the seal"
    ]
