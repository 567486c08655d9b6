"""
Processes that are pinned to a core, measured with their children, and ended by their id.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

__all__ = ["ProcessTree", "Unavailable", "free_port", "wait_for_port"]

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Unavailable(Exception):
    """
    A peer, a program or a feature is not there; reported in the table, never fatal.
    """


def free_port() -> int:
    """
    A TCP port on loopback that nobody listens on now.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, process: ProcessTree, timeout: float = 30.0) -> None:
    """
    Return when something listens on the port.

    @raise Unavailable: the process ended, or nothing listened in time.
    """
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        process.check()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise Unavailable(f"{process.name} did not listen within {timeout:.0f} s: {process.tail()}")


class ProcessTree:
    """
    A program and all that it starts, in a session of its own.

    @ivar log: the file that takes its standard output and error.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        cores: str,
        log: Path,
        environment: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        try:
            with log.open("ab") as output:
                self.process = subprocess.Popen(
                    ["taskset", "--cpu-list", cores, *command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=cwd,
                    env=None if environment is None else {**os.environ, **environment},
                    start_new_session=True,
                )
        except OSError as error:
            raise Unavailable(f"{name}: {error}") from error

    def __enter__(self) -> ProcessTree:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def check(self) -> None:
        """
        @raise Unavailable: it ended.
        """
        if self.process.poll() is not None:
            raise Unavailable(f"{self.name} ended with status {self.process.returncode}: {self.tail()}")

    def tail(self) -> str:
        """
        The end of what it printed.
        """
        return self.log.read_text(errors="replace")[-600:].strip()

    def stop(self, timeout: float = 10.0) -> None:
        """
        End it: SIGTERM, then SIGKILL to its own process group.
        """
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def pids(self) -> list[int]:
        """
        The process and its living descendants.
        """
        children: dict[int, list[int]] = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and (fields := _stat(int(folder.name))):
                children.setdefault(int(fields[1]), []).append(int(folder.name))
        found = [self.process.pid]
        for pid in found:
            found.extend(children.get(pid, ()))
        return found

    def cpu_seconds(self) -> float:
        """
        User and system time so far, of every thread of every process of the tree, ended children included.
        """
        ticks = 0
        for pid in self.pids():
            if fields := _stat(pid):
                # utime, stime, and the same of children that were waited for.
                ticks += sum(map(int, fields[11:15]))
        return ticks / TICKS_PER_SECOND

    def memory(self) -> int:
        """
        Resident bytes of the tree, pages shared inside it counted once (proportional set size).
        """
        return sum(_kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") for pid in self.pids()) * 1024

    def descriptors(self) -> int:
        """
        Open descriptors of the tree.
        """
        return sum(_entries(f"/proc/{pid}/fd") for pid in self.pids())


def _entries(folder: str) -> int:
    try:
        return len(os.listdir(folder))  # noqa: PTH208 (counted, not walked)
    except OSError:
        return 0


def _stat(pid: int) -> list[str]:
    """
    The fields of /proc/PID/stat from the state on; empty when the process is gone.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return []


def _kilobytes(path: Path, label: str) -> int:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(label))
