"""
The container, as far as there is one without an engine.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / ".ci" / "containerfile"


def test_its_steps_make_something_that_serves(tmp_path: Path) -> None:
    """
    Everything that the Containerfile copies, runs and starts, in a folder: it becomes healthy, answers on both of its
    ports, is not root where it can be told, and ends in order.
    """
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / "image")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        # Nothing of this process may be what makes it work.
        env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert {"HEALTHCHECK: healthy", "EXPOSE 8080: answers 200", "EXPOSE 8443: answers 200"} <= set(said)
    assert "STOPSIGNAL SIGTERM: ended with 0" in said
    assert any("without capabilities" in line or "no user and network of its own" in line for line in said)
