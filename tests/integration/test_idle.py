"""
Thousands of idle TLS connections, held by a process of their own.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from _clients import connect_tls
from _gate import GateProcess
from _origin import Origin, response
from _process import descriptors, resident
from _raw import message, until

#: ``python -m benchmarks idle --count 10000`` holds more, and says what each costs.
CONNECTIONS = 1000
#: Bytes that an idle connection may hold; it takes about 25 KB.
MOST_MEMORY = 48 * 1024

GET = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextlib.contextmanager
def idle_crowd(port: int) -> Iterator[subprocess.Popen[str]]:
    """
    Clients that ask once and then keep their connections open until the block ends.
    """
    command = [sys.executable, "-m", "benchmarks._clients", "hold", str(port), f"--connections={CONNECTIONS}"]
    with subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as crowd:
        assert crowd.stdin is not None
        assert crowd.stdout is not None
        assert crowd.stdout.readline() == f'{{"held": {CONNECTIONS}}}\n'
        yield crowd
        crowd.stdin.close()
        assert crowd.stdout.read() == '{"closed": 0.0}\n'


def test_idle_connections_cost_little_and_disturb_nobody(
    start_gate: Callable[..., GateProcess], origin: Origin
) -> None:
    """
    The memory of each is bounded, others are answered, no idle one is closed, and what they held is given back: the
    next crowd needs no more.
    """
    origin.answers["/hello"] = response(200, b"hello world\n")
    gate = start_gate(origin.url)
    assert gate.process is not None
    pid = gate.process.pid
    with connect_tls(gate.https) as other:
        other.sendall(GET)
        assert message(other)[1] == b"hello world\n"
        before, memory = descriptors(pid), resident(pid)
        grown = []
        for _ in range(2):
            with idle_crowd(gate.https):
                grown.append(resident(pid) - memory)
                assert descriptors(pid) >= before + CONNECTIONS
                other.sendall(GET)
                assert message(other)[1] == b"hello world\n"
                assert gate.get("/hello").status == 200
            assert until(lambda: descriptors(pid) <= before + 5)
    assert grown[0] < CONNECTIONS * MOST_MEMORY
    assert grown[1] < grown[0] * 1.2
