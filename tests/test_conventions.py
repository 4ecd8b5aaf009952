"""Conventions of CONTRIBUTING.md that a program can check: sizes, names, docstrings, imports."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from evstream._support.known_formats import formats_beside

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(
    path for path in (ROOT / "src").rglob("*.py") if "_generated" not in path.parts
)  # fmt: skip
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))

LINES = 350
"""Of a module: above it, it has more than one reason to change."""

LINES_OF_TESTS = 520

LETTERS = 60
"""Of the name of a test, which reads as one fact."""

OWN = {"numpy", "numba", "llvmlite", "evstream"}
"""What `import evstream` may import."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def names(paths: list[Path]) -> dict[str, ast.Module]:
    return {name_of(path): parsed(path) for path in paths}


def test_a_module_is_short():
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: n for name, n in lengths.items() if n > LINES} == {}


def test_a_module_of_tests_has_one_subject():
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in TESTS}
    assert {name: n for name, n in lengths.items() if n > LINES_OF_TESTS} == {}


def test_names_of_tests_are_short():
    long = [
        f"{module}: {node.name}"
        for module, tree in names(TESTS).items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        if len(node.name) >= LETTERS
    ]
    assert long == []


def test_every_module_has_a_docstring():
    trees = names([*MODULES, *(ROOT / "tests").glob("*.py")])
    assert [name for name, tree in trees.items() if tree.body and not ast.get_docstring(tree)] == []


def test_no_test_has_the_name_of_another():
    """Of two functions with one name, Python keeps the last."""
    for module, tree in names(TESTS).items():
        found = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        assert sorted(set(found)) == sorted(found), module


def imported(body: list[ast.stmt]) -> Iterator[str]:
    """The modules that these statements import when they are run, not those in functions."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from imported(node.orelse)
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            yield from imported(node.body)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_optional_packages_are_imported_in_functions(path: Path):
    allowed = OWN | sys.stdlib_module_names
    if path.name == "plugin.py":  # which pytest imports
        allowed |= {"pytest"}
    assert {n.partition(".")[0] for n in imported(parsed(path).body)} <= allowed


def test_helpers_stand_in_modules_of_their_own():
    """Which of two test modules comes first is nothing that a third should depend on."""
    borrowed = {
        module: found
        for module, tree in names(sorted((ROOT / "tests").rglob("*.py"))).items()
        if (found := [n for n in imported(tree.body) if n.startswith("test_")])
    }
    assert borrowed == {}


WORDS_OF_CONTRACTS = {
    ("writing/matrix.py", "event_id"),  # keywords of write_event, whatever the format
    ("writing/matrix.py", "item_ids"),
    ("writing/matrix.py", "event_ids"),  # and of write_events
    ("tables/dense.py", "event_ids"),  # an attribute of DenseTable
    ("cli/warmup.py", "item_ids"),
    ("cli/log.py", "event_id"),  # fields of messages, whatever the format
    ("cli/log.py", "item_id"),
    ("errors.py", "event_id"),  # attributes of errors, whatever the format
    ("errors.py", "item_id"),
    ("dropin/__init__.py", "event_id"),
    ("dropin/__init__.py", "oasis_int"),  # settings of the reference
    ("dropin/launcher.py", "oasis_int"),
}
ROOMS_OF_OASIS = (
    "_generated/",
    "compat/",
    "results/",
    "reporting/",
    "event_stream.py",
    "cli/aal.py",
    "cli/elt.py",
)


WORDS_OF_THE_LANGUAGE = {"expanded_size", "original_size"}
"""Fields that spec/README.md gives a meaning in the list of an index file."""


def oasis_words() -> set[str]:
    """Names in evstream's own specs that cannot be words of something else."""
    words: set[str | None] = set()
    for known in formats_beside(None):
        for field in (f for fields in known.fields.values() for f in fields):
            words |= {field.name, field.plural, *field.aliases}
        for stream in known.streams.values():
            words |= {stream.name, *stream.aliases, *(title for _, title in stream.csv)}
        words |= known.special_parameters.keys() | known.blocks.keys() | known.scalars.keys()
    own = {word for word in words if word and ("_" in word or word != word.lower())}
    return own - WORDS_OF_THE_LANGUAGE


def test_the_runtime_knows_no_word_of_a_format():
    words, root = oasis_words(), ROOT / "src" / "evstream"
    assert {"len_sample", "output_id", "ImpactedExposure", "summary_set_id"} <= words
    found = set()
    for path in MODULES:
        name = path.relative_to(root).as_posix()
        if name.startswith(ROOMS_OF_OASIS):
            continue
        for node in ast.walk(parsed(path)):
            said = {getattr(node, key, None) for key in ("attr", "value", "arg")}
            if isinstance(node, (ast.Attribute, ast.Constant, ast.keyword)):
                found |= {(name, word) for word in words if word in said}
    assert found <= WORDS_OF_CONTRACTS
