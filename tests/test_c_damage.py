"""The C reader reports joined streams, zero bytes and a writer that gave up, with the byte."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from c_programs import WIDTHS, Job, compile_with, program, run
from generated_packages import write_package
from oracle import encode

__all__ = ["program"]  # a fixture

HEADERS: dict[str, dict[str, int]] = {
    "loss": {"len_sample": 10},
    "gul_item": {"len_sample": 10},
    "gul_coverage": {"len_sample": 10},
    "summary": {"len_sample": 10, "summary_set_id": 1},
    "cdf": {},
}
SAMPLES = [name for name in HEADERS if name != "cdf"]
WORDS = {"loss": 0x02000001, "gul_item": 0x01000001, "gul_coverage": 0x01000002,
         "summary": 0x03000001}  # fmt: skip


def block(stream: str, event: int, first: int = 1) -> Any:
    ids = {"summary": (event, 2, 9.5), "cdf": (event, 2, 3)}.get(stream, (event, 2))
    return ids, [(first, 0.5), (first + 1, 0.75)]


def a_stream(stream: str, events: Any, widths: Any, *, first: int = 1, **more: Any) -> bytes:
    blocks = [block(stream, event, first) for event in events]
    return encode(stream, HEADERS[stream], blocks, widths, **more)


CHUNKS = (0, 1, 5)


def ends_of(program: Path, streams: list[tuple[bytes, Any]], tmp_path: Path) -> list[Any]:
    """(status, start) of each stream, (data, widths), read in one piece and byte by byte."""
    jobs = []
    for number, (data, widths) in enumerate(streams):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(data)
        jobs += [Job(widths, path, chunk) for chunk in CHUNKS]
    ends = [{(status, start) for status, _, start, _ in found.ends} for found in run(program, jobs)]
    found = [set().union(*ends[at : at + len(CHUNKS)]) for at in range(0, len(ends), len(CHUNKS))]
    assert {len(of_stream) for of_stream in found} == {1}
    return [of_stream.pop() for of_stream in found]


def end_of(program: Path, data: bytes, widths: Any, tmp_path: Path) -> Any:
    return ends_of(program, [(data, widths)], tmp_path)[0]


@pytest.mark.parametrize("stream", HEADERS)
def test_a_second_stream_is_an_error_at_its_first_byte(
    stream: str, program: Path, tmp_path: Path
) -> None:
    joined = []
    for widths in WIDTHS:
        first = a_stream(stream, [1, 2], widths)
        for events, sidx in (([3], 1), ([1, 7], 1), ([12], 1), ([11], -3)):
            second = a_stream(stream, events, widths, first=sidx if stream != "cdf" else 1)
            joined.append((first + second, widths, len(first), events))
    ends = ends_of(program, [(data, widths) for data, widths, *_ in joined], tmp_path)
    for found, (_, widths, at, events) in zip(ends, joined, strict=True):
        if stream == "cdf" and widths["oasis_int"] == "i8":  # ids lie across the type word
            assert found[0] in ("second_stream", "truncated")
            continue
        assert found == ("second_stream", at), (widths, events)


@pytest.mark.parametrize("stream", SAMPLES)
def test_a_stream_after_an_open_block_is_an_error(
    stream: str, program: Path, tmp_path: Path
) -> None:
    for widths in WIDTHS:
        first = a_stream(stream, [1, 2], widths, final_delimiter=False)
        found = end_of(program, first + a_stream(stream, [3], widths), widths, tmp_path)
        assert found == ("second_stream", len(first)), widths


@pytest.mark.parametrize("stream", SAMPLES)
def test_a_second_stream_of_another_type_is_an_error(
    stream: str, program: Path, tmp_path: Path
) -> None:
    for other in SAMPLES:
        first = a_stream(stream, [1, 2], None)
        second = a_stream(other, [3, 4], None)
        found = end_of(program, first + second, WIDTHS[0], tmp_path)
        assert found == ("second_stream", len(first)), other


def test_an_empty_second_stream_is_an_error(program: Path, tmp_path: Path) -> None:
    first = a_stream("loss", [1, 2], None)
    found = end_of(program, first + a_stream("loss", [], None), WIDTHS[0], tmp_path)
    assert found == ("second_stream", len(first))


@pytest.mark.parametrize("stream", HEADERS)
def test_an_event_whose_id_is_a_type_word_is_read(
    stream: str, program: Path, tmp_path: Path
) -> None:
    """Specials come first, or the samples and losses are those of a block."""
    word = WORDS.get(stream, 1)
    for sidx in (-3, 1) if stream != "cdf" else (1,):
        data = a_stream(stream, [word - 1, word, word + 1], None, first=sidx)
        status, _ = end_of(program, data, WIDTHS[0], tmp_path)
        assert status == "end", sidx


def test_tiny_bins_of_the_first_block_of_a_cdf_are_read(program: Path, tmp_path: Path) -> None:
    """Event 1 has the id of the type word; only after a block can a second stream begin."""
    block_of_1 = ((1, 2, 3), [(1e-40, 0.5), (1.0, 0.75)])
    later = ((2, 2, 3), [(1e-40, 0.5), (1.0, 0.75)])
    data = encode("cdf", {}, [block_of_1, later])
    assert end_of(program, data, WIDTHS[0], tmp_path)[0] == "end"


HOLES = {
    "loss": 16, "gul_item": 16, "gul_coverage": 16, "summary": 20, "cdf": 16, "event_ids": 4,
}  # fmt: skip


def test_a_hole_is_reported_and_reading_goes_on(tmp_path: Path) -> None:
    """EVS_HOLE is above EVS_ERROR, so that who does not know it stops."""
    source = tmp_path / "hole.c"
    lines = ["#include <stdio.h>", '#include "evstream.h"', "int main(void)", "{"]
    lines += ["    evs_reader r; evs_status s; uint32_t type; evs_sample_stream_header h;"]
    lines += ["    evs_item_header_i4 b; evs_sidx_loss_i4_f4 e; evs_event_header_i4 v;"]
    lines += ["    evs_cdf_header_i4_u4 c; evs_damage_bin_f4 d;"]
    loss = a_stream("loss", [1], None)
    streams = {
        "loss": loss + bytes(HOLES["loss"]) + a_stream("loss", [2], None)[8:],
        "cdf": a_stream("cdf", [1], None) + bytes(HOLES["cdf"]),
        "event_ids": struct.pack("<3i", 5, 0, 6),
    }
    calls = {
        "loss": "evs_next_item_i4_f4(&r, &b, &e)",
        "cdf": "evs_next_cdf_i4_f4_u4(&r, &c, &d)",
        "event_ids": "evs_next_event_id_i4(&r, &v)",
    }
    for stream, data in streams.items():
        lines.append(f"    {{ static const unsigned char data[] = {{{', '.join(map(str, data))}}};")
        begin = "EVS_AT_BLOCK" if stream == "event_ids" else "EVS_AT_TYPE"
        lines.append(f"    evs_begin(&r, {begin}); evs_feed(&r, data, sizeof data);")
        if stream != "event_ids":
            lines.append("    if (evs_next_type(&r, &type) != EVS_OK) return 1;")
        if stream == "loss":
            lines.append("    if (evs_next_sample_stream_header(&r, &h) != EVS_OK) return 1;")
        lines.append(f"    while ((s = {calls[stream]}) < EVS_ERROR ? s != EVS_NEED_INPUT")
        lines.append(
            '        : s == EVS_HOLE) if (s == EVS_HOLE) printf("hole %d\\n", (int)r.start);'
        )
        lines.append('    printf("%s\\n", evs_finish(&r) == EVS_END ? "end" : "other"); }')
    source.write_text("\n".join([*lines, "    return EVS_HOLE > EVS_ERROR ? 0 : 1;", "}", ""]))
    compile_with("c", source, "-o", tmp_path / "hole")
    ended = subprocess.run([tmp_path / "hole"], capture_output=True, text=True, check=False)
    cdf = len(a_stream("cdf", [1], None))
    assert ended.stdout == f"hole {len(loss)}\nend\nhole {cdf}\nend\nhole 4\nend\n"
    assert ended.returncode == 0


def test_a_record_of_ids_0_is_a_hole_if_all_of_it_is_0(tmp_path: Path) -> None:
    write_package(Path(__file__).parents[1] / "spec" / "files.yaml", tmp_path, "run_files", ["c"])
    source, data = tmp_path / "hole.c", struct.pack("<iiiff", 0, 0, 0, 5.0, 1.0) + bytes(20)
    source.write_text(f"""
        #include <stdio.h>
        #include "run_files.h"
        int main(void)
        {{
            static const unsigned char data[] = {{{", ".join(map(str, data))}}};
            run_files_reader r; run_files_selt_record_f4 row;
            run_files_begin(&r, RUN_FILES_AT_BLOCK);
            run_files_feed(&r, data, sizeof data);
            printf("%d", run_files_next_selt_row_f4(&r, &row) == RUN_FILES_BLOCK);
            printf("%d", run_files_next_selt_row_f4(&r, &row) == RUN_FILES_HOLE);
            printf(" reserved %d\\n", (int)r.reserved);
            return 0;
        }}
    """)
    folder = tmp_path / "run_files" / "include"
    compile_with("c", source, f"-I{folder}", "-o", tmp_path / "hole")
    ended = subprocess.run([tmp_path / "hole"], capture_output=True, text=True, check=True)
    assert ended.stdout == "11 reserved 1\n"


def test_a_block_of_id_zero_with_entries_is_no_hole(program: Path, tmp_path: Path) -> None:
    data = encode("loss", HEADERS["loss"], [((0, 0), [(1, 1.0)]), ((0, 2), []), ((2, 0), [])])
    assert end_of(program, data, WIDTHS[0], tmp_path)[0] == "end"


SMALLEST = {"i4_f4": 8, "i4_f8": 8, "i8_f4": 12, "i8_f8": 16}


@pytest.mark.parametrize("widths", SMALLEST)
def test_the_mark_of_a_writer_that_gave_up_is_found(
    widths: str, program: Path, tmp_path: Path
) -> None:
    """After a whole block, and inside a block; a byte less or other is a cut."""
    chosen = dict(zip(("oasis_int", "oasis_float"), widths.split("_"), strict=True))
    chosen["areaperil_int"] = "u4"
    mark = bytes.fromhex("4f348bff").ljust(SMALLEST[widths] - 1, b"\xff")
    for is_closed in (True, False):
        data = a_stream("loss", [1, 2], chosen, final_delimiter=is_closed)
        assert end_of(program, data + mark, chosen, tmp_path)[0] == "gave_up"
        for other in (mark[:-1], b"\x4e" + mark[1:], mark[:-1] + b"\xfe"):
            assert end_of(program, data + other, chosen, tmp_path)[0] == "truncated"


def test_a_writer_holds_a_byte_back_and_leaves_its_mark(tmp_path: Path) -> None:
    source = tmp_path / "writer.c"
    source.write_text(
        """
#include <stdio.h>
#include "evstream.h"
int main(void)
{
    unsigned char at[32];
    size_t i;
    printf("%d %d %d %d\\n", (int)evs_hold(0, 0), (int)evs_hold(1, 0), (int)evs_hold(9, 0),
        (int)evs_hold(9, 1));
    size_t n = evs_write_gave_up_item_i4_f4(at);
    for (i = 0; i < n; i++) printf("%02x", at[i]);
    printf("\\n");
    n = evs_write_gave_up_cdf_i8_f8_u8(at);
    for (i = 0; i < n; i++) printf("%02x", at[i]);
    printf(" %d\\n", (int)evs_write_gave_up_event_id_i4(at));
    return 0;
}
"""
    )
    compile_with("c", source, "-o", tmp_path / "writer")
    ended = subprocess.run([tmp_path / "writer"], capture_output=True, text=True, check=True)
    assert ended.stdout == f"0 0 8 9\n4f348bffffffff\n4f348bff{'ff' * 11} 3\n"
