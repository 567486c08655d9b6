"""
HSTS as browsers meet it, over restarts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from _clients import connect_tls, converse
from _gate import GateProcess
from _origin import Origin, response


def put(gate: GateProcess, **hsts: Any) -> dict[str, Any]:
    answer = gate.call("PUT", "/api/v1/sites/default/hsts", hsts)
    assert answer.status == 200, answer
    shown: dict[str, Any] = answer.json
    return shown


def state(gate: GateProcess) -> dict[str, Any]:
    shown: dict[str, Any] = gate.call("GET", "/api/v1/sites/default/hsts").json["state"]
    return shown


def sent(gate: GateProcess, target: str = "/echo", **options: Any) -> list[str]:
    return gate.get(target, **options).all("Strict-Transport-Security")


def test_life_of_a_policy(start_gate: Callable[..., GateProcess], origin: Origin) -> None:
    """
    HSTS is sent once on every HTTPS answer and never on plain HTTP; the ramp shows its next step and goes on after a
    restart; off, it sends max-age=0, after a restart too.
    """
    origin.answer(
        "/own", response(200, b"", "Strict-Transport-Security: max-age=1", "Strict-Transport-Security: max-age=2")
    )
    gate = start_gate(origin.url)
    assert sent(gate) == []
    put(gate, enabled=True, ramp=True, max_age=31556926)
    assert sent(gate) == sent(gate, "/own") == ["max-age=300"]
    assert gate.request("GET", "/echo", secure=False).all("Strict-Transport-Security") == []
    refused = converse(connect_tls(gate.https), b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n")
    assert refused.received.lower().count(b"strict-transport-security: max-age=300\r\n") == 1
    before = state(gate)
    assert (before["step"], before["next"]["max_age"]) == (0, 3600)
    assert "not 443" in before["next"]["held_by"]
    gate.stop()
    gate.start()
    assert state(gate) == before
    assert sent(gate) == ["max-age=300"]
    put(gate, enabled=False)
    assert sent(gate) == sent(gate, "/own") == ["max-age=0"]
    off_until = state(gate)["off_until"]
    gate.stop()
    gate.start()
    assert state(gate)["off_until"] == off_until
    assert sent(gate) == ["max-age=0"]


def test_preload_with_what_is_missing(start_gate: Callable[..., GateProcess], origin: Origin) -> None:
    """
    Preload is refused without its conditions, named in the problem, and warned of while the lists would refuse the site.
    """
    gate = start_gate(origin.url)
    answer = gate.call("PUT", "/api/v1/sites/default/hsts", {"enabled": True, "preload": True})
    assert (answer.status, answer.code) == (422, "invalid-settings")
    assert "include_subdomains" in answer.json["errors"][0]["message"]
    assert "31536000" in answer.json["errors"][0]["message"]
    shown = put(gate, enabled=True, preload=True, include_subdomains=True, max_age=31536000)
    (finding,) = [one for one in shown["findings"] if one["code"] == "hsts-preload-incomplete"]
    assert "plain HTTP is not redirected" in finding["message"]
    assert sent(gate) == ["max-age=31536000; includeSubDomains; preload"]
    put(gate, enabled=True, preload=True, include_subdomains=True, max_age=31536000, ramp=True)
    assert sent(gate) == ["max-age=300; includeSubDomains"]
