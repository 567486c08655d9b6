"""
Rounds: each way for itself, tried again, remembered over a restart.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tlsgate.alerts import Alerts, DeliveryFailed
from tlsgate.problems import Finding, Severity
from tlsgate.settings import default_document, validate_document

NOW = 1_800_000_000.0
FINDING = Finding("served-nothing", Severity.ERROR, "Over binding https, nothing is served.")


class Stage:
    """
    Alerts whose ways are lists.
    """

    def __init__(self, folder, **settings: Any) -> None:
        self.now = NOW
        self.sent: list[tuple[str, list[str]]] = []
        self.failing: set[str] = set()
        document = {**default_document(), "alerts": settings}
        self.changes: Any = SimpleNamespace(
            effective=validate_document(document), snapshot=SimpleNamespace(certificates={})
        )
        self.alerts = Alerts(
            file=folder / "alerts.json",
            findings=lambda: [FINDING],
            wall=lambda: self.now,
            webhook=lambda settings, alerts: self.deliver("webhook", alerts),
            mail=lambda settings, alerts: self.deliver("mail", alerts),
        )

    async def deliver(self, way: str, alerts: Any) -> None:
        if way in self.failing:
            raise DeliveryFailed("it answers 500")
        self.sent.append((way, [alert.code for alert in alerts]))

    def round(self, after: float = 0.0) -> None:
        self.now += after
        failures: list[Any] = []
        Deferred.fromCoroutine(self.alerts.round(self.changes)).addErrback(failures.append)
        assert failures == []


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"webhook": "http://127.0.0.1:1/", "mail_to": ["a@b.test"], "smtp": "127.0.0.1:25"}


def test_each_way_is_told_once(tmp_path, settings) -> None:
    """
    Webhook and mail are told once; again after a day; a restart repeats nothing.
    """
    stage = Stage(tmp_path, **settings)
    stage.round()
    stage.round(60)
    assert stage.sent == [("webhook", ["served-nothing"]), ("mail", ["served-nothing"])]
    again = Stage(tmp_path, **settings)
    again.round(120)
    assert again.sent == []
    again.round(86400)
    assert len(again.sent) == 2


def test_a_failure_is_shown_and_tried_again(tmp_path, settings) -> None:
    """
    A way that fails is a finding until it takes what it was sent; the other way is not disturbed.
    """
    stage = Stage(tmp_path, **settings)
    stage.failing = {"webhook"}
    stage.round()
    assert stage.sent == [("mail", ["served-nothing"])]
    assert [(one.code, "webhook fail: it answers 500" in one.message) for one in stage.alerts.findings()] == [
        ("alert-failed", True)
    ]
    stage.failing = set()
    stage.round(30)
    assert len(stage.sent) == 1
    stage.round(31)
    assert stage.sent[-1] == ("webhook", ["served-nothing"])
    assert list(stage.alerts.findings()) == []


def test_nobody_to_tell(tmp_path) -> None:
    """
    Without settings nothing is sent and nothing is written.
    """
    stage = Stage(tmp_path)
    stage.round()
    assert stage.sent == []
    assert list(tmp_path.iterdir()) == []
