"""
CPU per resumed handshake with one small exchange.
"""

from __future__ import annotations

from ._load import TLS
from ._report import Report
from ._rounds import Options, bench
from .newconn import measure_handshakes


def run(options: Options) -> Report:
    """
    Measure every peer.
    """
    kind = "resumed (TLS 1.3 tickets, with key exchange)"
    work = f"Handshakes {kind} ({TLS}), one 12 B answer each; {options.rounds} rounds of {options.seconds:g} s."
    report = Report("resume", "µs CPU/connection", work)
    with bench(options) as stand:
        stand.take_turns(report, ["8 clients"], lambda peer, _: measure_handshakes(peer, options, resume=True))
    return report
