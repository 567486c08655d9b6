"""
Orders from beginning to end, against a real Pebble and with a real gate that answers its challenges.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from _lab import AcmeTestCase, asked
from _pebble import Front
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from twisted.internet.defer import Deferred

from tlsgate.acme import FINAL
from tlsgate.problems import Problem

DAY = 86400.0


def names_in(certificate: x509.Certificate) -> set[str]:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return {str(name.value) for name in extension.value}


async def refused(waiting: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        await waiting
    return caught.value


class IssueTests(AcmeTestCase):
    async def test_http_01(self) -> None:
        """
        A certificate ordered by http-01 serves, made by the author acme; the challenge is answered although everything
        is redirected.
        """
        lab = await self.started()
        order = await lab.acme.order(asked("a.example.com", "b.example.com"), author="alice")
        assert (order.state, order.steps) == ("queued", [])
        await lab.end(order)
        assert await lab.served("b.example.com") == lab.leaf()
        assert names_in(lab.leaf()) == {"a.example.com", "b.example.com"}
        current = lab.changes.current
        assert (current.number, current.author) == (order.generation, "acme")
        assert "alice" in current.reason
        stored = current.certificates["web"]
        assert stored.source == "acme"
        assert stored.details["directory"] == self.pebble.directory
        assert stored.certificate.fingerprint == order.fingerprint
        assert lab.acme.results() == {"valid": 1, "invalid": 0, "cancelled": 0}

    async def test_key_type(self) -> None:
        """
        The key is of the kind that was asked for.
        """
        lab = await self.started()
        await lab.end(await lab.acme.order(asked("r.example.com", key_type="rsa-2048"), author="t"))
        assert isinstance(lab.leaf().public_key(), rsa.RSAPublicKey)

    async def test_address(self) -> None:
        """
        A certificate for an IP address can be had (RFC 8738), by http-01 and by tls-alpn-01.
        """
        lab = await self.started()
        for challenge in ("http-01", "tls-alpn-01"):
            order = await lab.acme.order(asked("127.0.0.1", name=challenge, challenge=challenge), author="t")
            await lab.end(order)
            assert lab.changes.current.certificates[challenge].certificate.names == ("127.0.0.1",)

    async def test_tells_every_step(self) -> None:
        """
        Every step is published as an event, in order, and nothing of it is a key.
        """
        lab = await self.started()
        await lab.end(await lab.acme.order(asked("e.example.com"), author="t"))
        states = list(dict.fromkeys(event["state"] for event in lab.events))
        assert states == ["preflight", "ordering", "validating", "finalizing", "downloading", "installing", "valid"]
        assert "PRIVATE KEY" not in json.dumps(list(lab.events))

    async def test_one_at_a_time(self) -> None:
        """
        A second order for a certificate is refused while the first one runs, and names it.
        """
        lab = await self.started()
        first = await lab.acme.order(asked("one.example.com"), author="t")
        problem = await refused(lab.acme.order(asked("two.example.com"), author="t"))
        assert problem.code == "in-use"
        assert problem.extra == {"order": first.id}
        await lab.end(first)
        await lab.end(await lab.acme.order(asked("two.example.com"), author="t"))

    async def test_impossible_requests(self) -> None:
        """
        What no CA could issue is refused at once.
        """
        lab = await self.started()
        for request in (
            asked(),
            asked("not a name"),
            asked("*.example.com", challenge="http-01"),
            asked("a.example.com", key_type="dsa-1024"),
            asked("a.example.com", name="../etc"),
        ):
            assert (await refused(lab.acme.order(request, author="t"))).status in (400, 422), request
        assert lab.acme.orders() == []

    async def test_terms(self) -> None:
        """
        Nothing is sent to a CA whose terms nobody agreed to.
        """
        lab = await self.started()
        problem = await refused(lab.acme.order(asked("a.example.com", agree_terms=False), author="t"))
        assert problem.code == "terms-not-agreed"
        assert await lab.acme.accounts() == []

    async def test_failure_touches_nothing(self) -> None:
        """
        A failed order leaves the generation and what serves as they were, and says why in words.
        """
        lab = await self.started()
        await lab.end(await lab.acme.order(asked("ok.example.com"), author="t"))
        before, served = lab.changes.current.number, await lab.served("ok.example.com")
        self.pebble.control("set-servfail", host="broken.example.com")
        self.addCleanup(self.pebble.control, "clear-servfail", host="broken.example.com")
        order = await lab.acme.order(asked("ok.example.com", "broken.example.com"), author="t")
        await lab.end(order, state="invalid")
        assert order.problem is not None
        assert order.problem.name == "broken.example.com"
        assert order.problem.said
        assert lab.changes.current.number == before
        assert await lab.served("ok.example.com") == served
        assert repr(lab.acme._challenges) == "<Challenges: of 0 orders, listener on port none>"


class RevokeTests(AcmeTestCase):
    async def test_new_key_then_revoked(self) -> None:
        """
        Revoking replaces the certificate by one with a new key, which serves before the old one is revoked.
        """
        lab = await self.started()
        await lab.end(await lab.acme.order(asked("k.example.com"), author="t"))
        old = lab.leaf()
        order = await lab.acme.revoke("web", author="t")
        await lab.end(order)
        new = await lab.served("k.example.com")
        assert new.public_key() != old.public_key()
        assert self.pebble.status_of(old.serial_number) == "Revoked"
        assert self.pebble.status_of(new.serial_number) == "Valid"
        states = [step.state for step in order.steps]
        assert states.index("installing") < states.index("revoking")

    async def test_only_our_own(self) -> None:
        """
        A certificate that came from elsewhere cannot be renewed or revoked.
        """
        lab = await self.started()
        assert (await refused(lab.acme.renew("default", author="t"))).code == "parameter-invalid"
        assert (await refused(lab.acme.revoke("nobody", author="t"))).code == "not-found"


class ManualTests(AcmeTestCase):
    async def test_proceed(self) -> None:
        """
        An order by hand waits with the content and path of each file, takes no place from others, and goes on when
        somebody says so.
        """
        lab = await self.started(parallel_orders=1)
        order = await lab.acme.order(asked("hand.example.com", manual=True), author="t")
        await lab.until(lambda: order.state == "on-hold")
        (task,) = order.as_json()["tasks"]
        assert task["url"] == f"http://hand.example.com{task['path']}"
        assert task["path"].startswith("/.well-known/acme-challenge/")
        assert task["content"].startswith(task["path"].rpartition("/")[2] + ".")
        await lab.end(await lab.acme.order(asked("other.example.com", name="other"), author="t"))
        assert order.state == "on-hold"
        await lab.acme.proceed(order.id)
        await lab.end(order)

    async def test_held_over_a_restart(self) -> None:
        """
        An order on hold waits again after a restart, with the same content.
        """
        lab = self.lab()
        await lab.start()
        order = await lab.acme.order(asked("hand.example.com", manual=True), author="t")
        await lab.until(lambda: order.state == "on-hold")
        tasks = order.tasks
        await lab.stop()
        await lab.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(lab.stop()))
        again = lab.acme.find(order.id)
        await lab.until(lambda: again.id in lab.acme._orders._holds)
        assert again.tasks == tasks
        await lab.acme.proceed(again.id)
        await lab.end(again)

    async def test_cancel(self) -> None:
        """
        A cancelled order ends, leaves no challenge behind, and cannot be proceeded with.
        """
        lab = await self.started()
        order = await lab.acme.order(asked("hand.example.com", manual=True), author="t")
        await lab.until(lambda: order.state == "on-hold")
        await lab.acme.cancel(order.id)
        await lab.end(order, state="cancelled")
        assert (await refused(lab.acme.proceed(order.id))).code == "in-use"
        assert (await refused(lab.acme.cancel(order.id))).code == "in-use"
        assert repr(lab.acme._challenges) == "<Challenges: of 0 orders, listener on port none>"
        assert "0 of 5 taken" in repr(lab.acme._slots)

    async def test_nobody_listens(self) -> None:
        """
        Where no plain binding is and none may be opened, the order waits for a person without being told to.
        """
        lab = self.lab(http_01_port=0)
        lab.plain = False
        await lab.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(lab.stop()))
        order = await lab.acme.order(asked("lonely.example.com"), author="t")
        await lab.until(lambda: order.state == "on-hold")
        await lab.acme.cancel(order.id)
        await lab.end(order, state="cancelled")


class ManyTests(AcmeTestCase):
    async def test_fifty(self) -> None:
        """
        Fifty orders at once all succeed, with never more than the limit at the CA.
        """
        lab = await self.started(parallel_orders=4)
        at_work: list[int] = []

        def all_ended() -> bool:
            at_work.append(sum(order.state not in ("queued", *FINAL) for order in lab.acme.orders()))
            return all(order.ended for order in orders)

        orders = []
        for index in range(50):
            orders.append(await lab.acme.order(asked(f"n{index}.example.com", name=f"n{index}"), author="t"))
        await lab.until(all_ended)
        assert [order.problem for order in orders if order.state != "valid"] == []
        assert 1 < max(at_work) <= 4
        assert len(lab.changes.current.certificates) == 51


class NonceTests(AcmeTestCase):
    environ: ClassVar[Mapping[str, str]] = {"PEBBLE_WFE_NONCEREJECT": "50"}

    async def test_bad_nonces(self) -> None:
        """
        A CA that refuses every second nonce only takes longer.
        """
        lab = await self.started()
        await lab.end(await lab.acme.order(asked("n.example.com"), author="t"))


class SleepyTests(AcmeTestCase):
    environ: ClassVar[Mapping[str, str]] = {"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "3"}

    async def test_slow_validation(self) -> None:
        """
        A CA that takes its time is waited for; an order that is interrupted meanwhile ends well all the same.
        """
        lab = self.lab()
        await lab.start()
        order = await lab.acme.order(asked("slow.example.com"), author="t")
        await lab.until(lambda: order.state == "validating")
        await lab.stop()
        await lab.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(lab.stop()))
        await lab.end(lab.acme.find(order.id))


class FrontTests(AcmeTestCase):
    async def fronted(self, **settings: Any) -> tuple[Any, Front]:
        front = Front(self.pebble)
        self.addCleanup(front.stop)
        return await self.started(directory=front.directory, **settings), front

    async def test_ca_gone_for_a_while(self) -> None:
        """
        A CA that breaks in the middle of an order and comes back gets its answers.
        """
        lab, front = await self.fronted()
        left = [4]

        def spoil(method: str, path: str, content: bytes) -> Any:
            if path.startswith(("/finalize-order", "/authZ", "/nonce")) and left[0]:
                left[0] -= 1
                return 503, {}, b"busy"
            return None

        front.spoil = spoil
        lab.acme._clients.patience = 30.0
        await lab.end(await lab.acme.order(asked("gone.example.com"), author="t"))
        assert left == [0]
