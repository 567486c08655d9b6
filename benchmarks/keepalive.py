"""
CPU per request over keep-alive connections: small answers, a browser's head, with and without an access log.
"""

from __future__ import annotations

from ._load import BROWSER, TLS, wrk
from ._peers import Peer
from ._processes import Unavailable
from ._report import Figure, Report
from ._rounds import Options, bench

#: variant to target, fields and access log
VARIANTS: dict[str, tuple[str, dict[str, str] | None]] = {
    "hello (12 B)": ("/hello", None),
    "1 KB": ("/1k", None),
    "1 KB, browser's head": ("/1k", BROWSER),
    "100 KB": ("/100k", None),
}
LOGGED = "1 KB, browser's head, access log"


def measure_load(peer: Peer, options: Options, target: str, fields: dict[str, str] | None) -> Figure:
    """
    Load the peer and divide its CPU time by the requests completed.

    @raise Unavailable: no request succeeded.
    """
    folder = peer.work.folder
    # Pools, caches and memos fill before the clock starts.
    wrk(folder, peer.port, target, core=options.load_core, seconds=1, connections=options.connections, fields=fields)
    before = peer.process.cpu_seconds()
    seen = wrk(
        folder, peer.port, target, core=options.load_core, seconds=options.seconds,
        connections=options.connections, fields=fields,
    )  # fmt: skip
    used = peer.process.cpu_seconds() - before
    good = seen.requests - seen.failures
    if good <= 0:
        raise Unavailable(f"no request succeeded: {seen}")
    return Figure(
        cost=used / good * 1e6,
        more={
            "requests/s": good / seen.seconds,
            "p50 ms": seen.p50 / 1000,
            "p99 ms": seen.p99 / 1000,
            "failures": seen.failures,
            "memory MB": peer.process.memory() / 1e6,
        },
    )


def run(options: Options) -> Report:
    """
    Measure every peer.
    """
    work = (
        f"Keep-alive HTTPS ({TLS}) in, pooled keep-alive HTTP/1.1 out, X-Forwarded-* and HSTS set, "
        f"{options.connections} connections, {max(options.workers or 0, 1)} process(es), access log off unless named; "
        f"{options.rounds} rounds of {options.seconds:g} s, medians."
    )
    report = Report("keepalive", "µs CPU/request", work)
    with bench(options) as stand:
        stand.take_turns(report, list(VARIANTS), lambda peer, variant: measure_load(peer, options, *VARIANTS[variant]))
        stand.take_turns(
            report,
            [LOGGED],
            lambda peer, variant: measure_load(peer, options, "/1k", BROWSER),
            lambda name: stand.start(name, access_log=True),
        )
    return report
