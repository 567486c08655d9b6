"""
Mixed traffic for a while with a certificate swap every second: what fails, and what grows.
"""

from __future__ import annotations

import time

from ._certificates import make_pair
from ._clients import client
from ._load import TLS
from ._peers import Peer
from ._report import Figure, Report
from ._rounds import Options, bench
from .swap import swap


def measure(peer: Peer, options: Options) -> Figure:
    """
    Compare the peer with itself after a tenth of the time.
    """
    fresh = peer.work.folder / "fresh"
    seconds = max(options.seconds, 10.0)
    with client(
        peer.work.folder, options.load_core, "steady", peer.port,
        seconds=seconds, connections=16, targets="/hello,/1k,/100k", pause=0.002,
    ) as traffic:  # fmt: skip
        time.sleep(seconds / 10)
        start, before = time.monotonic(), peer.process.cpu_seconds()
        memory, descriptors, swaps = peer.process.memory(), peer.process.descriptors(), 0
        while time.monotonic() - start < seconds * 0.8:
            swap(peer, make_pair(fresh, f"swap{swaps % 2}", peer.work.pair.name))
            swaps += 1
            time.sleep(1)
        grown = (peer.process.memory() - memory) / 1e6
        opened = peer.process.descriptors() - descriptors
        used = peer.process.cpu_seconds() - before
        seen = traffic.line()
    return Figure(
        # The clock runs for less time than the traffic; the pace is steady.
        cost=used / max(seen["requests"] * 0.8, 1) * 1e6,
        more={
            "requests": seen["requests"],
            "failures": seen["failures"],
            "closed": seen["closed"],
            "swaps": float(swaps),
            "memory grown MB": grown,
            "descriptors grown": float(opened),
        },
    )


def run(options: Options) -> Report:
    """
    Measure every peer.
    """
    report = Report("soak", "µs CPU/request", f"Mixed keep-alive traffic ({TLS}) with a swap every second.")
    with bench(options) as stand:
        stand.take_turns(report, ["mixed"], lambda peer, _: measure(peer, options))
    return report
