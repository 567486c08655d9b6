"""
Renewals happen by themselves, when it is time.
"""

from __future__ import annotations

import datetime
import json
import time
from typing import Any

from _lab import AcmeTestCase, asked
from _pebble import Front, problem
from twisted.internet.defer import Deferred

HOUR = 3600.0
DAY = 86400.0


class ByItselfTests(AcmeTestCase):
    async def renewed(self, lab: Any, count: int = 1) -> None:
        await lab.until(lambda: sum(order.request.renewal and order.ended for order in lab.acme.orders()) == count)

    async def look(self, lab: Any) -> None:
        await lab.acme._schedule.look()

    async def test_when_due(self) -> None:
        """
        A certificate is renewed once its time has come, by the clock on the wall, with a new key.
        """
        lab = await self.started()
        await lab.end(await lab.acme.order(asked("r.example.com"), author="t"))
        old = lab.leaf()
        await self.look(lab)
        assert len(lab.acme.orders()) == 1
        life = (old.not_valid_after_utc - old.not_valid_before_utc).total_seconds()
        lab.offset = life * 0.7
        await self.look(lab)
        await self.renewed(lab)
        new = await lab.served("r.example.com")
        assert new == lab.leaf()
        assert new.public_key() != old.public_key()
        await self.look(lab)
        assert len(lab.acme.orders()) == 2

    async def test_clock_moved_back_and_forth(self) -> None:
        """
        A clock that goes back a day renews nothing; forward beyond the certificate's end, it is renewed at once.
        """
        lab = await self.started()
        await lab.end(await lab.acme.order(asked("r.example.com"), author="t"))
        lab.offset = -DAY
        await self.look(lab)
        assert len(lab.acme.orders()) == 1
        lab.offset = 2000 * DAY
        await self.look(lab)
        await self.renewed(lab)

    async def test_window_of_the_ca(self) -> None:
        """
        A window that the CA suggests is kept to, and the new order says what it replaces.
        """
        front = Front(self.pebble)
        self.addCleanup(front.stop)
        window = [time.time() + 30 * DAY, time.time() + 31 * DAY]
        asked_for: list[str] = []
        replaced: list[str] = []

        def amend(path: str, status: int, content: bytes) -> bytes:
            if path == "/dir":
                return json.dumps(
                    {**json.loads(content), "renewalInfo": f"https://localhost:{front.port}/ari"}
                ).encode()
            return content

        def spoil(method: str, path: str, content: bytes) -> Any:
            if path.startswith("/ari/"):
                asked_for.append(path)
                suggested = {key: _rfc3339(at) for key, at in zip(("start", "end"), window, strict=True)}
                document = {"suggestedWindow": suggested, "explanationURL": "https://ca.test/why"}
                return 200, {"Content-Type": "application/json", "Retry-After": "21600"}, json.dumps(document).encode()
            if path.startswith("/order-plz"):
                replaced.append(_payload(content).get("replaces", ""))
            return None

        front.amend, front.spoil = amend, spoil
        lab = await self.started(directory=front.directory)
        await lab.end(await lab.acme.order(asked("w.example.com"), author="t"))
        await self.look(lab)
        await self.look(lab)
        assert len(asked_for) == 1
        (row,) = lab.acme.renewals()
        assert row["explanation"] == "https://ca.test/why"
        assert len(lab.acme.orders()) == 1
        # The CA wants it replaced at once, as before a revocation; it is asked again when it said.
        window[:] = [time.time() - DAY, time.time() - HOUR]
        lab.offset = 7 * HOUR
        await self.look(lab)
        await self.renewed(lab)
        assert len(asked_for) == 2
        assert replaced == ["", asked_for[0].removeprefix("/ari/")]

    async def test_profile(self) -> None:
        """
        An order names the profile that the settings or the request want, and a renewal the one that the certificate was
        made with; a CA that does not know it is understood.
        """
        front = Front(self.pebble)
        self.addCleanup(front.stop)
        profiles: list[str] = []

        def spoil(method: str, path: str, content: bytes) -> Any:
            if path.startswith("/order-plz"):
                profiles.append(_payload(content).get("profile", ""))
                return problem("invalidProfile", 400, "no such profile") if profiles[-1] == "unknown" else None
            return None

        front.spoil = spoil
        lab = await self.started(directory=front.directory, profile="shortlived")
        await lab.end(await lab.acme.order(asked("p.example.com"), author="t"))
        await lab.end(await lab.acme.order(asked("q.example.com", name="other", profile="classic"), author="t"))
        await lab.end(await lab.acme.renew("other", author="t"))
        order = await lab.acme.order(asked("r.example.com", name="third", profile="unknown"), author="t")
        await lab.end(order, state="invalid")
        assert profiles == ["shortlived", "classic", "classic", "unknown"]
        assert order.problem is not None
        assert order.problem.code == "invalidProfile"

    async def test_failing(self) -> None:
        """
        A renewal that fails touches nothing, is told, waits longer each time over a restart, and is rehearsed at the
        staging CA before the real one is asked again.
        """
        front, stage = Front(self.pebble), Front(self.pebble)
        self.addCleanup(front.stop)
        self.addCleanup(stage.stop)
        lab = self.lab(directory=front.directory, staging_directory=stage.directory)
        await lab.start()
        await lab.end(await lab.acme.order(asked("f.example.com"), author="t"))
        before = lab.changes.current.number
        lab.offset = 1400 * DAY
        front.spoil = lambda method, path, content: (
            problem("unauthorized", 403, "no") if path.startswith("/order-plz") else None
        )
        for failures in (1, 2):
            await self.look(lab)
            await self.renewed(lab, failures)
            await lab.until(lambda: not lab.acme._orders._running)
            await self.look(lab)
            assert len(lab.acme.orders()) == 1 + failures
            lab.offset += 10 * 60
        assert stage.seen == []
        (finding,) = lab.acme.findings()
        assert finding.code == "renewal-failing"
        (row,) = lab.acme.renewals()
        assert (row["failures"], row["code"]) == (2, "unauthorized")
        assert lab.changes.current.number == before
        await lab.stop()
        front.spoil = lambda method, path, content: None
        await lab.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(lab.stop()))
        await self.renewed(lab, 3)
        assert lab.acme.orders()[0].state == "valid"
        assert any(path.startswith("/finalize-order") for _, path in stage.seen)
        assert list(lab.acme.findings()) == []


def _rfc3339(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _payload(content: bytes) -> dict[str, Any]:
    from base64 import urlsafe_b64decode

    text = json.loads(content)["payload"]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found
