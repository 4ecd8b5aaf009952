"""Names in C headers: fields that C has names for, names of the header itself, own prefixes."""

from __future__ import annotations

import keyword
import subprocess
from pathlib import Path

import pytest

from c_programs import INCLUDE, MORE_WARNINGS, compile_with
from codegen.generate import generate
from codegen.outputs import package_outputs
from codegen.plan_c import TAKEN
from support import ROOT

SYSTEM_HEADERS = """
assert.h ctype.h errno.h fenv.h inttypes.h limits.h locale.h math.h setjmp.h
signal.h stdarg.h stdbool.h stdio.h stdlib.h time.h wchar.h
arpa/inet.h dirent.h fcntl.h netdb.h netinet/in.h poll.h pthread.h sched.h sys/mman.h sys/socket.h
sys/stat.h sys/wait.h unistd.h
"""
OF_C_ALONE = ["complex.h", "iso646.h", "stdalign.h", "stdnoreturn.h"]

SPEC = """\
format: mini
doc: A small format.
scalars:
  number: {doc: A number., widths: [i4]}
  weight: {doc: A weight., widths: [f4]}
enums:
  source_type: {doc: Sources., values: {LOSS: {value: 2, constant: %(constant)s, doc: Losses.}}}
  block_type: {doc: Blocks., values: {ITEM: {value: 1, constant: ITEM_ID, doc: Items.}}}
type_word:
  doc: Four bytes.
  fields:
    - {name: aggregation, bytes: 3, enum: block_type, doc: Low bytes.}
    - {name: source, bytes: 1, enum: source_type, doc: High byte.}
records:
  start: {doc: Opens a stream., fields: [{name: highest, type: number, minimum: 0, doc: Highest.}]}
  %(header)s:
    doc: Opens a block.
    fields:
      - {name: event_id, type: number, plural: event_ids, doc: Event.}
  %(entry)s:
    doc: An entry.
    fields:
      - {name: %(match)s, type: number, doc: What tells the delimiter.}
%(fields)s
delimiters:
  %(delimiter)s: {doc: Ends., record: %(entry)s, match: {%(match)s: 0}, write: {%(written)s}}
blocks:
  %(block)s: {doc: One., header: %(header)s, entry: %(entry)s, end: {delimiter: %(delimiter)s}}
streams:
  %(stream)s: {doc: Losses., source: LOSS, aggregation: ITEM, header: start, block: %(block)s}
rules:
  low: {doc: Low., fix: Lower., severity: error, check: at_most, field: %(match)s, limit: highest}
"""
NAMES = {
    "constant": "LOSS_ID", "header": "opening", "entry": "item", "match": "number",
    "delimiter": "last", "block": "event", "stream": "loss",
}  # fmt: skip


def header_of(folder: Path, fields: tuple[str, ...] = ("weight",), **names: str) -> Path:
    """Generate a C header `mine.h` with these names; the folder to include it from."""
    chosen = NAMES | names
    of_entry = [f'      - {{name: "{name}", type: weight, doc: A weight.}}' for name in fields]
    written = ", ".join(f'"{name}": 0' for name in (chosen["match"], *fields))
    spec = SPEC % (chosen | {"fields": "\n".join(of_entry), "written": written})
    return generated(folder, "mine", spec)


def generated(folder: Path, package: str, spec: str) -> Path:
    path = folder / f"{package}.yaml"
    path.write_text(spec)
    assert generate(path, folder, package_outputs(package), only=("c",), pretty=False) == 0
    return folder / package / "include"


def program(folder: Path, *includes: str, body: str = "return 0;") -> Path:
    source = folder / "program.c"
    lines = [f"#include <{name}>" for name in includes]
    source.write_text("\n".join([*lines, f"int main(void) {{ {body} }}", ""]))
    return source


@pytest.mark.parametrize("language", ["c", "c++"])
@pytest.mark.parametrize("order", ["after", "before"])
def test_a_field_may_have_any_name_that_c_has(language: str, order: str, tmp_path: Path) -> None:
    """`linux` and `unix` are macros of compilers, `errno` one of a header, `register` a word."""
    names = tuple(name for name in sorted(TAKEN) if not keyword.iskeyword(name) and name != "i386")
    assert {"unix", "linux", "errno", "register", "signed", "stdin"} <= set(names)
    folder = header_of(tmp_path, names, match="i386")
    system = SYSTEM_HEADERS.split() + (OF_C_ALONE if language == "c" else [])
    includes = [*system, "mine.h"] if order == "after" else ["mine.h", *system]
    body = "mine_item item; item.linux_ = 0; item.i386_ = 0; return (int)item.linux_ + item.i386_;"
    standard = "-std=gnu11" if language == "c" else "-std=gnu++17"
    source = program(tmp_path, *includes, body=body)
    compile_with(language, standard, f"-I{folder}", "-fsyntax-only", source)


