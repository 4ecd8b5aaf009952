"""Two losses are equal within the tolerance, whatever their widths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import evstream
import oracle
from diff_cases import INF, NAN, TWO_EVENTS, differences, encoded, report, where
from evstream.comparison import Difference, compare
from evstream.reading.stream import EventStream

EQUAL_VALUES = [(NAN, NAN), (INF, INF), (-INF, -INF), (0.0, -0.0), ("nan:0x7fc00123", NAN)]

OTHER_VALUES = [(NAN, 1.0), (1.0, NAN), (INF, -INF), (INF, NAN), (INF, 3e38), (0.0, INF)]


@pytest.mark.parametrize(("one", "other"), EQUAL_VALUES)
def test_values_that_equal_each_other(one: Any, other: Any) -> None:
    assert report([((1, 1), [(1, one)])], [((1, 1), [(1, other)])]).equal


@pytest.mark.parametrize(("one", "other"), OTHER_VALUES)
@pytest.mark.parametrize("tolerance", [0.0, 1e30, INF])
def test_no_tolerance_makes_nan_or_infinity_equal(
    one: float, other: float, tolerance: float
) -> None:
    blocks = [[((1, 1), [(1, value)])] for value in (one, other)]
    found = report(*blocks, absolute=tolerance, relative=tolerance)
    assert [found.counts["record"].differ, found.max_absolute] == [1, 0.0]


@pytest.mark.parametrize(
    ("options", "equal"),
    [
        ({}, False),
        ({"absolute": 0.5}, True),
        ({"absolute": 0.4}, False),
        ({"relative": 0.005}, True),
        ({"relative": 0.004}, False),
        ({"absolute": 0.1, "relative": 0.004}, True),
    ],
)
def test_the_tolerance_is_absolute_plus_relative(options: dict[str, float], equal: bool) -> None:
    one, other = ([((1, 1), [(1, value)])] for value in (99.5, 100.0))
    for pair in ((one, other), (other, one)):
        found = report(*pair, **options)
        assert found.equal is equal
        assert (found.max_absolute, found.max_relative) == (0.5, 0.005)


@pytest.mark.parametrize("options", [{"absolute": -1.0}, {"relative": NAN}])
def test_a_tolerance_is_a_number_of_0_or_more(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        report(TWO_EVENTS, TWO_EVENTS, **options)


class TestZeros:
    """A loss of zero and a sample that is not there."""

    one = ((1, 7), [(-1, 2.0), (1, 0.0), (2, 3.0)])
    other = ((1, 7), [(-1, 2.0), (2, 3.0), (3, -0.0)])

    def test_they_differ(self) -> None:
        assert differences([self.one], [self.other]) == [
            Difference("record", where(1, 7, 1), "loss", 0.0, None),
            Difference("record", where(1, 7, 3), "loss", None, 0.0),
        ]

    def test_they_are_equal_by_choice(self) -> None:
        found = report([self.one], [self.other], zeros=True)
        assert found.equal
        assert found.counts["record"].compared == 4

    def test_an_absent_sample_then_differs_from_a_loss_by_that_loss(self) -> None:
        more = ((1, 7), [(-1, 2.0), (1, 0.5), (2, 3.0)])
        found = report([self.other], [more], zeros=True)
        assert found.differences == [Difference("value", where(1, 7, 1), "loss", 0.0, 0.5)]
        assert (found.max_absolute, found.max_relative) == (0.5, 1.0)
        assert report([self.other], [more], zeros=True, absolute=0.5).equal

    def test_a_special_sidx_is_no_sample(self) -> None:
        found = differences([((1, 7), [(-1, 0.0)])], [((1, 7), [])], zeros=True)
        assert found == [Difference("record", where(1, 7, -1), "loss", 0.0, None)]

    def test_nan_is_not_zero(self) -> None:
        found = report([((1, 7), [(1, NAN)])], [((1, 7), [])], zeros=True, absolute=9.0)
        assert found.counts["record"].differ == 1


def test_streams_of_two_widths_are_compared() -> None:
    wide = {"oasis_int": "i8", "oasis_float": "f8"}

    def both(factor: float) -> tuple[EventStream, EventStream]:
        blocks = [(ids, [(s, x * factor) for s, x in pairs]) for ids, pairs in TWO_EVENTS]
        return (
            evstream.open(encoded(TWO_EVENTS)),
            evstream.open(encoded(blocks, widths=wide), widths=wide),
        )

    assert compare(*both(1.0)).equal
    assert compare(*both(1 + 1e-12)).counts["record"].differ == 7
    assert compare(*both(1 + 1e-12), relative=1e-6).equal


def test_the_same_bits_are_other_numbers_at_other_widths() -> None:
    one, other = (
        evstream.open(encoded([((1, 1), [(1, oracle.Bits(1))])], widths=widths), widths=widths)
        for widths in ({"oasis_float": "f4"}, {"oasis_float": "f8"})
    )
    assert not compare(one, other).equal


def test_values_keep_their_width() -> None:
    found = differences([((1, 1), [(1, 0.1)])], [((1, 1), [(1, 0.2)])])[0]
    assert isinstance(found.a, np.float32)
    assert str(found.a) == "0.1"
