"""
CPU per gigabyte of large answers.
"""

from __future__ import annotations

import attrs

from ._load import TLS
from ._origin import SIZES
from ._peers import Peer
from ._report import Figure, Report
from ._rounds import Options, bench
from .keepalive import measure_load

TARGET = "/10m"


def measure(peer: Peer, options: Options) -> Figure:
    figure = measure_load(peer, options, TARGET, None)
    return attrs.evolve(figure, cost=figure.cost / 1000 * 1e9 / SIZES[TARGET])


def run(options: Options) -> Report:
    """
    Measure every peer.
    """
    few = attrs.evolve(options, connections=4)
    work = f"10 MB answers over 4 keep-alive connections ({TLS}); {options.rounds} rounds of {options.seconds:g} s."
    report = Report("bulk", "ms CPU/GB", work)
    with bench(few) as stand:
        stand.take_turns(report, ["10 MB"], lambda peer, _: measure(peer, few))
    return report
