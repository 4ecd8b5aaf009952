"""A C writer leaves the same bytes as ours: what it holds back, and the mark when it gives up."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

import evstream
from c_programs import compile_with
from evstream._support.format import bound_format
from evstream.wire.header_bytes import build_header
from evstream.wire.stream_edge import given_up_mark
from support import read_all
from writer_cases import HEADERS, NARROW_AND_WIDE, Steps, good_rows, new_writer

BLOCKS = {
    "gul_item": "item", "gul_coverage": "coverage", "loss": "item", "summary": "summary",
    "cdf": "cdf", "event_ids": "event_id",
}  # fmt: skip
USED = {"cdf": 3, "event_ids": 1}

PROGRAM = """
#include <stdio.h>
#include "evstream.h"
/* Whole records on stdin: a line of what may be written now, one of what a stream given up is. */
static void print(const unsigned char *bytes, size_t size)
{
    size_t i;
    for (i = 0; i < size; i++)
        printf("%%02x", bytes[i]);
    printf("\\n");
}
int main(void)
{
    static unsigned char buffer[65536];
    size_t n = fread(buffer, 1, sizeof buffer - EVS_MAX_RECORD_SIZE, stdin);
    print(buffer, evs_hold(n, 0));
    n += evs_write_gave_up_%s(buffer + n);
    print(buffer, evs_hold(n, 1));
    return 0;
}
"""


def c_writer(folder: Path, stream: str, widths: dict[str, str], records: bytes) -> list[bytes]:
    source, binary = folder / "writer.c", folder / "writer"
    variant = "_".join([BLOCKS[stream], *list(widths.values())[: USED.get(stream, 2)]])
    source.write_text(PROGRAM % variant)
    compile_with("c", source, "-o", binary)
    ended = subprocess.run([str(binary)], input=records, capture_output=True, check=True)
    return [bytes.fromhex(line) for line in ended.stdout.decode().splitlines()]


@pytest.mark.parametrize("widths", NARROW_AND_WIDE, ids=lambda w: "_".join(w.values()))
@pytest.mark.parametrize("stream", HEADERS)
def test_both_writers_hold_back_and_give_up_alike(
    stream: str, widths: dict[str, str], tmp_path: Path
) -> None:
    target = Steps()
    out = new_writer(target, stream, widths=widths)
    out.write_columns(**good_rows(stream))
    out.flush()
    flushed = target.data
    out.abort()
    mark = given_up_mark(build_header(stream, HEADERS[stream], widths))
    records = target.data.removesuffix(mark)
    held, given_up = c_writer(tmp_path, stream, widths, records if mark else whole(stream, widths))
    assert held == flushed
    if mark:
        assert target.data.endswith(mark)
        assert given_up == target.data
    else:  # a record has no room for it: both end inside a record, ours a byte after the flush
        assert (target.data, given_up) == (flushed, whole(stream, widths) + b"\xff" * 3)
        for data in (target.data, given_up):
            error = read_all(io.BytesIO(data), stream, widths).error
            assert isinstance(error, evstream.TruncatedStreamError)


def whole(stream: str, widths: dict[str, str]) -> bytes:
    target = Steps()
    with new_writer(target, stream, widths=widths) as out:
        out.write_columns(**good_rows(stream))
    return target.data


def test_the_mark_is_the_same_number_everywhere() -> None:
    """In C as an unsigned number, in Python from the format; the conformance suite has it too."""
    text = (Path(evstream.__file__).parent / "include" / "evstream.h").read_text()
    number = bound_format().given_up
    assert number == -7_654_321
    assert f"#define EVS_GAVE_UP_MARK 0x{number & 0xFFFFFFFF:08x}u\n" in text
