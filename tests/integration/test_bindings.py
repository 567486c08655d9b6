"""
Bindings that come, move and go while everything else is in use.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from _clients import connect_tls, free_port, unverified
from _gate import Answer, GateProcess
from _raw import Stage, exactly, head_of, site, upstream

UPGRADE = b"GET /t HTTP/1.1\r\nHost: raw\r\nConnection: Upgrade\r\nUpgrade: other/1\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other/1\r\n\r\n"


def tunnelling(connection: socket.socket, number: int) -> None:
    """
    Switch, then say everything back.
    """
    head_of(connection)
    connection.sendall(SWITCH)
    while said := connection.recv(4096):
        connection.sendall(said)


@pytest.fixture(params=[0, 2])
def gate(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GateProcess]:
    """
    A gate in front of the demo application, and of tunnels at the host C{raw}.
    """
    with Stage.open() as stage:
        stage.play(tunnelling)
        initial = (
            site("raw", "raw") + upstream("raw", stage.url) + site("default", "app", "*") + upstream("app", "demo:")
        )
        running = GateProcess(tmp_path, None, workers=request.param, initial=initial).start()
        yield running
        running.stop(timeout=10)


class Load:
    """
    New connections to an address, one after another, and what became of them.
    """

    def __init__(self, host: str, port: int) -> None:
        self.failed: list[str] = []
        self.done = 0
        self._address = (host, port)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                status = ask(*self._address)
            except OSError as reason:
                self.failed.append(repr(reason))
            else:
                if status != 200:
                    self.failed.append(str(status))
                self.done += 1


def ask(host: str, port: int) -> int:
    connection = http.client.HTTPSConnection(host, port, timeout=20, context=unverified())
    with contextlib.closing(connection):
        connection.request("GET", "/", headers={"Host": "localhost"})
        return connection.getresponse().status


def is_refused(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def put(gate: GateProcess, endpoint: str) -> Answer:
    return gate.call("PUT", "/api/v1/bindings/more", {"name": "more", "scheme": "https", "endpoint": endpoint})


def tunnel(gate: GateProcess) -> ssl.SSLSocket:
    connection = connect_tls(gate.https)
    connection.sendall(UPGRADE)
    assert b" 101 " in head_of(connection)
    return connection


def test_bindings_come_move_and_go(gate: GateProcess) -> None:
    """
    A binding is added, moved to another port and to other interfaces of the same port and back, and removed.  Its own
    connections and those of other bindings go on, and no request to another binding fails meanwhile.
    """
    first, second = free_port(), free_port()
    kept = http.client.HTTPSConnection("127.0.0.1", gate.https, timeout=20, context=unverified())
    with contextlib.closing(kept), tunnel(gate) as through, Load("127.0.0.1", gate.https) as load:
        kept.request("GET", "/")
        kept.getresponse().read()
        mine = kept.sock

        assert put(gate, f"tcp:{first}:interface=127.0.0.1").status == 201
        assert ask("127.0.0.1", first) == 200
        moving = http.client.HTTPSConnection("127.0.0.1", first, timeout=20, context=unverified())
        with contextlib.closing(moving):
            moving.request("GET", "/")
            moving.getresponse().read()
            own = moving.sock

            assert put(gate, f"tcp:{second}:interface=127.0.0.1").status == 200
            assert is_refused("127.0.0.1", first)
            assert ask("127.0.0.1", second) == 200

            wide = put(gate, f"tcp:{second}")
            assert wide.status == 200
            assert ask("127.0.0.2", second) == ask("127.0.0.1", second) == 200
            assert put(gate, f"tcp:{second}:interface=127.0.0.2").status == 200
            assert ask("127.0.0.2", second) == 200
            assert is_refused("127.0.0.1", second)

            with socket.create_server(("127.0.0.1", 0)) as foreign:
                taken = foreign.getsockname()[1]
                before = gate.call("GET", "/api/v1/status").json["generation"]
                refused = put(gate, f"tcp:{taken}")
                assert (refused.status, refused.code, refused.json["subject"]) == (409, "port-in-use", "binding more")
                assert ask("127.0.0.2", second) == 200
                assert gate.call("GET", "/api/v1/status").json["generation"] == before

            assert gate.call("POST", f"/api/v1/generations/{wide.json['generation']}/rollback").status == 200
            assert ask("127.0.0.2", second) == ask("127.0.0.1", second) == 200

            moving.request("GET", "/")
            assert moving.getresponse().read()
            assert moving.sock is own
        assert gate.call("DELETE", "/api/v1/bindings/more").status == 200
        assert is_refused("127.0.0.2", second)

        kept.request("GET", "/")
        assert kept.getresponse().read()
        assert kept.sock is mine
        through.sendall(b"still here")
        assert exactly(through, 10) == b"still here"
    assert load.failed == []
    assert load.done
