"""Formats that have nothing of Oasis: other names, no integer key, other openings.

The package is generated once, and its kernels are compiled as those of any user are.
"""

from __future__ import annotations

import importlib
import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evstream.checking.event_list import read_event_list
from evstream.errors import (
    AbsentEventError,
    CorruptStreamError,
    EvstreamError,
    StreamHeaderError,
    TableError,
    TruncatedStreamError,
    WriteError,
)
from evstream.testing import assert_equal, broken_versions, make_stream
from generated_packages import imported_package, run_package

SPEC = Path(__file__).parent / "any_format_spec.yaml"
NAME = "gauges_of_any_format"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gauges")


@pytest.fixture(scope="module")
def gauges(folder: Path) -> Iterator[Any]:
    """The generated package."""
    with imported_package(SPEC, folder, NAME, ("python",)) as package:
        yield package


def command(folder: Path, *arguments: str, status: int = 0) -> str:
    return run_package(NAME, folder, *arguments, status=status)


def bytes_of(gauges: Any, stream: str, *columns: Any, **header: int) -> bytes:
    target = io.BytesIO()
    with gauges.create(target, stream, **header) as out:
        out.write_columns(*columns)
    return target.getvalue()


def opened(gauges: Any, data: bytes, stream: str | None = None, **options: Any) -> Any:
    return gauges.open(io.BytesIO(data), stream, **options)


GAUGE = ([3, 3, 3, 9], [1, 1, 2, 1], [5, 6, 5, 7], [0.5, 1.5, 2.5, 3.5])
MOMENT = ([0.5, 0.5, 0.75, 0.75], [1, 1, 1, 2], [5, 6, 5, 7], [0.5, 1.5, 2.5, 3.5])
LAST = struct.pack("<if", -1, 0)


def test_the_first_field_has_any_name(gauges: Any) -> None:
    data = bytes_of(gauges, "gauge", *GAUGE)
    expected = struct.pack("<I", 7 << 24 | 1)
    expected += struct.pack("<Hiifif", 3, 1, 5, 0.5, 6, 1.5) + LAST
    expected += struct.pack("<Hiif", 3, 2, 5, 2.5) + LAST
    expected += struct.pack("<Hiif", 9, 1, 7, 3.5) + LAST
    assert data == expected
    first, second = opened(gauges, data)
    assert (first.run, first.gauges.tolist()) == (3, [1, 2])
    assert second.run == second.event_key == 9
    assert repr(first) == "<GaugeEvent run=3 blocks=2 entries=3>"
    assert not hasattr(first, "event_id")


def test_a_block_may_have_floats_alone(gauges: Any) -> None:
    data = bytes_of(gauges, "moment", *MOMENT)
    expected = struct.pack("<I", 9 << 24 | 1)
    expected += struct.pack("<dfifif", 0.5, 1, 5, 0.5, 6, 1.5) + LAST
    expected += struct.pack("<dfif", 0.75, 1, 5, 2.5) + LAST
    expected += struct.pack("<dfif", 0.75, 2, 7, 3.5) + LAST
    assert data == expected
    first, second = opened(gauges, data)
    assert (first.moment, second.moment) == (0.5, 0.75)
    assert second.data.tolist() == [1, 2]
    rows = gauges.read_columns(io.BytesIO(data))
    assert {name: column.tolist() for name, column in rows.items()} == dict(
        zip(["moment", "datum", "place", "height"], MOMENT, strict=True)
    )
    again = io.BytesIO()
    with gauges.create(again, "moment") as out:
        for event in (first, second):
            out.write(event)
    assert again.getvalue() == data


def test_nan_is_one_event(gauges: Any) -> None:
    nan = float("nan")
    data = bytes_of(gauges, "moment", [nan, nan, nan], [1, 1, 2], [5, 6, 7], [1, 2, 3])
    (event,) = opened(gauges, data)
    assert np.isnan(event.moment)
    assert event.offsets.tolist() == [0, 2, 3]
    assert gauges.compare(io.BytesIO(data), io.BytesIO(data)).equal


def test_only_some_events_of_floats_are_read(gauges: Any) -> None:
    data = bytes_of(gauges, "moment", *MOMENT)
    rows = gauges.read_columns(io.BytesIO(data), events=0.75)
    assert rows["height"].tolist() == [2.5, 3.5]
    with pytest.raises(TypeError, match=r"events is 'a', expected a number or several"):
        gauges.read_columns(io.BytesIO(data), events="a")


