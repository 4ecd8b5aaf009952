"""Rows of each stream, the bytes that the oracle makes of them, and pipes to write them to."""

from __future__ import annotations

import itertools
from itertools import chain
from typing import Any

import numpy as np

import evstream
from evstream import Writer
from oracle import encode
from support import rows_to_blocks

Columns = dict[str, list[Any]]

HEADERS: dict[str, dict[str, int]] = {
    "cdf": {},
    "gul_item": {"len_sample": 3},
    "gul_coverage": {"len_sample": 3},
    "loss": {"len_sample": 3},
    "summary": {"len_sample": 3, "summary_set_id": 7},
    "event_ids": {},
}

BLOCK_ID = {
    "gul_item": "item_id",
    "gul_coverage": "coverage_id",
    "loss": "item_id",
    "summary": "summary_id",
}

SAMPLE_STREAMS = list(BLOCK_ID)

WIDE = {"oasis_int": "i8", "oasis_float": "f8", "areaperil_int": "u8"}


def sample_rows(stream: str, rows: list[tuple[int, int, int, float]]) -> Columns:
    """(event, item, sidx, loss) as the columns of a stream with samples."""
    events, items, sidx, losses = (list(column) for column in zip(*rows, strict=True))
    columns: Columns = {"event_id": events, BLOCK_ID[stream]: items}
    if stream == "summary":
        columns["exposure_value"] = [100.0 * item for item in items]
    return columns | {"sidx": sidx, "loss": losses}


def good_rows(stream: str) -> Columns:
    """Two events: the first with two blocks, the second with one."""
    if stream == "event_ids":
        return {"event_id": [1, 2]}
    if stream == "cdf":
        return {
            "event_id": [1, 1, 1, 2],
            "areaperil_id": [1, 1, 2, 1],
            "vulnerability_id": [1, 1, 1, 1],
            "bin_index": [1, 2, 1, 1],
            "prob_to": [0.5, 1.0, 1.0, 1.0],
            "bin_mean": [0.0, 0.25, 0.5, 0.125],
        }
    return sample_rows(
        stream, [(1, 1, -1, 4.0), (1, 1, 1, 5.0), (1, 2, -1, 6.0), (1, 2, 3, 7.0), (2, 1, 2, 8.0)]
    )


def later_rows(stream: str) -> Columns:
    """Events 3 and 4, with the values of the good rows."""
    columns = good_rows(stream)
    return columns | {"event_id": [event + 2 for event in columns["event_id"]]}


def expected_bytes(stream: str, *parts: Columns, **options: Any) -> bytes:
    """What the oracle writes for rows."""
    rows = {name: [*chain.from_iterable(part[name] for part in parts)] for name in parts[0]}
    return encode(stream, HEADERS[stream], rows_to_blocks(stream, rows), **options)


def changed(stream: str, field: str, *values: Any) -> Columns:
    """The good rows with other values at the end of a column."""
    columns = later_rows(stream)
    column = columns[field]
    return columns | {field: column[: len(column) - len(values)] + list(values)}


def new_writer(target: Any, stream: str, **options: Any) -> Writer:
    return evstream.create(target, stream, **HEADERS[stream], **options)


def matrix(**changes: Any) -> dict[str, Any]:
    """Arguments of write_event for a good event of two items."""
    arguments = {"event_id": 3, "item_ids": [1, 2], "losses": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]}
    return arguments | changes


def with_exposure(stream: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"exposure_values": 1.0, **arguments} if stream == "summary" else arguments


def write_something(out: Writer) -> None:
    out.write_columns(**good_rows("loss"))


SOMETHING = expected_bytes("loss", good_rows("loss"))


class OnPurposeError(Exception):
    pass


LARGE_ROWS = 300_000


def write_much(out: Writer) -> None:
    """2.4 MB, more than any pipe holds."""
    sidx = np.arange(1, LARGE_ROWS + 1)
    out.write_columns(1, 1, sidx, sidx)


NARROW_AND_WIDE = [
    {"oasis_int": i, "oasis_float": f, "areaperil_int": u}
    for i, f, u in [
        ("i4", "f4", "u4"),
        ("i4", "f8", "u4"),
        ("i8", "f4", "u4"),
        ("i8", "f8", "u8"),
        ("i4", "f4", "u8"),
    ]
]


PAGE = 4096


class Steps:
    """A target that remembers how long it was after each write."""

    def __init__(self) -> None:
        self.data = b""
        self.sizes = [0]

    def write(self, view: memoryview) -> int:
        self.data += bytes(view)
        self.sizes.append(len(self.data))
        return len(view)

    @property
    def killed_at(self) -> list[int]:
        """Sizes at which the stream may end if its writer is killed: between two writes, and
        where the kernel cuts a long one, counted in pages from its start or its end."""
        places = set(self.sizes)
        for start, end in itertools.pairwise(self.sizes):
            if end - start > PAGE:
                places |= set(range(start, end, PAGE)) | set(range(end, start, -PAGE))
        return sorted(places - {len(self.data)})
