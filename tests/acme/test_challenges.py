"""
Every kind of challenge, answered as the CA asks it.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
from _lab import AcmeTestCase, Lab, asked
from _pebble import Pebble
from _zone import TOKEN, Zone
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from tlsgate.acme import OrderFailed
from tlsgate.acme._challenges import choose, tasks_of
from tlsgate.acme._values import Authorization, Challenge


def offered(name: str, *kinds: str, wildcard: bool = False) -> Authorization:
    challenges = tuple(
        Challenge(kind=kind, url=f"https://ca/{kind}", token="tok", key_authorization="tok.thumb") for kind in kinds
    )
    return Authorization(url="https://ca/a", name=name, wildcard=wildcard, status="pending", challenges=challenges)


class TestChoose:
    def test_as_wanted(self) -> None:
        """
        The challenge that is wanted is taken where it is offered.
        """
        _, challenge = choose(offered("a.test", "dns-01", "http-01"), "http-01")
        assert challenge.kind == "http-01"

    def test_wildcard(self) -> None:
        """
        A wildcard is proven in DNS whatever is wanted for the other names.
        """
        _, challenge = choose(offered("a.test", "http-01", "dns-01", wildcard=True), "http-01")
        assert challenge.kind == "dns-01"

    def test_not_offered(self) -> None:
        """
        What the CA does not offer is a failure that says what it does offer.
        """
        with pytest.raises(OrderFailed) as caught:
            choose(offered("a.test", "dns-01"), "tls-alpn-01")
        assert caught.value.problem.code == "challenge-not-offered"
        assert "dns-01" in caught.value.problem.said


def test_tasks() -> None:
    """
    What a person is to do names the file, where the CA looks for it, or the record; an IPv6 address is in brackets.
    """
    chosen = [choose(offered("2001:db8::1", "http-01"), "http-01"), choose(offered("a.test", "dns-01"), "dns-01")]
    file, record = tasks_of(chosen)
    assert file.url == "http://[2001:db8::1]/.well-known/acme-challenge/tok"
    assert file.content == "tok.thumb"
    assert record.record == "_acme-challenge.a.test"
    # The digest of "tok.thumb" by openssl dgst -sha256.
    assert record.content == "sYAwVrqDtVOuJZvAHurSAYPoEt5fFV_C4bdSOOW-o5Y"


class AnswerTests(AcmeTestCase):
    async def test_tls_alpn_01(self) -> None:
        """
        tls-alpn-01 is answered in the handshake, on the binding that serves everything else meanwhile.
        """
        lab = await self.started()
        order = await lab.acme.order(asked("t.example.com", "u.example.com", challenge="tls-alpn-01"), author="t")
        await lab.until(lambda: order.state == "validating")
        assert "ACME" not in (await lab.served("t.example.com")).subject.rfc4514_string()
        await lab.end(order)

    async def test_all_kinds_at_once(self) -> None:
        """
        Orders that are answered at the same time do not take each other's answers away.
        """
        lab = await self.started()
        orders = [
            await lab.acme.order(asked(f"m{index}.example.com", name=f"m{index}", challenge=kind), author="t")
            for index, kind in enumerate(["http-01", "tls-alpn-01"] * 4)
        ]
        for order in orders:
            await lab.end(order)

    def hook(self, lab: Lab, body: str = "") -> None:
        """
        A hook that makes records in Pebble's DNS server.
        """
        folder = lab.folder / "acme" / "hooks"
        folder.mkdir(parents=True, exist_ok=True)
        program = folder / "dns"
        program.write_text(
            f"#!{sys.executable}\n"
            "import json, sys, urllib.request\n"
            f"{body}\n"
            "verb, host, value = sys.argv[1:]\n"
            f"url = 'http://127.0.0.1:{self.pebble.control_port}/' + ('set-txt' if verb == 'present' else 'clear-txt')\n"
            "asked = json.dumps({'host': host + '.', 'value': value}).encode()\n"
            "urllib.request.urlopen(urllib.request.Request(url, asked, method='POST'))\n"
            f"open({str(lab.folder / 'calls')!r}, 'a').write(verb + ' ' + host + '\\n')\n"
        )
        program.chmod(0o700)

    async def test_wildcard_by_dns_01(self) -> None:
        """
        A wildcard and its parent are proven by two records of one name, in a real DNS server, which are removed.
        """
        lab = await self.started(dns_hook="dns")
        self.hook(lab)
        order = await lab.acme.order(asked("*.wild.example.com", "wild.example.com"), author="t")
        assert order.request.challenge == "dns-01"
        await lab.end(order)
        assert (await lab.served("any.wild.example.com")) == lab.leaf()
        calls = (lab.folder / "calls").read_text().split("\n")
        assert calls == [f"{verb} _acme-challenge.wild.example.com" for verb in ("present",) * 2 + ("cleanup",) * 2] + [
            ""
        ]

    async def test_hook_fails(self) -> None:
        """
        What a failing hook says last is what the order says.
        """
        lab = await self.started(dns_hook="dns")
        self.hook(lab, "sys.exit('the zone is locked')")
        order = await lab.acme.order(asked("*.wild.example.com"), author="t")
        await lab.end(order, state="invalid")
        assert order.problem is not None
        assert order.problem.code == "dns-provider"
        assert "the zone is locked" in order.problem.said

    async def test_no_way_to_make_records(self) -> None:
        """
        dns-01 without provider or hook fails before the CA is told to look.
        """
        lab = await self.started()
        order = await lab.acme.order(asked("*.wild.example.com"), author="t")
        await lab.end(order, state="invalid")
        assert order.problem is not None
        assert order.problem.code == "challenge-impossible"
        assert "dns_hook" in order.problem.said


class ProviderTests(AcmeTestCase):
    """
    A provider of dns-lexicon, at a DNS server that is changed by its own API.
    """

    zone: ClassVar[Zone]

    @classmethod
    def make_pebble(cls, folder: Path) -> Pebble:
        cls.zone = Zone("zone.test")
        return Pebble(folder, dns=cls.zone.address)

    @classmethod
    def tearDownClass(cls) -> None:
        super().tearDownClass()
        cls.zone.stop()

    def setUp(self) -> None:
        self.patch(os, "environ", {**os.environ, "LEXICON_POWERDNS_PDNS_SERVER": self.zone.url})
        os.environ["LEXICON_POWERDNS_AUTH_TOKEN"] = TOKEN

    async def test_wildcard(self) -> None:
        """
        A wildcard and its parent below the zone are proven by two records of one name, in the zone that DNS says they are
        in; what was there stays, and the two are removed.
        """
        record = "_acme-challenge.a.zone.test."
        self.zone.records[record, "TXT"] = ['"somebody else"']
        lab = await self.started(dns_provider="powerdns")
        order = await lab.acme.order(asked("*.a.zone.test", "a.zone.test"), author="t")
        await lab.end(order)
        assert (await lab.served("any.a.zone.test")) == lab.leaf()
        assert self.zone.changes == [(record, 2), (record, 3), (record, 2), (record, 1)]
        assert self.zone.records == {(record, "TXT"): ['"somebody else"']}

    async def test_refused(self) -> None:
        """
        The order says what the provider said, and not with which token it was asked.
        """
        os.environ["LEXICON_POWERDNS_AUTH_TOKEN"] = "another-token"
        lab = await self.started(dns_provider="powerdns")
        order = await lab.acme.order(asked("*.a.zone.test"), author="t")
        await lab.end(order, state="invalid")
        assert order.problem is not None
        assert order.problem.code == "dns-provider"
        assert "401" in order.problem.said
        assert "another-token" not in repr(order.as_json())

    async def test_not_in_the_zone(self) -> None:
        """
        A name of which DNS does not know the zone is said to be so.
        """
        lab = await self.started(dns_provider="powerdns")
        order = await lab.acme.order(asked("*.elsewhere.test"), author="t")
        await lab.end(order, state="invalid")
        assert order.problem is not None
        assert order.problem.code in ("dns-provider", "preflight")


class TemporaryTests(AcmeTestCase):
    async def lonely(self) -> Lab:
        """
        A gate without a plain binding.
        """
        lab = self.lab()
        lab.plain = False
        await lab.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(lab.stop()))
        return lab

    async def listens(self) -> bool:
        return await deferToThread(_connects, self.pebble.http_port)

    async def test_opened_and_closed(self) -> None:
        """
        With no plain binding, the port is open while the CA looks, and closed afterwards.
        """
        lab = await self.lonely()
        assert not await self.listens()
        order = await lab.acme.order(asked("x.example.com"), author="t")
        await lab.end(order)
        assert not order.request.manual
        assert not await self.listens()

    async def test_closed_after_failure(self) -> None:
        """
        The port is closed whatever comes of the order; it answers nothing but the challenge meanwhile.
        """
        lab = await self.lonely()
        order = await lab.acme.order(asked("y.example.com", manual=True), author="t")
        await lab.until(lambda: order.state == "on-hold")
        (task,) = order.tasks
        assert await deferToThread(_get, self.pebble.http_port, task.path) == (200, task.content)
        for path in ("/", task.path + "x", task.path + "?a", "/.well-known/acme-challenge/../" + task.path[1:]):
            status, _ = await deferToThread(_get, self.pebble.http_port, path)
            assert status == 404, path
        await lab.acme.cancel(order.id)
        await lab.end(order, state="cancelled")
        await lab.until(lambda: "port none" in repr(lab.acme._challenges))
        assert not await self.listens()


def _connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True


def _get(port: int, path: str) -> tuple[int, str]:
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    found: Any = response.status, response.read().decode()
    connection.close()
    return found
