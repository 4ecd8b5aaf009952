"""A wrong argument is named where it is given."""

from __future__ import annotations

import io
import os
import struct
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream import errors, event_stream
from evstream import event_stream as es
from evstream.cli.program import main

TEXT = np.array(["a"])


def stream() -> io.BytesIO:
    target = io.BytesIO()
    with evstream.create(target, len_sample=1) as out:
        out.write_columns([1, 1], [1, 1], [-3, -1], [2.0, 1.0])
    target.seek(0)
    return target


@pytest.mark.parametrize("wrong", [TEXT, "1", b"1", [1], object()])
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("timeout", lambda wrong: evstream.open(stream(), timeout=wrong)),
        ("first", lambda wrong: evstream.validate(stream(), first=wrong)),
        ("absolute", lambda wrong: evstream.compare(stream(), stream(), absolute=wrong)),
        ("relative", lambda wrong: evstream.compare(stream(), stream(), relative=wrong)),
        ("max_line", lambda wrong: evstream.convert(stream(), io.BytesIO(), max_line=wrong)),
        ("max_batch", lambda wrong: evstream.convert(stream(), io.BytesIO(), max_batch=wrong)),
    ],
)
def test_a_number_of_another_type_is_named(name: str, call: Any, wrong: Any):
    with pytest.raises(TypeError, match=rf"^{name} is "):
        call(wrong)


@pytest.mark.parametrize("wrong", [1.5, {}, range(3), io.BytesIO()])
def test_a_seal_is_true_false_or_a_path(wrong: Any):
    with pytest.raises(TypeError, match=r"^seal is "):
        evstream.create(io.BytesIO(), len_sample=1, seal=wrong)


@pytest.mark.parametrize("call", [evstream.open, lambda fd: evstream.create(fd, len_sample=1)])
def test_a_closed_descriptor_is_named(call: Any):
    with pytest.raises(OSError, match=r"<fd 123456>"):
        call(123456)


CLOSED_CALLS = {
    "open": evstream.open,
    "validate": evstream.validate,
    "read_columns": evstream.read_columns,
    "convert from": lambda file: evstream.convert(file, io.BytesIO(), from_="bin", to="csv"),
    "convert to": lambda file: evstream.convert(stream(), file, from_="bin", to="csv"),
    "merge from": lambda file: evstream.merge([file], io.BytesIO()),
    "merge to": lambda file: evstream.merge([stream()], file),
    "create": lambda file: evstream.create(file, len_sample=1),
    "read_stream_info": event_stream.read_stream_info,
    "write_mv_to_stream": lambda file: event_stream.write_mv_to_stream(file, np.zeros(8, "i1"), 8),
}


@pytest.mark.parametrize("name", CLOSED_CALLS)
def test_a_closed_object_is_named(name: str, tmp_path: Path):
    with open(tmp_path / "gul.bin", "w+b") as file:
        pass
    for closed, text in ((io.BytesIO(), "<BytesIO>"), (file, str(tmp_path / "gul.bin"))):
        closed.close()
        with pytest.raises(ValueError, match=rf"^{text}: it is closed$"):
            CLOSED_CALLS[name](closed)


def test_an_object_closed_meanwhile_is_named():
    source, target = stream(), io.BytesIO()
    events = evstream.open(source)
    source.close()
    with pytest.raises(ValueError, match=r"^<BytesIO>: byte \d+: it is closed$"):
        list(events)
    out = evstream.create(target, len_sample=1)
    target.close()
    out.write_columns([1, 1], [1, 1], [-3, -1], [2.0, 1.0])
    with pytest.raises(ValueError, match=r"^<BytesIO>: byte 0: it is closed$"):
        out.close()


def test_an_error_takes_one_line():
    error = errors.EvstreamError(f"a value is {np.arange(100)}", source="gul.bin")
    assert "\n" not in str(error)


ARRAY = np.zeros((2, 2))


