"""
The life of the service: sockets that systemd passes, rights that are dropped, starts that fail.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from _certificates import make_pair
from _clients import connect, free_port
from _gate import GateProcess
from _origin import Origin

import tlsgate

StartGate = Callable[..., GateProcess]
both_planes = pytest.mark.parametrize("workers", [0, 2])

#: Becomes a command after arranging descriptors as systemd does: from 3 on, LISTEN_PID the command's own.
ACTIVATE = """
import fcntl, os, sys
count, *command = sys.argv[1:]
passed = [int(each) for each in os.environ.pop("PASSED").split(",")]
high = [fcntl.fcntl(each, fcntl.F_DUPFD, 100) for each in passed]
for number, each in enumerate(high, 3):
    os.dup2(each, number)
    os.close(each)
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = count
os.execv(command[0], command)
"""


class ActivatedGate(GateProcess):
    """
    A gate that is given its listening sockets, as a socket unit with C{FileDescriptorName=} does it.
    """

    passed: dict[str, socket.socket]

    def command(self) -> list[str]:
        """
        Started by a stand-in for systemd.
        """
        return [sys.executable, "-c", ACTIVATE, str(len(self.passed)), *super().command()]


@contextmanager
def listening() -> Iterator[socket.socket]:
    """
    A socket that somebody else keeps open.
    """
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen(1024)
        yield bound


@contextmanager
def activated(folder: Path, upstream: str, workers: int) -> Iterator[ActivatedGate]:
    """
    A gate on two passed sockets.
    """
    with listening() as plain, listening() as secure:
        for each in (plain, secure):
            each.set_inheritable(True)
        environment = {"PASSED": f"{plain.fileno()},{secure.fileno()}", "LISTEN_FDNAMES": "web:web-tls"}
        gate = ActivatedGate(
            folder,
            upstream,
            workers=workers,
            environment=environment,
            options=["--http", "systemd:domain=INET:name=web", "--https", "systemd:domain=INET:name=web-tls"],
        )
        gate.passed = {"web": plain, "web-tls": secure}
        gate.http, gate.https = plain.getsockname()[1], secure.getsockname()[1]
        yield gate
        if gate.process is not None and gate.process.poll() is None:
            gate.stop(timeout=10)


@pytest.fixture(autouse=True)
def passes_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Let the started process inherit what is marked as inheritable.
    """
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *words, **named: popen(*words, **{**named, "close_fds": False}))


@both_planes
def test_serves_on_sockets_that_systemd_passes(tmp_path: Path, origin: Origin, workers: int) -> None:
    """
    By name, plain and with TLS; a restart under load loses no connection: those that come meanwhile wait in the socket.
    """
    with activated(tmp_path, origin.url, workers) as gate:
        gate.start()
        assert gate.get().status == 200
        assert gate.request("GET", "/echo", secure=False).status == 200
        failed: list[BaseException] = []
        answered = 0
        done = threading.Event()

        def ask() -> None:
            nonlocal answered
            while not done.is_set():
                try:
                    assert gate.get().status == 200
                    assert gate.request("GET", "/echo", secure=False).status == 200
                    answered += 2
                except BaseException as reason:
                    failed.append(reason)
                    return

        asking = [threading.Thread(target=ask) for _ in range(2)]
        for each in asking:
            each.start()
        try:
            for _ in range(2):
                time.sleep(0.3)
                assert gate.stop(timeout=20) == 0
                gate.start()
            time.sleep(0.3)
        finally:
            done.set()
            for each in asking:
                each.join(30)
        assert failed == []
        assert answered > 10


def test_a_passed_socket_listens_on_after_the_gate(tmp_path: Path, origin: Origin) -> None:
    """
    A gate that has ended has not shut down what it was lent.
    """
    with activated(tmp_path, origin.url, 2) as gate:
        gate.start()
        assert gate.stop() == 0
        with connect(gate.http):
            pass


