"""Fuzz the generator: random formats are generated, and must read and write what `struct` packs.

    python tests/fuzz/fuzz_formats.py [--seed N] [--formats N] [--seconds N]

For each format and stream: reading, writing, validation, tables (Arrow and CSV) and cuts at every
byte in Python; in C, where gcc is, the same bytes, cuts, and every record written again; Kaitai
where its compiler is. Kernels run
as plain Python, which needs no compilation. Prints the seed of each format that fails, with the
difference and the spec, and exits with 1.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

os.environ["NUMBA_DISABLE_JIT"] = "1"
os.environ["EVSTREAM_FSYNC"] = "0"
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "fuzz")]

import numpy as np  # noqa: E402
from random_format import Format, Stream, random_format, random_stream  # noqa: E402

from codegen.generate import generate  # noqa: E402
from codegen.load import load_spec  # noqa: E402
from codegen.outputs import package_outputs  # noqa: E402

MODULES = Path(os.environ.get("EVSTREAM_KAITAI", ROOT / ".venv-kaitai" / "node_modules"))
HAS_GCC = shutil.which("gcc") is not None
HAS_KAITAI = (
    shutil.which("node") is not None
    and (MODULES / "kaitai-struct-compiler").is_dir()
    and importlib.util.find_spec("kaitaistruct") is not None
)


class DifferenceError(AssertionError):
    """Two that should agree do not."""


def same(found: Any, expected: Any, what: str) -> None:
    if found != expected:
        raise DifferenceError(f"{what}:\n  found    {found!r}\n  expected {expected!r}")


def bits(values: Any) -> list[Any]:
    """Numbers that compare as their bits do, and texts as bytes."""

    def plain(value: Any) -> Any:
        if isinstance(value, (str, bytes)):
            return value if isinstance(value, bytes) else value.encode()
        return struct.pack("<d", value) if isinstance(value, float) else int(value)

    return [plain(value) for value in values]


# Python


def check_python(made: Format, package: Any, stream: Stream, folder: Path) -> None:
    kind, data = stream.kind, stream.encode()
    opening = {"stream": kind.name, "widths": stream.widths}
    start = {c.name: v for c, v in zip(kind.start, stream.start, strict=True)}
    rows = stream.rows()
    warnings.simplefilter("ignore", package.RowsWarning)
    found = package.read_columns(io.BytesIO(data), **opening)
    same(list(found), list(rows), "names of columns")
    for name, column in rows.items():
        same(bits(found[name].tolist()), bits(column), f"column {name}")
    blocks = [
        block for event in package.open(io.BytesIO(data), **opening) for block in blocks_of(event)
    ]
    same(blocks, [len(entries) for _, entries in stream.blocks], "entries of each block")
    report = package.validate(io.BytesIO(data), **opening)
    same(report.findings, [], "findings")
    events = io.BytesIO()
    with package.create(events, kind.name, widths=stream.widths, **start) as out:
        for event in package.open(io.BytesIO(data), **opening):
            out.write(event)
    same(events.getvalue().hex(), data.hex(), "written events")
    if not all(entries for _, entries in stream.blocks) and kind.entry:
        return
    written = io.BytesIO()
    with package.create(written, kind.name, widths=stream.widths, **start) as out:
        if stream.blocks:
            out.write_columns(**rows)
    same(written.getvalue().hex(), data.hex(), "written columns")
    check_tables(package, stream, data, start, folder)
    if stream.blocks:
        check_rule(package, stream, start, kind.name in made.positive)


def blocks_of(event: Any) -> list[int]:
    return (
        [int(n) for n in np.diff(event.offsets)] if event.header.block.entry else [0] * len(event)
    )


def check_tables(
    package: Any, stream: Stream, data: bytes, start: dict[str, Any], folder: Path
) -> None:
    opening = {"stream": stream.kind.name, "widths": stream.widths}
    table = package.read_arrow(io.BytesIO(data), **opening)
    back = io.BytesIO()
    package.write_arrow(table, back, stream.kind.name, widths=stream.widths, **start)
    same(back.getvalue().hex(), data.hex(), "Arrow and back")
    source, text, again = folder / "s.bin", folder / "s.csv", folder / "again.bin"
    source.write_bytes(data)
    given = {"widths": stream.widths, "stream": stream.kind.name}
    package.convert(source, text, **given)
    if stream.blocks:
        package.convert(text, again, **given, **start)
        same(again.read_bytes().hex(), data.hex(), "CSV and back")


def check_rule(package: Any, stream: Stream, start: dict[str, Any], is_positive: bool) -> None:
    """An event of 0 is found by validation and refused by the writer where the rule holds."""
    first = stream.blocks[0]
    zero = type(first[0][0])(0)
    broken = Stream(stream.kind, stream.widths, stream.start, [((zero, *first[0][1:]), first[1])])
    opening = {"stream": stream.kind.name, "widths": stream.widths}
    report = package.validate(io.BytesIO(broken.encode()), **opening)
    if "does not fit its widths" not in "".join(finding.text for finding in report.findings):
        expected = {"positive-event"} if is_positive else set()
        same(set(report.counts), expected, "broken rules")  # so few bytes may fit other widths
    with package.create(io.BytesIO(), stream.kind.name, widths=stream.widths, **start) as out:
        try:
            out.write_columns(**broken.rows())
        except package.WriteError:
            same(is_positive, True, "an event of 0 is refused")
            return
    same(is_positive, False, "an event of 0 is written")


def check_cuts(package: Any, stream: Stream) -> None:
    data = stream.encode()
    for length in range(len(data) + 1):
        same(read_cut(package, stream, data[:length]), stream.cut(length)[0], f"cut at {length}")


def read_cut(package: Any, stream: Stream, data: bytes) -> str:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            package.read_columns(io.BytesIO(data), stream=stream.kind.name, widths=stream.widths)
        except package.EvstreamError:
            return "broken"
    names = {warning.category.__name__ for warning in caught}
    return "open" if "MissingDelimiterWarning" in names else "clean"


# C


def variant(made: Format, widths: dict[str, str], *records: Any) -> str:
    """The widths in a name of the C header: of scalars with a choice, in the order of the spec."""
    used = {c.scalar for record in records for c in record}
    return "".join(f"_{widths[n]}" for n, w in made.scalars.items() if len(w) > 1 and n in used)


def c_fields(path: Path, struct_name: str) -> list[str]:
    """Names of the members of a struct, as the header has them."""
    text = path.read_text().split(f"typedef struct {struct_name} {{")[1].split("}")[0]
    lines = [line.strip() for line in text.splitlines()]
    return [line.split()[1].rstrip(";").partition("[")[0] for line in lines if line.endswith(";")]


def c_program(made: Format, stream: Stream, header: Path) -> str:
    kind, widths = stream.kind, stream.widths
    names = {
        part: f"mine_{kind.name}_{part}{variant(made, widths, getattr(kind, part))}"
        for part in ("start", "header", "entry")
        if getattr(kind, part)
    }
    block = f"{kind.name}_block{variant(made, widths, kind.header, kind.entry)}"

    def show(part: str, place: str) -> str:
        columns = zip(getattr(kind, part), c_fields(header, names[part]), strict=True)
        shown = [
            f"number((double){place}.{member});" if widths[column.scalar][0] == "f"
            else f"letters({place}.{member}, sizeof {place}.{member});"
            if widths[column.scalar][0] == "s"
            else f"whole({place}.{member} < 0, (unsigned long long){place}.{member});"
            for column, member in columns
        ]  # fmt: skip
        return f"if (loud) {{ putchar('{part[0]}'); {' '.join(shown)} putchar(10); }}"

    entry = f"{names['entry']} entry; " if kind.entry else ""
    call = f"mine_next_{block}(&r, &block{', &entry' if kind.entry else ''})"
    on_entry = ""
    at_start = "MINE_AT_STREAM_HEADER" if kind.start else "MINE_AT_BLOCK"
    begin = "MINE_AT_TYPE" if kind.word is not None else at_start
    delimiter = f"mine_write_{kind.name}_end{variant(made, widths, kind.entry)}"
    put_end = f"n_out += {delimiter}(out + n_out);" if kind.match is not None else ""

    def put(part: str, place: str) -> str:
        """The record that was read, written again."""
        return f"n_out += mine_write_{names[part].removeprefix('mine_')}(out + n_out, &{place});"

    if kind.entry:
        on_entry = put("entry", "entry") + show("entry", "entry")
    opening = ""
    if kind.word is not None:
        opening += "uint32_t type; if ((s = mine_next_type(&r, &type)) != MINE_OK) goto done;"
        opening += "n_out += mine_write_type(out, type);"
    if kind.start:
        suffix = names["start"].removeprefix("mine_")
        opening += f"{{ {names['start']} start; "
        opening += f"if ((s = mine_next_{suffix}(&r, &start)) != MINE_OK) goto done; "
        opening += put("start", "start") + show("start", "start") + " }"
    return f"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mine.h"
static void number(double v)
{{
    uint64_t b;
    memcpy(&b, &v, 8);
    printf(" x%016llx", (unsigned long long)b);
}}
static void whole(int is_negative, unsigned long long v)
{{
    if (is_negative) printf(" -%llu", 0 - v); else printf(" %llu", v);
}}
static void letters(const char *text, size_t size)
{{
    size_t i;
    printf(" t");
    for (i = 0; i < size && text[i] != 0; i++) printf("%02x", (unsigned)(unsigned char)text[i]);
}}
static void run(const unsigned char *data, size_t n, int loud)
{{
    static unsigned char out[1 << 20];
    size_t n_out = 0;
    mine_reader r; mine_status s; {names["header"]} block; {entry}
    unsigned char *copy = (unsigned char *)malloc(n + 1);
    memcpy(copy, data, n);
    mine_begin(&r, {begin}); mine_feed(&r, copy, n);
    {opening}
    while ((s = {call}) < MINE_ERROR && s != MINE_NEED_INPUT) {{
        if (s == MINE_BLOCK) {{ {put("header", "block")} {show("header", "block")} }}
        if (s == MINE_ENTRY) {{ {on_entry} }}
        if (s == MINE_BLOCK_END) {{ {put_end} }}
    }}
    {"done:" if opening else ""}
    if (s == MINE_NEED_INPUT) s = mine_finish(&r);
    printf("%s\\n", s == MINE_END ? "clean" : s == MINE_NO_FINAL_DELIMITER ? "open" : "broken");
    if (loud) {{
        printf("written ");
        for (n = 0; n < n_out; n++) printf("%02x", (unsigned)out[n]);
        putchar(10);
    }}
    free(copy);
}}
int main(void)
{{
    static unsigned char data[1 << 20];
    size_t n = fread(data, 1, sizeof data, stdin), i;
    (void)number; (void)letters; (void)whole;
    for (i = 0; i <= n; i++) run(data, i, i == n);
    return 0;
}}
"""


