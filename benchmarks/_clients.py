"""
Load that wrk cannot make: handshakes that are really full or really resumed, connections that are held, exchanges
that notice a closed connection, WebSocket echoes.  Runs as a process of its own on the load's core and prints JSON.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import resource
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ._load import OPENSSL_CONFIGURATION
from ._processes import Unavailable

__all__ = ["ClientProcess", "client", "run_client"]

REQUEST = b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: %b\r\n\r\n"
Seen = dict[str, float]
T = TypeVar("T")


class ClientProcess:
    """
    One of the modes below, running.
    """

    def __init__(self, folder: Path, core: str, mode: str, port: int, **options: object) -> None:
        configuration = folder / "client-openssl.cnf"
        configuration.write_text(OPENSSL_CONFIGURATION)
        words = [f"--{name}={value}" for name, value in options.items()]
        self.process = subprocess.Popen(
            ["taskset", "--cpu-list", core, sys.executable, "-m", __name__, mode, str(port), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
            env={**os.environ, "OPENSSL_CONF": str(configuration)},
        )

    def line(self) -> Seen:
        """
        The next result.

        @raise Unavailable: the client ended without one.
        """
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        if not text:
            raise Unavailable(f"the client ended with status {self.process.wait()}")
        seen: Seen = json.loads(text)
        return seen

    def last(self) -> Seen:
        """
        Tell it that enough was measured; its last result.
        """
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.line()

    def stop(self) -> None:
        """
        Tell it that enough was measured, and wait for its end.
        """
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def client(folder: Path, core: str, mode: str, port: int, **options: object) -> Iterator[ClientProcess]:
    """
    A client for as long as the block runs.
    """
    running = ClientProcess(folder, core, mode, port, **options)
    try:
        yield running
    finally:
        running.stop()


def run_client(folder: Path, core: str, mode: str, port: int, **options: object) -> Seen:
    """
    Run a client to its end.
    """
    with client(folder, core, mode, port, **options) as running:
        return running.line()


# -- in the client's own process


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _connect(context: ssl.SSLContext, port: int, name: str, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
    return context.wrap_socket(_connect_plain(port), server_hostname=name, session=session)


def _connect_plain(port: int) -> socket.socket:
    plain = socket.create_connection(("127.0.0.1", port), timeout=30)
    # The handshake's last flight and the request are two writes: together they would wait for a delayed ACK.
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return plain


def _threads(number: int, target: Callable[[], None]) -> None:
    running = [threading.Thread(target=target) for _ in range(number)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def handshakes(chosen: argparse.Namespace) -> Seen:
    """
    Connect, ask for one small answer, close; over and over.  With C{--resume} every connection but the first of a
    thread offers the session of the one before.
    """
    seen = {"count": 0.0, "resumed": 0.0, "failures": 0.0}
    lock = threading.Lock()
    end = time.monotonic() + chosen.seconds

    def work() -> None:
        context, session = _context(), None
        while time.monotonic() < end:
            name = chosen.name.format(random.randrange(chosen.names)) if chosen.names else chosen.name
            try:
                with _connect(context, chosen.port, name, session) as connection:
                    connection.sendall(REQUEST % (b"/hello", b"close"))
                    answer = b"".join(iter(lambda: _read(connection), b""))
                    reused = bool(connection.session_reused)
                    # TLS 1.3 sends tickets after the handshake: only now there is one.
                    session = connection.session if chosen.resume else None
                good = answer.startswith(b"HTTP/1.1 200")
            except OSError:
                good, reused = False, False
            with lock:
                seen["count"] += good
                seen["resumed"] += reused
                seen["failures"] += not good

    _threads(chosen.connections, work)
    return seen


def _read(connection: ssl.SSLSocket) -> bytes:
    try:
        return connection.recv(65536)
    except ssl.SSLEOFError:
        # Closed without close_notify; the answer's length was checked by its status line only.
        return b""


def hold(chosen: argparse.Namespace) -> Seen:
    """
    Open connections, use each once, keep them open until standard input ends.  The client forgets its own TLS state
    at once: thousands of them would need more memory than the proxy that is measured.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    context, held = _context(), []
    for _ in range(chosen.connections):
        plain = _connect_plain(chosen.port)
        inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(inward, outward, server_hostname=chosen.name)
        _pump(plain, inward, outward, tls.do_handshake)
        tls.write(REQUEST % (b"/hello", b"keep-alive"))
        answer = b""
        while not answer.endswith(b"world\n"):
            answer += _pump(plain, inward, outward, tls.read)
        held.append(plain)
    print(json.dumps({"held": len(held)}), flush=True)
    sys.stdin.read()
    ends = select.poll()
    for plain in held:
        ends.register(plain, select.POLLRDHUP)
    return {"closed": float(len(ends.poll(0)))}


