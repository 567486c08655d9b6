"""
CPU per message through an upgraded connection.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ._clients import run_client
from ._load import TLS
from ._peers import Peer
from ._processes import ProcessTree, Unavailable, free_port, wait_for_port
from ._report import Figure, Report
from ._rounds import Options, bench


def measure(peer: Peer, options: Options) -> Figure:
    """
    Divide the peer's CPU time by the echoes; one message passes it twice.
    """
    before = peer.process.cpu_seconds()
    seen = run_client(peer.work.folder, options.load_core, "websocket", peer.port, seconds=options.seconds)
    used = peer.process.cpu_seconds() - before
    if not seen["messages"]:
        raise Unavailable(f"no message came back: {seen}")
    return Figure(
        cost=used / seen["messages"] * 1e6,
        more={"messages/s": seen["messages"] / options.seconds, "failures": seen["failures"]},
    )


def run(options: Options) -> Report:
    """
    Measure every peer.
    """
    work = f"100 B messages echoed over 8 WebSocket tunnels ({TLS}); {options.rounds} rounds of {options.seconds:g} s."
    report = Report("websocket", "µs CPU/echo", work)
    with bench(options) as stand:
        port = free_port()
        command = [sys.executable, "-m", f"{__package__}._echo", str(port)]
        log = stand.folder / "echo.log"
        with ProcessTree("echo", command, cores=options.load_core, log=log, cwd=Path(__file__).parents[1]) as echo:
            wait_for_port(port, echo)
            stand.take_turns(
                report,
                ["100 B echo"],
                lambda peer, _: measure(peer, options),
                lambda name: stand.start(name, upstream=port),
            )
    return report
