"""
What many certificates cost: time to start, memory, CPU of a handshake that must find its own, and a swap of one.
"""

from __future__ import annotations

import statistics
import time

import attrs

from ._certificates import Pair, make_pair, make_pairs
from ._clients import client
from ._load import TLS
from ._peers import Peer
from ._report import Figure, Report
from ._rounds import Options, bench
from .newconn import measure_handshakes
from .swap import swap

__all__ = ["run"]

COUNT = 10_000
SWAPS = 3

#: Seconds of swaps after which no other begins: nginx takes half a minute for one.
PATIENCE = 15


def run(options: Options) -> Report:
    """
    Measure every peer, in one round: starting takes longer than its noise matters.
    """
    count = options.count or COUNT
    work = (
        f"Full handshakes ({TLS}) for random names of {count} certificates; the start includes loading them, for the "
        f"gate from a folder the first time and from its state the second; up to {SWAPS} replacements of one, 8 clients "
        "at work."
    )
    report = Report("certificates", "µs CPU/connection", work)
    with bench(attrs.evolve(options, rounds=1)) as stand:
        pairs = make_pairs(stand.folder / "pairs", count)
        took: dict[str, float] = {}

        def start(name: str) -> Peer:
            before = time.monotonic()
            peer = stand.start(name, pairs=pairs)
            took[name] = time.monotonic() - before
            return peer

        def measure(peer: Peer, _: str) -> Figure:
            started = peer.process.memory() / 1e6
            figure = measure_handshakes(peer, options, name="site{}.example", names=count)
            more = {
                **figure.more,
                "start s": took[peer.name],
                "MB then": started,
                "MB now": peer.process.memory() / 1e6,
                **measure_swaps(peer, options, pairs[0]),
            }
            before = time.monotonic()
            peer.start_again()
            return attrs.evolve(figure, more={**more, "second start s": time.monotonic() - before})

        stand.take_turns(report, [f"{count} certificates"], measure, start)
    return report


def measure_swaps(peer: Peer, options: Options, pair: Pair) -> dict[str, float]:
    """
    Replace one certificate several times under steady traffic.

    @return: columns of the table.
    """
    took = []
    with client(peer.work.folder, options.load_core, "steady", peer.port, seconds=SWAPS * 60.0) as traffic:
        for number in range(SWAPS):
            time.sleep(1)
            took.append(swap(peer, make_pair(peer.work.folder / "fresh", f"swap{number}", pair.name)))
            if sum(took) > PATIENCE:
                break
        seen = traffic.last()
    return {
        "swap ms": statistics.median(took) * 1000,
        "slowest ms": max(took) * 1000,
        "failed or closed": seen["failures"] + seen["closed"],
    }
