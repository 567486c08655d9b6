"""
A short soak: every kind of traffic at once, while certificates are swapped and settings change.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = 10

#: Kinds of traffic that surely end an exchange within that time.
BUSY = ("kept", "new", "upload", "download", "tunnel", "aborted")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_nothing_fails_and_nothing_grows(workers: int, tmp_path: Path) -> None:
    """
    No exchange fails, no connection is closed, no tunnel ends, and memory and descriptors stay where they were after
    the warm-up, whether or not there is a supervisor.
    """
    first, *others = sorted(os.sched_getaffinity(0))
    command = [sys.executable, "-m", "benchmarks", "soak", f"--seconds={SECONDS}", f"--workers={workers}"]
    command += [f"--output={tmp_path}", f"--proxy-cores={first}", f"--load-core={others[0] if others else first}"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], check=False, capture_output=True, text=True, timeout=150
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    document = json.loads((tmp_path / "soak.json").read_text())
    seen = document["rows"][f"{workers} workers"]["gate"]["rounds"][0]["more"]
    assert seen["failures"] == 0, told
    assert seen["closed"] == 0, told
    assert seen["swaps"] >= 2, told
    for kind in BUSY:
        assert seen[kind] > 0, f"{kind}: nothing done\n{told}"
    # The traffic itself opens and closes; what leaks does so at every exchange.
    assert seen["descriptors grown"] < 30, told
    assert seen["memory grown MB"] < 16, told