def test_files_are_cut_by_the_layout_of_the_format(gauges: Any, tmp_path: Path) -> None:
    moments = [0.5, 0.5, 1.5, float("nan"), float("nan"), 2.5, 3.5]
    path = tmp_path / "a.bin"
    path.write_bytes(bytes_of(gauges, "tide", moments, range(7)))
    for whole, most in (("block", 7), ("event", 5)):
        planned = gauges.parts(path, path.stat().st_size // 7, whole=whole, stream="tide")
        assert planned.header.format is gauges.create(io.BytesIO(), "tide").header.format
        rows = list(gauges.map_parts(lambda part: gauges.read_columns(part)["tide"], planned))
        assert len([piece for piece in rows if len(piece)]) == most
        assert np.concatenate(rows).tolist() == list(range(7))
    gauge = tmp_path / "gauge.bin"
    gauge.write_bytes(bytes_of(gauges, "gauge", *GAUGE))
    assert len(gauges.parts(gauge, 10)) == 1
    (events,) = gauges.map_parts(lambda part: [event.run for event in gauges.open(part)], gauge)
    assert events == [3, 9]


def test_chunks_cut_anywhere(gauges: Any) -> None:
    """An event of floats that spans several stretches is one."""
    stream = importlib.import_module("evstream.reading.stream").EventStream
    count = 400
    columns = (np.repeat([0.5, 1.5], count), 1, np.arange(2 * count), 1)
    data = bytes_of(gauges, "moment", *columns)
    events = list(stream(io.BytesIO(data), chunk=256, format=gauges.FORMAT))
    assert [(e.moment, len(e), len(e.place)) for e in events] == [(0.5, 1, count), (1.5, 1, count)]


def test_counted_blocks_have_floats_alone(gauges: Any) -> None:
    data = bytes_of(gauges, "counted", [0.5, 0.5, 0.5], [1, 2, 1], [5, 6, 7], [1, 2, 3])
    expected = struct.pack("<diifif", 0.5, 2, 5, 1, 6, 2) + struct.pack("<diif", 0.5, 1, 7, 3)
    assert data == expected
    (event,) = opened(gauges, data, "counted")
    assert event.offsets.tolist() == [0, 2, 3]
    with pytest.raises(CorruptStreamError, match=r"moment 0\.5: gauges is -1, expected 0 or more"):
        list(opened(gauges, struct.pack("<di", 0.5, -1), "counted"))


def test_errors_name_the_ids_of_the_format(gauges: Any) -> None:
    data = bytes_of(gauges, "moment", *MOMENT)
    with pytest.raises(TruncatedStreamError, match=r"moment 0\.75, datum 2\.0: the stream ends in"):
        list(opened(gauges, data[:-10]))
    with pytest.raises(WriteError, match=r"run 3, gauge 1: .*run 3 breaks sorted"):
        bytes_of(gauges, "gauge", [3, 4, 3], 1, 5, 1)


def test_the_number_of_samples_follows_from_a_rule(gauges: Any) -> None:
    data = bytes_of(gauges, "sampled", 1, 2, [1, 2], [5, 6], how_many=2)
    with opened(gauges, data) as stream:
        assert stream.header.samples == 2
        (event,) = stream
    assert event.to_dense().losses.tolist() == [[5, 6]]
    with pytest.raises(WriteError, match="sidx 3 breaks few"):
        bytes_of(gauges, "sampled", 1, 2, 3, 5, how_many=2)
    target = io.BytesIO()
    with gauges.create(target, "sampled", how_many=2) as out:
        out.write_event(1, [2], [[5, 6]])
    assert target.getvalue() == data


def sampled(package: Any, *arguments: Any, **named: Any) -> bytes:
    """The bytes of a stream of one matrix."""
    target = io.BytesIO()
    with package.create(target, "sampled", how_many=2) as out:
        out.write_event(*arguments, **named)
    return target.getvalue()


def test_a_matrix_takes_the_names_of_the_format(gauges: Any) -> None:
    matrix = [[5, 6], [7, 8]]
    data = sampled(gauges, 1, [2, 3], matrix)
    assert sampled(gauges, run=1, gauges=[2, 3], height=matrix) == data
    assert sampled(gauges, 1, [2, 3], height=matrix) == data
    assert sampled(gauges, event_id=1, item_ids=[2, 3], losses=matrix) == data


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ({"run": 1, "height": [[5, 6]]}, "a sampled stream needs gauges"),
        ({"gauges": [2], "height": [[5, 6]]}, "a sampled stream needs run"),
        ({"run": 1, "gauges": [2]}, "a sampled stream needs a matrix of height"),
        (
            {"run": 1, "event_id": 1, "gauges": [2], "height": [[5, 6]]},
            "event_id and run are the same, expected one of them",
        ),
    ],
)
def test_a_missing_part_of_a_matrix_is_named(gauges: Any, named: Any, problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        sampled(gauges, **named)


def test_fields_of_the_header_are_attributes(gauges: Any) -> None:
    header = opened(gauges, sampled(gauges, 1, [2], [[5, 6]])).header
    assert header.how_many == 2
    assert opened(gauges, bytes_of(gauges, "gauge", *GAUGE)).header.how_many is None
    assert "how_many" in dir(header)
    with pytest.raises(AttributeError, match="no attribute 'summary_set_id'"):
        _ = header.summary_set_id


def test_a_list_of_events_is_of_the_format(gauges: Any, tmp_path: Path) -> None:
    """A format without a stream of events alone takes one with a type word; an event may be 0
    where no rule says otherwise."""
    path = tmp_path / "list.bin"
    path.write_bytes(bytes_of(gauges, "gauge", *GAUGE))
    assert read_event_list(str(path), format=gauges.FORMAT) == [3, 3, 9]
    (tmp_path / "list").write_text("0\n3\n")
    assert read_event_list(str(tmp_path / "list"), format=gauges.FORMAT) == [0, 3]


def test_a_header_may_open_a_stream(gauges: Any, tmp_path: Path) -> None:
    data = bytes_of(gauges, "untyped", 1, 2, [1, 2], [5, 6], how_many=2)
    assert data == struct.pack("<iHiififif", 2, 1, 2, 1, 5, 2, 6, 0, 0)
    with opened(gauges, data, "untyped") as stream:
        assert (stream.header.size, stream.header.values) == (4, {"how_many": 2})
        (event,) = stream
    assert event.height.tolist() == [5, 6]
    with pytest.raises(StreamHeaderError, match="byte 2: the stream ends inside the untyped"):
        opened(gauges, data[:2], "untyped")
    with pytest.raises(StreamHeaderError, match=r"byte 0: how_many is -1, expected 0 or more"):
        opened(gauges, struct.pack("<i", -1), "untyped")
    path = tmp_path / "a.bin"
    with gauges.create(str(path), "untyped", seal=True, how_many=2) as out:
        out.write_columns(1, 2, [1, 2], [5, 6])
    assert gauges.validate(str(path), stream="untyped").clean
    target = io.BytesIO()
    gauges.merge([io.BytesIO(data)], target, stream="untyped")
    assert target.getvalue() == data


def test_a_rule_may_be_limited_to_blocks(gauges: Any) -> None:
    with pytest.raises(WriteError, match="place 0 breaks high"):
        bytes_of(gauges, "gauge", 1, 1, 0, -1)
    target = io.BytesIO()
    with gauges.create(target, "gauge", validate=False) as out:
        out.write_columns(1, 1, 0, -1)
    report = gauges.validate(io.BytesIO(target.getvalue()))
    assert report.counts == {"high": 1}
    bytes_of(gauges, "moment", 1, 1, 0, 1)


def test_a_rule_may_be_limited_to_streams(gauges: Any) -> None:
    with pytest.raises(WriteError, match=r"height 0\.0 breaks low"):
        bytes_of(gauges, "moment", 1, 1, 1, 0)
    data = bytes_of(gauges, "gauge", 1, 1, 1, 0)
    assert gauges.validate(io.BytesIO(data)).clean


@pytest.mark.parametrize(
    ("stream", "columns"),
    [
        ("gauge", GAUGE),
        ("moment", MOMENT),
        ("tide", ([0.5, 0.5, 1.5], [1, 2, 3])),
        ("watch", ([1, 1, 2], [1, 2, 3])),
    ],
)
def test_seal_counts_blocks(
    gauges: Any, tmp_path: Path, stream: str, columns: tuple[Any, ...]
) -> None:
    path = str(tmp_path / "a.bin")
    with gauges.create(path, stream, seal=True) as out:
        out.write_columns(*columns)
    report = gauges.validate(path, stream=stream)
    assert (report.clean, report.events) == (True, 2)
    assert json.loads(Path(f"{path}.seal").read_text())["blocks"] == 3
    assert json.loads(Path(f"{path}.seal").read_text())["events"] == 2


@pytest.mark.parametrize(
    ("stream", "rows", "event"), [("gauge", GAUGE, 3), ("moment", MOMENT, 0.5)]
)
def test_events_of_any_kind_are_indexed_and_summed(
    gauges: Any, tmp_path: Path, stream: str, rows: Any, event: float
) -> None:
    path = tmp_path / "a.bin"
    with gauges.create(path, stream, index=True) as out:
        out.write_columns(*rows)
    with gauges.open(path) as opened:
        name = opened.header.event_column
        assert opened.event(event).event_key == event
        with pytest.raises(AbsentEventError, match=f"{name} 4"):
            opened.event(4)
    count = rows[0].count(event)
    assert gauges.read_columns(path, [event])[name].tolist() == [event] * count
    table = gauges.aggregate(path, name)
    assert table[name].tolist() == sorted(set(rows[0]))
    assert table["height_sum"].tolist() == [sum(rows[3][:count]), sum(rows[3][count:])]
    assert table["place_max"].tolist() == [max(rows[2][:count]), max(rows[2][count:])]
    assert gauges.aggregate(path, name, events=event)["count"].tolist() == [count]
    item = opened.header.item_column
    if item is not None:
        one = gauges.read_columns(path, items=rows[1][0], columns=[item, "height"])
        assert list(one) == [item, "height"]
        assert set(one[item].tolist()) == {rows[1][0]}
    again = gauges.build_index(path)
    assert again.stretches.highest.tolist() == [max(rows[0])]


def test_validation_expects_events_of_the_format(gauges: Any) -> None:
    data = bytes_of(gauges, "moment", *MOMENT)
    report = gauges.validate(io.BytesIO(data), expect_events=[0.5, 2.5])
    (finding,) = report.findings
    assert finding.ids == {"moment": 2.5}
    json.dumps(report.to_json())


def test_merge_interleaves_by_the_first_field(gauges: Any) -> None:
    parts = [bytes_of(gauges, "moment", m, 1, 5, 1.5) for m in ([0.5, 2.5], [1.5, 3.5])]
    target = io.BytesIO()
    gauges.merge([io.BytesIO(part) for part in parts], target)
    assert target.getvalue() == bytes_of(gauges, "moment", [0.5, 1.5, 2.5, 3.5], 1, 5, 1.5)
    with pytest.raises(EvstreamError, match=r"moment 0\.5: this event is in"):
        gauges.merge([io.BytesIO(parts[0]) for _ in range(2)], io.BytesIO())
    sources = [io.BytesIO(parts[0]) for _ in range(2)]
    with pytest.raises(EvstreamError, match=r"moment 0\.5: this event is in"):
        gauges.merge(sources, io.BytesIO(), order="inputs")


def test_differences_have_the_ids_of_the_format(gauges: Any) -> None:
    one = bytes_of(gauges, "moment", *MOMENT)
    other = bytes_of(gauges, "moment", *MOMENT[:3], [0.5, 1.5, 2.5, 4.5])
    (found,) = gauges.compare(io.BytesIO(one), io.BytesIO(other)).differences
    assert (found.ids, found.field) == ({"moment": 0.75, "datum": 2.0, "place": 7}, "height")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("csv", "run,gauge,place,height\n1,3000000000,1,0.5\n"),
        ("jsonl", '{"run": 1, "gauge": 3000000000, "place": 1, "height": 0.5}\n'),
    ],
)
def test_an_error_names_a_width_of_the_column(gauges: Any, kind: str, text: str) -> None:
    source = io.BytesIO(text.encode())
    with pytest.raises(TableError, match=r"column gauge: .*2147483647 \(--width number=i8\)"):
        gauges.convert(source, io.BytesIO(), from_=kind, to="bin", stream="gauge")


