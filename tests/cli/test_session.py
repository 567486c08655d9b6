"""
How a command reaches the gate, in a process of its own.
"""

import subprocess
import sys
import time
from pathlib import Path

TLSGATE = Path(sys.executable).with_name("tlsgate")


def tlsgate(*words):
    return subprocess.run([TLSGATE, *map(str, words)], check=False, capture_output=True, text=True, timeout=60)


def test_not_reachable(tmp_path) -> None:
    """
    No socket, nobody behind a socket, nobody at a port: exit status 3 and one line that says so.
    """
    stale = tmp_path / "stale"
    stale.mkdir()
    (stale / "admin.sock").touch()
    for options in (["--state", tmp_path / "none"], ["--state", stale], ["--url", "https://127.0.0.1:1"]):
        ran = tlsgate(*options, "status")
        assert (ran.returncode, ran.stdout) == (3, "")
        assert ran.stderr.startswith("tlsgate: ")
        assert ran.stderr.count("\n") == 1


def test_usage(tmp_path) -> None:
    """
    What cannot be meant: exit status 2.
    """
    assert tlsgate("nonsense").returncode == 2
    assert tlsgate("--url", "http://127.0.0.1:1", "status").returncode == 2
    (tmp_path / "ca.pem").write_text("no certificate")
    assert tlsgate("--url", "https://127.0.0.1:1", "--cacert", tmp_path / "ca.pem", "status").returncode == 2


def test_help_is_quick() -> None:
    """
    Help imports neither Twisted nor pydantic.
    """
    code = "import sys, tlsgate.cli; print(*(name for name in ('twisted', 'pydantic', 'rich') if name in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (0, "\n"), ran.stderr
    begin = time.monotonic()
    ran = tlsgate("--help")
    # Generous: the machine may be busy; the import test above is the one that counts.
    assert (ran.returncode, time.monotonic() - begin < 5) == (0, True)
    assert "recover" in ran.stdout
