"""
CPU per full handshake with one small exchange.
"""

from __future__ import annotations

from ._clients import run_client
from ._load import TLS
from ._peers import Peer
from ._processes import Unavailable
from ._report import Figure, Report
from ._rounds import Options, bench

__all__ = ["measure_handshakes", "run"]


def measure_handshakes(peer: Peer, options: Options, *, resume: bool = False, name: str = "localhost") -> Figure:
    """
    Divide the peer's CPU time by the connections that were made, used once and closed.

    @raise Unavailable: none succeeded, or handshakes were resumed that should be full, or the reverse.
    """
    folder, core = peer.work.folder, options.load_core
    run_client(folder, core, "handshakes", peer.port, seconds=0.5, resume=int(resume), name=name)
    before = peer.process.cpu_seconds()
    seen = run_client(folder, core, "handshakes", peer.port, seconds=options.seconds, resume=int(resume), name=name)
    used = peer.process.cpu_seconds() - before
    if not seen["count"]:
        raise Unavailable(f"no handshake succeeded: {seen}")
    share = seen["resumed"] / seen["count"]
    if (share < 0.9) if resume else (share > 0):
        raise Unavailable(f"{share:.0%} of the handshakes were resumed")
    return Figure(
        cost=used / seen["count"] * 1e6,
        more={"connections/s": seen["count"] / options.seconds, "failures": seen["failures"]},
    )


def run(options: Options, *, resume: bool = False) -> Report:
    """
    Measure every peer.
    """
    kind = "resumed (TLS 1.3 tickets, with key exchange)" if resume else "full"
    work = f"{kind} handshakes ({TLS}), one 12 B answer each; {options.rounds} rounds of {options.seconds:g} s."
    report = Report("resume" if resume else "newconn", "µs CPU/connection", work)
    with bench(options) as stand:
        stand.take_turns(report, [kind], lambda peer, _: measure_handshakes(peer, options, resume=resume))
    return report
