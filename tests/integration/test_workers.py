"""
Worker processes: changes reach all of them, and the end of one costs its own connections only.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from _certificates import make_pair
from _clients import connect, connect_tls, served_fingerprint
from _gate import GateProcess
from _origin import Origin

StartGate = Callable[..., GateProcess]


@pytest.fixture(scope="module")
def pair_gate(module_origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GateProcess]:
    """
    A gate with two workers, whose environment holds something that is nobody's business.
    """
    gate = GateProcess(
        tmp_path_factory.mktemp("workers"), module_origin.url, workers=2, environment={"TLSGATE_TEST_SECRET": "hunter2"}
    )
    yield gate.start()
    gate.stop(timeout=10)


def workers(gate: GateProcess) -> dict[int, int]:
    """
    Process number of each worker, and the generation it serves.
    """
    shown = gate.call("GET", "/api/v1/status").json["workers"]
    return {process["pid"]: process["generation"] for process in shown["processes"]}


def eventually(what: Callable[[], Any], within: float = 15.0) -> Any:
    """
    What is true before long.
    """
    end = time.monotonic() + within
    while not (found := what()):
        assert time.monotonic() < end, "not within the time allowed"
        time.sleep(0.05)
    return found


def is_running(pid: int) -> bool:
    """
    Is it a process that has not ended?
    """
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except FileNotFoundError:
        return False


def counted(gate: GateProcess) -> float:
    """
    Requests that all workers have counted.
    """
    text = gate.call("GET", "/metrics").content.decode()
    return sum(
        float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith("tlsgate_http_requests_total{")
    )


def test_status_and_metrics_tell_of_every_worker(pair_gate: GateProcess) -> None:
    """
    Two workers are reported, none of them the supervisor, each with its memory; requests are counted once.
    """
    gate = pair_gate
    assert gate.process is not None
    before = counted(gate)
    for _ in range(10):
        assert gate.get().status == 200
    eventually(lambda: counted(gate) == before + 10)
    assert len(workers(gate)) == 2
    assert gate.process.pid not in workers(gate)
    text = gate.call("GET", "/metrics").content.decode()
    assert "\ntlsgate_workers 2.0\n" in text
    assert text.count("\ntlsgate_worker_memory_bytes{") == 2


def test_workers_know_no_secret_of_the_environment(pair_gate: GateProcess) -> None:
    """
    What the supervisor's environment holds for the settings does not reach the processes that read strangers' bytes.
    """
    for pid in workers(pair_gate):
        assert b"hunter2" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_an_upload_is_served_by_all_when_it_is_answered(pair_gate: GateProcess, tmp_path: Path) -> None:
    """
    Not one handshake after the answer shows the old certificate, and open connections go on.
    """
    gate = pair_gate
    with gate.connection() as kept:
        kept.request("GET", "/echo")
        assert kept.getresponse().read()
        for _ in range(3):
            pair = make_pair(tmp_path)
            answer = gate.upload(pair)
            assert answer.status == 200
            assert answer.json["workers"] == {"serving": 2, "total": 2}
            assert {served_fingerprint(gate.https) for _ in range(12)} == {pair.fingerprint}
        kept.request("GET", "/echo")
        assert kept.getresponse().status == 200


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_is_dead_or_hangs_is_replaced(pair_gate: GateProcess, tmp_path: Path, how: int) -> None:
    """
    Another serves the current generation in its place, connections to the other worker are not touched, and no count
    goes back.
    """
    gate = pair_gate
    current = gate.upload(make_pair(tmp_path)).json["generation"]
    before = workers(gate)
    count = counted(gate)
    victim = min(before)
    os.kill(victim, how)
    eventually(lambda: not is_running(victim))
    eventually(lambda: victim not in (found := workers(gate)) and list(found.values()) == [current, current])
    for _ in range(10):
        assert gate.get().status == 200
    assert counted(gate) >= count


def test_a_change_waits_for_a_replacement(pair_gate: GateProcess, tmp_path: Path) -> None:
    """
    An upload while a worker hangs is answered when the one in its place serves it too.
    """
    gate = pair_gate
    os.kill(min(workers(gate)), signal.SIGSTOP)
    pair = make_pair(tmp_path)
    answer = gate.upload(pair)
    assert answer.status == 200, answer
    assert answer.json["workers"] == {"serving": 2, "total": 2}
    assert {served_fingerprint(gate.https) for _ in range(8)} == {pair.fingerprint}


def test_requests_go_on_while_workers_are_killed(pair_gate: GateProcess) -> None:
    """
    A client that asks again after a broken connection is answered, however many workers are killed one after another.
    """
    gate = pair_gate
    failed: list[BaseException] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                assert gate.get().status == 200
            except OSError:
                try:
                    assert gate.get().status == 200
                except BaseException as reason:
                    failed.append(reason)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(3):
            victim = max(workers(gate))
            os.kill(victim, signal.SIGKILL)
            eventually(lambda victim=victim: victim not in (found := workers(gate)) and 0 not in found)
    finally:
        done.set()
        asking.join()
    assert failed == []


@pytest.mark.parametrize("paused", [False, True])
def test_no_worker_outlives_the_supervisor(start_gate: StartGate, origin: Origin, paused: bool) -> None:
    """
    Killed without a word, the supervisor takes its workers with it, and the ports are free.
    """
    gate = start_gate(origin.url, workers=2)
    assert gate.process is not None
    pids = list(workers(gate))
    if paused:
        # The supervisor alone may be stopped for long: its workers go on serving.
        os.kill(gate.process.pid, signal.SIGSTOP)
        for _ in range(4):
            assert gate.get().status == 200
    gate.process.kill()
    gate.process.wait()
    eventually(lambda: not any(map(is_running, pids)), within=5)
    with pytest.raises(ConnectionRefusedError):
        connect_tls(gate.https)


def test_a_limit_holds_for_all_workers(start_gate: StartGate, origin: Origin) -> None:
    """
    Clients of one address are counted together, whichever worker has them; those that leave make room.
    """
    gate = start_gate(origin.url, workers=2, initial="[limits]\nconnections_per_address = 6\n")

    def come() -> socket.socket:
        # Not from where the gate's own looks at its bindings come.
        return connect(gate.http, address="127.0.0.9")

    def status() -> bytes:
        with come() as client, suppress(OSError):
            client.sendall(b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return client.recv(12)
        return b""

    with ExitStack() as crowd:
        for _ in range(6):
            client = crowd.enter_context(come())
            client.sendall(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 200"
        eventually(lambda: status() == b"HTTP/1.1 503")
        assert b"HTTP/1.1 200" not in {status() for _ in range(20)}
    eventually(lambda: status() == b"HTTP/1.1 200")


def test_no_worker_asks_a_server_that_another_ejected(start_gate: StartGate, origin: Origin) -> None:
    """
    One failure is enough for all of them.
    """
    asked: list[bytes] = []

    def break_off() -> None:
        with suppress(OSError):
            while True:
                connection, _ = broken.accept()
                asked.append(connection.recv(1))
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as broken:
        breaking = threading.Thread(target=break_off)
        breaking.start()
        gate = start_gate(
            None,
            workers=2,
            initial='[[upstream]]\nname = "app"\nselection = "round-robin"\n'
            f'servers = [{{ url = "{origin.url}" }}, {{ url = "http://127.0.0.1:{broken.getsockname()[1]}" }}]\n'
            "health = { failures = 1, eject_for = 600 }\n"
            '[[site]]\nname = "default"\nhosts = ["*"]\nupstream = "app"\n',
        )
        while not asked:
            gate.get("/echo")
        for _ in range(2):
            # Each worker answers this after what it was told before: first the news reach the supervisor, then the other.
            assert gate.call("GET", "/api/v1/status").status == 200
        assert {gate.get("/echo").status for _ in range(20)} == {200}
        broken.shutdown(socket.SHUT_RDWR)
        breaking.join()
    assert len(asked) == 1
