"""`python -m benchmarks [--megabytes N] [--output FOLDER]`: measure, and write the table."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import commands, kernels, peers, readers, scale
from benchmarks.inputs import Inputs
from benchmarks.measure import Fact, Result, table

BEGIN, END = "<!-- table: make bench -->", "<!-- end of table -->"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=250, help="size of the loss stream")
    parser.add_argument(
        "--output", type=Path, help="folder of performance.md, whose table it replaces"
    )
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as name:
        for result in all_cases(Path(name), options.megabytes):
            results.append(result)
            print(
                *([result.row()] if isinstance(result, Fact) else result.rows()),
                sep="\n",
                flush=True,
            )
    lines = table(results)
    print(f"\n{platform.machine()}, Python {platform.python_version()}\n\n{lines}")
    if options.output is not None:
        cases = [result.to_json() for result in results]
        (options.output / "performance.json").write_text(json.dumps(cases, indent=1) + "\n")
        page = options.output / "performance.md"
        before, _, rest = page.read_text().partition(BEGIN)
        page.write_text(f"{before}{BEGIN}\n\n{lines}\n\n{END}{rest.partition(END)[2]}")


def all_cases(folder: Path, megabytes: int) -> Iterator[Result | Fact]:
    """All cases, in the order of the table."""
    c, reference = peers.compile_c(), peers.reference()
    inputs = Inputs(folder, megabytes)
    yield from kernels.cases(inputs, c, reference)
    yield from readers.cases(inputs, folder, reference)
    yield from scale.cases(inputs, folder)
    tools = Path(sys.executable).parent if reference else None
    yield from commands.cases(inputs, folder, tools)


if __name__ == "__main__":
    main()
