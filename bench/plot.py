"""Plots as SVG, without any library."""

from collections.abc import Mapping, Sequence
from html import escape

_COLOURS = ("#c0504d", "#1f6f5c")
_WIDTH, _ROW, _LEFT, _TOP = 760, 26, 270, 40


def bars(title: str, rows: Sequence[tuple[str, float, str]]) -> str:
    """A horizontal bar for each row (label, length from 0 to 1, what is written beside it), and a line at a tenth."""
    height = _TOP + _ROW * len(rows) + 20
    room = _WIDTH - _LEFT - 150
    longest = max((length for _, length, _ in rows), default=1.0)
    scale = room / max(longest, 0.2)
    parts = [_head(title, height)]
    for index, (label, length, text) in enumerate(rows):
        y = _TOP + index * _ROW
        colour = _COLOURS[1] if length <= 0.1 else _COLOURS[0]
        parts += [
            f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{_LEFT}" y="{y + 3}" width="{max(1.0, length * scale):.1f}" height="{_ROW - 10}" fill="{colour}"/>',
            f'<text x="{_LEFT + length * scale + 6:.1f}" y="{y + 14}">{escape(text)}</text>',
        ]
    tenth = _LEFT + 0.1 * scale
    parts.append(
        f'<line x1="{tenth:.1f}" y1="{_TOP - 6}" x2="{tenth:.1f}" y2="{height - 16}" stroke="#444" stroke-dasharray="4 3"/>'
    )
    parts.append(f'<text x="{tenth:.1f}" y="{height - 4}" text-anchor="middle">one tenth</text>')
    return "\n".join([*parts, "</svg>\n"])


def lines(title: str, curves: Mapping[str, Sequence[tuple[float, float]]], *, x_label: str) -> str:
    """A curve for each name, both axes beginning at 0."""
    height, room_x, room_y = 320, _WIDTH - 240, 220
    most_x = max(x for points in curves.values() for x, _ in points)
    most_y = max(y for points in curves.values() for _, y in points)
    parts = [_head(title, height), f'<path d="M60 {_TOP} V{_TOP + room_y} H{60 + room_x}" fill="none" stroke="#444"/>']
    for (name, points), colour in zip(curves.items(), _COLOURS, strict=False):
        placed = [(60 + x / most_x * room_x, _TOP + room_y - y / most_y * room_y) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(
            f'<text x="{placed[-1][0] + 8:.1f}" y="{placed[-1][1] + 4:.1f}">{escape(name)}: {points[-1][1]:.3g} ms</text>'
        )
    for x in sorted({x for points in curves.values() for x, _ in points}):
        parts.append(
            f'<text x="{60 + x / most_x * room_x:.1f}" y="{_TOP + room_y + 18}" text-anchor="middle">{x:g}</text>'
        )
    parts.append(f'<text x="{60 + room_x / 2}" y="{height - 14}" text-anchor="middle">{escape(x_label)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _head(title: str, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" font-family="sans-serif" '
        f'font-size="13">\n<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="12" y="22" font-size="15" font-weight="bold">{escape(title)}</text>'
    )
