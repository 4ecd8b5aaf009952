"""`evstream generate`: a codec for another binary format, from its description in YAML."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from evstream._support.arguments import did_you_mean
from evstream._support.format import Format
from evstream.cli import log
from evstream.extras import import_extra

KINDS = ("python", "c", "kaitai", "docs")


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "generate",
        help="generate a package for another binary format",
        description="Write a package that reads, writes, checks and converts the streams of a "
        "spec: `import PACKAGE` has open, create, read_columns, ... and `python -m PACKAGE` is the "
        "command line. spec/README.md documents the language of specs. Needs evstream[codegen].",
    )
    parser.add_argument("spec", metavar="SPEC", type=Path, help="the spec, a YAML file")
    parser.add_argument("--package", metavar="NAME", required=True, help="e.g. mycodec")
    parser.add_argument(
        "--out", metavar="DIR", type=Path, default=Path(), help="where to put it (default: here)"
    )
    parser.add_argument(
        "--only", metavar="KIND[,KIND]", type=_kinds, default=KINDS,
        help=f"kinds of files to write: {', '.join(KINDS)} (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--widths", choices=("default", "all"), default="default",
        help="Kaitai files for the default widths, or for every combination (code serves all)",
    )  # fmt: skip
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if a file is out of date"
    )
    parser.add_argument(
        "--force", action="store_true", help="overwrite files that were edited by hand"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Generate; 1 for a spec with problems, or (with --check) for stale files."""
    if not all(part.isidentifier() for part in options.package.split(".")):
        raise ValueError(f"--package {options.package!r}, expected the name of a Python package")
    for module in ("yaml", "jinja2"):
        import_extra(module)
    generator = _generator()
    outputs = importlib.import_module(f"{generator}.outputs")
    generate = importlib.import_module(f"{generator}.generate")
    status: int = generate.generate(
        options.spec, options.out,
        outputs.package_outputs(options.package, all_widths=options.widths == "all"),
        only=options.only, check=options.check, force=options.force, pretty=False,
        say=_report if log.is_json() or log.is_quiet() else None,
    )  # fmt: skip
    return status


def _report(level: str, text: str, **facts: Any) -> None:
    log.report(level, text, status=1 if level == "error" else None, **facts)


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(text.split(","))
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        hint = did_you_mean(unknown[0], KINDS)
        raise argparse.ArgumentTypeError(f"{unknown[0]!r}, expected {', '.join(KINDS)}{hint}")
    return kinds


def _generator() -> str:
    """The name of the generator's package: a wheel has it inside, a checkout next to src."""
    if importlib.util.find_spec("evstream._codegen") is not None:
        return "evstream._codegen"
    checkout = Path(__file__).resolve().parents[3]
    if not (checkout / "codegen" / "generate.py").exists():
        raise ValueError("this installation has no generator, expected a wheel or a checkout")
    if str(checkout) not in sys.path:
        sys.path.append(str(checkout))
    return "codegen"
