"""Numbers as people read them."""

from __future__ import annotations

import math

NONE = "\u2013"
"""A dash, where there is no number."""

_MINUS = "\u2212"


def amount(value: float) -> str:
    """A loss: 1,234,567, or as many digits as a small one needs; a dash where there is none."""
    if not math.isfinite(value):
        return NONE if math.isnan(value) else ("\u221e" if value > 0 else f"{_MINUS}\u221e")
    size = abs(value)
    if value == 0:
        return "0"
    if size >= 1e15:
        shown = f"{value:.4g}"
    elif size >= 1000:
        shown = f"{value:,.0f}"
    elif size >= 1:
        shown = f"{value:,.2f}"
    else:
        shown = f"{value:.3g}"
    return shown.replace("-", _MINUS)


def short(value: float) -> str:
    """A loss in few letters: 1.23 bn, 45.6 M."""
    if not math.isfinite(value):
        return amount(value)
    for size, name in ((1e12, "tn"), (1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * size and abs(value) < 1e15:
            return f"{value / size:.3g} {name}".replace("-", _MINUS)
    return amount(value) if abs(value) < 1e15 else f"{value:.3g}"


def edge(value: float) -> str:
    """The edge of a bin, a round number: 200, 50 k."""
    return short(value) if value >= 1000 else f"{value:g}"


def percent(part: float) -> str:
    """A part of a whole: 12.3 %."""
    return NONE if not math.isfinite(part) else f"{100 * part:.1f} %"


def bytes_of(size: int) -> str:
    """A number of bytes: 1.2 MB."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} bytes"


def years(value: float) -> str:
    """A return period: 250, 2.5."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.4g}"
