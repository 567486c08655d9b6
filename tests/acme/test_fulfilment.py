"""
Rehearsals, a second CA, what is refused before an order, and orders that were interrupted.
"""

from __future__ import annotations

import time
from typing import Any

from _lab import AcmeTestCase, Lab, asked
from _pebble import Front, problem
from twisted.internet.defer import Deferred

from tlsgate.acme import Limits, Order
from tlsgate.acme._fulfilment import STAGING, Slots
from tlsgate.settings import Draft


class TestSlots:
    def test_in_turn(self) -> None:
        """
        Places are given in the order in which they were asked for, as many as there are at the moment.
        """
        limit = [1]
        slots = Slots(lambda: limit[0])
        done: list[int] = []
        for index in range(3):
            slots.take().addCallback(lambda _, index=index: done.append(index))
        assert done == [0]
        limit[0] = 2
        slots.give_back()
        assert done == [0, 1, 2]

    def test_cancelled_while_waiting(self) -> None:
        """
        Who gives up waiting does not keep a place.
        """
        slots = Slots(lambda: 1)
        slots.take()
        waiting = slots.take()
        waiting.addErrback(lambda failure: None)
        waiting.cancel()
        slots.give_back()
        assert repr(slots) == "<Slots: 0 of 1 taken, 0 wait>"


def test_staging_of_lets_encrypt() -> None:
    """
    Let's Encrypt's rehearsal stage is known without being configured.
    """
    assert STAGING["https://acme-v02.api.letsencrypt.org/directory"].startswith("https://acme-staging-v02.")


class FrontedTestCase(AcmeTestCase):
    def front(self) -> Front:
        front = Front(self.pebble)
        self.addCleanup(front.stop)
        return front


class RehearsalTests(FrontedTestCase):
    async def test_only(self) -> None:
        """
        A rehearsal goes through everything at the staging CA and stores nothing.
        """
        front = self.front()
        lab = await self.started(staging_directory=front.directory)
        order = await lab.acme.order(asked("r.example.com", staging=True), author="t")
        await lab.end(order)
        assert any(path.startswith("/finalize-order") for _, path in front.seen)
        assert "web" not in lab.changes.current.certificates
        assert order.directory == front.directory

    async def test_first(self) -> None:
        """
        With a rehearsal first, the real CA is asked only after it succeeded.
        """
        front = self.front()
        lab = await self.started(staging_directory=front.directory)
        front.spoil = lambda method, path, content: (
            problem("rejectedIdentifier", 403) if path.startswith("/order-plz") else None
        )
        order = await lab.acme.order(asked("r.example.com", staging_first=True), author="t")
        await lab.end(order, state="invalid")
        assert order.directory == self.pebble.directory
        front.spoil = lambda method, path, content: None
        order = await lab.acme.order(asked("r.example.com", staging_first=True), author="t")
        await lab.end(order)
        assert lab.changes.current.certificates["web"].details["directory"] == self.pebble.directory

    async def test_nowhere(self) -> None:
        """
        A rehearsal without a stage says what to set.
        """
        lab = await self.started()
        order = await lab.acme.order(asked("r.example.com", staging=True), author="t")
        await lab.end(order, state="invalid")
        assert order.problem is not None
        assert "acme.staging_directory" in order.problem.sentence


class FallbackTests(FrontedTestCase):
    async def test_second_ca(self) -> None:
        """
        A CA that is over its limit leaves the order to the second one; the certificate knows where it came from.
        """
        front = self.front()
        front.spoil = lambda method, path, content: (
            problem("rateLimited", 429, **{"Retry-After": "3600"}) if path.startswith("/order-plz") else None
        )
        lab = await self.started(directory=front.directory, fallback_directory=self.pebble.directory)
        order = await lab.acme.order(asked("f.example.com"), author="t")
        await lab.end(order)
        assert lab.changes.current.certificates["web"].details["directory"] == self.pebble.directory
        assert any("second CA" in step.message for step in order.steps)

    async def test_not_for_our_own_faults(self) -> None:
        """
        A name that cannot be proven is not tried at another CA.
        """
        front = self.front()
        self.pebble.control("set-servfail", host="broken.example.com")
        lab = await self.started(fallback_directory=front.directory)
        order = await lab.acme.order(asked("broken.example.com"), author="t")
        await lab.end(order, state="invalid")
        assert front.seen == []

    async def test_rate_limit(self) -> None:
        """
        Without a second CA a rate limit is told with the time after which to try again.
        """
        front = self.front()
        front.spoil = lambda method, path, content: (
            problem("rateLimited", 429, "too many", **{"Retry-After": "1800"}) if "order-plz" in path else None
        )
        lab = await self.started(directory=front.directory)
        order = await lab.acme.order(asked("f.example.com"), author="t")
        await lab.end(order, state="invalid")
        shown = order.as_json()["problem"]
        assert (shown["type"], shown["said"]) == ("urn:ietf:params:acme:error:rateLimited", "too many")
        assert shown["retry_after"] == 1800.0


