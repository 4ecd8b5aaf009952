"""JSON lines of any style are read; a bad line is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import oracle
from evstream.cli.program import main

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("zstandard")

from convert_cases import LOSS, converted, refused  # noqa: E402
from evstream.conversion.convert import convert  # noqa: E402

JSON = b'{"event_id": 1, "item_id": 1, "sidx": -1, "loss": 2.5}\n'

BAD_JSON = [
    (b"x\n", "line 2: not valid JSON (Expecting value"),
    (b"\n" + JSON, "line 2: not valid JSON"),
    (b"[1]\n", "line 2: not a JSON object"),
    (JSON.replace(b"2.5", b'"x"'), "line 2, column loss: 'x', expected a number"),
    (JSON.replace(b"2.5", b"null"), "line 2, column loss: None, expected a number"),
    (JSON.replace(b"2.5", b"true"), "line 2, column loss: True, expected a number"),
    (JSON.replace(b"2.5", b"[]"), "line 2, column loss: [], expected a number"),
    (JSON.replace(b"-1", b"1.0"), "line 2, column sidx: 1.0, expected a whole number"),
    (JSON.replace(b"-1", b"3000000000"), "line 2, column sidx: 3000000000, expected -21474"),
    (JSON.replace(b', "loss": 2.5', b""), "line 2, column loss: a value is missing"),
    (JSON.replace(b"}", b', "more": 1}'), "line 2, column more: there is 1, expected the columns"),
    (JSON.replace(b"}", b', "loss": 1}'), "line 2: not valid JSON (a name comes twice)"),
    (
        JSON.replace(b"2.5", b'"nan"').replace(b"-1", b"1"),
        "line 2: event_id 1, item_id 1: loss nan",
    ),
    (JSON.replace(b"2.5", b"NaN").replace(b"-1", b"1"), "line 2: event_id 1, item_id 1: loss nan"),
    (JSON.replace(b"2.5", b"1e39"), "line 2, column loss: 1e+39, expected a number within"),
    (JSON.replace(b"}\n", b"\n"), "line 2: not valid JSON"),
    (b"[" * 100_000, "line 2: not a JSON object of numbers, but deeply nested"),
    (b'{"event_id":' * 50_000, "line 2: not a JSON object of numbers, but deeply nested"),
    (JSON.replace(b"2.5", b"1" * 4000), "line 2, column loss: 111"),
    (JSON.replace(b"-1", b"1" * 5000), "line 2: not valid JSON (Exceeds the limit"),
]


@pytest.mark.parametrize(("line", "message"), BAD_JSON, ids=lambda v: repr(v)[:60])
def test_a_bad_line_of_json_is_named(line: bytes, message: str, tmp_path: Path) -> None:
    error = refused(tmp_path, "in.jsonl", JSON + line)
    assert message in str(error)
    assert error.line == 2


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "the file is empty, expected an object, or --stream"),
     (b'{"event_id": 1}\n[', "line 2: "), (b"\xff", "line 1: not text"),
     (b"[" * 100_000, "line 1: not a JSON object of numbers"),
     (JSON.decode().encode("utf-16"), "line 1: this looks like UTF-16, expected UTF-8"),
     (b'{"a": 1}\n', "the columns are a, expected")],
)  # fmt: skip
def test_json_lines_of_another_subject_are_refused(
    data: bytes, message: str, tmp_path: Path
) -> None:
    assert message in str(refused(tmp_path, "in.jsonl", data))


@pytest.mark.parametrize(
    "text",
    ['{"event_id":1,"item_id":2,"sidx":3,"loss":4.5}', '{ "loss": 4.5, "sidx" : 3, '
     '"item_id": 2, "event_id": 1 }', '{"sidx":3,"event_id":1,"loss":"4.5","item_id":2}\r\n'],
)  # fmt: skip
def test_json_of_any_style_is_understood(text: str, tmp_path: Path) -> None:
    second = '\n{"event_id": 1, "item_id": 2, "sidx": 4, "loss": 5}\n'
    data = converted(tmp_path, "in.jsonl", (text.rstrip("\n") + second).encode())
    assert oracle.decode(data).records == [(1, 2, 3, 4.5), (1, 2, 4, 5.0)]


def test_json_has_the_columns_of_cat(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "out.jsonl"
    convert(str(LOSS), str(out))
    main(["cat", "--format", "jsonl", str(LOSS)])
    assert rows_of_json(out.read_text()) == rows_of_json(capsys.readouterr().out)


def rows_of_json(text: str) -> list[dict[str, float]]:
    return [json.loads(line) for line in text.splitlines()]
