"""
Certificates from an ACME CA, where the CA's side is played by operations of the test.
"""

import json
from typing import Any

import pytest

from tlsgate.admin import Answer, Body, Call, Events, Operations, Permission


class Orders:
    """
    Orders that take all their steps once somebody follows them.
    """

    def __init__(self) -> None:
        self.steps: list[str] = ["validating", "valid"]
        self.state = "queued"
        self.asked: list[tuple[str, Any, dict[str, Any]]] = []
        self.operations = Operations()
        declared = [
            ("POST", "/api/v1/certificates/acme", self.begin, Body(json={"type": "object"})),
            ("POST", "/api/v1/certificates/{name}/renew", self.begin_again, None),
            ("POST", "/api/v1/certificates/{name}/revoke", self.begin_revocation, Body(json={"type": "object"})),
            ("GET", "/api/v1/orders", self.list, None),
            ("GET", "/api/v1/orders/{id}", self.show, None),
            ("GET", "/api/v1/orders/{id}/events", self.follow, None),
            ("POST", "/api/v1/orders/{id}/proceed", self.proceed, None),
        ]
        from tlsgate.admin import Parameter

        reason = Parameter(name="reason", description="Why.")
        for method, path, run, body in declared:
            parameters = (reason,) if method == "POST" else ()
            self.operations.operation(
                method, path, permission=Permission.VIEW_SETTINGS, summary="", body=body, parameters=parameters
            )(run)

    def document(self) -> dict[str, Any]:
        problem = {"code": "dns", "detail": "No record.", "said": "NXDOMAIN"} if self.state == "invalid" else None
        task = {"name": "a.test", "kind": "dns-01", "content": "xyz", "url": "", "record": "_acme-challenge.a.test"}
        return {
            "id": "o1",
            "name": "app",
            "names": ["a.test"],
            "state": self.state,
            "updated": "2026-01-01T00:00:00Z",
            "steps": [{"time": "2026-01-01T00:00:00Z", "state": self.state, "message": f"Now {self.state}."}],
            "tasks": [task] if self.state == "on-hold" else [],
            "problem": problem,
            "findings": [],
        }

    async def begin(self, call: Call) -> Answer:
        self.asked.append((call.path, json.loads(call.content) if call.content else None, dict(call.query)))
        script = {"cli": "tlsgate certificate acme", "curl": "curl"}
        return Answer(
            status=202, document={**self.document(), "script": script}, fields={"Location": "/api/v1/orders/o1"}
        )

    async def begin_again(self, call: Call) -> Answer:
        return await self.begin(call)

    async def begin_revocation(self, call: Call) -> Answer:
        return await self.begin(call)

    async def list(self, call: Call) -> Answer:
        return Answer(document={"orders": [self.document()]})

    async def show(self, call: Call) -> Answer:
        return Answer(document=self.document())

    async def follow(self, call: Call) -> Answer:
        events = Events()
        while self.steps:
            self.state = self.steps.pop(0)
            events.publish("order", self.document())
        content = b"".join(event.as_bytes() for event in events.since(0))
        return Answer(content_type="text/event-stream", content=content)

    async def proceed(self, call: Call) -> Answer:
        self.state = "validating"
        return Answer(document=self.document())


@pytest.fixture
def orders(gate) -> Orders:
    made = Orders()
    gate.harness.admin.control.operations.include(made.operations)
    return made


def test_order_is_followed(run, orders) -> None:
    """
    What was asked is sent, and the order followed until it is valid.
    """
    ran = run("certificate acme --name=app --names=a.test,b.test --agree-terms=true --reason=new --show-script")
    assert ran.status == 0, ran.err
    assert "Order o1 for a.test is valid." in ran.out
    assert "tlsgate certificate acme" in ran.out
    sent = {"name": "app", "names": ["a.test", "b.test"], "agree_terms": True}
    assert orders.asked == [("/api/v1/certificates/acme", sent, {"reason": "new"})]
    assert "Now valid." in run("order list").out


def test_failed_order(run, orders) -> None:
    """
    An order that fails: exit status 1, with the CA's reason on standard error.
    """
    orders.steps = ["invalid"]
    ran = run("certificate renew app")
    assert (ran.status, "No record. (NXDOMAIN) [dns]" in ran.err) == (1, True)


def test_order_on_hold(run, orders) -> None:
    """
    An order that waits for a person says what to put where, and how to go on.
    """
    orders.steps = ["on-hold"]
    ran = run("certificate acme --name=app --names=a.test --manual")
    assert ran.status == 0, ran.err
    assert "_acme-challenge.a.test" in ran.out
    assert "tlsgate order proceed o1" in ran.out
    assert "validating" in run("order proceed o1").out
    assert run("order show o1").status == 0


def test_no_wait(run, orders) -> None:
    """
    C{--no-wait} returns at once, and C{revoke} sends the reason code.
    """
    ran = run("certificate revoke app --no-wait --json")
    assert (ran.status, ran.json["state"]) == (0, "queued")
    assert orders.asked == [("/api/v1/certificates/app/revoke", {"reason": "keyCompromise"}, {})]
