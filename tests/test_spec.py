"""The front half of the generator: every spec it takes, and every one it refuses.

A file of `bad_specs/` opens with its problems, one `# expect: line:column: path: message`
each, and the loader must find exactly these. Most are minimal_spec.yaml with one mistake.
"""

from __future__ import annotations

import json
import re
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from codegen.language import (
    CHECKS,
    KEBAB,
    KEYS,
    LONGEST_NAME,
    LONGEST_TEXT,
    SEVERITIES,
    SNAKE,
    TYPE_WORD_FIELDS,
    UPPER,
    WIDTHS,
    width_of,
)
from codegen.load import SpecError, load_spec
from codegen.nodes import MAX_BYTES

TESTS = Path(__file__).parent
SPEC = TESTS.parent / "spec" / "oasis.yaml"
SCHEMA = TESTS.parent / "spec" / "schema.json"
README = TESTS.parent / "spec" / "README.md"
MINIMAL = TESTS / "minimal_spec.yaml"
BAD = sorted((TESTS / "bad_specs").glob("*.yaml"))


def expected(path: Path) -> list[str]:
    text = path.read_bytes().decode("utf-8", "replace")
    return re.findall(r"(?m)^# expect: (.*)$", text)


def problems(path: Path) -> list[str]:
    """The problems of a spec, without the file name that each starts with."""
    try:
        load_spec(path)
    except SpecError as error:
        return [str(problem).removeprefix(f"{path}:") for problem in error.problems]
    return []


def load_text(text: str | bytes, folder: Path) -> list[str]:
    path = folder / "spec.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return problems(path)


@pytest.fixture(scope="module")
def schema() -> Any:
    return json.loads(SCHEMA.read_text())


def limits() -> list[tuple[str, str, str]]:
    """(path, value, message) of what spec/README.md says cannot be said."""
    _, section = README.read_text().split("## What cannot be said")
    section = section.partition("## Recipes")[0]
    return re.findall(r"(?m)^\| [^|]* \| `([^`]*)` is `([^`]*)` \| (.*) \|$", section)


@pytest.mark.parametrize(("path", "value", "message"), limits())
def test_what_cannot_be_said_has_its_message(
    path: str, value: str, message: str, tmp_path: Path
) -> None:
    spec = yaml.safe_load("".join(re.findall(r"(?ms)^```yaml\n(.*?)^```", README.read_text())))
    *parts, last = path.split(".")
    place = spec
    for part in parts:
        place = place[int(part)] if isinstance(place, list) else place[part]
    place[last] = json.loads(value)
    found = load_text(json.dumps(spec, ensure_ascii=False), tmp_path)
    assert [problem for problem in found if f": {message}" in problem], found


def test_readme_lists_what_cannot_be_said() -> None:
    _, section = README.read_text().split("## What cannot be said")
    assert len(limits()) == section.partition("## Recipes")[0].count("\n| ") - 1


# What is accepted.


def test_the_spec_has_no_problems() -> None:
    assert problems(SPEC) == []


def test_the_minimal_spec_has_no_problems() -> None:
    assert problems(MINIMAL) == []


def test_the_spec_is_loaded_in_the_order_of_the_file() -> None:
    spec = load_spec(SPEC)
    assert spec.format == "oasis"
    assert list(spec.scalars) == ["oasis_int", "oasis_float", "areaperil_int", "sample_count"]
    assert [f.name for f in spec.type_word.fields] == ["aggregation", "source"]
    assert [f.name for f in spec.records["sidx_loss"].fields] == ["sidx", "loss"]
    assert spec.records["item_header"].field("event_id").reserved == (0,)
    assert spec.delimiters["delimiter"].match == (("sidx", 0),)
    assert spec.blocks["cdf"].count == "no_of_bins"
    assert spec.blocks["item"].delimiter == "delimiter"
    assert spec.streams["event_ids"].source is None
    required = [s.name for s in spec.streams["loss"].special_sidx if s.required]
    assert required == ["TIV", "MEAN"]
    assert spec.rules["sidx-in-range"].limit == "len_sample"
    assert spec.rules["loss-not-negative"].fields == ("loss", "exposure_value")


def test_folded_text_becomes_one_line() -> None:
    spec = load_spec(SPEC)
    assert spec.doc.endswith("or checksum.")
    assert "\n" not in spec.doc


def test_a_byte_order_mark_and_windows_line_ends_are_no_problem(tmp_path: Path) -> None:
    text = MINIMAL.read_bytes().replace(b"\n", b"\r\n")
    assert load_text(b"\xef\xbb\xbf" + text, tmp_path) == []


def test_quoted_words_are_what_they_look(tmp_path: Path) -> None:
    text = (
        MINIMAL.read_text()
        .replace("A small format.", "'no'")
        .replace("format: mini", 'format: "off"')
    )
    assert load_text(text, tmp_path) == []


