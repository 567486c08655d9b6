"""
CPU per full handshake with one small exchange.
"""

from __future__ import annotations

from collections.abc import Callable

from ._clients import run_client
from ._load import TLS, h2load
from ._peers import Peer
from ._processes import Unavailable
from ._report import Figure, Report
from ._rounds import Options, bench

__all__ = ["measure_handshakes", "run"]

#: Connections that h2load opens at once; it pauses for the rest of the second.
BURST = 500


def measure_handshakes(
    peer: Peer, options: Options, *, resume: bool = False, name: str = "localhost", names: int = 0
) -> Figure:
    """
    Divide the peer's CPU time by the connections that were made, used once and closed.

    @param name: the server name; with C{names}, one of so many for each connection, by a number in the place of C{{}}.

    @raise Unavailable: none succeeded, or handshakes were resumed that should be full, or the reverse.
    """
    folder, core = peer.work.folder, options.load_core
    asked = {"resume": int(resume), "name": name, "names": names}
    run_client(folder, core, "handshakes", peer.port, seconds=0.5, **asked)
    before = peer.process.cpu_seconds()
    seen = run_client(folder, core, "handshakes", peer.port, seconds=options.seconds, **asked)
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


def measure_bursts(peer: Peer, options: Options) -> Figure:
    """
    The same for connections that come hundreds at a time, which spares every proxy most of its wake-ups.

    @raise Unavailable: none succeeded.
    """
    folder, core = peer.work.folder, options.load_core
    h2load(folder, peer.port, "/hello", core=core, seconds=1, rate=BURST)
    before = peer.process.cpu_seconds()
    good = h2load(folder, peer.port, "/hello", core=core, seconds=options.seconds, rate=BURST)
    used = peer.process.cpu_seconds() - before
    if not good:
        raise Unavailable("no handshake succeeded")
    asked = BURST * max(1, round(options.seconds))
    return Figure(cost=used / good * 1e6, more={"connections/s": float(BURST), "failures": float(asked - good)})


def run(options: Options) -> Report:
    """
    Measure every peer.
    """
    work = f"Full handshakes ({TLS}), one 12 B answer each; {options.rounds} rounds of {options.seconds:g} s."
    report = Report("newconn", "µs CPU/connection", work)
    variants: dict[str, Callable[[Peer, Options], Figure]] = {
        "8 clients": measure_handshakes,
        f"{BURST} a second at once (h2load)": measure_bursts,
    }
    with bench(options) as stand:
        stand.take_turns(report, list(variants), lambda peer, variant: variants[variant](peer, options))
    return report