def check_c(made: Format, stream: Stream, folder: Path) -> None:
    source, binary = folder / "reader.c", folder / "reader"
    source.write_text(c_program(made, stream, folder / "mine/include/mine.h"))
    command = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-pedantic",
               "-Wno-type-limits", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
               f"-I{folder / 'mine/include'}", str(source), "-o", str(binary)]  # fmt: skip
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    same((built.returncode, built.stderr), (0, ""), "compilation of C")
    data = stream.encode()
    ended = subprocess.run([str(binary)], input=data, capture_output=True, check=False)
    same((ended.returncode, ended.stderr), (0, b""), "end of the C program")
    lines = ended.stdout.decode().splitlines()
    same(lines[: len(data)], [stream.cut(n)[0] for n in range(len(data))], "cuts in C")
    same(lines[len(data) : -1], [*c_lines(stream), "clean"], "values in C")
    same(lines[-1], f"written {data.hex()}", "records that C writes again")


def c_lines(stream: Stream) -> Iterator[str]:
    def line(letter: str, values: tuple[Any, ...]) -> str:
        words = [
            "x" + struct.pack(">d", v).hex()
            if isinstance(v, float)
            else "t" + v.hex()
            if isinstance(v, bytes)
            else str(v)
            for v in values
        ]
        return " ".join([letter, *words])

    kind = stream.kind
    if kind.start:
        yield line("s", stream.start)
    for header, entries in stream.blocks:
        values = list(header)
        for i, column in enumerate(kind.header):
            if column.name == kind.count:
                values.insert(i, len(entries))
        yield line("h", tuple(values))
        for entry in entries:
            yield line("e", entry)


