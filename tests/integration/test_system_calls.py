"""
What one exchange may cost, in system calls of a real gate: a figure that does not depend on the clock.

A commit that makes an exchange dearer than its budget by more than 5 % fails here.  If the cost is worth it, the budget
is changed in the same commit, with the reason; if an exchange became cheaper, lower it.
"""

from __future__ import annotations

import re
import shutil
import signal
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from _clients import connect_tls
from _gate import GateProcess
from _origin import Origin, response

#: For each exchange of one client that waits for every answer, so that no event is shared: two reads of a TLS record
#: (its head, its content), one write of one; one send and one recv upstream; and for each of the two events the
#: reactor's epoll_wait and the hub's.
BUDGET = 9.0
EXCHANGES = 400
REQUEST = b"GET /counted HTTP/1.1\r\nHost: localhost\r\n\r\n"


def exchange(connection: ssl.SSLSocket, times: int) -> None:
    """
    One exchange after the other.
    """
    for _ in range(times):
        connection.sendall(REQUEST)
        answer = b""
        while not answer.endswith(b"counted"):
            piece = connection.recv(65536)
            assert piece, f"the connection ended after {answer!r}"
            answer += piece


@pytest.fixture
def strace() -> str:
    """
    The tracer, where it is there and the kernel lets a process trace another.
    """
    found = shutil.which("strace")
    if found is None:
        pytest.skip("strace is not installed")
    tried = subprocess.run([found, "-c", "true"], check=False, capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"strace may not trace here: {tried.stderr.strip()[-200:]}")
    return found


def counted(tracer: str, gate: GateProcess, summary: Path, work: Callable[[], None]) -> dict[str, int]:
    """
    The system calls of a gate, by name, while C{work} runs.
    """
    assert gate.process is not None
    command = [tracer, "-c", "-f", "-p", str(gate.process.pid), "-o", str(summary)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracing:
        try:
            assert tracing.stderr is not None
            told = tracing.stderr.readline()
            if "attached" not in told:
                pytest.skip(f"strace may not attach to a running process here: {told.strip()}")
            work()
        finally:
            tracing.send_signal(signal.SIGINT)
    # % time, seconds, usecs/call, calls, errors if there were any, name
    row = re.compile(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)\s*")
    lines = (row.fullmatch(line) for line in summary.read_text().splitlines())
    return {line[2]: int(line[1]) for line in lines if line and line[2] != "total"}


def test_an_exchange_makes_few_system_calls(
    strace: str, origin: Origin, start_gate: Callable[..., GateProcess], tmp_path: Path
) -> None:
    """
    On warm keep-alive connections, an exchange makes no more system calls than it is allowed.
    """
    origin.answers["/counted"] = response(200, b"counted")
    gate = start_gate(origin.url)
    with connect_tls(gate.https) as connection:
        exchange(connection, 20)
        calls = counted(strace, gate, tmp_path / "summary", lambda: exchange(connection, EXCHANGES))
    each = sum(calls.values()) / EXCHANGES
    assert each <= BUDGET * 1.05, f"{each} system calls for each exchange, where the budget is {BUDGET}: {calls}"
    assert each > BUDGET * 0.9, f"only {each} system calls: lower the budget, so that it goes on guarding: {calls}"
