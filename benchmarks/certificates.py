"""
What many certificates cost: time to start, memory, and CPU of a handshake that must find its own.
"""

from __future__ import annotations

import time

import attrs

from ._certificates import make_pairs
from ._load import TLS
from ._peers import Peer
from ._report import Figure, Report
from ._rounds import Options, bench
from .newconn import measure_handshakes


def run(options: Options) -> Report:
    """
    Measure every peer.
    """
    count = options.count or 1000
    work = f"Full handshakes ({TLS}) for one of {count} certificates by SNI; the start includes loading them."
    report = Report("certificates", "µs CPU/connection", work)
    with bench(options) as stand:
        pairs = make_pairs(stand.folder / "pairs", count)
        took: dict[str, float] = {}

        def start(name: str) -> Peer:
            before = time.monotonic()
            peer = stand.start(name, pairs=pairs)
            took[name] = time.monotonic() - before
            return peer

        def measure(peer: Peer, _: str) -> Figure:
            figure = measure_handshakes(peer, options, name=pairs[-1].name)
            more = {"start s": took[peer.name], "memory MB": peer.process.memory() / 1e6}
            return attrs.evolve(figure, more={**figure.more, **more})

        stand.take_turns(report, [f"{count} certificates"], measure, start)
    return report
