"""The screen passes nothing that a check would find, and remembers what the checks do."""

from __future__ import annotations

import types
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evstream._generated.layout import FORMAT, RULES, STREAMS
from evstream.wire import screen, screen_kernels
from evstream.wire.columns import Columns
from evstream.wire.header import StreamHeader
from evstream.wire.rules import Checker
from evstream.wire.screen import Screen
from evstream.wire.seen import Seen

BOTH = ("error", "warning")
WITH_ENTRIES = [name for name in STREAMS if StreamHeader(name, format=FORMAT).block.entry]
LIMIT = 9
PLAIN = types.SimpleNamespace(
    **{name: getattr(value, "py_func", value) for name, value in vars(screen_kernels).items()}
)


def header_of(stream: str, widths: dict[str, str] | None = None) -> StreamHeader:
    plain = StreamHeader(stream, format=FORMAT)
    values = {field.name: LIMIT for field in plain.header_fields}
    return StreamHeader(stream, values, {**plain.widths, **(widths or {})}, FORMAT)


def screened(header: StreamHeader) -> Checker:
    """A checker with a screen, also where nothing is compiled."""
    checker = Checker(header, BOTH)
    checker._screen = Screen(header, [(rule, name) for rule, name, _ in checker._checks])
    return checker


def broken(checker: Checker, stretch: tuple[Columns, bool, bool]) -> list[Any]:
    found = [(rule.id, name, mask.tolist()) for rule, name, mask in checker.broken(*stretch)]
    checker.remember()
    return found


class Maker:
    """Makes blocks that are nearly right: each choice goes wrong now and then."""

    def __init__(self, header: StreamHeader, seed: int) -> None:
        self.header = header
        self.random = np.random.default_rng(seed)
        self.fault = self.random.choice([0.0, 0.01, 0.05, 0.2])
        self.specials = [special.sidx for special in header.spec.specials]

    def wrong(self) -> bool:
        return bool(self.random.random() < self.fault)

    def one_of(self, *values: Any) -> Any:
        return values[self.random.integers(len(values))]

    def sidx(self) -> list[int]:
        chosen = [s for s in self.specials if not self.wrong()]
        count = 0 if self.wrong() else int(self.random.integers(LIMIT))
        samples = np.sort(self.random.choice(np.arange(1, LIMIT + 1), count, replace=False))
        sidx = sorted(chosen) + samples.tolist()
        if self.wrong():
            sidx.insert(int(self.random.integers(len(sidx) + 1)), self.one_of(-6, -7, -99, 0, 3))
        if self.wrong() and sidx:
            again = int(self.random.integers(len(sidx)))
            sidx.insert(self.one_of(again, 0, len(self.specials), len(sidx)), sidx[again])
        if self.wrong():
            sidx.append(self.one_of(LIMIT + 1, -1, 1, sidx[-1] if sidx else 2))
        if self.wrong():
            self.random.shuffle(sidx)
        return sidx

    def values(self, sidx: list[int], dtype: np.dtype[Any]) -> list[float]:
        if self.header.sidx is None:
            steps = np.sort(self.random.random(len(sidx)))
            values = [*steps[:-1].tolist(), 1.0][: len(sidx)]
        else:
            values = self.random.random(len(sidx)).tolist()
        odd = (np.nan, np.inf, -np.inf, -1.0, -0.0, 0.0, 1.5, float(1 + 900 * np.finfo(dtype).eps))
        return [self.one_of(*odd) if self.wrong() else value for value in values]

    def stream(self) -> tuple[list[tuple[Any, ...]], list[list[tuple[Any, ...]]]]:
        """Blocks, and the entries of each."""
        blocks: list[tuple[Any, ...]] = []
        entries = []
        names = list(self.header.entry_columns)
        ids = [1] * len(self.header.block_columns)
        for _ in range(int(self.random.integers(1, 40))):
            if self.random.random() < 0.3:
                ids = [ids[0] + 1, *ids[1:]]
                ids[1] = ids[1] if self.random.random() < 0.5 else 1
            else:
                ids[1] += 1
            block = [self.one_of(0, -3, 1, 2, 3) if self.wrong() else value for value in ids]
            blocks.append(tuple(block))
            sidx = self.sidx()
            columns = {
                name: sidx if name == self.header.sidx else self.values(sidx, dtype)
                for name, dtype in self.header.entry_columns.items()
            }
            entries.append(list(zip(*(columns[name] for name in names), strict=True)))
        return blocks, entries

    def stretches(self) -> list[tuple[Columns, bool, bool]]:
        """A stream, cut anywhere: (columns, continues, is_open) as the decoder gives them."""
        blocks, entries = self.stream()
        parts: list[tuple[int, int]] = []  # (block, entry), -1 for its header, -2 for its end
        for block, own in enumerate(entries):
            parts += [(block, -1), *((block, entry) for entry in range(len(own))), (block, -2)]
        cuts = sorted({0, len(parts), *self.random.integers(len(parts), size=9).tolist()})
        return [self.cut(blocks, entries, parts[a:b]) for a, b in pairwise(cuts)]

    def cut(self, blocks: Any, entries: Any, parts: Any) -> tuple[Columns, bool, bool]:
        first, last = parts[0], parts[-1]
        here = range(first[0], last[0] + 1)
        rows = [entries[block][entry] for block, entry in parts if entry >= 0]
        counts = [sum(b == block and e >= 0 for b, e in parts) for block in here]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        columns = self.header.block_columns.values()
        block = tuple(
            np.array([blocks[b][i] for b in here]).astype(d) for i, d in enumerate(columns)
        )
        columns = self.header.entry_columns.values()
        entry = tuple(np.array([row[i] for row in rows]).astype(d) for i, d in enumerate(columns))
        return Columns(block, offsets, entry), first[1] != -1, last[1] != -2