def _pump(plain: socket.socket, inward: ssl.MemoryBIO, outward: ssl.MemoryBIO, step: Callable[[], T]) -> T:
    while True:
        try:
            result = step()
        except ssl.SSLWantReadError:
            if outward.pending:
                plain.sendall(outward.read())
            got = plain.recv(65536)
            if not got:
                raise OSError("closed") from None
            inward.write(got)
        else:
            if outward.pending:
                plain.sendall(outward.read())
            return result


def steady(chosen: argparse.Namespace) -> Seen:
    """
    A few clients that never hurry, until standard input ends or time is up: exchanges over kept connections with pauses,
    now and then a new connection.  Counts failed exchanges and connections that were closed under the client.
    """
    seen = {"requests": 0.0, "failures": 0.0, "closed": 0.0}
    lock = threading.Lock()
    end = time.monotonic() + chosen.seconds
    targets = chosen.targets.split(",")

    def count(what: str) -> None:
        with lock:
            seen[what] += 1

    def work() -> None:
        context, number = _context(), 0
        connection: http.client.HTTPSConnection | None = None
        while time.monotonic() < end and not select.select([sys.stdin], [], [], 0)[0]:
            number += 1
            if connection is not None and connection.sock is not None and _ended(connection.sock):
                count("closed")
                connection.close()
                connection = None
            elif number % 200 == 0 and connection is not None:
                connection.close()
                connection = None
            if connection is None:
                connection = http.client.HTTPSConnection("localhost", chosen.port, timeout=30, context=context)
            try:
                connection.request("GET", targets[number % len(targets)])
                answer = connection.getresponse()
                whole = len(answer.read()) == int(answer.headers["Content-Length"] or -1)
                count("requests" if answer.status == 200 and whole else "failures")
            except (OSError, http.client.HTTPException):
                count("failures")
                connection.close()
                connection = None
            time.sleep(chosen.pause)

    _threads(chosen.connections, work)
    return seen


def _ended(connection: socket.socket) -> bool:
    """
    Did the peer end an idle connection?  Tickets that arrive late are no end.
    """
    if not select.select([connection], [], [], 0)[0]:
        return False
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except (ssl.SSLWantReadError, BlockingIOError):
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(30)


def websocket(chosen: argparse.Namespace) -> Seen:
    """
    Send a small frame over an upgraded connection, wait for its echo, again.
    """
    seen = {"messages": 0.0, "failures": 0.0}
    lock = threading.Lock()
    end = time.monotonic() + chosen.seconds
    # A masked text frame of 100 bytes, mask zero.
    frame = b"\x81\xe4\x00\x00\x00\x00" + b"x" * 100

    def work() -> None:
        messages = 0
        try:
            with _connect(_context(), chosen.port, chosen.name) as connection:
                connection.sendall(
                    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
                )
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += connection.recv(1) or b"\r\n\r\n"
                if not head.startswith(b"HTTP/1.1 101"):
                    raise OSError(head)
                while time.monotonic() < end:
                    connection.sendall(frame)
                    left = len(frame)
                    while left:
                        got = connection.recv(left)
                        if not got:
                            raise OSError("closed")
                        left -= len(got)
                    messages += 1
        except OSError:
            with lock:
                seen["failures"] += 1
        with lock:
            seen["messages"] += messages

    _threads(chosen.connections, work)
    return seen


MODES = {"handshakes": handshakes, "hold": hold, "steady": steady, "websocket": websocket}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("port", type=int)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--name", default="localhost")
    parser.add_argument("--names", type=int, default=0)
    parser.add_argument("--targets", default="/hello")
    parser.add_argument("--pause", type=float, default=0.005)
    parser.add_argument("--resume", type=int, default=0)
    chosen = parser.parse_args()
    print(json.dumps(MODES[chosen.mode](chosen)), flush=True)


if __name__ == "__main__":
    main()