@pytest.mark.parametrize(
    ("problem", "call"),
    [
        (r"^stream is \[\]", lambda: evstream.open(stream(), [])),
        (r"^stream is array.*\)$|^stream is array.*,", lambda: evstream.open(stream(), ARRAY)),
        (r"^strict is array", lambda: evstream.open(stream(), strict=ARRAY)),
        (r"^format is 1", lambda: evstream.open(stream(), format=1)),
        (r"^cannot read array", lambda: evstream.open(ARRAY)),
        (r"^cannot write to array", lambda: evstream.create(ARRAY, len_sample=1)),
        (r"^rows is 1.5", lambda: evstream.iter_batches(stream(), rows=1.5)),
        (r"^expect_events is 1", lambda: evstream.validate(stream(), expect_events=1)),
        (r"^seal is 1", lambda: evstream.validate(stream(), seal=1)),
        (r"^progress is 1", lambda: evstream.compare(stream(), stream(), progress=1)),
        (r"^say is 1", lambda: evstream.merge([stream()], io.BytesIO(), say=1)),
        (r"^on_entry is 1", lambda: evstream.reader_class("loss", on_entry=1)),
        (r"^files_in has \{\}", lambda: es.get_streams_in({}, ExitStack())),
        (r"^cannot read 'gul.bin'", lambda: es.read_stream_info("gul.bin")),
        (r"^cannot write to 'gul'", lambda: es.write_mv_to_stream("gul", np.zeros(3, "i1"), 3)),
        (r"^the stream header is 'x'", lambda: es.bytes_to_stream_types("x")),
        (r"^source is 1.5", lambda: es.stream_info_to_bytes(1.5, 1)),
        (r"^the seal is 1", lambda: evstream.Seal.read(1)),
        (r"^None is not an event", lambda: evstream.create(io.BytesIO(), len_sample=1).write(None)),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_argument_of_another_type_is_named(problem: str, call: Any):
    with pytest.raises(TypeError, match=problem) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("problem", "call"),
    [
        (r"is not a path", lambda: evstream.open("a\0b")),
        (r"is not a path", lambda: evstream.open("\ud800")),
        (r"is not a path", lambda: evstream.create("\ud800", len_sample=1, seal=True)),
        (r"is not a path", lambda: evstream.create("a.bin", len_sample=1, seal="\0")),
        (r"is not a path", lambda: es.get_streams_in("\0", ExitStack())),
        (r"^same_event is", lambda: evstream.merge([stream()], io.BytesIO(), same_event=ARRAY)),
        (r"^to is 'x'", lambda: evstream.convert(stream(), io.BytesIO(), from_="bin", to="x")),
        (r"^no stream type 'x'", lambda: evstream.StreamHeader("x")),
        (
            r"^'len_sample' is",
            lambda: evstream.StreamHeader("loss", {"len_sample": "x"}).to_bytes(),
        ),
        (r"^aggregation is 16777216", lambda: es.stream_info_to_bytes(1, 1 << 24)),
    ],
)
def test_a_value_that_cannot_be_is_named(problem: str, call: Any):
    with pytest.raises(ValueError, match=problem):
        call()


@pytest.mark.parametrize("number", [-1, 2**31, 2**70])
def test_a_number_that_is_no_descriptor_is_named(number: int):
    for call in (evstream.open, lambda fd: evstream.create(fd, len_sample=1),
                 lambda fd: es.get_streams_in(fd, ExitStack())):  # fmt: skip
        with pytest.raises(OSError, match="Bad file descriptor") as caught:
            call(number)
        assert caught.value.filename == f"<fd {number}>"


@pytest.mark.parametrize("answer", [None, 1, (0, 1), ("x", 1, 1, 0), (0, 1, 1, ARRAY)])
def test_a_read_buffer_that_answers_nonsense_is_reported(answer: Any):
    class Reader(evstream.EventReader):
        def read_buffer(self, *_: Any, **__: Any) -> Any:
            return answer

    source = stream()
    es.read_stream_info(source)
    with pytest.raises(evstream.ReaderError):
        list(Reader().read_streams([source]))


def test_signalling_nans_are_compared_without_a_warning():
    target = io.BytesIO()
    with evstream.create(target, len_sample=1, validate=False) as out:
        out.write_columns(1, 1, 1, np.array([0x7FA00000], "u4").view("f4"))
    same = [io.BytesIO(target.getvalue()) for _ in range(2)]
    assert evstream.compare(*same).equal


def test_merge_reports_why_bytes_are_no_blocks():
    data = bytes.fromhex(
        "01000000010000000a00000014000000030000000000803e000000000000403f0000003e0000803f0000003f"
        "010000000b0000001400"
    )
    with pytest.raises(evstream.EvstreamError):
        evstream.merge([io.BytesIO(data)], io.BytesIO(), widths={"oasis_int": "i8",
                       "oasis_float": "f8", "areaperil_int": "u8"})  # fmt: skip


def test_losses_for_no_items_are_refused():
    with evstream.create(io.BytesIO(), len_sample=3) as out, pytest.raises(evstream.WriteError):
        out.write_event(1, [], [1.0, 2.0, 3.0, 4.0])


@pytest.mark.parametrize("wrong", [object(), {}, 1.5, lambda: None])
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("file", lambda wrong: evstream.read_columns([stream()], file=wrong)),
        ("file", lambda wrong: list(evstream.iter_batches([stream()], file=wrong))),
        ("file", lambda wrong: evstream.convert([stream()], io.BytesIO(), to="csv", file=wrong)),
        ("by", lambda wrong: evstream.aggregate(stream(), wrong)),
        (
            "partition_by",
            lambda wrong: evstream.convert(stream(), "x", partition_by=wrong, from_="bin"),
        ),
        ("whole", lambda wrong: evstream.parts("x.bin", whole=wrong)),
        ("index", lambda wrong: evstream.parts("x.bin", index=wrong)),
        ("expect_events", lambda wrong: evstream.validate(stream(), expect_events=[[wrong]])),
        ("format", lambda wrong: evstream.open(stream(), format=wrong)),
        ("stream", lambda wrong: evstream.open(stream(), stream=wrong)),
    ],
)
def test_an_option_of_another_type_is_named(name: str, call: Any, wrong: Any):
    with pytest.raises((TypeError, ValueError), match=rf"^{name} is "):
        call(wrong)


