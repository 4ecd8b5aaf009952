"""Numbers as text and back: shortest digits, fixed decimals, correct rounding."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evstream.text import exact
from evstream.text.limits import KINDS
from evstream.text.row_parser import RowParser
from evstream.text.rows import RowPrinter

INTEGERS = [np.dtype(kind) for kind in KINDS if kind[0] in "iu"]
FLOATS = [np.dtype("<f4"), np.dtype("<f8")]
BITS = {4: "<u4", 8: "<u8"}


def printed(column: Any, decimals: int | None = None) -> list[str]:
    text = bytes(RowPrinter({"x": column.dtype}, decimals).text({"x": column})).decode()
    lines = text.split("\n")
    assert lines.pop() == ""
    return lines


def parsed(texts: list[str], dtype: Any, left: list[str] | None = None) -> Any:
    """The numbers, and in `left` the texts that the kernel does not parse itself."""

    def odd(line: str, number: int) -> list[Any]:
        if left is not None:
            left.append(line)
        assert texts[number - 2] == line
        return [int(line) if dtype.kind in "iu" else exact.nearest(line, dtype)]

    block = memoryview("".join(f"{text}\n" for text in texts).encode())
    return RowParser(["x"], {"x": dtype}, odd).rows(block, 2)["x"]


def same_bits(a: Any, b: Any) -> bool:
    kind = BITS[a.dtype.itemsize]
    return bool((a.view(kind) == b.view(kind)).all())


def rounded(value: Fraction, dtype: Any) -> Any:
    """The nearest float by whole numbers alone: an oracle that shares nothing with the package."""
    digits, lowest, highest = (24, -149, 127) if dtype.itemsize == 4 else (53, -1074, 1023)
    if value == 0:
        return dtype.type(0)
    q = math.floor(math.log2(abs(value))) - digits + 1
    while Fraction(2) ** (q + digits) <= abs(value):
        q += 1
    while Fraction(2) ** (q + digits - 1) > abs(value):
        q -= 1
    q = max(q, lowest)
    c = round(value / Fraction(2) ** q)  # ties to even
    if abs(c) * Fraction(2) ** q >= Fraction(2) ** (highest + 1):
        return dtype.type(math.copysign(math.inf, c))
    return dtype.type(math.ldexp(c, q))


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_integers_of_every_width_print_and_parse(dtype: Any) -> None:
    limits = np.iinfo(dtype)
    near = [n for k in range(20) for n in (10**k - 1, 10**k, 10**k + 1, -(10**k), 1 - 10**k)]
    near += [limits.min, limits.min + 1, limits.max - 1, limits.max, 0]
    column = np.array([n for n in near if limits.min <= n <= limits.max], dtype)
    texts = printed(column)
    assert texts == [str(n) for n in column.tolist()]
    assert parsed(texts, dtype).tolist() == column.tolist()
    assert parsed([f"+{t}" for t in texts if t[0] != "-"], dtype).tolist() == [
        n for n in column.tolist() if n >= 0
    ]
    left: list[str] = []
    outside = [str(limits.max + 1), str(limits.min - 1), "1" + "0" * 30]
    with pytest.raises(OverflowError):
        parsed(outside[:1], dtype, left)
    with pytest.raises(OverflowError):
        parsed(outside[1:2], dtype, left)
    assert left == outside[:2]  # refused by the kernel, not wrapped


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50))
def test_floats_print_the_shortest_text_that_reads_back(words: list[int]) -> None:
    for dtype in FLOATS:
        bits = np.array(words, np.uint64) >> np.uint64(64 - 8 * dtype.itemsize)
        column = bits.astype(BITS[dtype.itemsize]).view(dtype)
        texts = printed(column)
        assert texts == [exact.text_of(value) for value in column]
        column = column[~np.isnan(column)]
        assert same_bits(parsed(printed(column), dtype), column)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_powers_of_two_print_as_numpy_prints_them(dtype: Any) -> None:
    """Where the float below is nearer than the one above."""
    lowest, highest = (-149, 127) if dtype.itemsize == 4 else (-1074, 1023)
    column = np.array([math.ldexp(1, q) for q in range(lowest, highest + 1)], dtype)
    for value, text in zip(column, printed(column), strict=True):
        theirs = np.format_float_scientific(value, unique=True, trim="-")
        assert len(Decimal(text).normalize().as_tuple().digits) <= len(
            Decimal(theirs).normalize().as_tuple().digits
        )
        assert dtype.type(text) == value
    for text, value in zip(printed(column), column, strict=True):
        if dtype.itemsize == 8:
            assert Decimal(text) == Decimal(repr(float(value)))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.0"), (-0.0, "-0.0"), (1.0, "1.0"), (0.1, "0.1"), (1000.0, "1000.0"),
     (123456.75, "123456.75"), (1e15, "1000000000000000.0"), (9007199254740994.0,
     "9007199254740994.0"), (1e16, "1e+16"), (1e-5, "0.00001"), (1.5e-5, "0.000015"),
     (1.5e-6, "1.5e-06"), (-2.5e-300, "-2.5e-300"), (1e100, "1e+100"), (5e-324, "5e-324"),
     (1.7976931348623157e308, "1.7976931348623157e+308"), (math.nan, "nan"), (-math.nan, "nan"),
     (math.inf, "inf"), (-math.inf, "-inf"), (0.00012345678901234567, "0.00012345678901234567")],
)  # fmt: skip
def test_floats_are_laid_out_as_documented(value: float, text: str) -> None:
    assert printed(np.array([value])) == [text]
    assert exact.text_of(np.float64(value)) == text


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.floats(), st.integers(-(10**7), 10**7).map(lambda n: n / 2**9)),
             min_size=1, max_size=30),
    st.one_of(st.integers(0, 16), st.integers(17, 60)),
)  # fmt: skip
def test_fixed_decimals_round_as_printf_does(values: list[float], decimals: int) -> None:
    for dtype in FLOATS:
        with np.errstate(over="ignore"):
            column = np.array(values).astype(dtype)
        assert printed(column, decimals) == [
            f"{value:.{decimals}f}" if math.isfinite(value) else str(value)
            for value in column.tolist()
        ]


NUMBERS = st.from_regex(
    r"[+-]?([0-9]{1,25}(\.[0-9]{0,25})?|\.[0-9]{1,25})([eE][+-]?[0-9]{1,2})?", fullmatch=True
)


@settings(max_examples=250, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_decimals_are_read_to_the_nearest_float(texts: list[str]) -> None:
    for dtype in FLOATS:
        wanted = np.array([rounded(Fraction(text), dtype) for text in texts], dtype)
        assert (parsed(texts, dtype) == wanted).all()


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_ties_go_to_the_even_float(dtype: Any) -> None:
    """Half way between two floats, and a little to each side of that, in hundreds of digits."""
    rng = np.random.default_rng(1)
    top = int(np.array(np.finfo(dtype).max).view(BITS[dtype.itemsize]))
    bits = np.concatenate([rng.integers(0, top, 300), [0, 1, 2, top - 1]])
    floats = bits.astype(BITS[dtype.itemsize]).view(dtype)
    above = (bits + 1).astype(BITS[dtype.itemsize]).view(dtype)
    even = np.where(bits % 2 == 0, floats, above)
    middles = [
        (Fraction(float(a)) + Fraction(float(b))) / 2 for a, b in zip(floats, above, strict=True)
    ]
    digits = [(m.numerator * 10**1100 // m.denominator, -1100) for m in middles]  # exact
    for offset, wanted in ((-1, floats), (0, even), (1, above)):
        texts = [f"{d * 10 + offset}e{e - 1}" for d, e in digits]
        got = np.array([exact.nearest(text, dtype) for text in texts], dtype)
        assert (got == wanted).all()
    # Those of few digits are for the kernel.
    short = list(range(2**24 + 1, 2**24 + 99, 2))
    assert parsed([str(n) for n in short], FLOATS[0]).tolist() == [
        float(rounded(Fraction(n), FLOATS[0])) for n in short
    ]
    assert parsed(["9007199254740993", "33554434.000000001"], FLOATS[1])[0] == 9007199254740992
    assert parsed(["33554434.000000001"], FLOATS[0])[0] == 33554436  # not rounded twice


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_the_kernel_leaves_little_to_python(dtype: Any) -> None:
    rng = np.random.default_rng(2)
    column = (rng.random(5000) * 10.0 ** rng.integers(-5, 12, 5000)).astype(dtype)
    left: list[str] = []
    texts = [*printed(column), *printed(column, 2), "1e3", "+1", ".5", "1.", "-0", "00.5", "1E-3"]
    parsed(texts, dtype, left)
    assert left == []


ODD = ["", "x", "1x", "1.5.5", "--3", "1e", "1e+", ".", "+", "0x10", "1_0", "nan", "inf", "1,",
       "e5", "\u0663", "1e400", "1e-400", "1" * 400, '"1', '1"', '"1"2', "1 2", "\v1",
       "1\r\r"]  # fmt: skip


@pytest.mark.parametrize("text", ODD, ids=repr)
def test_what_is_odd_is_left_to_python_whole(text: str) -> None:
    for dtype in FLOATS:
        lines: list[tuple[str, int]] = []

        def odd(line: str, number: int, lines: Any = lines) -> list[Any]:
            lines.append((line, number))
            return [7.0]

        block = memoryview(f"1.5\n{text}\n2.5".encode())
        got = RowParser(["x"], {"x": dtype}, odd).rows(block, 2)["x"]
        assert got.tolist() == [1.5, 7.0, 2.5]
        assert lines == [(text.removesuffix("\r"), 3)]


def test_lines_of_any_shape_are_rows() -> None:
    dtypes = {"a": np.dtype("<i4"), "b": np.dtype("<u8"), "c": np.dtype("<f4")}
    text = b' 1 , 2,"3.5"\r\n"+4","05" , 6e0 \n7,18446744073709551615,nan\n-8,9,-0.0'
    left: list[str] = []

    def odd(line: str, number: int) -> list[Any]:
        left.append(line)
        a, b, c = (cell.strip(' "') for cell in line.split(","))
        return [int(a), int(b), float(c)]

    rows = RowParser(["a", "b", "c"], dtypes, odd).rows(memoryview(text), 1)
    assert left == ['"+4","05" , 6e0 ', "7,18446744073709551615,nan"]  # a blank after a quote; nan
    assert rows["a"].tolist() == [1, 4, 7, -8]
    assert rows["b"].tolist() == [2, 5, 2**64 - 1, 9]
    assert rows["c"].tolist()[:2] == [3.5, 6.0]
    assert math.isnan(rows["c"][2])
    assert math.copysign(1, rows["c"][3]) == -1


def test_columns_may_come_in_another_order() -> None:
    dtypes = {"a": np.dtype("<i8"), "b": np.dtype("<f8")}
    rows = RowParser(["b", "a"], dtypes, lambda line, number: []).rows(memoryview(b"1.5,2\n"), 1)
    assert {name: column.tolist() for name, column in rows.items()} == {"a": [2], "b": [1.5]}
    assert bytes(RowPrinter({"b": dtypes["b"], "a": dtypes["a"]}).text(rows)) == b"1.5,2\n"


def test_rows_that_need_more_room_than_usual_fit() -> None:
    column = np.full(3000, -1.7976931348623157e308)
    column[::3] = np.nan
    column[1::3] += np.arange(1000)
    rows = {name: column * (1 - 2**-53 * place) for place, name in enumerate("abcdef")}
    text = bytes(RowPrinter({name: np.dtype("<f8") for name in rows}).text(rows)).decode()
    wanted = [",".join(exact.text_of(c[i]) for c in rows.values()) for i in range(3000)]
    assert text.split("\n")[:-1] == wanted
    assert bytes(RowPrinter({"a": np.dtype("<f8")}, 40).text({"a": column[:2]})) == (
        b"nan\n" + f"{column[1]:.40f}\n".encode()
    )
    assert bytes(RowPrinter({"a": np.dtype("<f8")}).text({"a": column[:0]})) == b""


def test_lines_repeat_what_is_above_them() -> None:
    """Columns of every type that stay the same for some rows, in lines of up to 150 characters."""
    rng = np.random.default_rng(3)
    dtypes = {kind: np.dtype(f"<{kind}") for kind in rng.permutation(KINDS).tolist()}
    rows = {}
    for place, (name, dtype) in enumerate(dtypes.items()):
        limits = np.iinfo("i4" if dtype.kind == "f" else dtype)
        few = rng.integers(limits.min, min(limits.max, 2**63 - 1), 1 + 2 * place)
        column = np.repeat(few, 200 // len(few) + 1)[:200].astype(dtype)
        rows[name] = column / dtype.type(7) if dtype.kind == "f" else column
    text = RowPrinter(dtypes).text(rows)
    for line_end in (b"\n", b"\r\n"):
        given = memoryview(bytes(text).replace(b"\n", line_end))
        got = RowParser(list(dtypes), dtypes, lambda line, number: [line]).rows(given, 1)
        for name, column in rows.items():
            assert got[name].tobytes() == column.tobytes(), name


def test_an_odd_line_is_not_repeated() -> None:
    dtypes = {"a": np.dtype("<i4"), "b": np.dtype("<i4"), "c": np.dtype("<f4")}
    lines = ["1,2,3.5", "1,2,x", "1,2,4.5", "1,2,4.5", "1,-2,4.5", "1,-2,-4.5", "1,-2,-4.5"]
    block = memoryview("\n".join(lines).encode())
    rows = RowParser(list(dtypes), dtypes, lambda line, number: [7, 8, number]).rows(block, 1)
    assert rows["a"].tolist() == [1, 7, 1, 1, 1, 1, 1]
    assert rows["b"].tolist() == [2, 8, 2, 2, -2, -2, -2]
    assert rows["c"].tolist() == [3.5, 2, 4.5, 4.5, 4.5, -4.5, -4.5]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**24), st.integers(-20, 26)), min_size=1, max_size=30))
def test_few_places_round_once(floats: list[tuple[int, int]]) -> None:
    """Next to and half way between two numbers, with as many places as take the short way."""
    texts = []
    for mantissa, exponent in floats:
        middle = Fraction(2 * mantissa + 1) * Fraction(2) ** (exponent - 25)
        scaled = math.floor(middle * 10**8)
        for digits in (scaled - 1, scaled, scaled + 1):
            texts.append(f"{max(digits, 0) // 10**8}.{max(digits, 0) % 10**8:08}")
    for dtype in FLOATS:
        wanted = np.array([rounded(Fraction(text), dtype) for text in texts], dtype)
        assert (parsed(texts, dtype) == wanted).all()


def test_float32_print_alike_on_both_sides_of_a_limit() -> None:
    """Where the kernel takes another way: 0, 0.00001, 1, 10**8, powers of two and of ten."""
    limits = [0, 1e-5, 0.1, 0.5, 1, 2, 10, 100, 2**23, 1e7, 2**24, 99999999, 1e8, 2**52, 1e16]
    bits = np.array(limits, np.float32).view(np.int32)[:, None] + np.arange(-12, 13)
    rng = np.random.default_rng(3)
    usual = np.exp(rng.uniform(math.log(1e-6), math.log(1e9), 800)).astype(np.float32)
    column = np.concatenate([np.abs(bits).astype("<u4").ravel().view("<f4"), usual])
    column = np.concatenate([column, -column])
    assert printed(column) == [exact.text_of(value) for value in column]
    for decimals in range(9):
        assert printed(column, decimals) == [f"{float(v):.{decimals}f}" for v in column]
    halves = (np.arange(1, 999, 2) / np.float32(8)).astype(np.float32)  # ties of two decimals
    assert printed(halves, 2) == [f"{float(v):.2f}" for v in halves]


@pytest.mark.parametrize("every", [1, 3, 50, 2000])
def test_ids_that_repeat_print_like_those_that_do_not(every: int) -> None:
    count, rng = 1700, np.random.default_rng(4)
    again = rng.integers(0, 3, count // every + 1)  # the same id may come again
    rows = {
        "a": np.repeat(np.array([-(2**63), 7, 2**63 - 1]), [every, 10, count]).astype("<i8")[
            :count
        ],
        "b": np.repeat(np.array([1, 65535, 0], "<u2")[again], every)[:count],
        "c": np.arange(count, dtype="<i4") - 5,
        "d": rng.random(count, np.float32),
        "e": np.full(count, 2**64 - 1, "<u8"),
    }
    rows["d"][[0, 40, 511, 512, 1024, 1699]] = [np.nan, np.inf, -np.inf, np.nan, 1e-9, np.inf]
    for names in ("abcde", "ab", "ba", "cabd", "a"):
        dtypes = {name: rows[name].dtype for name in names}
        lines = bytes(RowPrinter(dtypes).text(rows)).decode().split("\n")
        wanted = [",".join(exact.text_of(rows[name][i]) for name in names) for i in range(count)]
        assert lines == [*wanted, ""]


def test_what_is_no_number_prints_in_every_way() -> None:
    single = np.array([0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00001, 0x80000000], "<u4")
    top = np.array([0x7FF00000, 0xFFF00000, 0x7FF80000, 0xFFF00001, 0x80000000], "<u8")
    for column in (single.view("<f4"), (top << 32).view("<f8")):
        for decimals, zero in ((None, "-0.0"), (0, "-0"), (2, "-0.00"), (9, "-0.000000000")):
            assert printed(column, decimals) == ["inf", "-inf", "nan", "nan", zero]