def agree(header: StreamHeader, seed: int) -> None:
    quick, exact = screened(header), Checker(header, BOTH)
    for stretch in Maker(header, seed).stretches():
        assert broken(quick, stretch) == broken(exact, stretch)


@pytest.mark.parametrize("stream", WITH_ENTRIES)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_screened_stream_has_the_same_findings(stream, seed):
    agree(header_of(stream), seed)


WIDE = {name: scalar.widths[-1] for name, scalar in FORMAT.scalars.items()}


@pytest.mark.parametrize("widths", [{}, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("stream", WITH_ENTRIES)
def test_a_screen_in_plain_python_finds_the_same(stream, widths, monkeypatch):
    monkeypatch.setattr(screen, "kernels", PLAIN)
    for seed in range(40):
        agree(header_of(stream, widths), seed)


def good(header: StreamHeader) -> list[tuple[Columns, bool, bool]]:
    """Stretches without a fault, cut anywhere."""
    maker = Maker(header, 7)
    maker.fault = 0.0
    return [stretch for _ in range(5) for stretch in maker.stretches()[:1]]


@pytest.mark.parametrize("stream", WITH_ENTRIES)
def test_a_good_stretch_needs_few_checks(stream):
    """Those of a word that has no screen, and those of blocks without entries."""
    header = header_of(stream)
    for stretch, continues, is_open in good(header):
        checker = screened(header)
        checker.continues, checker.is_open = continues, is_open
        suspects = checker._screen.suspects(checker, stretch)
        words = {checker._checks[number][0].check for number in suspects}
        assert words <= {"not_falling", "reaches_one", "not_empty"} | (
            {"required_special"} if is_open else set()
        )


def test_the_random_streams_break_every_rule():
    found = set()
    for stream in WITH_ENTRIES:
        for seed in range(30):
            checker = Checker(header_of(stream), BOTH)
            for stretch in Maker(checker.header, seed).stretches():
                found |= {rule for rule, _, _ in broken(checker, stretch)}
    of_streams = {"event-once"}  # of lists, which have no entries
    of_one = {r.id for r in RULES.values() if r.fields and r.check != "refers"}
    assert found == of_one - of_streams


@pytest.mark.parametrize(
    "columns",
    [
        lambda c: Columns(c.block, c.offsets, tuple(np.repeat(e, 2)[::2] for e in c.entry)),
        lambda c: Columns(c.block, c.offsets, tuple(map(read_only, c.entry))),
        lambda c: Columns(tuple(map(read_only, c.block)), c.offsets, c.entry),
    ],
    ids=["strided", "read-only entries", "read-only ids"],
)
def test_columns_of_any_kind_need_no_other_kernel(columns):
    header = header_of("loss")
    stretch = good(header)[0]
    assert broken(screened(header), stretch) == []
    kernels = [screen_kernels.order_of_sidx, screen_kernels.in_range]
    before = [len(getattr(kernel, "signatures", ())) for kernel in kernels]
    assert broken(screened(header), (columns(stretch[0]), *stretch[1:])) == []
    assert [len(getattr(kernel, "signatures", ())) for kernel in kernels] == before


def read_only(column: np.ndarray) -> np.ndarray:
    column = column.copy()
    column.flags.writeable = False
    return column


def test_seen_ids_are_the_same_as_a_set():
    seen, expected = Seen(), set()
    random = np.random.default_rng(3)
    for round in range(3000):
        ids = random.integers(500, size=random.integers(3)).astype("i4")
        seen.add(ids)
        expected |= set(ids.tolist())
        if round % 700 == 0:
            assert seen.as_set() == expected
    assert seen.as_set() == expected
    assert seen.highest == max(expected)


def test_the_highest_id_of_many_stays_nan():
    seen = Seen()
    for ids in ([3.0], [np.nan, 1.0], [2.0]):
        seen.add(np.array(ids))
    assert np.isnan(seen.highest)


def test_an_unknown_sidx_repeated_over_a_border_is_found():
    header = header_of("loss")
    maker = Maker(header, 0)
    parts = [(0, -1), (0, 0), (0, 1), (0, -2)]
    entries = [[(-7, 1.0), (-7, 2.0)]]
    checker = screened(header)
    broken(checker, maker.cut([(1, 1)], entries, parts[:2]))
    found = broken(checker, maker.cut([(1, 1)], entries, parts[2:]))
    assert ("sidx-unique", "sidx", [True]) in found
