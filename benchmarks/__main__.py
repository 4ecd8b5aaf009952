"""`python -m benchmarks [--megabytes N] [--output FOLDER]`: measure, and write the table."""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from pathlib import Path

from benchmarks.cases import Inputs, all_cases
from benchmarks.measure import table

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
        folder = Path(name)
        inputs = Inputs(folder, options.megabytes)
        for result in all_cases(inputs, folder):
            results.append(result)
            print(table([result]).splitlines()[-1], flush=True)
    told = table(results)
    print(f"\n{platform.machine()}, Python {platform.python_version()}\n\n{told}")
    if options.output is not None:
        cases = [result.to_json() for result in results]
        (options.output / "performance.json").write_text(json.dumps(cases, indent=1) + "\n")
        page = options.output / "performance.md"
        before, _, rest = page.read_text().partition(BEGIN)
        page.write_text(f"{before}{BEGIN}\n\n{told}\n\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
