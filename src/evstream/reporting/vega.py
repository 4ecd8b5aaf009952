"""Vega-Lite charts as pictures, and the JavaScript that draws them in a page.

vl-convert has the libraries in itself, so nothing here needs a network, nor does what it makes.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from evstream.extras import import_extra

Chart = dict[str, Any]
"""A specification of Vega-Lite."""


def runtime() -> str:
    """The JavaScript of Vega and Vega-Lite, which defines `vegaEmbed`."""
    return _bundle(_vl_convert())


@functools.cache
def _bundle(library: Any) -> str:
    """Made once, since it takes a second."""
    text: str = library.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return text


def svg(chart: Chart, prefix: str = "") -> str:
    """A chart as SVG; ids in it begin with the prefix, since a page has one name space."""
    text: str = _vl_convert().vegalite_to_svg(chart)
    ids: dict[str, str] = {}

    def renamed(found: re.Match[str]) -> str:
        name = ids.setdefault(found[2], f"{prefix}{len(ids)}")
        return found[1] + name

    return re.sub(r'(\bid="|url\(#)([^")]+)', renamed, text)


def picture(chart: Chart, kind: str, scale: float) -> bytes:
    """A chart as "svg", "png" or "pdf"; `scale` is the number of pixels of a PNG per unit."""
    chart = {**chart, "background": "white"}
    if kind == "svg":
        return svg(chart, "evstream-").encode()
    module = _vl_convert()
    if kind == "pdf":
        data: bytes = module.vegalite_to_pdf(chart)
    else:
        data = module.vegalite_to_png(chart, scale=scale)
    return data


def require() -> None:
    """Raise MissingExtraError where vl-convert is missing, before the work that needs it."""
    _vl_convert()


def _vl_convert() -> Any:
    return import_extra("vl_convert")
