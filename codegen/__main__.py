"""`python -m codegen [--check]`: generate everything of evstream that follows from the spec."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from .generate import generate
from .outputs import OWN

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m codegen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when stale")
    parser.add_argument("--force", action="store_true", help="write over files edited by hand")
    parser.add_argument("--spec", type=Path, default=ROOT / "spec" / "oasis.yaml")
    parser.add_argument("--root", type=Path, default=ROOT, help="where the files belong")
    parser.add_argument(
        "--kaitai-widths", choices=("default", "all"), default="default",
        help="whether there is a Kaitai file for every combination of widths",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    outputs = dataclasses.replace(OWN, all_widths=options.kaitai_widths == "all")
    return generate(options.spec, options.root, outputs, check=options.check, force=options.force)


if __name__ == "__main__":
    sys.exit(main())
