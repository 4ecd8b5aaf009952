"""Plan -> text: one Jinja template per kind of file, printed and nothing more.

Undefined names are errors. The digest in each file covers the spec and its template, so a
file tells what it was made from; there is no date, and the same input gives the same bytes.
The text goes through the project's formatter so that the linter is at peace.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import jinja2

from codegen import plan
from codegen.model import Spec

TEMPLATES = Path(__file__).parent / "templates"
PARTS = ("banner.j2", "kernel_head.j2")
"""Templates that others include."""

RUFF_OPTIONS = ("--isolated", "--line-length", "100")


def camel(name: str) -> str:
    """event_id -> EventId."""
    return "".join(part.capitalize() for part in name.split("_"))


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
    for module in plan.block_modules(spec):
        template = "header_only.py.j2"
        if module.delimiter is not None:
            template = "delimited.py.j2"
        elif module.count is not None:
            template = "counted.py.j2"
        files[f"{package}/{module.name}.py"] = text(template, module=module)
    files = {path: formatted(path, body) for path, body in files.items()}
    files["docs/format.md"] = text(
        "format.md.j2",
        blocks=list(plan.block_modules(spec)),
        streams=list(plan.stream_plans(spec)),
        variants=list(plan.record_variants(spec)),
    )
    return files


def formatted(path: str, body: str) -> str:
    """The text as `ruff format` leaves it."""
    command = [sys.executable, "-m", "ruff", "format", *RUFF_OPTIONS, "--stdin-filename", path, "-"]
    result = subprocess.run(command, input=body, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"{path}: the formatter refuses the rendered text: {result.stderr}")
    return result.stdout
