"""
From a new certificate in hand to served, with many others loaded and clients at work.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import statistics
import time

from ._certificates import Pair, make_pair, make_pairs
from ._clients import client
from ._peers import Peer
from ._processes import Unavailable
from ._report import Figure, Report
from ._rounds import Options, bench

__all__ = ["run", "served", "swap"]

SWAPS = 5


def served(port: int, name: str) -> str:
    """
    The fingerprint that a new connection is shown for a name.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname=name) as connection,
    ):
        return hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()


def swap(peer: Peer, pair: Pair, timeout: float = 60.0) -> float:
    """
    Replace one certificate; seconds until a new connection sees it.

    @raise Unavailable: it was not served in time.
    """
    start = time.monotonic()
    peer.replace(pair)
    while served(peer.port, pair.name) != pair.fingerprint:
        if time.monotonic() - start > timeout:
            raise Unavailable(f"the new certificate was not served within {timeout:.0f} s")
        time.sleep(0.002)
    return time.monotonic() - start


def measure(peer: Peer, options: Options, name: str) -> Figure:
    """
    Several swaps a second apart, under steady traffic.
    """
    took, before = [], peer.process.cpu_seconds()
    fresh = peer.work.folder / "fresh"
    with client(peer.work.folder, options.load_core, "steady", peer.port, seconds=SWAPS * 2.0) as traffic:
        time.sleep(1)
        for number in range(SWAPS):
            took.append(swap(peer, make_pair(fresh, f"swap{number}", name)))
            time.sleep(1)
        used = peer.process.cpu_seconds() - before
        seen = traffic.line()
    return Figure(
        cost=statistics.median(took) * 1000,
        more={
            "slowest ms": max(took) * 1000,
            "requests": seen["requests"],
            "failures": seen["failures"],
            "closed": seen["closed"],
            "ms CPU": used * 1000,
            "memory MB": peer.process.memory() / 1e6,
        },
    )


def run(options: Options) -> Report:
    """
    Measure every peer: the gate by an upload, HAProxy by its runtime API, nginx and Caddy by a reload.
    """
    count = options.count or 1000
    work = f"{count} certificates loaded, 8 clients at work, {SWAPS} replacements of one; upload or reload to served."
    report = Report("swap", "ms to served", work)
    with bench(options) as stand:
        pairs = make_pairs(stand.folder / "pairs", count)
        stand.take_turns(
            report,
            [f"{count} certificates"],
            lambda peer, _: measure(peer, options, pairs[0].name),
            lambda name: stand.start(name, pairs=pairs),
        )
    return report
