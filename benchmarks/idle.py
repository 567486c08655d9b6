"""
Memory held by idle TLS connections that were used once, and whether the proxy still answers others.
"""

from __future__ import annotations

import time

from ._clients import client, run_client
from ._load import TLS
from ._peers import Peer
from ._report import Figure, Report
from ._rounds import Options, bench


def measure(peer: Peer, options: Options, count: int) -> Figure:
    """
    Memory with the connections open, less memory before, by their number; then a second of other clients' exchanges.
    """
    # What the first connections allocate once is no connection's cost.
    run_client(peer.work.folder, options.load_core, "handshakes", peer.port, seconds=0.5)
    before, descriptors = peer.process.memory(), peer.process.descriptors()
    with client(peer.work.folder, options.load_core, "hold", peer.port, connections=count) as holding:
        held = holding.line()["held"]
        time.sleep(1)
        grown = peer.process.memory() - before
        more = {"held": held, "descriptors": float(peer.process.descriptors() - descriptors), "MB": grown / 1e6}
        others = run_client(peer.work.folder, options.load_core, "steady", peer.port, connections=2, seconds=1.0)
        more |= {"others' exchanges": others["requests"], "failures": others["failures"]}
        more["closed"] = holding.last()["closed"]
    return Figure(cost=grown / held / 1024, more=more)


def run(options: Options) -> Report:
    """
    Measure every peer; HAProxy's limit of connections is 9,500 where 20,000 descriptors are allowed.
    """
    count = options.count or 9000
    report = Report("idle", "KiB/connection", f"{count} idle connections ({TLS}), each used once before.")
    with bench(options) as stand:
        stand.take_turns(report, [f"{count} idle"], lambda peer, _: measure(peer, options, count))
    return report
