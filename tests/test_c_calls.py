"""The C reader takes only the calls that fit the type word and the widths before them."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from c_programs import COMPILERS, INCLUDE, SANITIZERS, compile_with
from oracle import encode

HEADER = (INCLUDE / "evstream.h").read_text()
NEXT = re.compile(
    r"evs_status (evs_next_\w+)\(\s*evs_reader \*reader, (\w+) \*(\w+)(?:, (\w+) \*entry)?\)"
)
CALLS = [(name, *types) for name, *types in NEXT.findall(HEADER) if name != "evs_next_type"]

WIDTHS = ("i4_f4", "i4_f8", "i8_f4", "i8_f8")
ITEMS, COVERAGES, SUMMARIES = (
    {f"evs_next_{block}_{widths}" for widths in WIDTHS} for block in ("item", "coverage", "summary")
)
CDFS = {f"evs_next_cdf_{widths}_{u}" for widths in WIDTHS for u in ("u4", "u8")}
EVENT_IDS = {"evs_next_event_id_i4", "evs_next_event_id_i8"}
SAMPLE_HEADER = {"evs_next_sample_stream_header"}
SUMMARY_HEADERS = {"evs_next_summary_stream_header_i4", "evs_next_summary_stream_header_i8"}

LEGAL = {
    # calls before, on a stream of the type at the default widths -> calls that may come next
    ("loss", "type"): SAMPLE_HEADER,
    ("gul_item", "type"): SAMPLE_HEADER,
    ("gul_coverage", "type"): SAMPLE_HEADER,
    ("summary", "type"): SUMMARY_HEADERS,
    ("cdf", "type"): CDFS,
    ("loss", "type sample_stream_header"): ITEMS,
    ("gul_item", "type sample_stream_header"): ITEMS,
    ("gul_coverage", "type sample_stream_header"): COVERAGES,
    ("summary", "type summary_stream_header_i4"): {s for s in SUMMARIES if "_i4" in s},
    ("summary", "type summary_stream_header_i8"): {s for s in SUMMARIES if "_i8" in s},
    ("loss", "type sample_stream_header item_i4_f4"): {"evs_next_item_i4_f4"},
    ("loss", "type sample_stream_header item_i4_f8"): {"evs_next_item_i4_f8"},
    ("gul_coverage", "type sample_stream_header coverage_i8_f4"): {"evs_next_coverage_i8_f4"},
    ("summary", "type summary_stream_header_i4 summary_i4_f8"): {"evs_next_summary_i4_f8"},
    ("cdf", "type cdf_i4_f4_u8"): {"evs_next_cdf_i4_f4_u8"},
    # a stream without a type word may be of any kind until its first block
    ("event_ids", ""): EVENT_IDS | ITEMS | COVERAGES | SUMMARIES | CDFS,
    ("event_ids", "event_id_i4"): {"evs_next_event_id_i4"},
    ("event_ids", "item_i4_f8"): {"evs_next_item_i4_f8"},
}

STREAMS = {
    "loss": encode("loss", {"len_sample": 9}, [((1, 1), [(1, 1.0), (2, 1.0)])]),
    "gul_item": encode("gul_item", {"len_sample": 9}, [((1, 1), [(1, 1.0), (2, 1.0)])]),
    "gul_coverage": encode("gul_coverage", {"len_sample": 9}, [((1, 1), [(1, 1.0), (2, 1.0)])]),
    "summary": encode(
        "summary", {"len_sample": 9, "summary_set_id": 1}, [((1, 1, 1.0), [(1, 1.0), (2, 1.0)])]
    ),
    "cdf": encode("cdf", {}, [((1, 1, 1), [(0.5, 0.5), (1.0, 1.0)])]),
    "event_ids": encode("event_ids", {}, [((number,), []) for number in range(1, 30)]),
}


def call(name: str) -> str:
    """A C expression that makes a call with records of its own."""
    header, entry = next((types[0], types[2]) for found, *types in CALLS if found == name)
    records = f"&u.as_{header}" + (f", &v.as_{entry}" if entry else "")
    return f"{name}(&reader, {records})"


@cache
def source_of_calls() -> str:
    """A program that prints, for each case of LEGAL, the status of each call after it."""
    headers = sorted({types[0] for _, *types in CALLS})
    entries = sorted({types[2] for _, *types in CALLS if types[2]})
    lines = ["#include <stdio.h>", '#include "evstream.h"', "int main(void)", "{"]
    lines += ["    evs_reader reader;", "    uint32_t type;"]
    lines += ["    union {", *(f"        {name} as_{name};" for name in headers), "    } u;"]
    lines += ["    union {", *(f"        {name} as_{name};" for name in entries), "    } v;"]
    for stream, data in STREAMS.items():
        numbers = ", ".join(map(str, data))
        lines.append(f"    static const unsigned char {stream}[] = {{{numbers}}};")
    for number, (stream, before) in enumerate(LEGAL):
        for name, *_ in CALLS:
            begin = "EVS_AT_BLOCK" if stream == "event_ids" else "EVS_AT_TYPE"
            lines.append(f"    evs_begin(&reader, {begin});")
            lines.append(f"    evs_feed(&reader, {stream}, sizeof {stream});")
            for step in before.split():
                made = (
                    "evs_next_type(&reader, &type)" if step == "type" else call(f"evs_next_{step}")
                )
                lines.append(f"    if ({made} > EVS_ENTRY) return 1;")
            lines.append(
                f'    printf("{number} {name} %d %d\\n", {call(name)} == EVS_WRONG_CALL, '
                "(int)reader.offset);"
            )
    return "\n".join([*lines, "    return 0;", "}", ""])


@pytest.fixture(scope="module", params=COMPILERS)
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[list[str]]:
    folder = tmp_path_factory.mktemp("calls")
    (folder / "calls.c").write_text(source_of_calls())
    compile_with(request.param, *SANITIZERS, folder / "calls.c", "-o", folder / "calls")
    result = subprocess.run([str(folder / "calls")], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    return [line.split() for line in result.stdout.splitlines()]


def test_the_calls_that_are_tried_are_all_of_the_header() -> None:
    known = ITEMS | COVERAGES | SUMMARIES | CDFS | EVENT_IDS | SAMPLE_HEADER | SUMMARY_HEADERS
    assert {name for name, *_ in CALLS} == known


@pytest.mark.parametrize("number", range(len(LEGAL)), ids=[" ".join(case) for case in LEGAL])
def test_only_calls_of_the_type_and_widths_are_taken(
    number: int, outcomes: list[list[str]]
) -> None:
    legal = list(LEGAL.values())[number]
    found = {name: wrong == "1" for case, name, wrong, _ in outcomes if int(case) == number}
    assert found == {name: name not in legal for name, *_ in CALLS}


def test_a_wrong_call_takes_no_byte(outcomes: list[list[str]]) -> None:
    for number in range(len(LEGAL)):
        ends = {
            int(end) for case, _, wrong, end in outcomes if int(case) == number and wrong == "1"
        }
        assert len(ends) <= 1


# The example at the head of the header


READ_ALL = """
        while (status < EVS_ERROR) {
            if (reader.state == EVS_AT_TYPE)
                status = evs_next_type(&reader, &type);
            else if (reader.state == EVS_AT_STREAM_HEADER)
                status = evs_next_sample_stream_header(&reader, &header);
            else
                status = evs_next_item_i4_f4(&reader, &block, &entry);
            if (status == EVS_NEED_INPUT)
                break;
            entries += status == EVS_ENTRY;
        }