# What is refused.


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_spec_gives_exactly_its_problems(path: Path) -> None:
    assert expected(path)
    assert problems(path) == expected(path)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_problem_is_one_line(path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    assert len(str(caught.value).split("\n")) == len(caught.value.problems)
    assert all(str(problem).isprintable() for problem in caught.value.problems)


def test_a_problem_names_file_place_path_and_what_is_legal(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(MINIMAL.read_text().replace("type: number", "type: foo"))
    with pytest.raises(SpecError) as caught:
        load_spec(str(path))
    [problem] = caught.value.problems
    place = "records.header.fields[0].type"
    assert str(problem) == f"{path}:15:65: {place}: unknown scalar 'foo'; legal: number"
    assert (problem.line, problem.column, problem.path) == (15, 65, place)


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    assert problems(tmp_path / "none.yaml") == ["1:1: can't be read: No such file or directory"]


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    assert load_text("[" * (MAX_BYTES + 1), tmp_path) == [f"1:1: more than {MAX_BYTES} bytes"]


def test_hostile_yaml_costs_nothing(tmp_path: Path) -> None:
    names = [f"a{i}" for i in range(100)]
    bomb = "a0: &a0 lol\n" + "".join(
        f"{b}: &{b} [{', '.join([f'*{a}'] * 20)}]\n" for a, b in pairwise(names)
    )
    start = time.process_time()
    assert len(load_text(bomb, tmp_path)) == 100 + 99 * 20
    assert len(load_text("[" * MAX_BYTES, tmp_path)) == 1
    assert time.process_time() - start < 30


NASTY = [
    *"{}[]:,-?&*!|>%@`'\"\\#~\n\t\r\0\x85\u2028\ufeff😀",
    "\n  ",
    "&a ",
    "*a",
    "!!int ",
    "<<: ",
]
NASTY += [
    "\\U",
    "---\n",
    "no",
    "012",
    "1:30",
    "null",
    "x); import os",
    "number",
    "event_id",
    "doc: ",
]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_spoilt_spec_loads_or_gives_problems(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    text = MINIMAL.read_text()
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 12)))
        text = text[:start] + data.draw(st.sampled_from(NASTY) | st.text(max_size=4)) + text[end:]
    load_text(text.encode("utf-8", "replace"), tmp_path_factory.getbasetemp())


# The schema and the reference say what the loader does.


def test_the_schema_is_one_and_accepts_the_specs(schema: Any) -> None:
    Draft202012Validator.check_schema(schema)
    for path in (SPEC, MINIMAL):
        Draft202012Validator(schema).validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("what", KEYS)
def test_schema_and_loader_agree_on_the_keys(schema: Any, what: str) -> None:
    entry = schema if what == "spec" else schema["$defs"][what]
    assert set(entry["properties"]) == set(KEYS[what].legal)
    assert set(entry.get("required", ())) == set(KEYS[what].required)
    assert entry["additionalProperties"] is False


def test_schema_and_loader_agree_on_the_words(schema: Any) -> None:
    entries = {name: entry.get("properties", {}) for name, entry in schema["$defs"].items()}
    numbers, text = entries["scalar"]["widths"]["items"]["anyOf"]
    assert numbers["enum"] == list(WIDTHS)
    legal = [size for size in range(1000) if re.search(text["pattern"], f"s{size}")]
    assert legal == list(range(1, LONGEST_TEXT + 1))
    assert legal == [size for size in range(1000) if width_of(f"s{size}") is not None]
    assert entries["rule"]["check"]["enum"] == list(CHECKS)
    assert entries["rule"]["severity"]["enum"] == list(SEVERITIES)
    assert entries["type_word_field"]["name"]["enum"] == list(TYPE_WORD_FIELDS)


@pytest.mark.parametrize(
    ("name", "style"), [("snake_name", SNAKE), ("upper_name", UPPER), ("kebab_name", KEBAB)]
)
def test_schema_and_loader_agree_on_the_names(schema: Any, name: str, style: Any) -> None:
    assert schema["$defs"][name]["pattern"] == f"^{style.pattern}$"
    assert schema["$defs"][name]["maxLength"] == LONGEST_NAME


@pytest.mark.parametrize(
    "path",
    [p for p in BAD if p.stem.startswith(("key_", "kind_")) and "duplicate" not in p.stem],
    ids=lambda path: path.stem,
)
def test_the_schema_refuses_wrong_keys_and_kinds(schema: Any, path: Path) -> None:
    assert not Draft202012Validator(schema).is_valid(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("what", KEYS)
def test_the_reference_has_a_row_for_each_key(what: str) -> None:
    [section] = re.findall(rf"(?ms)^### `{what}`\n(.*?)(?=^##|\Z)", README.read_text())
    assert re.findall(r"(?m)^\| `(\w+)`", section) == list(KEYS[what].legal)
    required = re.findall(r"(?m)^\| `(\w+)` \| yes \|", section)
    assert required == list(KEYS[what].required)


def test_the_reference_has_a_row_for_each_check() -> None:
    [section] = re.findall(r"(?ms)^## Checks of rules\n(.*?)(?=^##|\Z)", README.read_text())
    assert re.findall(r"(?m)^\| `(\w+)`", section) == list(CHECKS)


def test_the_examples_of_the_reference_are_one_spec(schema: Any, tmp_path: Path) -> None:
    examples = "".join(re.findall(r"(?ms)^```yaml\n(.*?)^```", README.read_text()))
    assert load_text(examples, tmp_path) == []
    Draft202012Validator(schema).validate(yaml.safe_load(examples))
