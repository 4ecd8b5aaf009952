"""`evstream diff` prints where two streams differ, what and how much."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

import evstream
from diff_cases import INF, NAN, TWO_EVENTS, encoded
from evstream._support.format import bound_format
from evstream.cli import diff as command
from evstream.comparison import compare


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers(required=True), bound_format())
    parser.set_defaults(spec_format=bound_format())
    options = parser.parse_args(["diff", *map(str, arguments)])
    return int(options.run(options))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    one, other = tmp_path / "a.bin", tmp_path / "b.bin"
    one.write_bytes(encoded([((1, 7, 9.0), [(1, 120.1), (2, 3.0)])], "summary").getvalue())
    blocks = [((1, 7, 9.0), [(1, 120.2)]), ((2, 7, 9.0), [(1, 1.0)])]
    other.write_bytes(encoded(blocks, "summary").getvalue())
    return one, other


def test_the_command_prints_place_field_and_amount(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*files, "--first", 2) == 1
    assert (
        capsys.readouterr().out
        == f"""\
A {files[0]}
B {files[1]}

                       A      B  difference  relative
events                 1      2           1         1
items                  1      2           1         1
records                2      2           0         0
exposure_value         9     18           9         1
  mean per record      9      9           0         0
loss of samples    123.1  121.2   -1.900002   -0.0154
  mean per record  61.55   60.6   -0.950001   -0.0154

event_id 2: only in B (items 1)

event_id  change of            A      B  difference  relative
       2  exposure_value       0      9           9
       1  loss of samples  123.1  120.2   -2.900002   -0.0236
       2  loss of samples      0      1           1

summary_id  change of            A      B  difference  relative
         7  exposure_value       9     18           9         1
         7  loss of samples  123.1  121.2   -1.900002   -0.0154

event_id 1, summary_id 7, sidx 1: loss 120.1 in A, 120.2 in B
event_id 1, summary_id 7, sidx 2: only in A (loss 3.0)

         compared  differ  only in A  only in B  reordered
events          1       1          0          1          0
items           1       1          0          0          0
records         1       1          1          0          0
values differ by up to 0.0999985, relative 0.000832
different
"""
    )


def test_the_command_is_short_where_nothing_differs(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    name = files[0]
    assert run(name, name) == 0
    assert capsys.readouterr().out == f"equal: {name} and {name}, 1 event, 1 item, 2 records\n"
    assert run(*files, "--absolute=9", "--zeros", "--top=0", "--first=0") == 1
    out = capsys.readouterr().out
    assert "change of" not in out
    assert "1 missing event or item\n" in out


def test_the_command_takes_the_tolerance_and_the_choices(tmp_path: Path) -> None:
    one, other = tmp_path / "a.bin", tmp_path / "b.bin"
    one.write_bytes(encoded(TWO_EVENTS).getvalue())
    near = [((1, 8), [(-1, 5.0), (2, 5.01)]), ((1, 7), [(-1, 2.0), (1, 1.0), (2, 3.0), (3, 0.0)])]
    other.write_bytes(encoded([*near, TWO_EVENTS[2]]).getvalue())
    choices = ["--ignore-order", "--zeros", "--absolute=0.1"]
    assert run(one, other, *choices) == 0
    assert run(one, other, "--ignore-order", "--zeros", "--relative=1e-2") == 0
    for left_out in choices:
        assert run(one, other, *(choice for choice in choices if choice != left_out)) == 1


def test_the_json_of_a_report_is_one_object(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*files, "--json") == 1
    printed = json.loads(capsys.readouterr().out)
    assert (printed["equal"], printed["found"], printed["stream"]) == (False, 3, "summary")
    assert printed["counts"]["event"]["only_in_b"] == 1
    ids = {"event_id": 1, "summary_id": 7, "sidx": 1}
    assert printed["differences"][0] == {
        "kind": "value", "ids": ids, "field": "loss", "a": 120.1, "b": 120.2
    }  # fmt: skip
    assert printed["differences"][2]["b"] == 1
    assert printed["missing"] == printed["differences"][2:]
    change = {"name": "exposure_value", "kind": "", "a": 0.0, "b": 9.0, "difference": 9.0}
    assert printed["event_changes"][0] == {"ids": {"event_id": 2}, **change, "relative": None}
    change |= {"a": 9.0, "b": 18.0}
    assert printed["item_changes"][0] == {"ids": {"summary_id": 7}, **change, "relative": 1.0}
    totals = {(one["name"], one["kind"]): one for one in printed["totals"]}
    assert totals["loss", "samples"]["mean_a"] == pytest.approx(61.55)
    assert totals["events", ""]["relative"] == 1
    assert run(*files, "--format", "json", "--top", 1) == 1
    assert len(json.loads(capsys.readouterr().out)["event_changes"]) == 1


def test_the_html_of_a_report_is_one_page(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    odd = files[0].with_name("<b>.bin")
    odd.write_bytes(files[1].read_bytes())
    assert run(files[0], odd, "--format", "html") == 1
    page = capsys.readouterr().out
    assert page.startswith("<!DOCTYPE html>")
    assert "&lt;b&gt;.bin" in page
    assert "<b>" not in page
    assert '<td>loss of samples</td><td class="number">123.1</td>' in page
    assert "event_id 2: only in B (items 1)" in page
    assert "http" not in page
    assert compare(*files)._repr_html_().startswith("<style>")
    assert run(odd, odd, "--format", "html") == 0
    assert "<caption>equal: " in capsys.readouterr().out


def test_json_has_no_nan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for name, value in (("a", NAN), ("b", INF)):
        paths.append(tmp_path / name)
        paths[-1].write_bytes(encoded([((1, 7), [(1, value)])]).getvalue())
    assert run(*paths, "--json") == 1
    first = json.loads(capsys.readouterr().out)["differences"][0]
    assert (first["a"], first["b"]) == ("nan", "inf")


def test_the_command_raises_what_reading_raises(files: tuple[Path, Path]) -> None:
    files[1].write_bytes(files[1].read_bytes()[:-3])
    with pytest.raises(evstream.TruncatedStreamError, match=files[1].name):
        run(*files)


def test_both_streams_cannot_be_stdin() -> None:
    with pytest.raises(ValueError, match="stdin"):
        run("-", "-")
    with pytest.raises(ValueError, match="stdin"):
        compare("-", "-")


@pytest.mark.parametrize("wrong", ["--absolute=-1", "--relative=nan", "--first=x"])
def test_a_wrong_number_is_a_wrong_command_line(wrong: str, files: tuple[Path, Path]) -> None:
    with pytest.raises(SystemExit):
        run(*files, wrong)