"""

PROGRAM = """
#include <stdio.h>
#include "evstream.h"
int main(int argc, char **argv)
{
    static unsigned char buffer[EVS_MAX_RECORD_SIZE];
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    evs_reader reader;
    uint32_t type;
    evs_sample_stream_header header;
    evs_item_header_i4 block;
    evs_sidx_loss_i4_f4 entry;
    evs_status status = EVS_OK;
    size_t n;
    int entries = 0;
    if (file == NULL)
        return 2;
EXAMPLE
    printf("%d %d\\n", status, entries);
    fclose(file);
    return 0;
}
"""


def example() -> str:
    """The example, with code in the place of what it leaves to its reader."""
    text = HEADER.split(" *   evs_begin(")[1].split(" * It never looks")[0]
    text = re.sub(r"\n \*", "\n", "evs_begin(" + text)
    text = re.sub(r"EVS_AT_BLOCK where .*", "", text)
    text, count = re.subn(r"\.\.\. evs_next_type.*?\.\.\.", lambda _: READ_ALL, text, flags=re.S)
    assert count == 1
    text, count = re.subn(r"\.\.\. the file was not .*?\.\.\.", "return 3;", text)
    assert count == 1
    assert "..." not in text
    return text


@pytest.mark.parametrize("language", COMPILERS)
def test_the_example_of_the_header_reads_a_stream(language: str, tmp_path: Path) -> None:
    """And detects a file that cannot be read, whose end looks clean to the reader."""
    (tmp_path / "example.c").write_text(PROGRAM.replace("EXAMPLE", example()))
    binary = tmp_path / "example"
    compile_with(language, *SANITIZERS, tmp_path / "example.c", "-o", binary)
    stream = tmp_path / "loss.bin"
    stream.write_bytes(STREAMS["loss"])
    ended = subprocess.run([str(binary), str(stream)], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "5 2\n", "")
    failed = subprocess.run(  # fopen takes a folder, and fread of it fails
        [str(binary), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (failed.returncode, failed.stdout, failed.stderr) == (3, "", "")