def test_a_start_that_fails_leaves_nothing_behind(start_gate: StartGate, origin: Origin, tmp_path: Path) -> None:
    """
    A second gate on the same state folder ends with status 1 and one line, and none of its workers stays.
    """
    gate = start_gate(origin.url, workers=0)
    second = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "tlsgate"),
            *("--state", str(gate.state), "--admin", "none", "--workers", "2"),
            *("--http", f"tcp:{free_port()}:interface=127.0.0.1", "--https", "none"),
        ],
        capture_output=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )
    assert second.returncode == 1
    told = [line for line in second.stderr.decode().splitlines() if line.startswith("tlsgate: ")]
    assert len(told) == 1
    assert "Traceback" not in second.stderr.decode() + second.stdout.decode()
    assert gate.get().status == 200
    # A worker's working folder is its supervisor's.
    assert [entry for entry in Path("/proc").glob("[0-9]*/cwd") if _points_to(entry, tmp_path)] == []


def _points_to(link: Path, folder: Path) -> bool:
    try:
        return link.readlink() == folder
    except OSError:
        return False


def test_no_process_dumps_core(start_gate: StartGate, origin: Origin) -> None:
    """
    There are keys in the memory of each; and each may open as many files as it is allowed to.
    """
    gate = start_gate(origin.url, workers=1)
    assert gate.process is not None
    processes = gate.call("GET", "/api/v1/status").json["workers"]["processes"]
    for pid in (gate.process.pid, *(each["pid"] for each in processes)):
        limits = {
            line[:26].strip(): line[26:].split()[:2] for line in Path(f"/proc/{pid}/limits").read_text().splitlines()
        }
        assert limits["Max core file size"] == ["0", "0"]
        soft, hard = limits["Max open files"]
        assert soft == hard


def _interpreters() -> list[str]:
    """
    One that another user may run too, if there are rights to become another.
    """
    wanted = "python{}.{}".format(*sys.version_info[:2])
    candidates = [Path(sys.executable), Path("/usr/bin") / wanted] if os.geteuid() == 0 else []
    return [
        str(each)
        for each in candidates
        if each.exists() and all(parent.stat().st_mode & 0o001 for parent in [each, *each.resolve().parents])
    ][:1]


@pytest.mark.parametrize("interpreter", _interpreters())
def test_binds_before_it_drops_its_rights(tmp_path: Path, origin: Origin, interpreter: str) -> None:
    """
    With --uid a port below 1024 can be bound, and what serves it has no rights any more; the state folder is the
    user's, and a change can be stored.
    """
    user = 65534
    # Others must be able to walk to the folder, as they can to /var/lib.
    for folder in [tmp_path, *tmp_path.parents][:4]:
        folder.chmod(folder.stat().st_mode | 0o011)
    paths = [str(Path(tlsgate.__file__).parents[1]), *(each for each in sys.path if each.endswith("site-packages"))]

    class Unprivileged(GateProcess):
        def command(self) -> list[str]:
            words = super().command()[1:]
            at = words.index("tlsgate")
            run = [interpreter, "-c", "from twisted.scripts.twistd import run; run()"]
            return [*run, *words[:at], "--uid", str(user), "--gid", str(user), *words[at:]]

    port = next(number for number in range(1023, 900, -1) if _is_free(number))
    gate = Unprivileged(
        tmp_path,
        origin.url,
        workers=2,
        options=["--http", f"tcp:{port}:interface=127.0.0.1"],
        environment={"PYTHONPATH": os.pathsep.join(paths)},
    )
    # The folder of the log is the user's business.
    gate.access_log = gate.state / "access.log"
    try:
        gate.start()
        gate.http = port
        assert gate.request("GET", "/echo", secure=False).status == 200
        assert gate.state.stat().st_uid == user
        status = gate.call("GET", "/api/v1/status")
        assert status.status == 200, (status, gate.log()[-3000:])
        processes = status.json["workers"]["processes"]
        assert gate.process is not None
        for pid in (gate.process.pid, *(each["pid"] for each in processes)):
            assert f"Uid:\t{user}\t{user}\t{user}\t{user}" in Path(f"/proc/{pid}/status").read_text()
        assert gate.upload(make_pair(tmp_path)).status == 200
    finally:
        if gate.process is not None:
            gate.stop(timeout=10)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
