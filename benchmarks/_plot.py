"""
The README's picture: bars for each kind of work, drawn from the rows of the README's table.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

import attrs

__all__ = ["Row", "draw", "short"]

COLOURS = {"gate": "#0b7285", "nginx": "#868e96", "haproxy": "#adb5bd", "caddy": "#ced4da"}
WIDTH, LABEL, BAR, GAP = 720, 90, 16, 4


@attrs.frozen
class Row:
    """
    One kind of work.

    @ivar unit: of the values; less is better.
    @ivar values: peer to its median.
    """

    work: str
    unit: str
    values: dict[str, float]


def short(value: float) -> str:
    """
    Three digits, or whole thousands.
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def draw(rows: Sequence[Row], title: str) -> str:
    """
    An SVG with one group of bars a row, each row to a scale of its own; colours hold on light and dark pages.
    """
    y, parts = 20, []
    for row in rows:
        scale = (WIDTH - LABEL - 90) / max(row.values.values(), default=1.0)
        parts.append(
            f'<text x="0" y="{y}"><tspan font-weight="bold">{escape(row.work)}</tspan> {escape(row.unit)}</text>'
        )
        y += 8
        for peer, value in row.values.items():
            width = max(1.0, value * scale)
            colour = COLOURS.get(peer, "#868e96")
            parts.append(f'<text x="{LABEL - 8}" y="{y + 12}" text-anchor="end">{escape(peer)}</text>')
            parts.append(f'<rect x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2" fill="{colour}"/>')
            parts.append(f'<text x="{LABEL + width + 6:.1f}" y="{y + 12}">{short(value)}</text>')
            y += BAR + GAP
        y += 22
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="#495057"><title>{escape(title)}</title>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )
