"""Plan -> text: one Jinja template per kind of file, printed and nothing more.

Undefined names are errors. The digest in each file covers the spec and its template, so a
file tells what it was made from; there is no date, and the same input gives the same bytes.
The text goes through the project's formatter so that the linter is at peace.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import jinja2

from codegen import plan, plan_c, plan_kaitai
from codegen.model import Spec

TEMPLATES = Path(__file__).parent / "templates"
PARTS = ("banner.j2", "kernel_head.j2", "kernel_macros.j2")
"""Templates that others include."""

RUFF_OPTIONS = ("--isolated", "--line-length", "100")


def camel(name: str) -> str:
    """event_id -> EventId."""
    return "".join(part.capitalize() for part in name.split("_"))


def comment(text: str, indent: str) -> str:
    """The text as the lines of a C comment, each after `indent`."""
    text = text.replace("/*", "/ *")  # compilers warn of a comment within a comment
    return textwrap.fill(
        text, 98, initial_indent=indent, subsequent_indent=indent, break_long_words=False
    )


def as_json(text: str) -> str:
    """In double quotes, as JSON and YAML have them."""
    return json.dumps(text, ensure_ascii=False)


def environment() -> jinja2.Environment:
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    env.filters["camel"] = camel
    env.filters["comment"] = comment
    env.filters["json"] = as_json
    env.filters["repr"] = repr
    return env


def digest(*paths: Path) -> str:
    """Of the contents of some files, whatever the line ends of the checkout."""
    sha = hashlib.sha256()
    for path in paths:
        sha.update(path.name.encode() + b"\0")
        sha.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return sha.hexdigest()


def render(spec: Spec, spec_path: Path) -> dict[str, str]:
    """Every generated file: path below the project root -> text."""
    env = environment()
    parts = [TEMPLATES / name for name in PARTS]

    def text(template: str, **context: object) -> str:
        return env.get_template(template).render(
            spec=spec,
            source=f"spec/{spec_path.name}",
            spec_digest=digest(spec_path),
            digest=digest(spec_path, TEMPLATES / template, *parts),
            specials=plan.specials(spec),
            **context,
        )

    package = "src/evstream/_generated"
    files = {
        f"{package}/__init__.py": text("init.py.j2"),
        f"{package}/layout.py": text(
            "layout.py.j2",
            variants=list(plan.record_variants(spec)),
            streams=list(plan.stream_plans(spec)),
            constants=list(plan.constants(spec)),
        ),
        f"{package}/events.py": text("events.py.j2"),
    }
    for records in plan.records_modules(spec):
        files[f"{package}/{records.name}.py"] = text("records.py.j2", module=records)
    for module in plan.kernel_modules(spec):
        template = "header_only.py.j2"
        if module.delimiter is not None:
            template = "delimited.py.j2"
        elif module.count is not None:
            template = "counted.py.j2"
        files[f"{package}/{module.block.name}.py"] = text(template, module=module)
    files = {path: formatted(path, body) for path, body in files.items()}
    files["docs/format.md"] = text(
        "format.md.j2",
        blocks=list(plan.block_modules(spec)),
        streams=list(plan.stream_plans(spec)),
        variants=list(plan.record_variants(spec)),
    )
    files["src/evstream/include/evstream.h"] = text("evstream.h.j2", header=plan_c.header(spec))
    for file in plan_kaitai.files(spec):
        files[f"docs/kaitai/{file.id}.ksy"] = text("stream.ksy.j2", file=file)
    return files


def formatted(path: str, body: str) -> str:
    """The text as `ruff format` leaves it."""
    command = [sys.executable, "-m", "ruff", "format", *RUFF_OPTIONS, "--stdin-filename", path, "-"]
    result = subprocess.run(command, input=body, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"{path}: the formatter refuses the rendered text: {result.stderr}")
    return result.stdout
