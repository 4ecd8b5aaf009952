"""A wrong argument is named where it is given; a short run of the fuzzer of public calls."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream import errors, event_stream

sys.path.insert(0, str(Path(__file__).parent / "fuzz"))

import fuzz_calls

CALLS = 60
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


def test_public_calls_raise_only_what_is_documented(tmp_path: Path):
    for number in range(CALLS):
        kind, _, wrong = fuzz_calls.run_one("test", number, tmp_path / "call")
        assert wrong is None, f"call {number}, {kind}: {wrong}"
