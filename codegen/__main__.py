"""`python -m codegen [--check]`: generate everything of evstream that follows from its specs."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from .generate import generate
from .outputs import FILES, KINDS, OWN

ROOT = Path(__file__).resolve().parent.parent


SPECS = (
    (ROOT / "spec" / "oasis.yaml", OWN, KINDS),
    (ROOT / "spec" / "files.yaml", FILES, KINDS),
)
"""Spec, where its files belong, and which kinds are generated."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m codegen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when stale")
    parser.add_argument("--force", action="store_true", help="write over files edited by hand")
    parser.add_argument("--spec", type=Path, help="a spec of streams, in place of evstream's own")
    parser.add_argument("--root", type=Path, default=ROOT, help="where the files belong")
    parser.add_argument(
        "--kaitai-widths", choices=("default", "all"), default="default",
        help="whether there is a Kaitai file for every combination of widths",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    status = 0
    for own, places, only in SPECS:
        spec = options.spec if options.spec is not None and places is OWN else own
        outputs = dataclasses.replace(places, all_widths=options.kaitai_widths == "all")
        status |= generate(
            spec, options.root, outputs, only=only, check=options.check, force=options.force
        )
        if status and not options.check:
            break
    return status


if __name__ == "__main__":
    sys.exit(main())
