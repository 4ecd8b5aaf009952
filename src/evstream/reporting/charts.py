"""The charts of a report, as Vega-Lite specifications.

Colours are few, and literal, so that the style sheet of a page can replace each one in dark mode
and in print (see `page.css`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from evstream.reporting.event_losses import LargestEvents
from evstream.reporting.numbers import TYPES, Convergence, Histogram, Points
from evstream.reporting.text import NONE, amount, edge
from evstream.reporting.vega import Chart
from evstream.wire.columns import Array

BLUE, ORANGE, INK, QUIET, GRID = "#1f5fa8", "#c2570c", "#1d2430", "#5b6472", "#e3e6ea"

WIDTH, HEIGHT = 720, 320

_ROUND = [step * 10**power for power in range(9) for step in (1, 2, 5) if step != 2 or power < 3]
"""Where an axis of return periods has ticks."""

_SHORT = (
    "datum.value && (abs(datum.value) < 1 || abs(datum.value) >= 1e15)"
    " ? format(datum.value, '.4~g')"
    " : replace(replace(format(datum.value, '~s'), 'G', 'bn'), 'T', 'tn')"
)
"""Numbers at axes: 20M, 1.5bn, 0.5 and 1e+20, where prefixes would be m, which reads as million,
and letters that nobody knows."""


def curve_rows(points: Points) -> list[dict[str, Any]]:
    """The points of curves of a summary, for `exceedance`."""
    return [
        {"curve": TYPES[kind], "years": _rounded(year), "loss": _rounded(loss)}
        for kind in TYPES
        if kind in points
        for year, loss in zip(*(c.tolist() for c in points[kind]), strict=True)
        if year >= 1 and np.isfinite([year, loss]).all()
    ]


def exceedance(rows: list[dict[str, Any]], unit: str, **size: Any) -> Chart:
    """Curves, loss over return period."""
    shared = {
        "x": {
            "field": "years", "type": "quantitative", "title": "Return period (years)",
            "scale": {"type": "log", "nice": False},
            "axis": {"labelExpr": "format(datum.value, ',~r')", "values": _ROUND,
                     "labelOverlap": "greedy", "labelSeparation": 6},
        },
        "y": _loss("loss", unit),
        "color": {
            "field": "curve", "type": "nominal", "title": None, "sort": None,
            "scale": {"domain": list(TYPES.values()), "range": [BLUE, ORANGE, BLUE, ORANGE]},
        },
    }  # fmt: skip
    dash = {
        "field": "curve", "type": "nominal", "title": None, "sort": None,
        "scale": {"domain": list(TYPES.values()), "range": [[1, 0], [1, 0], [5, 4], [5, 4]]},
    }  # fmt: skip
    line = {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {**shared, "strokeDash": dash}}
    points = {
        "mark": {"type": "point", "filled": True, "size": 60, "tooltip": True},
        "params": [_nearest()],
        "encoding": {
            **shared,
            "opacity": {"condition": {"param": "near", "empty": False, "value": 1}, "value": 0},
            "tooltip": [
                {"field": "curve", "title": "Curve"},
                {"field": "years", "title": "Return period (years)", "format": ",.4~r"},
                {"field": "loss", "title": _titled("Loss", unit), "format": _format(rows, "loss")},
            ],
        },
    }  # fmt: skip
    return _chart("curves", rows, [line, points], "Exceedance curves", **size)


def average_rows(
    names: Sequence[str], means: Iterable[float], deviations: Iterable[float]
) -> list[dict[str, Any]]:
    """Rows of `average`."""
    return [
        {"name": name, "mean": _number(mean), "upper": _number(mean + sd),
         "text": amount(mean), "sd": amount(sd)}
        for name, mean, sd in zip(names, means, deviations, strict=True)
    ]  # fmt: skip


def average(rows: list[dict[str, Any]], unit: str, **size: Any) -> Chart:
    """Average annual losses, and one standard deviation above."""
    name = {"field": "name", "type": "nominal", "title": None, "sort": None,
            "axis": {"labelLimit": 110}}  # fmt: skip
    tooltip = [
        {"field": "name", "title": "Summary"},
        {"field": "text", "title": _titled("Average annual loss", unit)},
        {"field": "sd", "title": "Standard deviation"},
    ]
    bar = {
        "mark": {"type": "bar", "color": BLUE, "height": {"band": 0.6}},
        "encoding": {"y": name, "x": _loss("mean", unit, scale={"zero": True}), "tooltip": tooltip},
    }
    whisker = {
        "mark": {"type": "rule", "color": QUIET, "strokeWidth": 1.5},
        "encoding": {"y": name, "x": _loss("mean", unit), "x2": {"field": "upper"},
                     "tooltip": tooltip},
    }  # fmt: skip
    cap = {
        "mark": {"type": "tick", "color": QUIET, "thickness": 1.5, "size": 9},
        "encoding": {"y": name, "x": _loss("upper", unit), "tooltip": tooltip},
    }
    size.setdefault("height", max(90, 34 * len(rows) + 50))
    return _chart("averages", rows, [bar, whisker, cap], "Average annual loss", **size)


def convergence_rows(found: Convergence) -> list[dict[str, Any]]:
    """Rows of `convergence`."""
    columns = (column.tolist() for column in (found.samples, found.means, found.errors))
    return [
        {"samples": samples, "mean": _number(mean), "lower": _number(mean - error),
         "upper": _number(mean + error), "text": amount(mean), "error": amount(error)}
        for samples, mean, error in zip(*columns, strict=True)
    ]  # fmt: skip


def convergence(rows: list[dict[str, Any]], what: str, unit: str, **size: Any) -> Chart:
    """Means and their standard errors over the number of samples."""
    samples = {
        "field": "samples", "type": "quantitative", "title": "Number of samples",
        "scale": {"type": "log", "nice": False, "padding": 12},
        "axis": {"values": sorted({row["samples"] for row in rows}), "labelExpr":
                 "format(datum.value, ',~r')", "grid": False},
    }  # fmt: skip
    tooltip = [
        {"field": "samples", "title": "Samples", "format": ",d"},
        {"field": "text", "title": _titled(what, unit)},
        {"field": "error", "title": "Standard error"},
    ]
    mean = _loss("mean", unit, title=_titled(what, unit), scale={"zero": False})
    error = {
        "mark": {"type": "rule", "color": BLUE, "strokeWidth": 2, "opacity": 0.5},
        "encoding": {"x": samples, "y": _loss("lower", unit, title=_titled(what, unit),
                     scale={"zero": False}), "y2": {"field": "upper"}, "tooltip": tooltip},
    }  # fmt: skip
    point = {
        "mark": {"type": "point", "filled": True, "size": 70, "color": BLUE, "opacity": 1},
        "encoding": {"x": samples, "y": mean, "tooltip": tooltip},
    }
    return _chart("convergence", rows, [error, point], "Convergence", **size)


def largest_rows(found: LargestEvents) -> list[dict[str, Any]]:
    """Rows of `largest`."""
    means = np.where(np.isnan(found.mean), found.analytical, found.mean)
    return [
        {"event": str(event), "mean": _number(mean), "lower": _number(low), "upper": _number(high),
         "text": amount(mean),
         "range": f"{amount(low)} to {amount(high)}" if np.isfinite([low, high]).all() else NONE}
        for event, mean, (low, _, high) in zip(
            found.event_id.tolist(), means.tolist(), found.quantiles.tolist(), strict=True
        )
    ]  # fmt: skip


def largest(rows: list[dict[str, Any]], unit: str, **size: Any) -> Chart:
    """The largest events: means, and the range of most samples."""
    event = {"field": "event", "type": "nominal", "title": "Event", "sort": None}
    tooltip = [
        {"field": "event", "title": "Event"},
        {"field": "text", "title": _titled("Mean loss", unit)},
        {"field": "range", "title": "5 % to 95 % of samples"},
    ]
    interval = {
        "mark": {"type": "bar", "color": BLUE, "opacity": 0.3, "height": {"band": 0.45},
                 "cornerRadius": 3},
        "encoding": {"y": event, "x": _loss("lower", unit), "x2": {"field": "upper"},
                     "tooltip": tooltip},
    }  # fmt: skip
    mean = {
        "mark": {"type": "point", "filled": True, "color": BLUE, "size": 60, "opacity": 1},
        "encoding": {"y": event, "x": _loss("mean", unit), "tooltip": tooltip},
    }
    size.setdefault("height", max(90, 24 * len(rows) + 50))
    has_range = any(row["lower"] is not None and row["upper"] is not None for row in rows)
    layers = [interval, mean] if has_range else [mean]
    return _chart("largest", rows, layers, "Largest events", **size)


def histogram_rows(found: Histogram) -> list[dict[str, Any]]:
    """Rows of `histogram`."""
    edges = found.edges.tolist()
    return [
        {"from": low, "to": high, "events": count, "none": 0,
         "text": f"{edge(low)} to {edge(high)}"}
        for low, high, count in zip(edges, edges[1:], found.counts.tolist(), strict=False)
    ]  # fmt: skip


def histogram(rows: list[dict[str, Any]], unit: str, **size: Any) -> Chart:
    """Numbers of events by mean loss."""
    bar = {
        "mark": {"type": "rect", "color": BLUE, "stroke": "white", "strokeWidth": 1},
        "encoding": {
            "x": {
                "field": "from", "type": "quantitative",
                "title": _titled("Mean loss of an event", unit),
                "scale": {"type": "log", "nice": False},
                "axis": {"labelExpr": _SHORT, "tickCount": 6, "grid": False,
                         "labelOverlap": "greedy", "labelSeparation": 6},
            },
            "x2": {"field": "to"},
            "y": {"field": "events", "type": "quantitative", "title": "Number of events",
                  "axis": {"labelExpr": "format(datum.value, ',~r')", "tickMinStep": 1}},
            "y2": {"field": "none"},
            "tooltip": [{"field": "text", "title": _titled("Mean loss", unit)},
                        {"field": "events", "title": "Events", "format": ",d"}],
        },
    }  # fmt: skip
    return _chart("histogram", rows, [bar], "Events by mean loss", **size)


def _chart(
    name: str, rows: list[dict[str, Any]], layers: list[Chart], description: str,
    *, width: int = WIDTH, height: int = HEIGHT, title: str | None = None,
) -> Chart:  # fmt: skip
    chart: Chart = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": description,
        "width": width, "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "background": None,
        "data": {"name": name, "values": rows},
        "layer": layers,
        "config": _CONFIG,
    }  # fmt: skip
    if title:
        chart["title"] = {"text": title, "anchor": "start", "offset": 12}
    return chart


_CONFIG: Chart = {
    "font": "Arial, sans-serif",
    "padding": {"left": 2, "right": 10, "top": 4, "bottom": 2},
    "view": {"stroke": None},
    "axis": {
        "labelColor": QUIET, "titleColor": INK, "gridColor": GRID, "domainColor": GRID,
        "tickColor": GRID, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal",
        "titlePadding": 8, "labelPadding": 4,
    },
    "legend": {
        "orient": "top", "direction": "horizontal", "columns": 4, "labelColor": INK,
        "labelFontSize": 12, "symbolType": "stroke", "symbolSize": 200, "symbolStrokeWidth": 2,
        "offset": 4,
    },
    "title": {"color": INK, "fontSize": 15},
}  # fmt: skip


def _loss(field: str, unit: str, *, title: str | None = None, **more: Any) -> Chart:
    """A channel of losses."""
    return {
        "field": field, "type": "quantitative", "title": title or _titled("Loss", unit),
        "axis": {"labelExpr": _SHORT, "tickCount": 5}, **more,
    }  # fmt: skip


def _nearest() -> Chart:
    """A selection of the point nearest to the pointer."""
    select = {"type": "point", "on": "pointerover", "nearest": True, "clear": "pointerout"}
    return {"name": "near", "select": select}


def _titled(what: str, unit: str) -> str:
    return f"{what} ({unit})" if unit else what


def grouped(rows: list[dict[str, Any]]) -> list[tuple[dict[str, str], dict[str, list[Any]]]]:
    """The same rows in less space: those of equal text follow one another, as columns."""
    found: list[tuple[dict[str, str], dict[str, list[Any]]]] = []
    for row in rows:
        texts = {name: value for name, value in row.items() if isinstance(value, str)}
        if not found or found[-1][0] != texts:
            found.append((texts, {name: [] for name in row if name not in texts}))
        for name, column in found[-1][1].items():
            column.append(row[name])
    return found


def _format(rows: list[dict[str, Any]], field: str) -> str:
    """How to print losses: whole numbers, or digits where they are small."""
    return ",.0f" if max((abs(row[field]) for row in rows), default=0) >= 1000 else ",.4~g"


def _rounded(value: float) -> float:
    """A number with the digits that a chart can show."""
    return float(f"{value:.7g}")


def _number(value: float | Array) -> float | None:
    """A number for JSON, which has no NaN and no infinity."""
    return float(value) if np.isfinite(value) else None
