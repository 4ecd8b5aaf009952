"""A cut found without an index is the start of a block, whatever the bytes are."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from evstream import StreamHeader
from evstream.partition import cuts
from evstream.partition.cuts import block_start, event_start, self_splitting
from golden_files import GOLDEN, LEGAL, decode_golden, file_name

WIDTHS = {"i4 f4": ("i4", "f4"), "i8 f8": ("i8", "f8")}


class Bytes:
    """Bytes in memory as a file that is read at any offset."""

    name, tag = "bytes", ""

    def __init__(self, data: bytes) -> None:
        self.data, self.size, self.read = data, len(data), 0

    def read_at(self, offset: int, view: memoryview) -> None:
        assert offset + len(view) <= self.size
        view[:] = self.data[offset : offset + len(view)]
        self.read += len(view)

    def close(self) -> None:
        pass


def loss_header(width: str) -> StreamHeader:
    integer, real = WIDTHS[width]
    return StreamHeader("loss", {"len_sample": 9}, {"oasis_int": integer, "oasis_float": real})


def true_starts(marks: list[int]) -> set[int]:
    """The slots where a reader that takes slot after slot finds block headers."""
    starts, in_block = set(), False
    for number, mark in enumerate(marks):
        if not in_block:
            starts.add(number)
            in_block = True
        elif mark == 0:
            in_block = False
    return starts if in_block else starts | {len(marks)}


def encoded(header: StreamHeader, slots: np.ndarray) -> Bytes:
    data = np.zeros(len(slots), header.entry_dtype)
    data["sidx"] = slots
    return Bytes(header.to_bytes() + data.tobytes())


def all_cuts(header: StreamHeader, file: Bytes) -> set[int]:
    """The slots at which some part may begin; the end of the file counts where nothing is left."""
    slot = header.entry_size
    found = {block_start(file, header, at, file.size + 1) for at in range(0, file.size + 1, slot)}
    return {(at - header.size) // slot for at in found if at is not None}


@pytest.mark.parametrize("width", WIDTHS)
def test_no_sequence_of_slots_gives_a_false_cut(width: str):
    header = loss_header(width)
    for length in range(1, 10):
        for marks in product([0, 1], repeat=length):
            found = all_cuts(header, encoded(header, np.array(marks)))
            assert found - {length} <= true_starts(list(marks)), marks


def test_random_slots_give_no_false_cut(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cuts, "FIRST_READ", 256)
    header, chance = loss_header("i4 f4"), np.random.default_rng(5)
    for zeros in (0.02, 0.3, 0.5, 0.8, 0.98):
        marks = np.where(chance.random(1000) < zeros, 0, chance.integers(-5, 9, 1000))
        file = encoded(header, marks)
        found = all_cuts(header, file) - {len(marks)}
        assert found <= true_starts(marks.tolist())
        assert len(found) > 10


def test_a_header_with_an_id_of_zero_is_no_cut():
    header = loss_header("i4 f4")
    # header, entry, delimiter, then a header of event 0, an entry, a delimiter
    assert all_cuts(header, encoded(header, np.array([7, 1, 0, 0, 1, 0]))) == {0, 3, 6}


def test_zero_bytes_hide_where_blocks_start():
    header = loss_header("i4 f4")
    assert all_cuts(header, encoded(header, np.array([7, 1, *[0] * 20, 1, 0, 7]))) == {0, 3, 24, 25}


@pytest.mark.parametrize("entry", LEGAL, ids=file_name)
def test_cuts_of_golden_files_are_where_blocks_start(entry):
    decoded, data = decode_golden(entry), (GOLDEN / file_name(entry)).read_bytes()
    header = StreamHeader(decoded.stream, decoded.header, decoded.widths)
    if not self_splitting(header) or len(data) > 100_000:
        return
    starts = {block[0] for block in decoded.blocks}
    offsets = range(len(data) + 1) if len(data) < 2000 else range(0, len(data), 97)
    for offset in offsets:
        found = block_start(Bytes(data), header, offset, len(data) + 1)
        assert found is not None
        assert found == len(data) or found in starts | {header.size}
        assert found >= min(offset, len(data))


def expected_splitting(decoded_stream: str, widths: dict[str, str]) -> bool:
    same = widths["oasis_int"][1] == widths["oasis_float"][1]
    is_item = decoded_stream in ("loss", "gul_item", "gul_coverage")
    return decoded_stream == "event_ids" or (is_item and same)


@pytest.mark.parametrize("entry", LEGAL, ids=file_name)
def test_the_layout_says_which_streams_split_themselves(entry):
    header = StreamHeader(entry["stream"], entry["header"], entry["widths"])
    assert self_splitting(header) is expected_splitting(entry["stream"], entry["widths"])


def test_a_search_is_bounded_by_its_limit():
    header = loss_header("i4 f4")
    file = encoded(header, np.ones(1_000_000, np.int32))
    assert block_start(file, header, 1000, 10_000) is None
    assert file.read <= 10_000
    assert event_start(file, header, 8, 20_000) is None
    assert file.read <= 10_000 + cuts.FIRST_READ + 2 * cuts.FIRST_READ


def test_a_list_of_ids_is_cut_at_each_id():
    header = StreamHeader("event_ids")
    file = Bytes(np.array([3, 3, 4, 3], np.int32).tobytes())
    assert [block_start(file, header, at, 17) for at in (0, 1, 4, 13, 16)] == [0, 4, 4, 16, 16]
    assert [event_start(file, header, at, 16) for at in (0, 4, 8, 12, 16)] == [8, 8, 12, 16, 16]


def test_an_event_start_is_where_the_event_id_changes():
    decoded = next(e for e in LEGAL if file_name(e) == "loss_event_interleaved.bin")
    data = (GOLDEN / "loss_event_interleaved.bin").read_bytes()
    blocks = decode_golden(decoded).blocks
    header = loss_header("i4 f4")
    changes = [b[0] for a, b in pairwise(blocks) if a[1] != b[1]]
    assert len(changes) > 1
    for block in blocks:
        expected = next((at for at in changes if at > block[0]), len(data))
        assert event_start(Bytes(data), header, block[0], len(data)) == expected
