"""Generate the files of a package from a spec: what `make generate` and `evstream generate` run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from pathlib import Path

from .load import SpecError, load_spec
from .outputs import KINDS, Outputs
from .render import TemplateError, render
from .signatures import changed_signatures
from .write import EditedError, stale, write


def generate(
    spec_path: Path,
    root: Path,
    outputs: Outputs,
    *,
    only: Collection[str] = KINDS,
    check: bool = False,
    force: bool = False,
    pretty: bool = True,
    say: Callable[..., None] | None = None,
) -> int:
    """Write what changed below `root`; the exit status.

    1 where the spec has problems, a file was edited by hand, or (with `check`, which writes
    nothing) a file is stale. A line on stderr warns of each documented function whose signature
    changes. `say(level, text, **fields)` takes what else would go to stderr.
    """
    say = say or _print
    try:
        spec = load_spec(spec_path)
        files = render(spec, spec_path, outputs, only, pretty=pretty)
        owned = {f: p for f, p in outputs.owned.items() if outputs.kind_of(f"{f}/") in only}
        signatures = (
            list(changed_signatures(root, files, outputs.modules)) if "python" in only else []
        )
        changed = stale(root, files, owned) if check else write(root, files, owned, force=force)
    except SpecError as error:
        for problem in error.problems:
            say("error", str(problem), problem=problem.message, path=problem.path or None,
                file=problem.file, line=problem.line, column=problem.column)  # fmt: skip
        return 1
    except EditedError as error:
        say("error", str(error), files=error.paths)
        return 1
    except TemplateError as error:
        say("error", f"template {error}")
        return 1
    for line in signatures:
        say("warning", line)
    removed = 0 if check else sum(path not in files for path in changed)
    for path in changed:
        done = "wrote" if path in files else "removed"
        print(f"{'stale' if check else done} {path}")
    if check and changed:
        say("info", f"run `{outputs.command}`")
        return 1
    summary = f"{len(files)} generated files, {len(changed) - removed} changed"
    print(f"{summary}, {removed} removed" if removed else summary)
    return 0


def _print(level: str, text: str, **_: object) -> None:
    print(f"warning: {text}" if level == "warning" else text, file=sys.stderr)