class AheadTests(AcmeTestCase):
    async def test_budget(self) -> None:
        """
        An order that the CA's limits would refuse is not sent; the record is kept over a restart.
        """
        lab = self.lab()
        lab.limits = {f"localhost:{self.pebble.api_port}": Limits(same_names=1)}
        await lab.start()
        await lab.end(await lab.acme.order(asked("b.example.com"), author="t"))
        await lab.stop()
        await lab.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(lab.stop()))
        order = await lab.acme.order(asked("b.example.com", name="again"), author="t")
        await lab.end(order, state="invalid")
        assert order.problem is not None
        assert (order.problem.code, order.url) == ("preflight", "")
        await lab.end(await lab.acme.order(asked("c.example.com", name="again"), author="t"))

    async def test_dry_run(self) -> None:
        """
        What an order would meet can be asked without ordering, and registers nobody.
        """
        lab = await self.started()
        self.pebble.control("add-a", host="away.example.com", addresses=["127.0.0.9"])
        findings = await lab.acme.preflight(asked("away.example.com", challenge="http-01"))
        assert [finding.code for finding in findings] == ["port-80-unreachable"]
        assert await lab.acme.preflight(asked("here.example.com")) == []
        assert lab.acme.orders() == []
        assert await lab.acme.accounts() == []

    async def test_dry_run_of_what_would_fail(self) -> None:
        """
        Terms that nobody agreed to are told as an error, with where they are.
        """
        lab = await self.started()
        (finding,) = await lab.acme.preflight(asked("here.example.com", agree_terms=False))
        assert (finding.code, finding.severity.value) == ("terms-not-agreed", "error")
        assert "Do%20what%20thou%20wilt" in finding.message

    async def test_dry_run_without_ca(self) -> None:
        """
        A CA that is not there is told at once.
        """
        lab = await self.started(directory="https://localhost:1/dir")
        (finding,) = await lab.acme.preflight(asked("here.example.com"))
        assert finding.code == "ca-unreachable"


class InstallTests(AcmeTestCase):
    async def test_name_taken_by_files(self) -> None:
        """
        A certificate that was issued but cannot be put in force is a failure that leaves everything as it was.
        """
        lab = await self.started()
        order = await lab.acme.order(asked("i.example.com", manual=True), author="t")
        await lab.until(lambda: order.state == "on-hold")
        folder = lab.folder / "files"
        folder.mkdir()
        stored = lab.changes.current.certificates["default"].certificate
        (folder / "web.pem").write_bytes(stored.chain + stored.key)

        def edit(draft: Draft) -> None:
            draft.document["certificate"] = [{"name": "web", "certificate_file": str(folder / "web.pem")}]

        from tlsgate.changes import ChangeRequest

        await lab.changes.apply(ChangeRequest(author="t"), edit)
        before = lab.changes.current.number
        await lab.acme.proceed(order.id)
        await lab.end(order, state="invalid")
        assert order.problem is not None
        assert order.problem.code == "install"
        assert lab.changes.current.number == before


class InterruptedTests(FrontedTestCase):
    async def interrupted(self, lab: Lab, state: str) -> tuple[Order, Order]:
        """
        An order while the gate stops in a state, and after the gate is back.
        """
        reached = lab.reached(state)
        order = await lab.acme.order(asked(f"{state}.example.com"), author="t")
        assert await reached == state, order.problem
        await lab.stop()
        await lab.start()
        return order, lab.acme.find(order.id)

    async def test_in_every_state(self) -> None:
        """
        Whatever an order was doing when the gate stopped, it comes to its end afterwards.
        """
        lab = self.lab()
        await lab.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(lab.stop()))
        for state in ("preflight", "ordering", "validating", "finalizing", "downloading", "installing"):
            _, order = await self.interrupted(lab, state)
            await lab.end(order)

    async def test_ca_forgot(self) -> None:
        """
        A CA that lost the order meanwhile, and the account with it, gets a new order and the old account's key.
        """
        lab = self.lab()
        await lab.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(lab.stop()))
        await lab.end(await lab.acme.order(asked("before.example.com", name="before"), author="t"))
        order = await lab.acme.order(asked("lost.example.com", manual=True), author="t")
        await lab.until(lambda: order.state == "on-hold")
        await lab.stop()
        self.pebble.stop_ca()
        self.pebble.start_ca()
        await lab.start()
        again = lab.acme.find(order.id)
        await lab.until(
            lambda: again.state == "on-hold" and again.url != order.url and again.id in lab.acme._orders._holds
        )
        await lab.acme.proceed(again.id)
        await lab.end(again)

    async def test_ca_away(self) -> None:
        """
        A CA that stays away ends the order with a sentence; what serves goes on serving.
        """
        front = self.front()
        lab = self.lab(directory=front.directory)
        lab.patience = 1.0
        await lab.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(lab.stop()))

        def spoil(method: str, path: str, content: bytes) -> Any:
            return (503, {}, b"") if path.startswith("/finalize-order") else None

        front.spoil = spoil
        began = time.monotonic()
        order = await lab.acme.order(asked("away.example.com"), author="t")
        await lab.end(order, state="invalid")
        assert order.problem is not None
        assert order.problem.is_ca_trouble
        assert time.monotonic() - began < 20
        assert lab.changes.current.number == 1

    async def test_files_are_private(self) -> None:
        """
        Whatever the room keeps is readable by its owner only, and no key is left with an order that ended.
        """
        lab = await self.started()
        order = await lab.acme.order(asked("p.example.com"), author="t")
        await lab.end(order)
        await lab.until(lambda: not lab.acme._orders._running)
        found = list((lab.folder / "acme").rglob("*"))
        assert {oct(path.stat().st_mode & 0o777) for path in found if path.is_file()} == {"0o600"}
        assert {oct(path.stat().st_mode & 0o777) for path in found if path.is_dir()} == {"0o700"}
        assert b"PRIVATE" not in (lab.folder / "acme" / "orders" / f"{order.id}.json").read_bytes()
        assert oct((lab.folder / "acme").stat().st_mode & 0o777) == "0o700"
