"""
The system's clock is set while the gate runs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from _clients import connect, connect_tls
from _gate import GateProcess
from _origin import Origin
from _raw import message, until_closed

GET = b"GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n"
DAY = 86400.0

#: What Python runs first: a time of day that goes wrong by what a file says.
SITE = """
import time
real = time.time
def wrong():
    with open({!r}) as file:
        return real() + float(file.read())
time.time = wrong
"""


class WallClock:
    """
    The time of day of all processes of a gate.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "wrong-by"
        self.set(0)
        (folder / "sitecustomize.py").write_text(SITE.format(str(self._file)))
        paths = [str(folder), os.environ.get("PYTHONPATH", "")]
        self.environment = {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}

    def set(self, seconds: float) -> None:
        """
        Put it forward or back from the real time.
        """
        new = self._file.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(self._file)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_clock_that_is_set(
    start_gate: Callable[..., GateProcess], origin: Origin, tmp_path: Path, workers: int
) -> None:
    """
    A year forward, nobody is closed for being a year late and no worker is held for hung; a day back, timeouts run on.
    """
    clock = WallClock(tmp_path)
    initial = "[timeouts]\nidle = 60\nhead = 3\n"
    gate = start_gate(origin.url, workers=workers, initial=initial, environment=clock.environment)
    with connect_tls(gate.https) as kept:
        kept.sendall(GET)
        assert message(kept)[0].startswith(b"HTTP/1.1 200 ")
        for jump, year in ((366 * DAY, time.gmtime().tm_year + 1), (-DAY, time.gmtime(time.time() - DAY).tm_year)):
            clock.set(jump)
            # Long enough for every clock in the gate to notice.
            time.sleep(1.2)
            kept.sendall(GET)
            assert message(kept)[0].startswith(b"HTTP/1.1 200 ")
            # The wall clock is believed where it is asked for.
            assert f" {year} " in (gate.get("/echo").one("date") or "")
    with connect(gate.http) as silent:
        assert until_closed(silent, 10) is not None
