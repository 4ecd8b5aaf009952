"""Plan -> text: one Jinja template per kind of file, printed and nothing more.

Undefined names are errors. There is no date, and the same spec gives the same bytes; each file
carries a digest of itself (see `digest`). The files of evstream itself go through the project's
formatter, so that the linter accepts them; those of other packages do not need it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import re
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable, Collection, Iterator
from pathlib import Path, PurePosixPath

import jinja2

from . import plan, plan_c, plan_kaitai
from .digest import BLANK, sealed
from .language import FACADE, GIVEN_UP
from .model import Spec
from .outputs import KINDS, OWN, Outputs

TEMPLATES = Path(__file__).parent / "templates"
YAML_WORDS = frozenset(("n", "no", "null", "off", "on", "true", "false", "y", "yes"))
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


def as_yaml(name: str) -> str:
    """A name as YAML text, in quotes where a reader of YAML 1.1 takes it for something else."""
    return f'"{name}"' if name in YAML_WORDS else name


def targets(names: Collection[str], own: str) -> tuple[tuple[str, ...], ...]:
    """Fields of files as (format, stream, field); `own` is the format where a name has none."""
    parts = [name.replace("/", ".").split(".") for name in names]
    return tuple(tuple(p if len(p) == 3 else [own, *p]) for p in parts)


@functools.cache
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
    env.filters["csv_titles"] = plan.csv_titles
    env.filters["json"] = as_json
    env.filters["numpy_dtype"] = plan.numpy_dtype
    env.filters["repr"] = repr
    env.filters["targets"] = targets
    env.filters["yaml"] = as_yaml
    return env


def spec_digest(spec: Spec) -> str:
    """SHA-256 of what the spec says; its comments and its layout do not matter."""
    return hashlib.sha256(repr(spec).encode()).hexdigest()


def render(
    spec: Spec,
    spec_path: Path,
    outputs: Outputs = OWN,
    only: Collection[str] = KINDS,
    *,
    pretty: bool = True,
) -> dict[str, str]:
    """Generated files: path below the root -> text.

    `only` says which kinds; `pretty` sends Python through the project's formatter.

    Raises TemplateError for a template that cannot be rendered.
    """
    return {
        path: sealed(formatted(path, body) if pretty and path.endswith(".py") else body)
        for path, body in _texts(spec, spec_path, outputs, only)
    }


def _texts(
    spec: Spec, spec_path: Path, outputs: Outputs, only: Collection[str]
) -> Iterator[tuple[str, str]]:
    env = environment()
    source = f"spec/{spec_path.name}" if outputs.facade is None else spec_path.name

    def text(template: str, **context: object) -> str:
        with template_errors():
            return env.get_template(template).render(
                spec=spec, source=source, outputs=outputs, digest=BLANK,
                spec_digest=spec_digest(spec), specials=plan.specials(spec), given_up=GIVEN_UP,
                **context,
            )  # fmt: skip

    if "python" in only:
        if outputs.facade is not None:
            yield f"{outputs.facade}/__init__.py", text("facade.py.j2")
            yield f"{outputs.facade}/__main__.py", text("facade_main.py.j2")
            yield f"{outputs.facade}/__init__.pyi", text("facade_types.pyi.j2", facade_names=FACADE)
            yield f"{outputs.facade}/py.typed", text("py.typed.j2")
        for name, body in _modules(spec, text):
            yield f"{outputs.modules}/{name}.py", body
    if "docs" in only:
        yield (
            outputs.docs,
            text(
                "format.md.j2",
                blocks=list(plan.block_modules(spec)),
                streams=list(plan.stream_plans(spec)),
                variants=list(plan.record_variants(spec)),
            ),
        )
    if "c" in only:
        header = text("evstream.h.j2", header=plan_c.header(spec))
        yield outputs.c_header, _with_prefix(header, spec, outputs)
    if "kaitai" in only:
        for file in plan_kaitai.files(spec, all_widths=outputs.all_widths):
            yield f"{outputs.kaitai}/{file.id}.ksy", text("stream.ksy.j2", file=file)


def _modules(spec: Spec, text: Callable[..., str]) -> Iterator[tuple[str, str]]:
    """(name, text) of each module of the generated package."""
    yield "__init__", text("init.py.j2")
    yield (
        "layout",
        text(
            "layout.py.j2",
            variants=list(plan.record_variants(spec)),
            streams=list(plan.stream_plans(spec)),
            constants=list(plan.constants(spec)),
        ),
    )
    yield "events", text("events.py.j2", python_types=plan.python_types(spec))
    for records in plan.records_modules(spec):
        yield records.name, text("records.py.j2", module=records)
    for module in plan.kernel_modules(spec):
        template = "counted.py.j2" if module.delimiter is None else "delimited.py.j2"
        yield module.block.name, text(template, module=module)


def _with_prefix(header: str, spec: Spec, outputs: Outputs) -> str:
    """The C header with names of its own, so that a program may include those of two formats."""
    if outputs is OWN or outputs.c_header == OWN.c_header:
        return header
    name = PurePosixPath(outputs.c_header).stem
    fields = {f.name for record in spec.records.values() for f in record.fields}

    def renamed(found: re.Match[str]) -> str:
        word, prefix = found[0], found[1]
        own = name if prefix.islower() else name.upper()
        return word if word in fields else own + word.removeprefix(prefix)

    header = re.sub(r"\b(evs|EVS)_\w*", renamed, header)
    return header.replace("EVSTREAM_H", f"{name.upper()}_H").replace("evstream.h", f"{name}.h")


class TemplateError(Exception):
    """A template cannot be rendered; the message names it and the line."""


@contextlib.contextmanager
def template_errors() -> Iterator[None]:
    """Turn an error of Jinja, or of what a template calls, into a TemplateError."""
    try:
        yield
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(f"{error.name}:{error.lineno}: {error.message}") from None
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        places = [f for f in frames if Path(f.filename).parent == TEMPLATES]
        if not places:
            raise
        where = f"{Path(places[-1].filename).name}:{places[-1].lineno}"
        raise TemplateError(f"{where}: {error}") from error


@functools.cache
def formatted(path: str, body: str) -> str:
    """The text as `ruff format` leaves it."""
    command = [sys.executable, "-m", "ruff", "format", *RUFF_OPTIONS, "--stdin-filename", path, "-"]
    result = subprocess.run(command, input=body, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"{path}: the formatter refuses the rendered text: {result.stderr}")
    return result.stdout
