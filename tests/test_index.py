"""An index says where the blocks and events of a file are, and nothing else."""

from __future__ import annotations

import io
import json
import zlib
from itertools import groupby
from typing import Any

import numpy as np
import pytest

import evstream
from evstream import StaleIndexError
from evstream.checking.tee import tee
from evstream.cli.program import main
from evstream.indexing import builder
from evstream.indexing.builder import IndexBuilder
from evstream.indexing.files import find_index, index_path
from evstream.indexing.index import Index, most_bytes, parse
from golden_files import LEGAL, decode_golden, golden_bytes
from oracle import encode
from support import block_size

pytestmark = pytest.mark.filterwarnings(
    "ignore::evstream.MissingDelimiterWarning", "ignore::evstream.SuspectWarning"
)

PAIRS = [(-1, 1.5), (1, 2.0), (2, 1.0)]
BLOCKS = [((event, item), PAIRS) for event in (3, 1, 7, 7, 2) for item in (1, 2, 3)]
STREAM = encode("loss", {"len_sample": 2}, BLOCKS)


def built(data: bytes, piece: int, **options: Any) -> Index:
    made = IndexBuilder("test", **options)
    for at in range(0, len(data), piece):
        made.update(data[at : at + piece])
    if not data:
        made.update(b"")
    return made.finish("tag")


def as_lists(index: Index) -> dict[str, Any]:
    return {name: array.tolist() for name, array in vars(index.stretches).items()} | {
        "runs": None if index.runs is None else index.runs.tolist(),
        "run_offsets": None if index.run_offsets is None else index.run_offsets.tolist(),
        "size": index.size, "closed": index.closed, "header": index.header,
    }  # fmt: skip


@pytest.mark.parametrize("entry", LEGAL, ids=lambda entry: entry["file"])
@pytest.mark.parametrize("stretch", [40, 300])
def test_an_index_has_the_blocks_of_the_file(entry, stretch, monkeypatch):
    """Stretches are cut as a slow loop over the oracle's blocks cuts them."""
    monkeypatch.setattr(builder, "STRETCH", stretch)
    monkeypatch.setattr(builder, "most_runs", lambda header, size: 1 << 20)
    data = golden_bytes(entry)
    decoded = decode_golden(entry)
    blocks = [(block[0][0], len(block[1])) for block in decoded.block_entries()]
    sizes = [block_size(decoded, count) for _, count in blocks]
    options = {"stream": entry["stream"], "widths": entry["widths"]}
    index = built(data, len(data) or 1, **options)
    starts = (index.header.size + np.cumsum([0, *sizes])[: len(blocks)]).tolist()
    bounds, begins = [], []
    for at, start in enumerate(starts):
        is_new = at == 0 or blocks[at][0] != blocks[at - 1][0]
        past = start - bounds[-1][0] if bounds else stretch
        if not bounds or (is_new and past >= stretch) or past >= 2 * stretch:
            bounds.append((start, at))
            begins.append(int(is_new))
    ends = [*(at for _, at in bounds), len(blocks)][1:]
    s = index.stretches
    assert s.offset.tolist() == [start for start, _ in bounds]
    assert s.begins_event.tolist() == begins
    edges = [*s.offset.tolist(), len(data)]
    for row, ((_, first), last) in enumerate(zip(bounds, ends, strict=True)):
        ids = [event for event, _ in blocks[first:last]]
        assert (s.first[row], s.lowest[row], s.highest[row]) == (ids[0], min(ids), max(ids))
        assert s.blocks[row] == last - first
        assert s.entries[row] == sum(count for _, count in blocks[first:last])
        assert s.checksum[row] == zlib.crc32(data[edges[row] : edges[row + 1]])
        assert s.ids[row] == zlib.crc32(np.array(ids, s.first.dtype).tobytes())
    runs = [(key, [at for at, _ in group]) for key, group in
            groupby(enumerate(blocks), lambda pair: pair[1][0])]  # fmt: skip
    assert index.runs.tolist() == [event for event, _ in runs]
    assert index.run_offsets.tolist() == [starts[ats[0]] for _, ats in runs]
    assert index.closed is (decoded.final_delimiter is not False)
    for piece in (1, 7, 64, 1000) if len(data) < 5000 else (997,):
        assert as_lists(built(data, piece, **options)) == as_lists(index)
    offsets, begins_event = index.cuts()
    assert set(offsets) == {len(data), *starts[: len(starts)]} & {*offsets}
    assert {*index.run_offsets.tolist(), len(data)} <= set(offsets[begins_event].tolist())