@pytest.mark.parametrize("wrong", [TEXT, "x", [1], 1.5])
@pytest.mark.parametrize("call", [evstream.open, evstream.parts, evstream.build_index])
def test_options_of_a_store_are_a_dict(call: Any, wrong: Any):
    with pytest.raises(TypeError, match=r"^storage_options is .*, expected a dict"):
        call("x.bin", storage_options=wrong)


@pytest.mark.parametrize("wrong", ["a\0b", "\ud800", np.float32(1)])
@pytest.mark.parametrize("call", [evstream.parts, evstream.build_index])
def test_a_path_that_no_file_can_have_is_named(call: Any, wrong: Any):
    with pytest.raises((TypeError, ValueError), match=r" is not a path|cannot read"):
        call(wrong)


def test_a_list_with_none_is_refused(gul: Path):
    for sources in ([None], [gul, None], [None, gul]):
        with pytest.raises(TypeError, match="cannot read None"):
            evstream.read_columns(sources)


def test_arguments_that_are_called_must_be_functions(gul: Path):
    with pytest.raises(TypeError, match=r"^progress is 'x', expected a function"):
        evstream.build_index(gul, progress="x")
    with pytest.raises(TypeError, match=r"^function is 1, expected a function"):
        evstream.map_parts(1, gul)


@pytest.mark.parametrize("name", ["\ud800", "a\nb", "\0"])
def test_a_column_of_files_has_a_name_that_prints(gul: Path, name: str):
    with pytest.raises(ValueError, match=r"^file is "):
        evstream.read_arrow([gul], file=name)


def test_the_error_of_a_wrong_size_takes_one_line(gul: Path):
    with pytest.raises(ValueError, match=r"^size is ") as error:
        evstream.parts(gul, np.zeros((2, 2)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("to", ["parquet", "arrow"])
def test_an_unknown_compression_is_named(to: str):
    with pytest.raises(errors.EvstreamError, match="files have no loss compression"):
        evstream.convert(stream(), io.BytesIO(), from_="bin", to=to, compression="loss")


def test_an_array_in_place_of_a_source_is_named() -> None:
    with pytest.raises(TypeError, match=r"cannot read|is not a|expected"):
        evstream.aggregate(np.empty(0), by="item_id")


def test_names_of_several_lines_are_shown_in_one(tmp_path: Path) -> None:
    path = tmp_path / "a\nb"
    out = evstream.create(path, "loss", len_sample=1)
    out.close()
    with pytest.raises(ValueError, match="closed") as caught:
        out.write_event(1, [1], [[1.0]])
    assert str(caught.value) == f"{tmp_path}/a\\nb: the stream is closed"


@pytest.mark.parametrize("precision", [61, 2**31, 2**70])
def test_a_precision_has_a_limit(precision: int, gul: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"precision is {precision}, expected 0 to 60"):
        evstream.convert(gul, tmp_path / "out.csv", precision=precision)


def test_a_footer_longer_than_its_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "short.parquet"
    path.write_bytes(b"PAR1" + struct.pack("<i", 14) + b"\0\0PAR1")
    with pytest.raises(evstream.TableError, match=r"short\.parquet"):
        evstream.convert(path, tmp_path / "out.bin")


def test_header_values_of_json_lines_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"event_id":1,"item_id":1,"sidx":1,"loss":1.0}\n')
    with pytest.raises(TypeError, match="len_sample"):
        evstream.convert(path, tmp_path / "out.bin", len_sample=b"9")


def test_a_folder_that_no_path_can_name_is_refused(gul: Path) -> None:
    with pytest.raises(ValueError, match="is not a path"):
        evstream.convert(gul, "a\0b", to="parquet", partition_by="event_id:10")


def test_an_event_that_is_not_whole_is_named(gul: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cat", str(gul), "--event", "1e9"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"evstream: {gul}: --event 1e+09 is not a whole number, expected event")


def test_a_timeout_may_be_any_real_number() -> None:
    read, write = os.pipe()
    with (
        open(read, "rb", 0) as source,
        open(write, "wb", 0),
        pytest.raises(evstream.StallError, match=r"for 0\.01 s"),
    ):
        evstream.open(source, timeout=Fraction(1, 100))


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_a_column_name_that_is_not_text_is_an_error(kind: str, gul: Path, tmp_path: Path) -> None:
    path = tmp_path / f"gul.{kind}"
    evstream.convert(gul, path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"event_id", b"event\xff\xfed"))
    with pytest.raises(evstream.TableError, match=rf"gul\.{kind}"):
        evstream.convert(path, tmp_path / "back.bin")
