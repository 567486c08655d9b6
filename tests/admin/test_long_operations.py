"""
Long work: a resource that tells how far it is, and ends with the answer or the refusal that a waiting request gets.
"""

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tlsgate.admin import Answer, Events
from tlsgate.admin._long_operations import INTERVAL, KEPT, RUNNING, LongOperations
from tlsgate.problems import Problem


class Bench:
    """
    Operations whose work is played by the test.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.events = Events()
        self.count = 0
        self.operations = LongOperations(
            self.events, wall=lambda: self.now, clock=lambda: self.now, random=self.identifier
        )
        self.progress: Any = None
        self.end: Deferred[Answer] = Deferred()

    def identifier(self) -> str:
        self.count += 1
        return f"n{self.count}"

    async def work(self, progress: Any) -> Answer:
        self.progress = progress
        return await self.end

    def begin(self) -> tuple[Any, list[Any]]:
        self.end = Deferred()
        operation, ending = self.operations.begin("import", "ada", self.work)
        results: list[Any] = []
        ending.addBoth(results.append)
        return operation, results

    def told(self) -> list[Any]:
        return [(event.content["state"], event.content["done"]) for event in self.events.since(0)]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_progress_and_success(bench: Bench) -> None:
    """
    Each new step is told at once, progress within one a few times a second, and the end always.
    """
    operation, results = bench.begin()
    for done in range(5):
        bench.progress(done, 9, "One.")
    bench.now += INTERVAL
    bench.progress(5, 9, "One.")
    bench.progress(6, 9, "Two.")
    assert bench.told() == [("running", 0), ("running", 5), ("running", 6)]
    bench.end.callback(Answer(document={"generation": 2}))
    assert bench.told()[-1] == ("succeeded", 9)
    shown = operation.as_json()
    assert (shown["result"], shown["problem"], shown["state"]) == ({"generation": 2}, None, "succeeded")
    assert results[0].document == {"generation": 2}


def test_refusal(bench: Bench) -> None:
    """
    A refusal is the operation's problem, and that of whom waits.
    """
    operation, results = bench.begin()
    bench.end.errback(Problem("in-use", "Not now."))
    assert operation.as_json()["problem"]["code"] == "in-use"
    assert results[0].check(Problem)


def test_a_mistake_of_ours(bench: Bench) -> None:
    """
    What nobody foresaw is an internal problem whose detail says nothing of it.
    """
    operation, results = bench.begin()
    bench.end.errback(ZeroDivisionError("secret"))
    assert "secret" not in json.dumps(operation.as_json())
    assert results[0].value.code == "internal"


def test_bounds(bench: Bench) -> None:
    """
    Only some run at once, and only the latest that ended are kept.
    """
    ends = []
    for _ in range(RUNNING):
        bench.begin()
        ends.append(bench.end)
    with pytest.raises(Problem, match="already"):
        bench.begin()
    for end in ends[1:]:
        end.callback(Answer())
    for _ in range(KEPT):
        bench.begin()
        bench.end.callback(Answer())
    kept = [operation.id for operation in bench.operations.list()]
    assert (len(kept), kept[-1]) == (KEPT, "n1")
    assert repr(bench.operations) == f"<LongOperations: 1 of {KEPT} run>"
    with pytest.raises(Problem, match="no operation n2"):
        bench.operations.find("n2")


def batch(make_pair: Any, *names: str) -> dict[str, Any]:
    """
    A batch of new certificates.
    """
    entries = []
    for name in names:
        certificate, key = make_pair(f"{name}.test")
        entries.append({"name": name, "certificate": certificate.decode(), "key": key.decode()})
    return {"certificates": entries}


def test_as_a_resource(gate, make_pair) -> None:
    """
    Who asks for it gets 202 and where to look; the resource, its events and the audit log tell the end.
    """
    path = "/api/v1/certificates/batch?reason=moved"
    reply = gate.call("POST", path, batch(make_pair, "a", "b"), fields={"Prefer": "respond-async"})
    assert (reply.status, reply.fields["preference-applied"]) == (202, "respond-async")
    location = reply.fields["location"]
    shown = gate.call("GET", location).json
    assert (shown["state"], shown["done"], shown["total"], shown["author"]) == ("succeeded", 2, 2, "local:root")
    assert [one["name"] for one in shown["result"]["certificates"]] == ["a", "b"]
    assert gate.call("GET", "/api/v1/operations").json["operations"][0] == shown
    stream = gate.call("GET", f"{location}/events")
    assert b'"state": "succeeded"' in stream.body
    assert stream.body.endswith(b"0\r\n\r\n")
    rows = gate.call("GET", "/api/v1/audit").json["records"]
    assert [(row["status"], row["generation"], row["reason"]) for row in rows[:2]] == [
        (202, 0, "moved"),
        (200, 2, "moved"),
    ]
    assert gate.call("GET", "/api/v1/operations/none").code == "not-found"


def test_waiting(gate, make_pair) -> None:
    """
    Who does not ask for it gets the answer of any change, once for one key.
    """
    document = batch(make_pair, "a")
    replies = [
        gate.call("POST", "/api/v1/certificates/batch", document, fields={"Idempotency-Key": "k"}) for _ in range(2)
    ]
    assert [reply.json["generation"] for reply in replies] == [2, 2]
    assert replies[0].json == replies[1].json
    document["certificates"] *= 2
    again = gate.call("POST", "/api/v1/certificates/batch", document)
    assert (again.status, again.code, again.json["errors"][0]["pointer"]) == (409, "exists", "/certificates/1")


def test_only_for_its_hosts(gate, make_pair) -> None:
    """
    A token that is limited to some hosts brings in no certificate for others, not even among its own.
    """
    token = gate.token("change_https_settings", "view_settings", hosts=["a.test"])
    more = {"token": token, "peer": "127.0.0.1"}
    refused = gate.call("POST", "/api/v1/certificates/batch", batch(make_pair, "a", "b"), **more)
    assert (refused.status, refused.code) == (403, "permission-missing")
    assert gate.call("POST", "/api/v1/certificates/batch", batch(make_pair, "a"), **more).status == 200


def test_a_failed_one_is_in_the_audit_log(gate) -> None:
    """
    What fails after 202 is refused in the audit log like any other refusal.
    """
    document = {"certificates": [{"name": "a", "pfx": "***"}]}
    reply = gate.call("POST", "/api/v1/certificates/batch", document, fields={"Prefer": "respond-async"})
    shown = gate.call("GET", reply.fields["location"]).json
    assert (shown["state"], shown["problem"]["code"]) == ("failed", "certificate-unreadable")
    [row] = gate.call("GET", "/api/v1/audit?code=certificate-unreadable").json["records"]
    assert row["status"] == 400
