"""
Throughput of one worker and of two.
"""

from __future__ import annotations

import attrs

from ._load import TLS
from ._report import Report
from ._rounds import Options, bench
from .keepalive import measure_load


def run(options: Options) -> Report:
    """
    Measure every peer with one worker on the first proxy core, then with two on two.  Where there are no more than
    two cores, the load shares the second one: compare peers with each other, not with twice one worker.
    """
    report = Report("scale", "µs CPU/request", f"Keep-alive 1 KB ({TLS}), one worker on core 0, two on cores 0 and 1.")
    for workers, cores in ((1, "0"), (2, "0,1")):
        chosen = attrs.evolve(options, workers=workers, proxy_cores=cores)
        with bench(chosen) as stand:
            stand.take_turns(report, [f"{workers} worker(s)"], lambda peer, _: measure_load(peer, options, "/1k", None))
    return report