@pytest.mark.parametrize("extension", ["csv", "jsonl", "parquet", "arrow"])
@pytest.mark.parametrize("stream", ["gauge", "moment", "counted", "tide"])
def test_tables_and_back(gauges: Any, tmp_path: Path, stream: str, extension: str) -> None:
    counted = ([0.5, 0.5, 1.5], [1, 2, 1], [5, 6, 7], [1, 2, 3])
    columns = {
        "gauge": GAUGE, "moment": MOMENT, "counted": counted, "tide": ([0.5, 1.5], [1, 2])
    }  # fmt: skip
    source, table, again = (str(tmp_path / f"a.{e}") for e in ("bin", extension, "again.bin"))
    with gauges.create(source, stream) as out:
        out.write_columns(*columns[stream])
    gauges.convert(source, table, stream=stream)
    gauges.convert(table, again, stream=stream)
    assert Path(again).read_bytes() == Path(source).read_bytes()


@pytest.mark.parametrize("extension", ["csv", "jsonl", "parquet"])
def test_a_csv_name_may_be_another_column(gauges: Any, tmp_path: Path, extension: str) -> None:
    """SampleId is what CSV calls sidx here, and there is a column sample_id."""
    source, table, again = (str(tmp_path / f"a.{e}") for e in ("bin", extension, "again.bin"))
    with gauges.create(source, "numbered") as out:
        out.write_columns(1, 2, [1, 2], [20, 10])
    gauges.convert(source, table, stream="numbered")
    for stream in ("numbered", None):
        gauges.convert(table, again, stream=stream)
        assert Path(again).read_bytes() == Path(source).read_bytes()


