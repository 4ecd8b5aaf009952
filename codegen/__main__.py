"""`python -m codegen [--check]`: generate everything that follows from the spec."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from codegen.load import SpecError, load_spec
from codegen.render import render
from codegen.write import stale, write

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m codegen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when stale")
    parser.add_argument("--spec", type=Path, default=ROOT / "spec" / "oasis.yaml")
    parser.add_argument("--root", type=Path, default=ROOT, help="where the files belong")
    options = parser.parse_args(arguments)
    try:
        spec = load_spec(options.spec)
    except SpecError as error:
        print(error, file=sys.stderr)
        return 1
    files = render(spec, options.spec)
    changed = stale(options.root, files) if options.check else write(options.root, files)
    removed = 0 if options.check else sum(path not in files for path in changed)
    for path in changed:
        done = "wrote" if path in files else "removed"
        print(f"{'stale' if options.check else done} {path}")
    if options.check and changed:
        print("run `make generate`", file=sys.stderr)
        return 1
    summary = f"{len(files)} generated files, {len(changed) - removed} changed"
    print(f"{summary}, {removed} removed" if removed else summary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
