"""The writer refuses a value that its column cannot hold unchanged."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream import WriteError
from evstream.writing.conversion import as_column
from oracle import decode, encode
from writer_cases import (
    HEADERS,
    WIDE,
    changed,
    expected_bytes,
    good_rows,
    later_rows,
    matrix,
    new_writer,
)


@pytest.mark.parametrize("widths", [{}, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u4", "i8", "u8", "f2", "f4", "f8", ">i4"])
def test_ids_of_any_number_type_are_taken(dtype: str, widths: dict[str, str]) -> None:
    target = io.BytesIO()
    ids = np.array([1, 2], dtype)
    with new_writer(target, "loss", widths=widths) as out:
        out.write_columns(ids, ids, ids, np.array([1, 2], dtype))
        out.write_event(np.array(3, dtype)[()], ids, np.ones((2, 3), dtype), mean=ids)
    records = decode(target.getvalue(), widths=widths).records
    assert records[:2] == [(1, 1, 1, 1.0), (2, 2, 2, 2.0)]
    assert records[2:4] == [(3, 1, -1, 1.0), (3, 1, 1, 1.0)]


def test_columns_that_are_not_contiguous_are_taken() -> None:
    target = io.BytesIO()
    rows = np.array([[1, 1, 1, 5], [1, 1, 2, 6], [1, 2, 3, 7]])
    with new_writer(target, "loss") as out:
        out.write_columns(*rows.T)
        out.write_event(2, [1, 2], np.asfortranarray(np.arange(1, 7).reshape(2, 3)))
        out.write_event(3, np.arange(8)[2::4], np.arange(12).reshape(2, 6)[:, ::-2])
    records = decode(target.getvalue()).records
    assert records[:3] == [(1, 1, 1, 5.0), (1, 1, 2, 6.0), (1, 2, 3, 7.0)]
    assert records[3:9] == [
        (2, item, sidx, 3.0 * item + sidx - 3) for item in (1, 2) for sidx in (1, 2, 3)
    ]
    assert records[9:] == [
        (3, item, sidx, float(loss))
        for item, losses in ((2, (5, 3, 1)), (6, (11, 9, 7)))
        for sidx, loss in enumerate(losses, start=1)
    ]


@pytest.mark.parametrize(
    ("stream", "field", "value"),
    [
        ("loss", "event_id", 2**31),
        ("loss", "event_id", 2**32 + 1),
        ("loss", "event_id", np.uint64(2**63 + 5)),
        ("loss", "item_id", 1.5),
        ("loss", "item_id", np.nan),
        ("loss", "item_id", np.inf),
        ("loss", "item_id", 1e300),
        ("loss", "sidx", -(2**31) - 1),
        ("loss", "loss", 1e39),
        ("loss", "loss", -1e39),
        ("summary", "exposure_value", 1e39),
        ("cdf", "areaperil_id", -1),
        ("cdf", "areaperil_id", 2**32),
        ("cdf", "vulnerability_id", 2**31),
        ("cdf", "bin_index", 1.5),
        ("cdf", "prob_to", 1e300),
    ],
)
@pytest.mark.parametrize("validate", [True, False])
def test_a_value_that_would_change_is_refused(
    stream: str, field: str, value: Any, validate: bool
) -> None:
    target = io.BytesIO()
    with new_writer(target, stream, validate=validate) as out:
        out.write_columns(**good_rows(stream))
        with pytest.raises(WriteError, match=f"{field} .* does not fit into"):
            out.write_columns(**changed(stream, field, value))
        out.write_columns(**later_rows(stream))
    assert target.getvalue() == expected_bytes(stream, good_rows(stream), later_rows(stream))


@pytest.mark.parametrize("value", [1e39, -1e39])
def test_a_loss_of_a_matrix_never_becomes_infinite(value: float) -> None:
    out = new_writer(io.BytesIO(), "loss")
    with pytest.raises(WriteError, match=r"losses .* does not fit into f4"):
        out.write_event(1, [1], [[1, 2, value]])
    with pytest.raises(WriteError, match=r"mean .* does not fit into f4"):
        out.write_event(1, [1], [[1, 2, 3]], mean=value)


def test_an_overflow_names_its_row_and_a_width_that_fits() -> None:
    loss, summary = new_writer(io.BytesIO(), "loss"), new_writer(io.BytesIO(), "summary")
    wider = r'expected a number within 3.4e\+38, or widths={"oasis_float": "f8"}'
    place = "event_id 3, item_id 2, sidx 3: "
    with pytest.raises(WriteError, match=f"{place}losses 1e\\+39 does not fit into f4, {wider}"):
        loss.write_event(**matrix(losses=[[1, 2, 3], [4, 5, 1e39]]))
    with pytest.raises(WriteError, match=f"event_id 3, item_id 2: mean 1e\\+39 .*{wider}"):
        loss.write_event(**matrix(mean=[1.0, 1e39]))
    with pytest.raises(WriteError, match=r"event_id 3, summary_id 2: exposure_value 1e\+39 "):
        summary.write_event(**matrix(exposure_values=[1.0, 1e39]))
    with pytest.raises(WriteError, match=f"loss 1e\\+39 .*{wider}") as caught:
        loss.write_columns(1, 1, [1, 2, 3], [1.0, 1e39, 1e39])
    assert caught.value.row == 1
    with pytest.raises(WriteError, match=r'from -2147483648 to 2147483647, or widths={"oasis_int'):
        loss.write_columns(1, 2**40, [1, 2, 3], 1.0)


@pytest.mark.parametrize("value", [1.5, np.nan, 2**64 - 1])
def test_no_width_is_named_that_does_not_hold_the_value_either(value: float) -> None:
    out = new_writer(io.BytesIO(), "loss")
    with pytest.raises(WriteError, match=r"item_id .* does not fit into i4") as caught:
        out.write_columns(1, [1, value], 1, 1.0)
    assert "widths" not in str(caught.value)
    assert caught.value.row == 1


def test_one_number_for_all_rows_is_in_no_row() -> None:
    out = new_writer(io.BytesIO(), "loss")
    with pytest.raises(WriteError, match="item_id") as caught:
        out.write_columns(1, 1.5, [1, 2], 1.0)
    assert caught.value.row is None


MASKED = np.ma.masked_array([1, 2], [False, True])


@pytest.mark.parametrize("masked", [MASKED, list(MASKED), np.ma.masked_array(MASKED, dtype="f4")])
@pytest.mark.filterwarnings("ignore:.*converting a masked element:UserWarning")
def test_a_masked_value_is_not_written(masked: Any) -> None:
    target = io.BytesIO()
    out = new_writer(target, "loss")
    for name in ("event_id", "item_id", "sidx", "loss"):
        columns = {"event_id": 1, "item_id": 1, "sidx": [1, 2], "loss": 1.0, name: masked}
        with pytest.raises(WriteError, match=f"{name} is masked, expected a value") as caught:
            out.write_columns(**columns)
        assert caught.value.row == 1
    place = "event_id 3, item_id 2"
    with pytest.raises(WriteError, match=f"{place}: mean is masked"):
        out.write_event(**matrix(mean=masked))
    with pytest.raises(WriteError, match="event_id 3: item_id is masked"):
        out.write_event(**matrix(item_ids=masked))
    with pytest.raises(WriteError, match="event_id is masked"):
        out.write_event(**matrix(event_id=np.ma.masked))
    hidden = np.ma.masked_array([[1.0, 2.0, 3.0], [10.0, -9999.0, 1.0]], [[0, 0, 0], [0, 1, 0]])
    for losses in (hidden, list(hidden)):
        with pytest.raises(WriteError, match=f"{place}, sidx 2: losses is masked"):
            out.write_event(**matrix(losses=losses))
    out.close()
    assert target.getvalue() == encode("loss", HEADERS["loss"], [])


def test_a_masked_array_that_hides_nothing_is_written() -> None:
    target = io.BytesIO()
    with new_writer(target, "loss") as out:
        ids = np.ma.masked_array([1, 2], [False, False])
        out.write_event(1, ids, np.ma.masked_array(np.eye(2, 3)), mean=ids)
        out.write_columns(2, ids, 1, ids)
    assert [record[2:] for record in decode(target.getvalue()).records] == [
        (-1, 1.0), (1, 1.0), (-1, 2.0), (2, 1.0), (1, 1.0), (1, 2.0),
    ]  # fmt: skip


def test_integers_around_2_to_the_63_keep_their_last_digit() -> None:
    target = io.BytesIO()
    with evstream.create(target, "cdf", widths=WIDE) as out:
        out.write_columns(1, [2**63 + 1, 1], 1, 1, 0.5, 0.5)
    assert [r[1] for r in decode(target.getvalue(), widths=WIDE).records] == [2**63 + 1, 1]
    out = new_writer(io.BytesIO(), "loss", widths=WIDE)
    with pytest.raises(WriteError, match=r"item_id 9.*e.18 does not fit into i8"):
        out.write_columns(1, [2**63 + 1, -1], 1, 1.0)


@pytest.mark.parametrize(
    ("dtype", "last"), [("f8", 2**53), ("f4", 2**24), ("f2", 2**11)], ids=["f8", "f4", "f2"]
)
def test_a_float_that_may_have_been_rounded_is_no_id(dtype: str, last: int) -> None:
    target = io.BytesIO()
    with new_writer(target, "loss", widths=WIDE) as out:
        out.write_columns(1, np.array([1, last - 1], dtype), 1, 1.0)
        message = f"item_id {last}.* may have been rounded, expected integers.* from {last} on"
        with pytest.raises(WriteError, match=message) as caught:
            out.write_columns(2, np.array([1, last], dtype), 1, 1.0)
        assert caught.value.row == 1
    assert decode(target.getvalue(), widths=WIDE).records[-1][1] == last - 1


def test_the_largest_values_of_each_width_are_written() -> None:
    for widths, float_width, bits in (({}, "f4", 31), (WIDE, "f8", 63)):
        target = io.BytesIO()
        largest = float(np.finfo(float_width).max)
        with evstream.create(target, "loss", len_sample=2**31 - 1, widths=widths) as out:
            out.write_columns(2**bits - 1, 2**bits - 1, 2**31 - 1, largest)
        decoded = decode(target.getvalue(), widths=widths)
        assert decoded.records == [(2**bits - 1, 2**bits - 1, 2**31 - 1, largest)]
        target = io.BytesIO()
        with evstream.create(target, "cdf", widths=widths) as out:
            out.write_columns(1, 2 ** (bits + 1) - 1, 1, 1, 0.5, 0.5)
        assert decode(target.getvalue(), widths=widths).records[0][1] == 2 ** (bits + 1) - 1


@pytest.mark.parametrize(
    "value", [["1"], [None], [1j], np.array(["2020-01-01"], "M8[D]"), [b"1"], [2**70]]
)
def test_a_value_that_is_not_a_number_is_refused(value: Any) -> None:
    out = new_writer(io.BytesIO(), "loss")
    for columns in ((value, 1, 1, 5.0), (1, 1, 1, value)):
        with pytest.raises(WriteError, match=r"of dtype .* expected numbers"):
            out.write_columns(*columns)
    with pytest.raises(WriteError, match=r"item_id is of dtype .* expected numbers"):
        out.write_event(1, value, [[1, 2, 3]])


@pytest.mark.parametrize(
    "columns",
    [
        ([1, 1, 1], [1], 1, 5.0),
        ([[1, 1]], 1, 1, 5.0),
        ([1, 1, 1], [1, 2], 1, 5.0),
    ],
)
def test_columns_of_different_lengths_are_refused(columns: tuple[Any, ...]) -> None:
    out = new_writer(io.BytesIO(), "loss")
    with pytest.raises(WriteError, match="shape"):
        out.write_columns(*columns)


@pytest.mark.parametrize(
    "changes",
    [
        {"losses": [[1.0, 2.0], [3.0, 4.0]]},
        {"losses": [[1.0, 2.0, 3.0]]},
        {"losses": [1.0, 2.0, 3.0]},
        {"item_ids": [[1, 2]]},
        {"mean": [1.0]},
        {"mean": [[1.0, 2.0]]},
        {"event_id": [3, 4]},
    ],
)
def test_a_matrix_of_another_shape_is_refused(changes: dict[str, Any]) -> None:
    out = new_writer(io.BytesIO(), "loss")
    with pytest.raises(WriteError, match=r"shape|event_id"):
        out.write_event(**matrix(**changes))


def test_one_item_may_come_without_a_second_dimension() -> None:
    target = io.BytesIO()
    with new_writer(target, "loss") as out:
        out.write_event(1, 7, [1.0, 0.0, 2.0], mean=3.0)
    assert decode(target.getvalue()).records == [(1, 7, -1, 3.0), (1, 7, 1, 1.0), (1, 7, 3, 2.0)]


def test_unknown_or_missing_arguments_are_type_errors() -> None:
    loss, summary, cdf = (new_writer(io.BytesIO(), s) for s in ("loss", "summary", "cdf"))
    with pytest.raises(TypeError, match="a loss stream has no exposure_values"):
        loss.write_event(**matrix(exposure_values=1.0))
    with pytest.raises(TypeError, match="a summary stream needs exposure_values"):
        summary.write_event(**matrix())
    with pytest.raises(TypeError, match="no special sidx 'median', expected max_loss"):
        loss.write_event(**matrix(median=1.0))
    with pytest.raises(
        TypeError, match=r"a loss stream has no summary_ids, expected max_loss, .*n$"
    ):
        loss.write_event(**matrix(summary_ids=[1, 2]))
    with pytest.raises(
        TypeError, match="no column or special sidx 'exposure', expected exposure_v"
    ):
        summary.write_event(**matrix(exposure=1.0))
    loss.write_event(**matrix(exposure_values=None, mean=None))
    with pytest.raises(TypeError, match="a loss stream needs a matrix of loss: len_sample is 3"):
        loss.write_event(1, [1])
    with pytest.raises(TypeError, match="a cdf stream has no samples: use write_columns"):
        cdf.write_event(**matrix())


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "a loss stream needs len_sample", {"stream": "loss"}),
        (TypeError, "needs summary_set_id", {"stream": "summary", "len_sample": 1}),
        (TypeError, "a cdf stream has no len_sample", {"stream": "cdf", "len_sample": 1}),
        (TypeError, "a loss stream has no summary_set_id",
         {"stream": "loss", "len_sample": 1, "summary_set_id": 1}),
        (WriteError, "len_sample is -1, expected 0 to 2147483647",
         {"stream": "loss", "len_sample": -1}),
        (WriteError, "len_sample is 2147483648",
         {"stream": "loss", "len_sample": 2**31, "widths": WIDE}),
        (WriteError, "summary_set_id is 2147483648",
         {"stream": "summary", "len_sample": 1, "summary_set_id": 2**31}),
        (TypeError, "a loss stream has no samples, expected len_sample",
         {"stream": "loss", "len_sample": 1, "samples": 1}),
        (TypeError, "a loss stream has no samples", {"stream": "loss", "samples": None}),
        (TypeError, "len_sample is 2.7, expected a whole number",
         {"stream": "loss", "len_sample": 2.7}),
        (TypeError, "len_sample is True, expected", {"stream": "loss", "len_sample": True}),
        (TypeError, "len_sample is '3', expected", {"stream": "loss", "len_sample": "3"}),
        (TypeError, "summary_set_id is array", {"stream": "summary", "len_sample": 1,
                                                "summary_set_id": np.array([1, 2])}),
        (ValueError, "no stream type 'flood', expected cdf, gul_item", {"stream": "flood"}),
        (ValueError, "is 'f2', expected f4 or f8",
         {"stream": "loss", "len_sample": 1, "widths": {"oasis_float": "f2"}}),
        (ValueError, "no scalar type 'float'",
         {"stream": "loss", "len_sample": 1, "widths": {"float": "f4"}}),
    ],
)  # fmt: skip
def test_an_invalid_stream_header_makes_no_file(
    error: type[Exception], message: str, arguments: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        evstream.create(tmp_path / "new.bin", **arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", ["<i4", "<u4", "<i8", "<f4", "<f8"])
def test_a_number_is_written_as_an_array_of_it_is(dtype: str) -> None:
    """A number, or an array of the right dtype, takes a shorter way than a list."""
    integers = [0, 1, -1, 2**31 - 1, 2**31, 2**32 - 1, -(2**31) - 1, 2**63 - 1, 2**63, -(2**63)]
    floats = [0.0, -0.0, 0.1, 1e-37, 9e-38, 1e-46, 3e38, 4e38, 1e308, np.inf, np.nan, -7.0]
    for number in (*integers, *floats):
        found = []
        for values in (number, [number] * 2):
            try:
                found.append(as_column("x", values, np.dtype(dtype), "target", (2,)).tobytes())
            except evstream.WriteError:
                found.append(b"refused")
        assert found[0] == found[1], number
        if found[1] != b"refused":
            array = np.frombuffer(found[1], dtype)
            assert as_column("x", array, np.dtype(dtype), "target", (2,)).tobytes() == found[1]