def test_tee_asks_for_the_name_of_an_untyped_stream(gauges: Any, tmp_path: Path) -> None:
    tee = importlib.import_module("evstream.checking.tee").tee
    data = bytes_of(gauges, "tide", [0.5], [1])
    passed = tee(io.BytesIO(data), io.BytesIO(), format=gauges.FORMAT)
    assert "--stream for a type without a type word: numbered, counted, tide" in str(passed.problem)
    passed = tee(io.BytesIO(data), io.BytesIO(), format=gauges.FORMAT, stream="tide")
    assert (passed.problem, passed.seal.blocks) == (None, 1)


def test_commands_take_any_event(gauges: Any, folder: Path) -> None:
    (folder / "m.bin").write_bytes(bytes_of(gauges, "moment", *MOMENT))
    printed = command(folder, "cat", "m.bin", "--event", "0.75")
    assert printed.splitlines()[0] == "moment,datum,place,height"
    assert len(printed.splitlines()) == 3
    assert "event 7.5 is not in the stream" in command(folder, "cat", "m.bin", "--event", "7.5")
    assert json.loads(command(folder, "info", "--json", "m.bin"))["events"] == 2
    assert "clean" in command(folder, "validate", "m.bin")
    assert "equal" in command(folder, "diff", "m.bin", "m.bin")