def test_an_index_file_gives_the_index_back(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(STREAM)
    index = evstream.build_index(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.bin", "a.bin.evx"]
    found = find_index(path)
    assert found is not None
    assert as_lists(found) == as_lists(index)
    assert found.tag == index.tag
    assert (index.blocks, index.records) == (len(BLOCKS), len(BLOCKS) * len(PAIRS))
    line = json.loads((tmp_path / "a.bin.evx").read_bytes().partition(b"\n")[0])
    assert (line["evstream_index"], line["stream"], line["size"]) == (1, "loss", len(STREAM))


def test_events_are_listed_where_that_takes_little_room(tmp_path):
    """Up to a 200th of the stream: 12 bytes for an event of 2400."""
    for entries, is_listed in ((310, True), (290, False)):
        pairs = [(sidx, 1.0) for sidx in range(1, entries)]
        blocks = [((event, 1), pairs) for event in range(1, 50)]
        data = encode("loss", {"len_sample": 400}, blocks)
        assert (built(data, 1000).runs is not None) is is_listed
        assert (built(data, 1000, total=len(data)).runs is not None) is is_listed


@pytest.mark.parametrize("seal", [False, True])
def test_a_writer_indexes_as_it_goes(tmp_path, seal):
    path = tmp_path / "a.bin"
    with evstream.create(path, len_sample=2, index=True, seal=seal) as out:
        for event in (3, 1, 7):
            out.write_event(event, [1, 2], [[2.0, 0]] * 2, mean=1.0)
    written = find_index(path)
    again = evstream.build_index(path)
    assert written is not None
    assert as_lists(written) == as_lists(again)
    assert written.tag == again.tag
    assert (tmp_path / "a.bin.seal").exists() is seal


def test_a_writer_that_fails_leaves_no_index(tmp_path):
    def fail():
        with evstream.create(tmp_path / "a.bin", len_sample=3, index=True, seal=True) as out:
            out.write_event(1, [1], [[1.0, 0, 0]])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_an_index_needs_a_place_and_a_plain_stream(tmp_path):
    with pytest.raises(TypeError, match=r"index of a target without a path .* index='out.index'"):
        evstream.create(io.BytesIO(), len_sample=3, index=True)
    with pytest.raises(ValueError, match="a compressed stream has no index"):
        evstream.create(tmp_path / "a.bin.gz", len_sample=3, index=True)
    with pytest.raises(ValueError, match="take the place of the stream"):
        evstream.create(tmp_path / "a.bin", len_sample=3, index=tmp_path / "a.bin")
    with pytest.raises(ValueError, match="need a file each"):
        evstream.create(tmp_path / "a", len_sample=3, index=tmp_path / "b", seal=tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_tee_indexes_what_passes(tmp_path):
    target = tmp_path / "a.bin"
    passed = tee(io.BytesIO(STREAM), target, index=index_path(str(target)), seal=f"{target}.seal")
    assert passed.problem is None
    assert target.read_bytes() == STREAM
    found = find_index(target)
    assert found is not None
    assert as_lists(found) == as_lists(built(STREAM, 100))
    assert found.tag == evstream.build_index(target).tag
    out = io.BytesIO()
    tee(io.BytesIO(STREAM), out, index=str(tmp_path / "b.evx"))
    assert parse((tmp_path / "b.evx").read_bytes(), "b").tag == ""


def test_tee_seals_and_indexes_an_empty_list(tmp_path):
    passed = tee(
        io.BytesIO(), tmp_path / "ids.bin", stream="event_ids",
        seal=str(tmp_path / "ids.bin.seal"), index=str(tmp_path / "ids.bin.evx"),
    )  # fmt: skip
    assert (passed.problem, passed.seal.complete) == (None, True)
    assert find_index(tmp_path / "ids.bin") is not None
    assert evstream.read_columns(tmp_path / "ids.bin", stream="event_ids")["event_id"].size == 0


@pytest.mark.parametrize("data", [STREAM[:-3], STREAM[:6], b"", STREAM + STREAM, b"no stream"])
def test_what_is_not_a_whole_stream_gets_no_index(tmp_path, data, capsys):
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    with pytest.raises(evstream.EvstreamError):
        evstream.build_index(path)
    assert main(["index", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert tee(io.BytesIO(data), tmp_path / "b", index=str(tmp_path / "b.evx")).problem is not None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.bin"]


def test_a_compressed_stream_gets_no_index(tmp_path):
    with evstream.create(tmp_path / "a.bin.gz", len_sample=1) as out:
        out.write_event(1, [1], [[1.0]])
    with pytest.raises(evstream.EvstreamError, match="compressed"):
        evstream.build_index(tmp_path / "a.bin.gz")


def test_the_command_indexes_each_file(tmp_path, capsys):
    for name in ("a.bin", "b.bin"):
        (tmp_path / name).write_bytes(STREAM)
    files = [str(tmp_path / name) for name in ("a.bin", "none.bin", "b.bin")]
    assert main(["index", "--no-fsync", *files]) == 2
    assert "none.bin: No such file" in capsys.readouterr().err
    for name in ("a.bin", "b.bin"):
        assert find_index(tmp_path / name) is not None
    assert main(["index", "-"]) == 2


@pytest.mark.parametrize("at", range(0, 1200, 41))
def test_each_bit_of_an_index_is_checked(tmp_path, at):
    path = tmp_path / "a.bin"
    path.write_bytes(STREAM)
    evstream.build_index(path)
    beside = tmp_path / "a.bin.evx"
    data = bytearray(beside.read_bytes())
    if at >= len(data):
        data.append(0)
    else:
        data[at] ^= 1 << at % 8
    beside.write_bytes(data)
    with pytest.raises(StaleIndexError, match="damaged"):
        find_index(path)
    beside.write_bytes(data[:at])
    with pytest.raises(StaleIndexError):
        find_index(path)


def hostile(facts: dict[str, Any], arrays: bytes = b"") -> bytes:
    from evstream.indexing.index import _signed

    return _signed(json.dumps(facts)) + arrays


GOOD = {
    "evstream_index": 1, "format": "oasis", "stream": "loss", "header": {"len_sample": 2},
    "widths": {}, "size": 8, "tag": "", "closed": True, "arrays": [],
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"evstream_index": 2}, {"format": "other"}, {"stream": "none"}, {"header": {}},
        {"header": {"len_sample": "x"}}, {"widths": {"oasis_int": "i2"}}, {"size": "8"},
        {"size": -1}, {"size": True}, {"tag": 1}, {"closed": None}, {"arrays": None},
        {"arrays": [["offset", "<i8", 1 << 62, 0]]}, {"arrays": [["offset", "<i8", -1, 0]]},
        {"arrays": [["offset", "|O", 0, 0]]}, {"arrays": [["__class__", "<i8", 0, 0]]},
        {"arrays": [[]]}, {"arrays": "abc"}, {"arrays": []},
    ],
    ids=str,
)  # fmt: skip
def test_a_hostile_index_is_refused(change):
    with pytest.raises(StaleIndexError, match=r"^x: this is not an index, or a damaged one"):
        parse(hostile(GOOD | change), "x")


@pytest.mark.parametrize("data", [b"", b"\n", b"[" * 70_000, b"{}\n", b"[]\n", bytes(300)])
def test_other_bytes_are_not_an_index(data):
    with pytest.raises(StaleIndexError):
        parse(data, "x")


def test_an_index_is_not_larger_than_its_stream_allows(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(STREAM)
    beside = tmp_path / "a.bin.evx"
    beside.touch()
    with beside.open("r+b") as file:
        file.truncate(1 << 40)  # a sparse file: reading it would take the memory
    with pytest.raises(StaleIndexError, match="more than a stream of"):
        find_index(path)
    assert most_bytes(1 << 50) < 1 << 40
