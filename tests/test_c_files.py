"""The C header of the flat files: records are read and written as packed by hand."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from c_programs import COMPILERS, MORE_WARNINGS, SANITIZERS, compile_with
from evstream._support.known_formats import find_format
from tests.test_run_folder_files import FILES, packed

HEAD = """
#include <stdio.h>
#include <string.h>
#include "evstream.h"
#include "files/evstream_files.h"

static unsigned char data[65536], back[65536];

int main(int argc, char **argv)
{
    size_t size, at = 0, to = 0;
    FILE *file = fopen(argv[2], "rb");
    if (argc < 3 || file == NULL)
        return 2;
    size = fread(data, 1, sizeof data, file);
    fclose(file);
"""

RECORD = """
    if (strcmp(argv[1], "{name}") == 0) {{
        evstream_files_{record} record;
        {skip}
        while (at + EVSTREAM_FILES_{upper}_SIZE <= size) {{
            at += evstream_files_read_{record}(data + at, &record);
            to += evstream_files_write_{record}(back + to, &record);
        }}
    }}
"""

TAIL = """
    fwrite(back, 1, to, stdout);
    return at == size ? 0 : 1;
}
"""


def source() -> str:
    """A program that reads a file of the named type record by record, and writes it again."""
    parts = [HEAD]
    for name in FILES:
        format, _ = find_format(None, name)
        stream = format.stream(name)
        record = format.blocks[stream.block].header
        used = {field.scalar for field in format.fields[record]}
        scalars = [s for n, s in format.scalars.items() if n in used and len(s.widths) > 1]
        form = "_".join([record, *(scalar.widths[0] for scalar in scalars)])
        size = f"EVSTREAM_FILES_{stream.header.upper()}_SIZE" if stream.header else "0"
        skip = f"memcpy(back, data, {size}); at = to = {size};" if stream.header else ""
        parts.append(RECORD.format(name=name, record=form, upper=form.upper(), skip=skip))
    return "".join([*parts, TAIL])


@pytest.mark.parametrize("language", COMPILERS)
def test_c_structs_hold_the_records_of_all_files(language: str, tmp_path: Path) -> None:
    code, binary = tmp_path / "files.c", tmp_path / "files"
    code.write_text(source())
    compile_with(language, *MORE_WARNINGS, *SANITIZERS, code, "-o", binary)
    for name, (_, _, _, file) in FILES.items():
        path = tmp_path / file
        path.write_bytes(packed(name, "narrow"))
        result = subprocess.run([binary, name, path], capture_output=True, check=True)
        assert result.stdout == path.read_bytes(), name
