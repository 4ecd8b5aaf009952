"""Arguments that numpy makes no array of: one error, with the name of the argument."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import evstream
from evstream.errors import WriteError
from oracle import encode


class Unwilling:
    """An object whose conversion fails in its own way."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise ValueError("no array\nhere")


RAGGED: dict[str, Any] = {
    "lists": [[1.0, 2.0], [3.0]],
    "deeper lists": [[[1.0], 2.0], [3.0, 4.0]],
    "arrays": [np.ones(2), np.ones(3)],
    "masked arrays": [np.ma.ones(2), np.ma.ones(3)],
    "an unwilling object": Unwilling(),
    "text": [["1", "2"], ["3", "x"]],
    "objects": [[object(), 1], [2, 3]],
    "huge integers": [[10**400, 1], [2, 3]],
    "a dict": {"a": 1},
    "complex": [[1j, 2], [3, 4]],
}


@pytest.mark.parametrize("values", RAGGED.values(), ids=RAGGED)
def test_write_event_names_a_ragged_argument(values: Any) -> None:
    out = io.BytesIO()
    with evstream.create(out, "loss", len_sample=2) as stream:
        for name, arguments in (
            ("losses", ([1, 2], values)), ("item_id", (values, [[1, 2], [3, 4]])),
        ):  # fmt: skip
            with pytest.raises(WriteError, match=f"^<BytesIO>: {name} ") as caught:
                stream.write_event(1, *arguments)
            assert "\n" not in str(caught.value)
        with pytest.raises(WriteError, match=r"^<BytesIO>: mean "):
            stream.write_event(1, [1, 2], [[1, 2], [3, 4]], mean=values)
        with pytest.raises(WriteError, match=r"^<BytesIO>: event_id "):
            stream.write_event(values, [1, 2], [[1, 2], [3, 4]])
        stream.write_event(1, [1], [[1, 2]])
    assert out.getvalue() == encode("loss", {"len_sample": 2}, [((1, 1), [(1, 1.0), (2, 2.0)])])


@pytest.mark.parametrize("values", RAGGED.values(), ids=RAGGED)
@pytest.mark.parametrize("column", ["event_id", "item_id", "sidx", "loss"])
def test_write_columns_names_a_ragged_column(values: Any, column: str) -> None:
    rows: dict[str, Any] = {"event_id": 1, "item_id": 1, "sidx": 1, "loss": 1.0, column: values}
    with evstream.create(io.BytesIO(), "loss", len_sample=2) as stream:
        with pytest.raises(WriteError, match=rf"^<BytesIO>: ({column} |columns of shape)"):
            stream.write_columns(**rows)
        stream.write_columns(1, 1, 1, 1.0)


NOT_IDS = {
    **RAGGED,
    "text": "1",
    "a float": 1.5,
    "None in a list": [None],
    "text in a list": [1, "a"],
}
SAID_OF_NAMES = {"a dict": "'a'", "text": "'1'", "text in a list": "'a'"}


@pytest.mark.parametrize("what", NOT_IDS)
@pytest.mark.parametrize("argument", ["events", "sidx"])
def test_a_selection_is_of_integers(what: str, argument: str) -> None:
    """Of special sidx also the names."""
    data = encode("loss", {"len_sample": 2}, [((1, 1), [(1, 1.0)])])
    error, said = TypeError, f"^{argument} is .*, expected an integer or several"
    if argument == "sidx" and what in SAID_OF_NAMES:
        error, said = ValueError, f"^sidx is {SAID_OF_NAMES[what]}, expected a number, or a name: "
    with pytest.raises(error, match=said):
        evstream.read_columns(io.BytesIO(data), **{argument: NOT_IDS[what]})
