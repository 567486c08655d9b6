"""
Figures of all rounds, as a table for people and JSON for programs.
"""

from __future__ import annotations

import datetime
import json
import platform
import statistics
from collections.abc import Mapping
from pathlib import Path

import attrs

from ._plot import short

__all__ = ["Figure", "Report"]


@attrs.frozen(kw_only=True)
class Figure:
    """
    What one turn measured.

    @ivar cost: the figure that ratios are made of; its unit stands in the report.
    @ivar more: further columns, by name.
    """

    cost: float
    more: Mapping[str, float] = attrs.field(factory=dict)


@attrs.define
class Report:
    """
    One benchmark.

    @ivar unit: of the cost, as C{µs CPU/request}; less is better.
    @ivar work: what was done, in one sentence, TLS parameters included.
    @ivar rows: variant to peer to one figure a round.
    @ivar absent: peer to why it has no figures.
    """

    name: str
    unit: str
    work: str
    rows: dict[str, dict[str, list[Figure]]] = attrs.field(factory=dict)
    absent: dict[str, str] = attrs.field(factory=dict)

    def add(self, variant: str, peer: str, figure: Figure) -> None:
        self.rows.setdefault(variant, {}).setdefault(peer, []).append(figure)

    def cost(self, variant: str, peer: str) -> float:
        """
        The median over the rounds.
        """
        return statistics.median(figure.cost for figure in self.rows[variant][peer])

    def table(self) -> str:
        """
        Markdown: medians, the spread, and the ratio of the first peer to each other one.
        """
        lines = [f"### {self.name}", "", self.work, ""]
        for variant, peers in self.rows.items():
            more = list(next(iter(peers.values()))[0].more)
            head = [variant, self.unit, "min..max", "gate ÷ this", *more]
            lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
            for peer, figures in peers.items():
                costs = [figure.cost for figure in figures]
                cells = [peer, short(self.cost(variant, peer)), f"{short(min(costs))}..{short(max(costs))}"]
                cells.append(self._ratio(variant, peer))
                cells += [short(statistics.median(figure.more.get(name, 0.0) for figure in figures)) for name in more]
                lines.append("| " + " | ".join(cells) + " |")
            lines.append("")
        lines += [f"{peer}: {reason}" for peer, reason in self.absent.items()]
        return "\n".join(lines)

    def write(self, folder: Path) -> Path:
        """
        Keep everything, each round's figures included.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        document = {
            "name": self.name,
            "unit": self.unit,
            "work": self.work,
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "rows": {
                variant: {
                    peer: {"median": self.cost(variant, peer), "rounds": [attrs.asdict(f) for f in figures]}
                    for peer, figures in peers.items()
                }
                for variant, peers in self.rows.items()
            },
            "absent": self.absent,
        }
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        return path

    def _ratio(self, variant: str, peer: str) -> str:
        """
        The gate's median over the peer's, with the spread of the rounds' own ratios.
        """
        peers = self.rows[variant]
        if "gate" not in peers or peer == "gate" or min(figure.cost for figure in peers[peer]) <= 0:
            return ""
        pairs = zip(peers["gate"], peers[peer], strict=False)
        each = [mine.cost / theirs.cost for mine, theirs in pairs]
        return f"{self.cost(variant, 'gate') / self.cost(variant, peer):.2f} ({min(each):.2f}..{max(each):.2f})"


def machine() -> dict[str, str]:
    """
    What the figures were measured on.
    """
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": str(len(models)),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
