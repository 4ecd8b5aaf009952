"""Check the documents: each relative link leads somewhere, each command that they name exists.

    python tests/check_documents.py

A command is what stands in code at the start of a line or after `$`, `|`, `;` or `&&`. Checked are
targets of make, commands of evstream and their options, modules after `python -m`, files of tests
and scripts, and the words after `-k`, each of which must be in the name of a test. Code such as
`reading/window` names a module of the runtime. Nothing is fetched, and no command does any work:
evstream is asked for its `--help`.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ["*.md", "docs/*.md", "docs/start/*.md", "spec/*.md", "tests/conformance/*.md"]

LANGUAGES_OF_COMMANDS = {"", "sh", "console", "shell-session"}
PROGRAM = r"(?:^|[|;&$] *)(?:[A-Z_]+=\S+ +)*"


def documents(root: Path = ROOT) -> list[Path]:
    return sorted(path for pattern in DOCUMENTS for path in root.glob(pattern))


def problems(path: Path, root: Path = ROOT) -> Iterator[str]:
    """What is wrong in a document, one line each."""
    text = path.read_text()
    for target in links(text):
        if not leads_somewhere(path, target):
            yield f"{path.relative_to(root)}: broken link {target}"
    for command in commands(text):
        for problem in unknown_parts(command, root):
            yield f"{path.relative_to(root)}: {problem} in `{command}`"


def links(text: str) -> list[str]:
    """The targets of links to other files or to headings."""
    found = re.findall(r"\]\(([^)\s]+)\)", without_fences(text))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def leads_somewhere(path: Path, target: str) -> bool:
    name, _, heading = target.partition("#")
    file = path.parent / name if name else path
    if not file.exists():
        return False
    return not heading or heading in headings(file.read_text())


def headings(text: str) -> set[str]:
    """The anchors of the headings of a document, as GitHub makes them."""
    titles = re.findall(r"(?m)^#+ +(.*)$", without_fences(text))
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def without_fences(text: str) -> str:
    return re.sub(r"(?ms)^```.*?^```$", "", text)


def commands(text: str) -> list[str]:
    """Lines of fenced and indented blocks that may hold commands, and inline code."""
    fences = re.findall(r"(?ms)^```([\w-]*)\n(.*?)^```$", text)
    lines = [
        line
        for language, body in fences
        if language in LANGUAGES_OF_COMMANDS
        for line in body.replace("\\\n", " ").splitlines()
    ]
    rest = without_fences(text)
    lines += re.findall(r"(?m)^ {4}(\S.*)$", rest)
    lines += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", rest)]
    return [line.replace("&#124;", "|") for line in lines]


def unknown_parts(line: str, root: Path) -> Iterator[str]:
    """What a line of code names and the project does not have."""
    for name, rest in re.findall(rf"{PROGRAM}(?:\S*/)?evstream ([a-z]+)([^|;&#]*)", line):
        known = help_text(name)
        if known is None:
            yield f"no command {name!r} of evstream"
            continue
        for option in re.findall(r"(?<!\S)--[a-z][a-z-]*", rest.partition("   ")[0]):
            if not re.search(rf"{option}\b(?!-)", known):
                yield f"no option {option} of `evstream {name}`"
    for target in re.findall(rf"{PROGRAM}make ([a-z]+)", line):
        if not re.search(rf"(?m)^{target}:", (root / "Makefile").read_text()):
            yield f"no target {target!r} of make"
    for module in re.findall(r"python3? -m ((?:evstream|codegen|benchmarks)[\w.]*)", line):
        if importlib.util.find_spec(module) is None:
            yield f"no module {module}"
    files = re.findall(
        r"(?<!\S)((?:tests|benchmarks|examples|src|spec|codegen)/[\w/*]+(?:\.\w+)?)", line
    )
    for name in files:
        if not any(root.glob(name)):
            yield f"no file {name}"
    for room, module in re.findall(r"^([a-z_]+)/([a-z_]+)$", line):
        folder = root / "src" / "evstream" / room
        if folder.is_dir() and not any((folder / f"{module}{end}").exists() for end in ("", ".py")):
            yield f"no module {module!r} in {room}/"
    words = re.search(r"-k (?:'([^']+)'|(\w+))", line)
    for word in re.findall(r"\w+", (words[1] or words[2]) if words else ""):
        names = tests_of(tuple(files) or ("tests",), root)
        if word not in {"and", "or", "not"} and not any(word in name for name in names):
            yield f"no test has {word!r} in its name"


@cache
def help_text(command: str) -> str | None:
    """What `evstream COMMAND --help` prints; None where there is no such command."""
    asked = [sys.executable, "-m", "evstream", command, "--help"]
    result = subprocess.run(asked, capture_output=True, text=True, check=False)
    return result.stdout if result.returncode == 0 else None


@cache
def tests_of(names: tuple[str, ...], root: Path) -> set[str]:
    """The names of the tests in some files or folders."""
    paths = (p for n in names for p in [root / n, *(root / n).rglob("test_*.py")] if p.is_file())
    return {
        node.name
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def main() -> int:
    sys.path.insert(0, str(ROOT))  # for codegen and benchmarks
    found = [problem for path in documents() for problem in problems(path)]
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(documents())} documents, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