# Kaitai


def kaitai_name(made: Format, stream: Stream) -> str:
    kind = stream.kind
    return kind.name + variant(made, stream.widths, kind.start, kind.header, kind.entry)


def kaitai_readers(folder: Path) -> dict[str, Any]:
    import yaml

    texts = {p.stem: yaml.safe_load(p.read_text()) for p in (folder / "mine/kaitai").iterdir()}
    ended = subprocess.run(
        ["node", str(ROOT / "tests" / "kaitai_compile.js")],
        input=json.dumps(texts), env=os.environ | {"NODE_PATH": str(MODULES)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    same((ended.returncode, ended.stderr), (0, ""), "compilation of Kaitai")
    readers = {}
    for name, text in json.loads(ended.stdout).items():
        space: dict[str, Any] = {"__name__": "kaitai"}
        exec(compile(text, name, "exec"), space)
        stem = name.removesuffix(".py")
        readers[stem] = space["".join(part.capitalize() for part in stem.split("_"))]
    return readers


def check_kaitai(made: Format, stream: Stream, readers: dict[str, Any]) -> None:
    from kaitaistruct import KaitaiStream

    kind = stream.kind
    parsed = readers[kaitai_name(made, stream)](KaitaiStream(io.BytesIO(stream.encode())))
    parsed._read()
    if kind.start:
        found = [getattr(parsed.stream_header, c.name) for c in kind.start]
        same(bits(found), bits(stream.start), "stream header in Kaitai")
    found_blocks = []
    for block in parsed.blocks:
        header = [getattr(block.header, c.name) for c in kind.header if c.name != kind.count]
        entries = [[getattr(e, c.name) for c in kind.entry] for e in getattr(block, "entries", [])]
        if kind.match is not None:
            same(block.is_closed, True, "is_closed")
            entries.pop()
        found_blocks.append((bits(header), [bits(entry) for entry in entries]))
    expected = [(bits(h), [bits(entry) for entry in entries]) for h, entries in stream.blocks]
    same(found_blocks, expected, "blocks in Kaitai")


# The run


def check_format(seed: int) -> None:
    """Check one random format; raises DifferenceError, or whatever the product raises."""
    random = Random(seed)
    made = random_format(random)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            _check_in(folder, made, random)
        except BaseException as error:
            error.add_note(made.spec) if hasattr(error, "add_note") else None
            raise
        finally:
            sys.path[:] = [p for p in sys.path if p != name]
            for module in [m for m in sys.modules if m == "mine" or m.startswith("mine.")]:
                del sys.modules[module]
            importlib.invalidate_caches()


def _check_in(folder: Path, made: Format, random: Random) -> None:
    path = folder / "mine.yaml"
    path.write_text(made.spec)
    load_spec(path)  # raises with all problems
    outputs = package_outputs("mine", all_widths=True)
    sys.stdout, stdout = io.StringIO(), sys.stdout
    try:
        same(generate(path, folder, outputs, pretty=False), 0, "status of generate")
    finally:
        sys.stdout = stdout
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    package = importlib.import_module("mine")
    readers = kaitai_readers(folder) if HAS_KAITAI else None
    for kind in made.kinds:
        streams = [
            random_stream(random, made, kind),
            random_stream(random, made, kind, empty=True),
            random_stream(random, made, kind, blocks=0),
        ]
        for stream in streams:
            check_python(made, package, stream, folder)
            if readers is not None:
                check_kaitai(made, stream, readers)
        small = random_stream(random, made, kind, blocks=2, empty=True)
        check_cuts(package, small)
        if HAS_GCC:
            check_c(made, small, folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="of the first format")
    parser.add_argument("--formats", type=int, default=None, help="how many")
    parser.add_argument("--seconds", type=float, default=None, help="how long, at most")
    options = parser.parse_args()
    formats = options.formats or (10 if options.seconds is None else sys.maxsize)
    end = time.monotonic() + (options.seconds or float("inf"))
    failed, done = 0, 0
    for seed in range(options.seed, options.seed + formats):
        if done and time.monotonic() > end:
            break
        done += 1
        try:
            check_format(seed)
        except Exception:
            failed += 1
            print(f"seed {seed}:\n{traceback.format_exc()}", file=sys.stderr)
    also = [name for name, there in (("C", HAS_GCC), ("Kaitai", HAS_KAITAI)) if there]
    print(f"{done} formats in {', '.join(['Python', *also])}; {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
