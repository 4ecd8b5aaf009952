"""Summary streams and files of periods that the tests of result tables share."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import evstream
import results_oracle as oracle
from oracle import encode

SAMPLES, PERIODS = 6, 8


def made_blocks(seed: int = 1, events: int = 9) -> list[oracle.Block]:
    """Blocks of three summaries, with zeros, losses below zero and absent samples. Losses are
    halves, so that sums of them are exact."""
    chance = random.Random(seed)
    blocks: list[oracle.Block] = []
    for event in range(1, events + 1):
        for summary in (2, 3, 7):
            if chance.random() < 0.2:
                continue
            entries = [(-5, 500.0), (-1, chance.randrange(400) / 2)]
            for sidx in range(1, SAMPLES + 1):
                loss = chance.choice([0.0, *[chance.randrange(1, 1000) / 2] * 8, -10.5])
                if loss or chance.random() < 0.5:
                    entries.append((sidx, loss))
            blocks.append(((event, summary, 1000.0), entries))
    return blocks


OCCURRENCES = [(1, 1), (2, 2), (2, 5), (3, 2), (4, 7), (5, 1), (5, 2), (5, 3), (7, 3), (8, 8)]
"""Several events in a period, several periods of an event; none of events 6 and 9, none in periods
4 and 6."""

WEIGHTS = [0.0625, 0.1875, 0.125, 0.125, 0.0, 0.25, 0.1875, 0.0625]
"""Sums of them are exact."""


def stream_of(blocks: Any, samples: int = SAMPLES, **options: Any) -> bytes:
    return encode("summary", {"len_sample": samples, "summary_set_id": 1}, blocks, **options)


def occurrence_file(
    folder: Path, occurrences: Sequence[oracle.Occurrence] = OCCURRENCES, count: int = PERIODS,
    minutes: bool = False,
) -> Path:  # fmt: skip
    record, options = ("<iiq", 3) if minutes else ("<iii", 1)
    rows = [struct.pack(record, *pair, 735000) for pair in occurrences]
    path = folder / "occurrence.bin"
    path.write_bytes(struct.pack("<ii", options, count) + b"".join(rows))
    return path


def period_file(folder: Path, weights: Sequence[float] = WEIGHTS) -> Path:
    """The weights of periods, in falling order of the periods."""
    path = folder / "periods.bin"
    rows = [struct.pack("<id", number, w) for number, w in enumerate(weights, 1)]
    path.write_bytes(b"".join(reversed(rows)))
    return path


def rows_of(table: evstream.ResultTable) -> list[tuple[float, ...]]:
    return list(zip(*(column.tolist() for column in table.values()), strict=True))


def is_close(found: list[tuple[float, ...]], expected: list[tuple[float, ...]]) -> bool:
    """Whether rows are equal to the digits that an f4 holds."""
    shape = len(found), len(expected)
    return shape[0] == shape[1] and np.allclose(found, expected, rtol=1e-6, atol=0, equal_nan=True)
