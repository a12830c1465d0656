"""Charts as inline SVG, drawn here: no script, no style attribute, nothing to fetch.

Lengths along the chart are percentages and text is text, so a chart is as readable on a telephone as on paper. Each has a title and
a description for whoever cannot see it; the page has its figures in a table too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

_LABEL_Y, _BAR_Y, _BAR, _ROW = 15, 23, 12, 50
_EDGE: Final = 2.0  # per cent


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: `share` (0 to 1) of the full width, an earlier share to mark (None: none), and the tone `plain`, `good` or `bad`."""

    label: str
    value: str
    share: float
    before: float | None = None
    tone: str = "plain"


@dataclass(frozen=True, slots=True)
class Dot:
    """One success rate with its interval, the guess rate to beat, and the same attack on a careless design; all 0 to 1."""

    label: str
    value: str
    rate: float
    low: float
    high: float
    guess: float
    careless: float | None
    tone: str = "plain"


@dataclass(frozen=True, slots=True)
class Column:
    """One run in a trend: its share (0 to 1) of the tallest, None for a run in which nothing left."""

    label: str
    share: float | None


def bars(name: str, title: str, description: str, rows: Sequence[Bar]) -> Markup:
    """Horizontal bars on a full-width track; `name` makes the ids of title and description."""
    drawn = (_bar(row, index * _ROW) for index, row in enumerate(rows))
    return _chart(name, title, description, _ROW * len(rows) - 12, drawn)


def dots(name: str, title: str, description: str, rows: Sequence[Dot]) -> Markup:
    """A row an attack on one scale from nobody (left) to everybody (right)."""
    drawn = (_dot(row, index * _ROW) for index, row in enumerate(rows))
    return _chart(name, title, description, _ROW * len(rows) - 8, drawn)


def columns(name: str, title: str, description: str, runs: Sequence[Column]) -> Markup:
    """A column a run, the oldest on the left; a run in which nothing left is a mark on the base line."""
    height, width = 72, 100 / max(len(runs), 20)
    drawn: list[Markup] = [_tag("line", x1="0", x2="100%", y1=height, y2=height, class_="axis")]
    for index, run in enumerate(runs):
        x = f"{index * width + width * 0.15:.2f}%"
        wide = f"{width * 0.7:.2f}%"
        if run.share is None:
            drawn.append(_tag("rect", x=x, y=height - 6, width=wide, height=6, class_="bar-bad"))
        else:
            tall = max(run.share * (height - 4), 1.5)
            drawn.append(_tag("rect", x=x, y=f"{height - tall:.1f}", width=wide, height=f"{tall:.1f}", class_="bar-plain"))
    return _chart(name, title, description, height + 2, drawn)


def _bar(row: Bar, top: int) -> Markup:
    parts = [
        _text(row.label, row.value, top),
        _tag("rect", x="0", y=top + _BAR_Y, width="100%", height=_BAR, rx=2, class_="track"),
    ]
    if row.share > 0:
        parts.append(_tag("rect", x="0", y=top + _BAR_Y, width=_at(row.share, 0.4), height=_BAR, rx=2, class_=f"bar-{row.tone}"))
    if row.before is not None:
        x = _at(row.before)
        parts.append(_tag("line", x1=x, x2=x, y1=top + _BAR_Y - 3, y2=top + _BAR_Y + _BAR + 3, class_="mark"))
    return Markup("").join(parts)


def _dot(row: Dot, top: int) -> Markup:
    y = top + _BAR_Y + _BAR // 2
    parts = [
        _text(row.label, row.value, top),
        _tag("line", x1="0", x2="100%", y1=y, y2=y, class_="axis"),
        _tag("line", x1=_inside(row.low), x2=_inside(row.high), y1=y, y2=y, class_=f"interval-{row.tone}"),
        _tag("line", x1=_inside(row.guess), x2=_inside(row.guess), y1=y - 9, y2=y + 9, class_="mark"),
    ]
    if row.careless is not None:
        parts.append(_diamond(row.careless, y))
    parts.append(_tag("circle", cx=_inside(row.rate), cy=y, r=6, class_=f"dot-{row.tone}"))
    return Markup("").join(parts)


def _diamond(share: float, y: int) -> Markup:
    """A diamond at a percentage: a nested picture can stand at one, a path cannot."""
    shape = _tag("path", d="M0 -8 L8 0 L0 8 L-8 0 Z", class_="careless")
    return Markup('<svg x="{}" y="{}" overflow="visible">{}</svg>').format(_inside(share), y, shape)


def _text(label: str, value: str, top: int) -> Markup:
    left = Markup('<text x="0" y="{}" class="chart-label">{}</text>').format(top + _LABEL_Y, label)
    return left + Markup('<text x="100%" y="{}" text-anchor="end" class="chart-value">{}</text>').format(top + _LABEL_Y, value)


def _chart(name: str, title: str, description: str, height: int, drawn: Iterable[Markup]) -> Markup:
    return Markup(
        '<svg class="chart" role="img" aria-labelledby="{name}-title" aria-describedby="{name}-desc" width="100%" '
        'height="{height}"><title id="{name}-title">{title}</title><desc id="{name}-desc">{description}</desc>{drawn}</svg>'
    ).format(name=name, height=height, title=title, description=description, drawn=Markup("").join(drawn))


def _tag(name: str, **attributes: object) -> Markup:
    inside = Markup(" ").join(Markup('{}="{}"').format(key.rstrip("_"), value) for key, value in attributes.items())
    return Markup("<{} {}/>").format(name, inside)


def _at(share: float, least: float = 0.0) -> str:
    """A place along the chart; at least `least` per cent, so that little is not shown as nothing."""
    return f"{max(min(share, 1.0) * 100, least):.2f}%"


def _inside(share: float) -> str:
    """The same, kept off both edges, where half of a dot would be cut off."""
    return f"{_EDGE + max(min(share, 1.0), 0.0) * (100 - 2 * _EDGE):.2f}%"
