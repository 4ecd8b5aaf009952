"""Numbers as text and back in plain Python: the definition of what the kernels do.

Takes what they leave over (NaN, infinity, hundreds of digits, quotes in odd places), and
everything where numba is switched off.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

import numpy as np

WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
"""The text of an integer."""

NUMBER = re.compile(
    r"\s*[+-]?([0-9]+\.?[0-9]*([eE][+-]?[0-9]+)?|\.[0-9]+([eE][+-]?[0-9]+)?|nan|inf(inity)?)\s*",
    re.ASCII | re.IGNORECASE,
)
"""The text of a float."""


def text_of(value: Any, decimals: int | None = None) -> str:
    """The text of a numpy number: an integer as it is, a float with the fewest digits that read
    back to it at its width, or with fixed decimals rounded as printf does."""
    if value.dtype.kind != "f":
        return str(value)
    if not np.isfinite(value):
        return "nan" if np.isnan(value) else "-inf" if value < 0 else "inf"
    if decimals is not None:
        return f"{float(value):.{decimals}f}"
    if value == 0:
        return "-0.0" if np.signbit(value) else "0.0"
    return _laid_out(Decimal(repr(float(value)) if value.dtype.itemsize == 8 else _shortest(value)))


def _shortest(value: Any) -> str:
    """The fewest digits that read back to a float32, and of those the closest."""
    text = ""
    for digits in range(9):
        text = f"{float(value):.{digits}e}"
        # Below a power of two floats lie closer, so that one further above may be in reach.
        unit = Decimal((0, (1,), Decimal(text).as_tuple().exponent))  # type: ignore[arg-type]
        for number in (Decimal(text), Decimal(text) + unit.copy_sign(Decimal(text))):
            if nearest(str(number), value.dtype) == value:
                return str(number)
    return text


def _laid_out(number: Decimal) -> str:
    """A decimal as Python prints floats, but without an exponent from 0.00001 on."""
    sign, figures, exponent = number.normalize().as_tuple()
    digits, point = "".join(map(str, figures)), len(figures) + int(exponent)
    minus = "-" if sign else ""
    if -4 <= point <= 16:
        whole, fraction = digits[: max(point, 0)], digits[max(point, 0) :]
        whole = whole.ljust(point, "0") or "0"
        fraction = "0" * -point + fraction or "0"
        return f"{minus}{whole}.{fraction}"
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{minus}{mantissa}e{'-' if point < 1 else '+'}{abs(point - 1):02}"


def nearest(text: str, dtype: np.dtype[Any]) -> Any:
    """The number of a floating dtype that is nearest to a decimal, ties to even."""
    wide = float(text)
    with np.errstate(over="ignore", under="ignore"):
        number = dtype.type(wide)
    if dtype.itemsize == 8 or not np.isfinite(wide) or _as_float(number) == wide:
        return number
    # Rounded twice: where the double is a tie of its two neighbours, the text decides.
    upwards = wide > _as_float(number)
    other = np.nextafter(number, dtype.type(np.inf if upwards else -np.inf))
    if wide - _as_float(number) != _as_float(other) - wide or Decimal(text) == Decimal(wide):
        return number
    return other if (Decimal(text) > Decimal(wide)) == upwards else number


def _as_float(number: Any) -> float:
    """The number as a double; for infinity the power of two at which it begins."""
    if np.isinf(number):
        return math.copysign(2.0 ** int(np.finfo(number.dtype).maxexp), float(number))
    return float(number)
