"""
Signals, and what a service manager is told.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from _clients import connect
from _gate import Answer, GateProcess
from _origin import Conversation, Origin, response

StartGate = Callable[..., GateProcess]
both_planes = pytest.mark.parametrize("workers", [0, 2])


@contextmanager
def running_exchange(gate: GateProcess, origin: Origin) -> Iterator[tuple[threading.Event, list[Answer]]]:
    """
    An exchange that the origin has and does not answer before the event is set.
    """
    begun, let_go, answers = threading.Event(), threading.Event(), list[Answer]()

    def answer(conversation: Conversation) -> None:
        begun.set()
        let_go.wait(20)
        conversation.send(response(200, b"late"))

    origin.answer("/held", answer)
    asking = threading.Thread(target=lambda: answers.append(gate.get("/held")))
    asking.start()
    assert begun.wait(10)
    yield let_go, answers
    let_go.set()
    asking.join()


def refused(port: int) -> bool:
    """
    Is nobody listening?
    """
    try:
        connect(port).close()
    except (ConnectionRefusedError, ConnectionResetError):
        # Reset: the kernel had taken the connection, and the listener was closed over it.
        return True
    return False


def until(what: Callable[[], object], within: float = 15.0) -> None:
    """
    Wait for something.
    """
    end = time.monotonic() + within
    while not what():
        assert time.monotonic() < end, "not within the time allowed"
        time.sleep(0.05)


@both_planes
def test_sigterm_drains(start_gate: StartGate, origin: Origin, workers: int) -> None:
    """
    The running exchange is answered in full while no new client is taken; the exit status is 0.
    """
    gate = start_gate(origin.url, workers=workers)
    assert gate.process is not None
    with running_exchange(gate, origin) as (let_go, answers):
        gate.process.send_signal(signal.SIGTERM)
        until(lambda: refused(gate.admin))
        assert gate.process.poll() is None
        let_go.set()
        assert gate.process.wait(20) == 0
    assert [(each.status, each.content) for each in answers] == [(200, b"late")]
    assert refused(gate.https)


@both_planes
def test_a_second_sigterm_ends_at_once(start_gate: StartGate, origin: Origin, workers: int) -> None:
    """
    Whoever is in a hurry asks twice.
    """
    gate = start_gate(origin.url, workers=workers)
    assert gate.process is not None

    def ask() -> None:
        with connect(gate.http, timeout=30) as client:
            client.sendall(b"GET /silent HTTP/1.1\r\nHost: a\r\n\r\n")
            asked.set()
            with suppress(OSError):
                client.recv(1)

    asked, held = threading.Event(), threading.Event()
    origin.answer("/silent", lambda conversation: held.wait(20))
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    assert asked.wait(5)
    until(lambda: origin.requests_for("/silent"))
    gate.process.send_signal(signal.SIGTERM)
    until(lambda: refused(gate.admin))
    began = time.monotonic()
    gate.process.send_signal(signal.SIGTERM)
    gate.process.wait(20)
    assert time.monotonic() - began < 5
    held.set()


def test_the_drain_timeout_ends_what_does_not_end(start_gate: StartGate, origin: Origin) -> None:
    """
    An exchange that goes on for longer than --drain-timeout is cut, and the exit status is 0 all the same.
    """
    gate = start_gate(origin.url, workers=2, options=["--drain-timeout", "1"])
    held = threading.Event()
    origin.answer("/silent", lambda conversation: held.wait(20))
    with connect(gate.http) as client:
        client.sendall(b"GET /silent HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: origin.requests_for("/silent"))
        began = time.monotonic()
        assert gate.stop() == 0
        assert time.monotonic() - began < 10
    held.set()


@both_planes
def test_sigusr1_reopens_the_access_log(start_gate: StartGate, origin: Origin, workers: int) -> None:
    """
    After a rotation the lines of every process go to the new file, and none is lost.
    """
    gate = start_gate(origin.url, workers=workers)
    assert gate.process is not None
    moved = gate.access_log.with_suffix(".1")
    for number in range(6):
        assert gate.get(f"/before/{number}").status == 200
    gate.access_log.rename(moved)
    gate.process.send_signal(signal.SIGUSR1)
    until(gate.access_log.exists)
    until(lambda: "opened again" in gate.log())
    time.sleep(0.2)  # the writers' threads open it anew
    for number in range(6):
        assert gate.get(f"/after/{number}").status == 200
    until(lambda: gate.access_log.read_text().count("/after/") == 6)
    assert moved.read_text().count("/before/") == 6


@both_planes
def test_sighup_reads_the_configuration_again(
    start_gate: StartGate, origin: Origin, tmp_path: Path, workers: int
) -> None:
    """
    What --config pins is what the file says now; a file that cannot be served changes nothing and shows in the metrics.
    """
    config = tmp_path / "gate.toml"
    config.write_text('[[site]]\nname = "default"\nmax_body = 10\n')
    gate = start_gate(origin.url, workers=workers, options=["--config", str(config)])
    assert gate.process is not None

    def upload() -> int:
        return gate.request("POST", "/echo", content=b"x" * 20).status

    def successful() -> bool:
        return "\ntlsgate_config_last_reload_successful 1.0\n" in gate.call("GET", "/metrics").content.decode()

    assert upload() == 413
    config.write_text('[[site]]\nname = "default"\nmax_body = 100\n')
    gate.process.send_signal(signal.SIGHUP)
    until(lambda: upload() == 200)
    assert successful()
    config.write_text('[[site]]\nname = "default"\nmax_bodi = 5\n')
    gate.process.send_signal(signal.SIGHUP)
    until(lambda: not successful())
    assert upload() == 200
    assert "max_bodi" in gate.log()


@both_planes
@pytest.mark.parametrize("abstract", [False, True])
def test_the_service_manager_is_told(
    start_gate: StartGate, origin: Origin, tmp_path: Path, workers: int, abstract: bool
) -> None:
    """
    READY when all workers serve, WATCHDOG regularly, RELOADING with its time and READY again, STOPPING; a worker tells
    nothing.
    """
    name = f"tlsgate-test-{os.getpid()}-{workers}"
    path = f"\0{name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(15)
        environment = {"NOTIFY_SOCKET": f"@{name}" if abstract else path, "WATCHDOG_USEC": "1500000"}
        gate = start_gate(origin.url, workers=workers, environment=environment)
        assert gate.process is not None

        def heard(wanted: str) -> dict[str, str]:
            while True:
                said = dict(line.split("=", 1) for line in manager.recv(4096).decode().split("\n"))
                if wanted in said:
                    return said

        assert "serving generation 1" in heard("READY")["STATUS"]
        heard("WATCHDOG")
        heard("WATCHDOG")
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        gate.process.send_signal(signal.SIGHUP)
        reloading = heard("RELOADING")
        assert before <= int(reloading["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        heard("READY")
        gate.process.send_signal(signal.SIGTERM)
        heard("STOPPING")
        assert gate.process.wait(20) == 0
