"""Rows from the row kernel are those of the blocks, with the same errors and warnings."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest

import evstream
from evstream.reading.decoder import Decoder
from evstream.reading.stream import EventStream
from evstream.tables.rows import iter_rows, read_columns, watched_chunks
from evstream.wire.columns import to_rows


def block(event, item, *entries, closed=True):
    """A block of a loss stream, entries of (sidx, loss)."""
    pairs = [*entries, (0, 0.0)] if closed else list(entries)
    header = np.array([event, item], "<i4").tobytes()
    return header + np.array(pairs, [("sidx", "<i4"), ("loss", "<f4")]).tobytes()


def start(stream="loss", **fields):
    target = io.BytesIO()
    evstream.create(target, stream, **fields).close()
    return target.getvalue()


PLAIN = [block(e, i, *[(s, e + s / 4) for s in range(1, 4)]) for e in (1, 2, 3) for i in (4, 5)]
HOLE = bytes(16)
SECOND = start(len_sample=3) + PLAIN[0]

CASES = {
    "plain": PLAIN,
    "no block": [],
    "empty blocks": [block(1, 1), *PLAIN, block(4, 1), block(4, 2), block(5, 1)],
    "the same ids twice": [PLAIN[0], PLAIN[0], PLAIN[1], PLAIN[1], block(1, 5)],
    "a hole": [*PLAIN[:3], HOLE, HOLE, *PLAIN[3:]],
    "a hole before everything": [HOLE, *PLAIN],
    "a reserved id": [*PLAIN[:2], block(2, 0, (1, 1.0)), *PLAIN[3:], block(7, 1)],
    "a high event id": [*PLAIN, block(1 << 25, 1, (1, 1.0)), block((1 << 25) + 1, 1)],
    "a second stream": [*PLAIN, SECOND],
    "a second stream in an open block": [*PLAIN, block(4, 1, (1, 1.0), closed=False), SECOND],
    "a second stream at once": [SECOND],
    "a sidx above any sample": [*PLAIN[:2], block(3, 1, (1 << 24, 1.0), (2, 1.0)), *PLAIN[5:]],
    "no final delimiter": [*PLAIN, block(4, 1, (1, 1.0), closed=False)],
    "a block header at the end": [*PLAIN, block(4, 1, closed=False)],
    "cut inside an entry": [*PLAIN, block(4, 1, (1, 1.0))[:11]],
    "cut inside a block header": [*PLAIN, block(4, 1)[:5]],
}


def outcome(read, data, **options):
    """Rows, error and warnings of reading `data`."""
    found, error = [], None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with EventStream(io.BytesIO(data), **options) as stream:
                for rows in read(stream):
                    found.append(np.stack([c.astype("f8") for c in rows.values()]))
        except evstream.EvstreamError as problem:
            error = (type(problem), str(problem))
    rows = np.concatenate(found, axis=1) if found else np.empty((0, 0))
    return rows, error, [(w.category, str(w.message)) for w in caught]


def from_blocks(stream):
    for chunk in watched_chunks(stream):
        yield to_rows(stream.header, chunk.columns, chunk.skipped)


def check(data, chunk, size, **options):
    rows, error, warned = outcome(lambda s: iter_rows(s, rows=size), data, chunk=chunk, **options)
    expected, expected_error, expected_warned = outcome(from_blocks, data, chunk=chunk, **options)
    assert error == expected_error
    assert warned == expected_warned
    if error is None:
        assert rows.size == expected.size == 0 or np.array_equal(rows, expected)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_rows_errors_and_warnings_are_those_of_blocks(case, strict):
    data = start(len_sample=3) + b"".join(CASES[case])
    for size in (1, 2, 7, 1 << 17):
        check(data, 1 << 20, size, strict=strict)


@pytest.mark.parametrize("case", CASES)
def test_rows_do_not_depend_on_the_cuts_between_windows(case):
    data = start(len_sample=3) + b"".join([*PLAIN * 9, *CASES[case], *CASES[case], *PLAIN * 9])
    for chunk in (256, 257, 300):
        check(data, chunk, 5)


def test_cdf_rows_are_those_of_blocks():
    target = io.BytesIO()
    with evstream.create(target, "cdf") as out:
        for event in (1, 2, 1 << 20):
            for area in (3, 4):
                bins = np.arange(1, 40 + area)
                out.write_columns(event, area, 7, bins, bins / 64, bins / 128)
    negative = np.array([5, 3, 7, -2], "<i4").tobytes()
    for data in (target.getvalue(), target.getvalue() + negative, target.getvalue()[:-3]):
        for chunk in (256, 260, 1 << 20):
            check(data, chunk, 11)


def test_read_columns_decodes_no_blocks(monkeypatch):
    data = start(len_sample=3) + b"".join(PLAIN)
    expected = read_columns(io.BytesIO(data))

    def refuse(*_):
        raise AssertionError("blocks were decoded")

    monkeypatch.setattr(Decoder, "decode", refuse)
    rows = read_columns(io.BytesIO(data))
    assert all(np.array_equal(rows[name], expected[name]) for name in expected)
    assert rows["loss"].tolist() == [e + s / 4 for e in (1, 1, 2, 2, 3, 3) for s in (1, 2, 3)]


def test_blocks_are_decoded_only_near_what_is_odd(monkeypatch):
    data = start(len_sample=3) + b"".join([*PLAIN * 50, block(9, 0, (1, 1.0)), *PLAIN * 50])
    decoded = []
    decode = Decoder.decode

    def watched(self, window, ended=False):
        decoded.append(window.offset)
        return decode(self, window, ended)

    monkeypatch.setattr(Decoder, "decode", watched)
    with EventStream(io.BytesIO(data), chunk=400) as stream:
        assert sum(len(rows["loss"]) for rows in iter_rows(stream)) == 1801
    assert len(decoded) == 2


def test_batches_have_the_size_that_was_asked_for():
    data = start(len_sample=3) + b"".join(PLAIN)
    with EventStream(io.BytesIO(data)) as stream:
        assert [len(rows["loss"]) for rows in iter_rows(stream, rows=5)] == [5, 5, 5, 3]
    with EventStream(io.BytesIO(data)) as stream:
        assert [len(rows["loss"]) for rows in iter_rows(stream, rows=6)] == [6, 6, 6]
