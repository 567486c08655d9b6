"""
Tests for L{tlsgate.listeners._endpoint}.
"""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.selectreactor import SelectReactor
from twisted.trial.unittest import SynchronousTestCase

from tlsgate.interfaces import ApplyFailed
from tlsgate.listeners import EndpointAddress, ListeningSocket, address_of, open_listening_socket


class OpenTests(SynchronousTestCase):
    """
    Descriptions become sockets that listen.
    """

    def setUp(self) -> None:
        self.reactor = SelectReactor()

    def open(self, description: str, name: str = "x") -> ListeningSocket:
        opened = self.successResultOf(Deferred.fromCoroutine(open_listening_socket(self.reactor, description, name)))
        self.addCleanup(self.close, opened)
        return opened

    def close(self, opened: ListeningSocket) -> None:
        opened.close()
        self.reactor.runUntilCurrent()

    def refusal(self, description: str) -> ApplyFailed:
        failure = self.failureResultOf(
            Deferred.fromCoroutine(open_listening_socket(self.reactor, description, "x")), ApplyFailed
        )
        assert isinstance(failure.value, ApplyFailed)
        assert failure.value.subject == "binding x"
        assert description.partition(":")[0] in failure.value.detail
        return failure.value

    def test_tcp(self) -> None:
        """A tcp: endpoint listens, non-blocking, close-on-exec, known by its real port, and outside the reactor."""
        opened = self.open("tcp:0:interface=127.0.0.1")
        assert opened.port > 0
        assert opened.raw_address == ("127.0.0.1", opened.port)
        assert not opened.socket.getblocking()
        assert not os.get_inheritable(opened.fileno())
        assert not [reader for reader in self.reactor.getReaders() if hasattr(reader, "getHost")]
        with socket.create_connection(("127.0.0.1", opened.port)):
            accepted, _ = opened.socket.accept()
            accepted.close()

    def test_backlog(self) -> None:
        """The kernel holds far more than Twisted's 50 connections."""
        opened = self.open("tcp:0:interface=127.0.0.1:backlog=5")
        held = []
        for _ in range(60):
            client = socket.socket()
            client.settimeout(2)
            self.addCleanup(client.close)
            client.connect(("127.0.0.1", opened.port))
            held.append(client)
        assert len(held) == 60

    def test_ipv6(self) -> None:
        """An escaped IPv6 interface is bound."""
        if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
            return
        opened = self.open(r"tcp:0:interface=\:\:1")
        assert opened.socket.family == socket.AF_INET6
        assert opened.raw_address[0] == "::1"

    def test_unix(self) -> None:
        """A unix: endpoint makes the file with its mode, and close removes it."""
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name, "socket")
        opened = self.open(f"unix:{path}:mode=660")
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert opened.port == 0
        self.close(opened)
        assert not path.exists()

    def test_in_use(self) -> None:
        """A bound port is refused as port-in-use, in one sentence naming the endpoint."""
        opened = self.open("tcp:0:interface=127.0.0.1")
        refusal = self.refusal(f"tcp:{opened.port}:interface=127.0.0.1")
        assert refusal.code == "port-in-use"
        assert (
            refusal.detail == f"tcp:{opened.port}:interface=127.0.0.1 cannot be bound: the address is already in use."
        )

    def test_close_frees_the_port(self) -> None:
        """After close the port can be bound again at once."""
        opened = self.open("tcp:0:interface=127.0.0.1")
        description = f"tcp:{opened.port}:interface=127.0.0.1"
        self.close(opened)
        self.open(description)

    def test_nonsense(self) -> None:
        """What is no endpoint, or no address of this machine, is parameter-invalid."""
        for description in (
            "",
            "tcp:x",
            "tcp",
            "nothing:1",
            "tcp:99999",
            "tcp:0:interface=203.0.113.1",
            "unix:/nonexistent/folder/socket",
            "systemd:INET:index=7",
            "systemd:INET:name=missing",
            "systemd:NONSENSE:index=0",
            "tcp:0:surprise=1",
        ):
            assert self.refusal(description).code == "parameter-invalid", description


