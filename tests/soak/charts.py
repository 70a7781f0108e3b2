"""Lines over time as small SVG files, which a page can show anywhere."""

from collections.abc import Sequence
from typing import Final

import msgspec

__all__ = ["Line", "Mark", "chart"]

_WIDTH: Final = 860
_HEIGHT: Final = 300
_LEFT: Final = 56
_RIGHT: Final = 150
_TOP: Final = 34
_BOTTOM: Final = 52
_MOST_POINTS: Final = 240
_COLOURS: Final = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#a463f2", "#97bbf5", "#9c6b4e", "#e377c2")
_STEPS: Final = (1, 2, 2.5, 5, 10)


class Line(msgspec.Struct, frozen=True):
    """One line.

    Args:
        name: in the legend; lines of one name have one colour.
        points: time in seconds and value.
    """

    name: str
    points: Sequence[tuple[float, float]]


class Mark(msgspec.Struct, frozen=True):
    """Something that happened, as a tick below the lines; ``row`` is one of ``rows``."""

    row: int
    at: float
    until: float


def chart(title: str, unit: str, lines: Sequence[Line], marks: Sequence[Mark] = (), rows: Sequence[str] = ()) -> str:
    """One drawing.

    Args:
        title: above it.
        unit: of the values.
        lines: what is drawn.
        marks: what happened meanwhile.
        rows: names of the rows of marks.
    """
    points = [point for line in lines for point in line.points]
    end = max((at for at, _ in points), default=1.0) or 1.0
    top = _ceiling(max((value for _, value in points), default=1.0))
    height = _HEIGHT + 12 * len(rows)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"',
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="18" font-size="13" font-weight="bold">{title}</text>',
        *_axes(end, top, unit),
    ]
    colours: dict[str, str] = {}
    for line in lines:
        colour = colours.setdefault(line.name, _COLOURS[len(colours) % len(_COLOURS)])
        path = " ".join(f"{_x(at, end):.1f},{_y(value, top):.1f}" for at, value in _thinned(line.points))
        out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.3" points="{path}"/>')
    for position, (name, colour) in enumerate(colours.items()):
        y = _TOP + 8 + 15 * position
        out.append(f'<rect x="{_WIDTH - _RIGHT + 12}" y="{y - 8}" width="10" height="10" fill="{colour}"/>')
        out.append(f'<text x="{_WIDTH - _RIGHT + 27}" y="{y + 1}">{name}</text>')
    out += _marks(marks, rows, end)
    return "\n".join([*out, "</svg>"]) + "\n"


def _axes(end: float, top: float, unit: str) -> list[str]:
    out = []
    for part in range(5):
        value = top * part / 4
        y = _y(value, top)
        out.append(f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    minutes = end > 300
    step = _ceiling(end / 7 / (60 if minutes else 1)) * (60 if minutes else 1)
    at = 0.0
    while at <= end:
        label = f"{at / 60:g} min" if minutes else f"{at:g} s"
        out.append(f'<text x="{_x(at, end):.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{label}</text>')
        at += step
    out.append(f'<text x="{_LEFT}" y="{_TOP - 4}" fill="#555">{unit}</text>')
    return out


def _marks(marks: Sequence[Mark], rows: Sequence[str], end: float) -> list[str]:
    out = []
    for position, name in enumerate(rows):
        y = _HEIGHT - _BOTTOM + 28 + 14 * position
        out.append(f'<text x="{_WIDTH - _RIGHT + 12}" y="{y + 8}" fill="#555">{name}</text>')
        for mark in marks:
            if mark.row == position:
                x, width = _x(mark.at, end), max(0.6, _x(mark.until, end) - _x(mark.at, end))
                out.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="9" fill="#c33"/>')
    return out


def _x(at: float, end: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * at / end


def _y(value: float, top: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / top


def _ceiling(value: float) -> float:
    size = 1.0
    while size * 10 < value:
        size *= 10
    while size > value > 0:
        size /= 10
    return next((step * size for step in _STEPS if step * size >= value), 1.0)


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """As many as can be seen, with the highest of each span: a peak is never left out."""
    if len(points) <= _MOST_POINTS:
        return list(points)
    size = len(points) / _MOST_POINTS
    parts = [points[int(number * size) : int((number + 1) * size)] for number in range(_MOST_POINTS)]
    return [max(part, key=lambda point: point[1]) for part in parts]
