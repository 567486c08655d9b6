"""
The README's picture: CPU per request as bars, drawn from the JSON of a keep-alive run.
"""

from __future__ import annotations

import json
from pathlib import Path
from xml.sax.saxutils import escape

__all__ = ["plot"]

COLOURS = {"gate": "#0b7285", "nginx": "#868e96", "haproxy": "#adb5bd", "caddy": "#ced4da"}
WIDTH, LABEL, BAR, GAP = 720, 90, 20, 6


def plot(folder: Path, target: Path) -> None:
    """
    Draw C{folder}'s keepalive.json into C{target}; nothing if there is none.
    """
    source = folder / "keepalive.json"
    if not source.exists():
        return
    document = json.loads(source.read_text())
    target.write_text(draw(document))


def draw(document: dict[str, object]) -> str:
    """
    An SVG with one group of bars a variant; colours hold on light and dark pages.
    """
    rows = document["rows"]
    assert isinstance(rows, dict)
    costs = {v: {p: float(f["median"]) for p, f in peers.items()} for v, peers in rows.items()}
    largest = max((cost for peers in costs.values() for cost in peers.values()), default=1.0)
    scale = (WIDTH - LABEL - 90) / largest
    y, parts = 24, []
    for variant, peers in costs.items():
        parts.append(f'<text x="0" y="{y}" font-weight="bold">{escape(variant)}</text>')
        y += 8
        for peer, cost in peers.items():
            width = max(1.0, cost * scale)
            parts.append(f'<text x="{LABEL - 8}" y="{y + 15}" text-anchor="end">{escape(peer)}</text>')
            colour = COLOURS.get(peer, "#868e96")
            parts.append(f'<rect x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2" fill="{colour}"/>')
            parts.append(f'<text x="{LABEL + width + 6:.1f}" y="{y + 15}">{cost:.0f} µs</text>')
            y += BAR + GAP
        y += 24
    title = f"{document['name']}: {document['unit']}, less is better"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="#495057"><title>{escape(title)}</title>'
        + "".join(parts)
        + "</svg>\n"
    )
