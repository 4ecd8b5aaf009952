"""`python -m benchmarks [--megabytes N] [--only NAME] [--output FOLDER]`: measure, and write the
table."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import checks, commands, files, kernels, peers, readers, results, scale
from benchmarks.inputs import Inputs
from benchmarks.measure import PROBE, Case, busy_at_start, table

BEGIN, END = "<!-- table: make bench -->", "<!-- end of table -->"

GROUPS = ("kernels", "readers", "commands", "files", "checks", "scale", "results")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=250, help="size of the loss stream")
    parser.add_argument(
        "--only", action="append", metavar="NAME",
        help=f"cases with this in their name, or a group ({', '.join(GROUPS)}); may be repeated",
    )  # fmt: skip
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument(
        "--output", type=Path, help="folder of performance.md, whose table it replaces"
    )
    options = parser.parse_args()
    if options.only and options.output:
        parser.error("--output replaces the whole table, so it does not go with --only")
    warning = busy_at_start()
    if warning is not None and not options.list:
        print(f"warning: {warning}", file=sys.stderr)
    measured = []
    with tempfile.TemporaryDirectory() as name:
        for group, case in all_cases(Path(name), options.megabytes, options.only):
            if options.list:
                print(f"{group}: {case.name}")
                continue
            measured.append(case.run())
            print(*measured[-1].rows(), sep="\n", flush=True)
    if options.list:
        return
    if not measured:
        parser.error(f"no case is called {' or '.join(options.only)} (--list prints the names)")
    lines = f"{table(measured)}\n\nNoise: {PROBE.verdict()}."
    print(f"\n{platform.machine()}, Python {platform.python_version()}\n\n{lines}")
    if PROBE.is_noisy:
        print(f"warning: the machine was noisy: {PROBE.verdict()}", file=sys.stderr)
    if options.output is not None:
        cases = [result.to_json() for result in measured]
        (options.output / "performance.json").write_text(json.dumps(cases, indent=1) + "\n")
        page = options.output / "performance.md"
        before, _, rest = page.read_text().partition(BEGIN)
        page.write_text(f"{before}{BEGIN}\n\n{lines}\n\n{END}{rest.partition(END)[2]}")


def all_cases(folder: Path, megabytes: int, only: list[str] | None) -> Iterator[tuple[str, Case]]:
    """The cases that are wanted with their groups, in the order of the table."""
    c, reference = peers.compile_c(), peers.reference()
    inputs = Inputs(folder, megabytes)
    tools = Path(sys.executable).parent if reference else None
    groups = {
        "kernels": kernels.cases(inputs, c, reference),
        "readers": readers.cases(inputs, folder, reference),
        "commands": commands.cases(inputs, folder, tools),
        "files": files.cases(inputs, folder, tools),
        "checks": checks.cases(inputs, folder),
        "scale": scale.cases(inputs, folder),
        "results": results.cases(folder, megabytes, tools),
    }
    for group, cases in groups.items():
        names = None if only is None or group in only else [name.lower() for name in only]
        if names is not None and set(names) <= set(GROUPS):
            continue
        for case in cases:
            if names is None or any(name in case.name.lower() for name in names):
                yield group, case


if __name__ == "__main__":
    main()
