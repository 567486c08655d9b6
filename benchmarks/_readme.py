"""
From the JSON of all benchmarks to what the README shows: its table, its picture, and the figures behind both.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from ._plot import Row, draw, short

__all__ = ["write_readme"]

PEERS: Final = ("gate", "nginx", "haproxy", "caddy")
#: In the table's order; what has no JSON is left out.
SHOWN: Final = ("keepalive", "bulk", "newconn", "resume", "idle", "swap", "certificates", "websocket", "scale")
#: What the picture shows, by the beginning of the table's words.
DRAWN: Final = ("keepalive: 1 KB", "bulk", "newconn", "resume", "idle", "swap", "websocket")
PICTURE: Final = "docs/benchmarks.svg"
#: Between these lines of the README, if it has them, the table is put.
BEGIN: Final = "<!-- benchmarks: written by python -m benchmarks readme -->"
END: Final = "<!-- end of benchmarks -->"


def write_readme(folder: Path, root: Path) -> str:
    """
    Write C{docs/benchmarks.json} and C{docs/benchmarks.svg}, and the table into the README where that has its place.

    @param folder: holds the JSON of the benchmarks.
    @param root: of the project.

    @return: the table.
    """
    documents: dict[str, Any] = {
        path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json")) if path.stem != "all"
    }
    rows = [row for name in SHOWN if name in documents for row in _rows(name, documents[name])]
    table = _table(rows, documents)
    (root / "docs" / "benchmarks.json").write_text(json.dumps(documents, indent=1, ensure_ascii=False) + "\n")
    drawn = [row for row in rows if row.work.startswith(DRAWN)]
    (root / PICTURE).write_text(draw(drawn, "tlsgate beside other proxies; less is better"))
    readme = root / "README.md"
    text = readme.read_text()
    if BEGIN in text and END in text:
        place = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
        readme.write_text(place.sub(lambda _: f"{BEGIN}\n{table}\n{END}", text))
    return table


def _rows(name: str, document: dict[str, Any]) -> list[Row]:
    return [
        Row(f"{name}: {variant}", document["unit"], {peer: peers[peer]["median"] for peer in PEERS if peer in peers})
        for variant, peers in document["rows"].items()
    ]


def _cell(row: Row, peer: str) -> str:
    value, own = row.values.get(peer), row.values.get("gate")
    if value is None:
        return ""
    return short(value) if peer == "gate" or own is None or value <= 0 else f"{short(value)} ({own / value:.2f})"


def _table(rows: list[Row], documents: dict[str, Any]) -> str:
    """
    Markdown: the table, the picture, the soak in a sentence, and the machine.
    """
    lines = ["| work (less is better) | unit | " + " | ".join(PEERS) + " |", "|" + "---|" * (2 + len(PEERS))]
    lines += [f"| {row.work} | {row.unit} | " + " | ".join(_cell(row, peer) for peer in PEERS) + " |" for row in rows]
    lines += ["", "In brackets: the gate's figure divided by this one.", "", f"![The same as bars]({PICTURE})", ""]
    for variant, peers in documents.get("soak", {"rows": {}})["rows"].items():
        seen = peers["gate"]["rounds"][0]["more"]
        lines.append(
            f"Soak, {variant}: {short(seen['exchanges'])} exchanges of every kind over {short(seen['swaps'])} "
            f"certificate swaps: {seen['failures']:.0f} failed, {seen['closed']:.0f} connections closed."
        )
    machines = {tuple(document["machine"].items()): document["time"][:10] for document in documents.values()}
    for machine, day in machines.items():
        told = dict(machine)
        lines.append(
            f"{told['processor']}, {told['cores']} cores, Linux {told['kernel']}, Python {told['python']}; {day}."
        )
    return "\n".join(lines)
