"""Rows of numbers to lines of CSV: one kernel for rows of any columns.

A block of rows is as in `column_blocks`, its integers of 64 bits. The kernel stops at a row that it
leaves over and returns its number; the caller has `exact` print that row, and goes on after it.

It takes a PIECE of rows at a time, which fits the processor's cache, prints each column by itself
(`column_texts`), and joins the texts to lines. The first columns of rows are often ids that
repeat row after row: where they do, they are printed as one text when they change, and copied.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from typing import Any

import numpy as np

from evstream._support.jit import jit_apart, jit_inline, jit_uncounted
from evstream._support.memory import load, store
from evstream.text.column_blocks import DONE, FULL, ODD
from evstream.text.column_texts import (
    LONGEST,
    print_floats,
    print_integers,
    print_scaled,
    print_shortest_f4,
    write_integer,
)
from evstream.text.digits import U1, U8
from evstream.text.float32 import MOST_SCALED
from evstream.text.limits import F4, SIZES, SLACK

PIECE = 512
"""Rows that are printed at once."""

TEXTS = PIECE * LONGEST + SLACK
"""Bytes of `texts` for one column."""

MOST_IDS = 64
"""As many columns of ids have room in TEXTS."""

SELDOM = 4
"""Ids that change in less than one row of so many are copied."""

COMMA, NEWLINE = np.uint8(ord(",")), np.uint8(ord("\n"))


def workspace(count: int) -> tuple[Any, Any, Any]:
    """What `format_rows` needs for so many columns: (texts, numbers, places).

    `texts` has the texts of each column, then those of the ids; the lengths of each column's texts;
    and whether the ids of a row differ from those above. `numbers` is as in `column_texts`, and
    `places` are where to go on in the texts of a column.
    """
    texts = np.empty((count + 1) * (TEXTS + PIECE), np.uint8)
    return texts, np.empty((3, PIECE), np.uint64), np.empty(count, np.int64)


@jit_apart
def change_seldom(rows, start, count, texts, changes):
    """Whether the integers of a column do; where they change is then marked."""
    found = 0
    for i in range(1, count):
        found += load(rows, start + i * 8, U8) != load(rows, start + i * 8 - 8, U8)
    if found * SELDOM >= count:
        return False
    for i in range(1, count):
        differs = load(rows, start + i * 8, U8) != load(rows, start + i * 8 - 8, U8)
        marked = load(texts, changes + i, U1)
        store(texts, changes + i, U1, marked | np.uint8(differs))
    return True


@jit_apart
def write_ids(rows, columns, ids, row, texts, at):
    """Print the first `ids` columns of a row, with commas; returns the end."""
    for j in range(ids):
        value = load(rows, columns[j, 1] + row * 8, U8)
        at = write_integer(texts, at, value, columns[j, 0])
        store(texts, at, U1, COMMA)
        at += 1
    return at


@jit_inline
def copy_text(texts, start, length, out, at):
    """Copy a text, in steps of sixteen bytes; returns the end of the copy."""
    first, second = load(texts, start, U8), load(texts, start + 8, U8)
    store(out, at, U8, first)
    store(out, at + 8, U8, second)
    if length > 16:
        for k in range(16, length, 8):
            store(out, at + k, U8, load(texts, start + k, U8))
    return at + length


@jit_apart
def join_columns(rows, columns, ids, row, count, workspace, out, at):
    """Write `count` lines from the texts of the columns; returns their end."""
    texts, _, places = workspace
    width = columns.shape[0]
    start_of_ids = width * TEXTS
    end_of_ids = start_of_ids
    lengths = (width + 1) * TEXTS
    changes = lengths + width * PIECE
    for j in range(width):
        places[j] = j * TEXTS
    for i in range(count):
        if ids:
            if load(texts, changes + i, U1):
                end_of_ids = write_ids(rows, columns, ids, row + i, texts, start_of_ids)
            at = copy_text(texts, start_of_ids, end_of_ids - start_of_ids, out, at)
        for j in range(ids, width):
            length = np.int64(load(texts, lengths + j * PIECE + i, U1))
            at = copy_text(texts, places[j], length, out, at)
            places[j] += length
    return at


@jit_uncounted
def format_rows(rows, columns, first, last, decimals, out, at, workspace):
    """Print rows first to last - 1 as lines into `out` from `at` on.

    `decimals` below 0 prints floats with the fewest digits.
    Returns (row, end of the text, status). `out` needs room for a row and SLACK bytes.
    """
    texts, numbers, _ = workspace
    width = columns.shape[0]
    lengths = (width + 1) * TEXTS
    changes = lengths + width * PIECE
    row = first
    while row < last:
        count = min(PIECE, last - row, (out.shape[0] - SLACK - at) // (width * LONGEST))
        if count <= 0:
            return row, at, FULL
        wanted = count
        for i in range(count):
            store(texts, changes + i, U1, i == 0)
        ids = np.int64(0)
        for j in range(width):
            kind = columns[j, 0]
            start = columns[j, 1] + row * SIZES[kind]
            at_text, at_length = j * TEXTS, lengths + j * PIECE
            last_byte = NEWLINE if j == width - 1 else COMMA
            if kind < F4:
                may_repeat = ids == j and j < min(MOST_IDS, width - 1)
                if may_repeat and change_seldom(rows, start, count, texts, changes):
                    ids += 1
                    continue
                print_integers(
                    rows, start, kind, count, numbers, texts, at_text, at_length, last_byte
                )
            elif kind == F4 and decimals < 0:
                print_shortest_f4(
                    rows, start, kind, count, decimals, numbers, texts, at_text, at_length,
                    last_byte,
                )  # fmt: skip
            elif 1 <= decimals <= MOST_SCALED:
                count = print_scaled(
                    rows, start, kind, count, decimals, numbers, texts, at_text, at_length,
                    last_byte,
                )  # fmt: skip
            else:
                count = print_floats(
                    rows, start, kind, count, decimals, texts, at_text, at_length, last_byte
                )
        at = join_columns(rows, columns, ids, row, count, workspace, out, at)
        row += count
        if count < wanted:
            return row, at, ODD
    return last, at, DONE
