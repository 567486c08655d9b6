"""
Orders as files and as the admin API shows them.
"""

from __future__ import annotations

import json
from pathlib import Path

import attrs

from tlsgate.acme import Order, OrderProblem, OrderRequest, Step, Task
from tlsgate.acme._order import KEPT, MAX_STEPS, OrderFiles

NOW = 1_800_000_000.0


def order() -> Order:
    request = OrderRequest(name="web", names=("a.test", "*.b.test"), challenge="dns-01", key_type="ec-p256", revoke=1)
    made = Order.new(request, author="alice", directory="https://ca.test/dir", now=NOW)
    made.key, made.csr, made.url = b"-----BEGIN PRIVATE KEY-----", b"csr", "https://ca.test/order/1"
    made.note("on-hold", "wait", NOW + 1)
    made.tasks = (Task(name="a.test", kind="dns-01", content="v", record="_acme-challenge.a.test"),)
    made.problem = attrs.evolve(OrderProblem.of("dns", name="a.test"), parts=(OrderProblem.of("tls"),))
    made.findings = ({"code": "x", "severity": "info", "message": "m", "pointer": ""},)
    return made


def test_survives() -> None:
    """
    Everything about an order survives in its file.
    """
    made = order()
    assert Order.from_file(json.loads(made.to_file())) == made


def test_never_shows_a_key() -> None:
    """
    The key is in the file and nowhere else.
    """
    made = order()
    assert b"PRIVATE KEY" in made.to_file()
    assert "PRIVATE KEY" not in json.dumps(made.as_json()) + repr(made)


def test_tasks_only_on_hold() -> None:
    """
    What a person is to do is shown while it is to be done.
    """
    made = order()
    assert made.as_json()["tasks"][0]["record"] == "_acme-challenge.a.test"
    made.note("validating", "go", NOW + 2)
    assert made.as_json()["tasks"] == []
    assert made.steps == [Step(NOW + 1, "on-hold", "wait"), Step(NOW + 2, "validating", "go")]


def test_bounded() -> None:
    """
    An order that waits for ever does not grow for ever.
    """
    made = order()
    for index in range(MAX_STEPS + 50):
        made.note("queued", str(index), NOW)
    assert len(made.steps) == MAX_STEPS


def test_folder(tmp_path: Path) -> None:
    """
    A folder gives its orders oldest first, leaves out what is damaged, and forgets the oldest that ended.
    """
    files = OrderFiles(tmp_path / "acme" / "orders")
    assert files.load() == []
    files.save("first", order().to_file())
    files.remove("first")
    for index in range(KEPT + 3):
        made = order()
        made.created = NOW + index
        made.state = "valid" if index else "queued"
        (tmp_path / "acme" / "orders" / f"{made.id}.json").write_bytes(made.to_file())
    for index, content in enumerate(["", "{}", "[]", '{"key": 1}', '{"key": "", "csr": ""}']):
        (tmp_path / "acme" / "orders" / f"damaged{index}.json").write_text(content)
    found = files.load()
    assert len(found) == KEPT
    assert found[0].state == "queued"
    assert [one.created for one in found[1:3]] == [NOW + 4, NOW + 5]
    assert files.load() == found