class InheritedTests(SynchronousTestCase):
    """
    Descriptors that another process passed.
    """

    def test_taken_over(self) -> None:
        """A listening descriptor serves as it is, and is made non-blocking and close-on-exec."""
        original = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(original.close)
        descriptor = os.dup(original.fileno())
        os.set_inheritable(descriptor, True)
        taken = ListeningSocket.from_descriptor(descriptor, "tcp:0")
        self.addCleanup(taken.close)
        assert taken.port == original.getsockname()[1]
        assert not taken.socket.getblocking()
        assert not os.get_inheritable(descriptor)

    def test_close_keeps_the_others_copy(self) -> None:
        """Closing an inherited socket leaves it listening where it came from."""
        original = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(original.close)
        ListeningSocket.from_descriptor(os.dup(original.fileno()), "tcp:0").close()
        socket.create_connection(original.getsockname()).close()

    def test_refused(self) -> None:
        """A file, a connected socket and a datagram socket are refused and stay open."""
        one, other = socket.socketpair()
        datagram = socket.socket(type=socket.SOCK_DGRAM)
        file = os.open(os.devnull, os.O_RDONLY)
        for descriptor in (one.fileno(), datagram.fileno(), file):
            with pytest.raises(ValueError, match="not a"):
                ListeningSocket.from_descriptor(descriptor, "tcp:0")
            os.fstat(descriptor)
        os.close(file)
        for sock in (one, other, datagram):
            sock.close()


SYSTEMD = """
import os, socket, sys
sock = socket.create_server(("127.0.0.1", 0))
os.dup2(sock.fileno(), 3)
path = sys.argv[1]
local = socket.socket(socket.AF_UNIX); local.bind(path); local.listen()
os.dup2(local.fileno(), 4)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="https:local")
from twisted.internet.selectreactor import SelectReactor
from tlsgate.listeners import open_listening_socket
def open_one(description):
    try:
        open_listening_socket(SelectReactor(), description).send(None)
    except StopIteration as done:
        return done.value
for _ in range(2):
    for description in ("systemd:INET:index=0", "systemd:INET:name=https", "systemd:UNIX:name=local"):
        opened = open_one(description)
        assert opened.port == (0 if "UNIX" in description else sock.getsockname()[1]), description
        assert not opened.socket.getblocking()
        opened.close()
assert os.path.exists(path)
os.fstat(3), os.fstat(4)
sys.stdout.write("fine")
"""


def test_systemd(tmp_path: Path) -> None:
    """Sockets of systemd are found by index and name, can be opened again after a close, and keep their files."""
    done = subprocess.run(
        [sys.executable, "-c", SYSTEMD, str(tmp_path / "s")], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.returncode) == ("fine", 0), done.stderr


@pytest.mark.parametrize(
    ("description", "address"),
    [
        ("tcp:8443", EndpointAddress("tcp", "", 8443)),
        ("tcp:port=8443:interface=0.0.0.0:backlog=7", EndpointAddress("tcp", "", 8443)),
        (r"tcp:8443:interface=\:\:1", EndpointAddress("tcp", "::1", 8443)),
        (r"tcp6:8443", EndpointAddress("tcp", "::", 8443)),
        ("unix:/run/a/../b:mode=660", EndpointAddress("unix", "/run/b")),
        (r"unix:/run/a\:b", EndpointAddress("unix", "/run/a:b")),
        ("systemd:INET:index=0", EndpointAddress("systemd", "0")),
        ("systemd:domain=INET6:name=https", EndpointAddress("systemd", "https")),
        ("onion:80", EndpointAddress("onion", "onion:80")),
    ],
)
def test_address_of(description: str, address: Any) -> None:
    """Descriptions of one address give one value."""
    assert address_of(description) == address
