"""
Who is measured, how often, and in which order.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from ._certificates import Pair, make_pair
from ._origin import Origin
from ._peers import PEERS, Peer, Work
from ._processes import Unavailable
from ._report import Figure, Report

__all__ = ["Bench", "Options", "bench", "bench_folder"]


@attrs.frozen(kw_only=True)
class Options:
    """
    @ivar seconds: of load for each figure.
    @ivar workers: processes that serve; 0: the gate in its only process, without a supervisor; L{None}: what is usual
        for the benchmark.
    @ivar proxy_cores: where the proxy runs, as taskset writes it.
    @ivar load_core: where the load and the upstream run.
    """

    rounds: int = 3
    seconds: float = 5.0
    peers: Sequence[str] = ("gate", "nginx", "haproxy", "caddy")
    workers: int | None = None
    connections: int = 32
    count: int = 0
    access_log: bool = False
    proxy_cores: str = "0"
    load_core: str = "1"
    output: Path = Path("build/benchmarks")


class Bench:
    """
    A temporary folder, an upstream, a certificate, and peers that take turns in front of it.
    """

    def __init__(self, options: Options, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.pair = make_pair(folder / "certificates", "default")
        self.origin = Origin(folder / "origin", options.load_core)
        self._started = 0

    def start(self, name: str, *, pairs: Sequence[Pair] = (), upstream: int = 0, access_log: bool = False) -> Peer:
        """
        Start one proxy; the caller stops it.

        @raise Unavailable: it cannot be had here.
        """
        self._started += 1
        options = self.options
        if not shutil.which("taskset"):
            raise Unavailable("taskset (util-linux) is missing")
        work = Work(
            folder=self.folder / f"{self._started}-{name}", pair=self.pair, pairs=pairs,
            upstream=upstream or self.origin.port, cores=options.proxy_cores,
            access_log=access_log or options.access_log, workers=options.workers or 0,
        )  # fmt: skip
        return PEERS[name](work)

    def take_turns(
        self,
        report: Report,
        variants: Sequence[str],
        measure: Callable[[Peer, str], Figure],
        start: Callable[[str], Peer] | None = None,
    ) -> None:
        """
        Measure each variant with each peer in turn, over all rounds.  Only one proxy runs at a time; each round
        begins with another peer, so that no one is always first.
        """
        names = [name for name in self.options.peers if name in PEERS]
        for number in range(self.options.rounds):
            shift = number % len(names)
            for name in names[shift:] + names[:shift]:
                if name in report.absent:
                    continue
                try:
                    peer = (start or self.start)(name)
                    try:
                        for variant in variants:
                            report.add(variant, name, measure(peer, variant))
                    finally:
                        peer.stop()
                except Unavailable as reason:
                    report.absent[name] = str(reason)


@contextmanager
def bench_folder() -> Iterator[Path]:
    """
    A temporary folder that workers of other users may enter.
    """
    folder = Path(tempfile.mkdtemp(prefix="tlsgate-bench-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def bench(options: Options) -> Iterator[Bench]:
    """
    A bench that leaves nothing behind.
    """
    # Workers of nginx and HAProxy may run as another user.
    with bench_folder() as folder:
        found = Bench(options, folder)
        try:
            yield found
        finally:
            found.origin.stop()
