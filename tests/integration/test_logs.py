"""
The gate's own log as an operator has it: of a daemon, in a file, with the lines of all processes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from _gate import GateProcess


def until(what: Callable[[], object], within: float = 20.0) -> None:
    """
    Wait for something.
    """
    end = time.monotonic() + within
    while not what():
        assert time.monotonic() < end, "not within the time allowed"
        time.sleep(0.05)


class Daemon(GateProcess):
    """
    A gate that twistd puts into the background.
    """

    pid = 0

    def command(self) -> list[str]:
        """
        As an init script does it.
        """
        words = super().command()
        words[words.index("-n") : words.index("tlsgate")] = [
            *("--pidfile", str(self.folder / "gate.pid"), "--logfile", str(self.folder / "gate.log")),
        ]
        return words

    def begin(self) -> None:
        """
        Start it; the command ends when the daemon is on its own.
        """
        subprocess.run(self.command(), check=True, cwd=self.folder, timeout=30)
        until((self.folder / "gate.pid").exists)
        self.pid = int((self.folder / "gate.pid").read_text())

    def events(self) -> list[dict[str, Any]]:
        """
        The lines of its log that are objects.
        """
        path = self.folder / "gate.log"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """
    Its access log cannot be written, so that every worker that was asked something has something to say.
    """
    initial = '[log]\nlevel = "warn"\nformat = "json"\n'
    running = Daemon(tmp_path, None, workers=2, initial=initial, options=["--access-log", "/dev/full"])
    running.begin()
    yield running
    os.kill(running.pid, signal.SIGTERM)
    until(lambda: not (tmp_path / "gate.pid").exists())


def test_lines_of_a_daemon(daemon: Daemon) -> None:
    """
    As severe and in the form that the settings say, those of every worker too; a change of that is heard by all, and
    SIGUSR1 opens the file anew.
    """

    def workers() -> set[int]:
        return {event["worker"] for event in daemon.events() if "worker" in event}

    def ready() -> bool:
        with suppress(OSError):
            return daemon.call("GET", "/readyz", token=None).status == 200
        return False

    def asked_and_told() -> bool:
        daemon.request("GET", "/", secure=False)
        return len(workers()) == 2

    until(ready)
    until(asked_and_told)
    victims = workers()
    assert {event["level"] for event in daemon.events()} == {"error"}
    changed = daemon.call("PATCH", "/api/v1/settings", {"log": {"level": "debug"}})
    assert changed.status == 200, changed
    (daemon.folder / "gate.log").rename(daemon.folder / "gate.log.1")
    os.kill(daemon.pid, signal.SIGUSR1)
    until(lambda: any("opened again" in event["message"] for event in daemon.events()))
    changed = daemon.call("PATCH", "/api/v1/settings", {"log": {"format": "text"}})
    assert changed.status == 200, changed
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    until(lambda: (daemon.folder / "gate.log").read_text().count(" ended: ") == 2)
    assert "#error] Worker " in (daemon.folder / "gate.log").read_text()
