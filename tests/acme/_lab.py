"""
A gate in this process, in front of nothing, whose certificates come from a real Pebble.
"""

from __future__ import annotations

import secrets
import shutil
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest
from _pebble import MISSING, Pebble
from cryptography import x509
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tlsgate.acme import FINAL, Acme, Limits, Order, OrderRequest, make_acme
from tlsgate.changes import Changes, first_generation
from tlsgate.counters import Counters
from tlsgate.downstream import AccessLog
from tlsgate.gate import Gate
from tlsgate.settings import FileStore, Pins
from tlsgate.transport import make_hub

__all__ = ["AcmeTestCase", "Lab", "asked"]


def asked(*names: str, name: str = "web", **more: Any) -> OrderRequest:
    """
    What a person asks for: everything that is not said comes from the settings.
    """
    return OrderRequest(**{"name": name, "names": names, "challenge": "", "key_type": "", "agree_terms": True, **more})


class Lab:
    """
    A state folder, and a gate over it that can end and begin again.

    @ivar offset: by how much the gate's clock is wrong, seconds.
    @ivar events: what it told of orders.
    """

    def __init__(self, folder: Path, pebble: Pebble, **settings: Any) -> None:
        self.folder = folder
        self.pebble = pebble
        self.http_port, self.tls_port = pebble.http_port, pebble.tls_port
        self.offset = 0.0
        self.limits: Mapping[str, Limits] = {}
        self.patience = 5.0
        self.events: list[Mapping[str, Any]] = []
        self.settings = {
            "directory": pebble.directory,
            "ca_file": str(pebble.ca_file),
            "dns_resolver": pebble.dns,
            "http_01_port": pebble.http_port,
            "dns_wait": 0,
            **settings,
        }
        self.plain = True
        self._waiting: list[tuple[str, Deferred[str]]] = []

    def wall(self) -> float:
        return time.time() + self.offset

    def document(self) -> dict[str, Any]:
        binding = {"name": "https", "scheme": "https", "endpoint": f"tcp:{self.tls_port}:interface=127.0.0.1"}
        plain = {"name": "http", "scheme": "http", "endpoint": f"tcp:{self.http_port}:interface=127.0.0.1"}
        return {
            "binding": [binding, *([plain] if self.plain else [])],
            "site": [{"name": "default", "hosts": ["*"], "upstream": "app", "redirect": {"mode": "all"}}],
            "upstream": [{"name": "app", "servers": [{"url": "http://127.0.0.1:9"}]}],
            "acme": self.settings,
        }

    async def start(self) -> Acme:
        from twisted.internet import reactor

        self.store = FileStore(self.folder)
        self.store.open()
        self.hub = make_hub(reactor)
        self.hub.start()
        counters = Counters()
        self.log = AccessLog(None, "combined", reactor, counters)
        self.gate = Gate(self.hub, access_log=self.log, counters=counters, identity=f"tests-{secrets.token_hex(4)}")
        self.changes = Changes(
            store=self.store,
            pins=Pins(),
            data_plane=self.gate,
            clock=reactor,
            first=lambda now: first_generation(self.document(), now, ["localhost"]),
            wall=self.wall,
        )
        await self.changes.start()
        self.acme = make_acme(
            reactor=reactor,
            changes=self.changes,
            data_plane=self.gate,
            state=self.folder,
            publish=self.told,
            wall=self.wall,
            random=Random(1),
            limits=self.limits,
            patience=self.patience,
        )
        await self.acme.start()
        return self.acme

    def told(self, kind: str, content: Mapping[str, Any]) -> None:
        assert kind == "order"
        self.events.append(content)
        for state, waiting in list(self._waiting):
            if content["state"] in (state, *FINAL):
                self._waiting.remove((state, waiting))
                waiting.callback(content["state"])

    def reached(self, state: str) -> Deferred[str]:
        """
        Fires in the moment in which an order comes into a state, or ends, with the state.
        """
        waiting: Deferred[str] = Deferred()
        self._waiting.append((state, waiting))
        return waiting

    async def stop(self) -> None:
        await self.acme.stop()
        self.gate.close()
        await self.changes.stop()
        self.log.close()
        self.hub.stop()
        self.store.close()

    async def end(self, order: Order, *, state: str = "valid", timeout: float = 60.0) -> Order:
        """
        Wait for the end of an order, which must be in C{state}.
        """
        await self.until(lambda: order.ended and order.id not in self.acme._orders._running, timeout)
        said = [step.message for step in order.steps]
        assert order.state == state, f"{order.state}: {order.problem}\n{said}"
        return order

    async def until(self, is_true: Callable[[], object], timeout: float = 60.0) -> None:
        from twisted.internet import reactor

        give_up = time.monotonic() + timeout
        while not is_true():
            assert time.monotonic() < give_up, "it did not happen in time"
            await deferLater(reactor, 0.02, lambda: None)

    def leaf(self, name: str = "web") -> x509.Certificate:
        """
        The stored certificate.
        """
        return x509.load_pem_x509_certificates(self.changes.current.certificates[name].certificate.chain)[0]

    def served(self, name: str) -> Deferred[x509.Certificate]:
        """
        The certificate that a client gets.
        """
        return deferToThread(_served, self.tls_port, name)


def _served(port: int, name: str) -> x509.Certificate:
    import socket

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain, server_hostname=name) as tls,
    ):
        return x509.load_der_x509_certificate(tls.getpeercert(True) or b"")


@pytest.mark.pebble
class AcmeTestCase(TestCase):
    """
    One Pebble for a class, one gate for each test.

    @cvar environ: Pebble's switches.
    """

    timeout = 120
    environ: ClassVar[Mapping[str, str]] = {}
    binding_keys: ClassVar[Mapping[str, str]] = {}
    settings: ClassVar[Mapping[str, Any]] = {}
    pebble: ClassVar[Pebble]
    _folder: ClassVar[str]

    @classmethod
    def setUpClass(cls) -> None:
        if MISSING:
            pytest.skip(MISSING)
        cls._folder = tempfile.mkdtemp(prefix="tlsgate-pebble-")
        cls.pebble = cls.make_pebble(Path(cls._folder)).start()

    @classmethod
    def make_pebble(cls, folder: Path) -> Pebble:
        """
        The CA of the class.
        """
        return Pebble(folder, environ=cls.environ, binding_keys=cls.binding_keys)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.pebble.stop()
        shutil.rmtree(cls._folder)

    def lab(self, **settings: Any) -> Lab:
        """
        A gate that has not started.
        """
        folder = Path(tempfile.mkdtemp(prefix="tlsgate-acme-"))
        self.addCleanup(shutil.rmtree, folder)
        return Lab(folder / "state", self.pebble, **{**self.settings, **settings})

    async def started(self, **settings: Any) -> Lab:
        """
        A gate that stops after the test.
        """
        lab = self.lab(**settings)
        await lab.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(lab.stop()))
        return lab
