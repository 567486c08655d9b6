"""
C{python -m benchmarks NAME}: run one benchmark, or all; C{readme} makes the README's table and picture of what they
wrote.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from pathlib import Path

from ._peers import PEERS
from ._readme import write_readme
from ._rounds import Options

#: Each is a module with C{run(Options) -> Report}, in the order of C{all}.
NAMES = ("keepalive", "newconn", "resume", "bulk", "idle", "swap", "certificates", "websocket", "scale", "soak")


def parse(arguments: list[str]) -> tuple[str, Options]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=[*NAMES, "all", "readme"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of load for each figure")
    parser.add_argument("--peers", default=",".join(PEERS), help="comma separated: %(default)s")
    parser.add_argument(
        "--workers", type=int, help="processes of a proxy; 0: one, and the gate without its supervisor (usual)"
    )
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--count", type=int, default=0, help="connections (idle) or certificates; 0: the usual number")
    parser.add_argument("--access-log", action="store_true")
    parser.add_argument("--proxy-cores", default="0")
    parser.add_argument("--load-core", default="1")
    parser.add_argument("--output", type=Path, default=Path("build/benchmarks"))
    chosen = vars(parser.parse_args(arguments))
    name = chosen.pop("name")
    chosen["peers"] = tuple(filter(None, chosen["peers"].split(",")))
    return name, Options(**chosen)


def _ended(*_: object) -> None:
    """
    Ended from outside, it still ends the proxies that it started and removes its files; C{timeout} says it twice.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


def main(arguments: list[str]) -> int:
    name, options = parse(arguments)
    signal.signal(signal.SIGTERM, _ended)
    if name == "readme":
        print(write_readme(options.output, Path(__file__).parents[1]))
    for each in NAMES if name == "all" else () if name == "readme" else (name,):
        report = importlib.import_module(f"{__package__}.{each}").run(options)
        print(report.table(), flush=True)
        print(f"\n{report.write(options.output)}\n", flush=True)
    return 0


sys.exit(main(sys.argv[1:]))
