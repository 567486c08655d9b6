"""
Mixed traffic for a while, with a certificate swap every second and now and then a change of the settings: what fails,
what is closed, and what grows.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

import attrs

from ._certificates import make_pair
from ._mixed import Seen
from ._peers import Gate, Work
from ._processes import ProcessTree, Unavailable, free_port, wait_for_port
from ._report import Figure, Report
from ._rounds import Options, bench_folder
from .swap import swap

PACKAGE_FOLDER = Path(__file__).parents[1]
TUNNELS = 20
#: Swaps from one change of the settings to the next.
SETTINGS_EVERY = 5


@attrs.define
class Soak:
    """
    A gate under traffic.

    @ivar samples: seconds since the beginning, bytes of memory, open descriptors.
    """

    gate: Gate
    traffic: ProcessTree
    seconds: float
    samples: list[tuple[float, int, int]] = attrs.field(factory=list)
    swaps: list[float] = attrs.field(factory=list)
    changes: int = 0

    def run(self) -> Figure:
        """
        Change the gate every second until the traffic ends; count.
        """
        process = self.gate.process
        start, before = time.monotonic(), process.cpu_seconds()
        told = max(10.0, self.seconds / 20)
        following = told
        while (passed := time.monotonic() - start) < self.seconds:
            self.change()
            self.samples.append((time.monotonic() - start, process.memory(), process.descriptors()))
            if passed > following:
                following += told
                print(self.progress(passed), file=sys.stderr, flush=True)
            time.sleep(max(0.0, min(1.0 - (time.monotonic() - start - passed), self.seconds - passed)))
        used = process.cpu_seconds() - before
        process.check()
        return self.figure(used, self.result())

    def change(self) -> None:
        """
        Swap the certificate; at times, change a site, too.
        """
        fresh = self.gate.work.folder / "fresh"
        pair = make_pair(fresh, f"swap{len(self.swaps) % 2}", self.gate.work.pair.name)
        self.swaps.append(swap(self.gate, pair))
        if len(self.swaps) % SETTINGS_EVERY == 0:
            self.changes += 1
            site = {"name": "default", "hosts": ["*"], "upstream": "app"}
            hsts = {"enabled": True, "max_age": 31536000 - self.changes}
            self.gate.administrator.change({"site": [{**site, "hsts": hsts}]})

    def progress(self, passed: float) -> str:
        """
        A line for people who wait.
        """
        _, memory, descriptors = self.samples[-1]
        slowest = max(self.swaps) * 1000
        return (
            f"{passed:.0f} of {self.seconds:.0f} s: {len(self.swaps)} swaps, the slowest {slowest:.0f} ms; "
            f"{memory / 1e6:.1f} MB, {descriptors} descriptors"
        )

    def result(self) -> Seen:
        """
        What the traffic counted.

        @raise Unavailable: it ended otherwise than by the clock.
        """
        # Clients finish their last exchange.
        status = self.traffic.process.wait(60)
        *told, last = self.traffic.log.read_text().splitlines() or [""]
        for line in told:
            print(line, file=sys.stderr, flush=True)
        if status:
            raise Unavailable(f"the traffic ended with status {status}: {self.traffic.tail()}")
        seen: Seen = json.loads(last)
        return seen

    def figure(self, used: float, seen: Seen) -> Figure:
        """
        The sums, the growth after the warm-up, and what each kind of traffic did.
        """
        total = {what: sum(kind[what] for kind in seen.values()) for what in ("done", "failures", "closed")}
        return Figure(
            cost=used / max(total["done"], 1) * 1e6,
            more={
                "exchanges": total["done"],
                "failures": total["failures"],
                "closed": total["closed"],
                "swaps": len(self.swaps),
                "settings changes": self.changes,
                "median swap ms": statistics.median(self.swaps) * 1000,
                "slowest swap ms": max(self.swaps) * 1000,
                "memory MB": self.samples[-1][1] / 1e6,
                "memory grown MB": self.growth(1) / 1e6,
                "descriptors grown": self.growth(2),
                **{kind: counts["done"] for kind, counts in seen.items()},
                **{f"{kind} failed": counts["failures"] for kind, counts in seen.items()},
            },
        )

    def growth(self, column: int) -> float:
        """
        The median of the last quarter less that of as long a time after the warm-up: traffic moves both all the time.
        """
        warm, quarter = self.seconds * 0.3, self.seconds * 0.25
        early = [sample[column] for sample in self.samples if warm <= sample[0] < warm + quarter]
        late = [sample[column] for sample in self.samples if sample[0] >= self.seconds - quarter]
        return statistics.median(late) - statistics.median(early) if early and late else 0.0


def measure(folder: Path, options: Options, workers: int) -> Figure:
    """
    One gate, from start to end.
    """
    port = free_port()
    command = [sys.executable, "-m", f"{__package__}._application", str(port)]
    log = folder / "application.log"
    core = options.load_core
    with ProcessTree("application", command, cores=core, log=log, cwd=PACKAGE_FOLDER) as application:
        wait_for_port(port, application)
        pair = make_pair(folder / "certificates", "default")
        gate = Gate(Work(
            folder=folder / f"gate{workers}", pair=pair, upstream=port, cores=options.proxy_cores, workers=workers,
            access_log=options.access_log,
        ))  # fmt: skip
        try:
            command = [sys.executable, "-m", f"{__package__}._mixed", str(gate.port)]
            command += [f"--seconds={options.seconds}", f"--tunnels={options.count or TUNNELS}"]
            log = folder / f"traffic{workers}.log"
            with ProcessTree("traffic", command, cores=core, log=log, cwd=PACKAGE_FOLDER) as traffic:
                return Soak(gate, traffic, options.seconds).run()
        finally:
            gate.stop()


def run(options: Options) -> Report:
    """
    The gate alone, once, in one process and with a supervisor and two workers, unless one of them was asked for.
    """
    work = (
        f"{options.seconds:g} s of kept and new connections, uploads, downloads, slow readers, "
        f"{options.count or TUNNELS} tunnels and aborted requests; a certificate swap every second."
    )
    report = Report("soak", "µs CPU/exchange", work)
    for workers in (0, 2) if options.workers is None else (options.workers,):
        with bench_folder() as folder:
            report.add(f"{workers} workers", "gate", measure(folder, options, workers))
    return report