def test_a_component_of_any_format(gauges: Any, folder: Path) -> None:
    source, target = (str(folder / name) for name in ("moments.bin", "samples.bin"))
    (folder / "moments.bin").write_bytes(bytes_of(gauges, "moment", *MOMENT))

    @gauges.component(stream="sampled")
    def levels(event: Any, run: Any) -> Any:
        return {"run": int(event.moment * 4), "gauges": [1], "losses": [[event.moment] * 2]}

    assert levels.main(["-i", source, "-o", target, "-S", "2"]) == 0
    with gauges.open(target) as stream:
        assert stream.header.how_many == 2
        assert [(e.run, e.height.tolist()) for e in stream] == [(2, [0.5] * 2), (3, [0.75] * 2)]

    @gauges.component(stream="gauge", input="moment")
    def rows(event: Any) -> Any:
        return {"run": 4, "gauge": int(event.moment * 8), "place": [1, 2], "height": 5}

    assert rows.main(["-i", source, "-o", target]) == 0
    assert gauges.read_columns(target)["gauge"].tolist() == [4, 4, 6, 6]


@pytest.mark.parametrize("stream", ["gauge", "counted", "tide"])
def test_streams_for_tests_of_any_format(gauges: Any, stream: str) -> None:
    data = make_stream(stream, format=gauges.FORMAT)
    assert gauges.validate(io.BytesIO(data), stream=stream).findings == []
    assert len(data.events()) == 3
    assert_equal(data, data.events())
    with pytest.raises(AssertionError, match="in 6 of 6 events"):
        assert_equal(data, make_stream(stream, events=[4, 5, 6], format=gauges.FORMAT), first=0)
    for broken in broken_versions(data):
        with pytest.raises(broken.error), broken.data.open() as opened:
            list(opened)