@pytest.mark.parametrize(
    "name", ["reader", "type", "status", "state", "hash", "need_input", "open"]
)
def test_a_record_may_have_a_name_of_the_header(name: str, tmp_path: Path) -> None:
    folder = header_of(tmp_path, entry=name, header=f"{name}_header", block=name, stream=name)
    body = f"return (int)sizeof(mine_{name}_);"
    source = program(tmp_path, "mine.h", body=body)
    compile_with("c", *MORE_WARNINGS, f"-I{folder}", "-fsyntax-only", source)
    compile_with("c++", f"-I{folder}", "-fsyntax-only", source)


@pytest.mark.parametrize(
    "names",
    [
        {"constant": "ERROR"},
        {"constant": "GAVE_UP_MARK"},
        {"constant": "TYPE_LOSS"},
        {"constant": "ITEM_SIZE"},
        {"delimiter": "mark"},
        {"delimiter": "gave_up_event"},
        {"stream": "word_size"},
        {"block": "type"},
        {"block": "start"},
        {"header": "max_record"},
    ],
    ids=lambda names: "_".join(names.values()),
)
def test_other_names_do_not_collide_either(names: dict[str, str], tmp_path: Path) -> None:
    folder = header_of(tmp_path, **names)
    source = program(tmp_path, "mine.h", "mine.h")
    compile_with("c", *MORE_WARNINGS, f"-I{folder}", "-fsyntax-only", source)
    compile_with("c++", f"-I{folder}", "-fsyntax-only", source)


def test_a_field_keeps_a_name_that_looks_like_a_prefix(tmp_path: Path) -> None:
    folder = header_of(tmp_path, ("evs_weight",))
    body = "mine_item item; item.evs_weight = 0; return (int)item.evs_weight;"
    compile_with("c", f"-I{folder}", "-fsyntax-only", program(tmp_path, "mine.h", body=body))


@pytest.mark.parametrize("language", ["c", "c++"])
def test_headers_of_two_formats_are_included_together(language: str, tmp_path: Path) -> None:
    """Three, as evstream's is the third; each reads its own stream."""
    spec = (ROOT / "tests" / "minimal_spec.yaml").read_text()
    folders = [header_of(tmp_path), generated(tmp_path, "yours", spec)]
    source = tmp_path / "both.c"
    source.write_text(
        """
#include "evstream.h"
#include "mine.h"
#include "yours.h"
#include <stdio.h>
int main(void)
{
    unsigned char bytes[64];
    size_t n = 0;
    uint32_t type;
    mine_start start = {9};
    mine_opening opening = {7};
    mine_item item = {3, 0.5f};
    mine_reader reader;
    yours_reader other;
    yours_header_i4 header;
    evs_reader third;
    n += mine_write_type(bytes + n, MINE_TYPE_LOSS);
    n += mine_write_start(bytes + n, &start);
    n += mine_write_opening(bytes + n, &opening);
    n += mine_write_item(bytes + n, &item);
    n += mine_write_last(bytes + n);
    mine_begin(&reader, MINE_AT_TYPE);
    mine_feed(&reader, bytes, n);
    if (mine_next_type(&reader, &type) != MINE_OK || mine_next_start(&reader, &start) != MINE_OK
        || mine_next_event(&reader, &opening, &item) != MINE_BLOCK
        || mine_next_event(&reader, &opening, &item) != MINE_ENTRY || item.number != 3
        || mine_next_event(&reader, &opening, &item) != MINE_BLOCK_END
        || mine_next_event(&reader, &opening, &item) != MINE_NEED_INPUT
        || mine_finish(&reader) != MINE_END)
        return 1;
    yours_begin(&other, YOURS_AT_TYPE);
    n = yours_write_type(bytes, YOURS_TYPE_LOSS);
    header.event_id = 5;
    n += yours_write_header_i4(bytes + n, &header);
    yours_feed(&other, bytes, n);
    if (yours_next_type(&other, &type) != YOURS_OK
        || yours_next_item_i4(&other, &header) != YOURS_BLOCK || header.event_id != 5)
        return 2;
    evs_begin(&third, EVS_AT_TYPE);
    evs_feed(&third, bytes, n);
    return evs_next_type(&third, &type) == EVS_OK && type == EVS_TYPE_LOSS ? 0 : 3;
}
"""
    )
    binary = tmp_path / "both"
    compile_with(language, *(f"-I{f}" for f in (*folders, INCLUDE)), source, "-o", binary)
    assert subprocess.run([str(binary)], check=False).returncode == 0
