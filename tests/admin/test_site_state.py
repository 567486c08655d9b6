"""
The state of a site's redirect and HSTS.
"""

from __future__ import annotations

from typing import Any


def test_hsts_state_shows_the_next_step(gate: Any) -> None:
    """
    A ramp's present step, the next one, when it is due and what holds it are shown, also in the status.
    """
    hsts = {"enabled": True, "ramp": True, "max_age": 31556926, "ramp_hold": 3600.0}
    put = gate.call("PUT", "/api/v1/sites/default/hsts", hsts)
    assert put.status == 200, put
    state = gate.call("GET", "/api/v1/sites/default/hsts").json["state"]
    assert put.json["hsts"]["state"] == state
    assert gate.call("GET", "/api/v1/status").json["sites"][0]["hsts"]["state"] == state
    assert (state["sends"], state["step"], state["steps"][-1]) == ("max-age=300", 0, 31556926)
    assert state["next"]["max_age"] == 3600
    assert "not 443" in state["next"]["held_by"]
    assert state["off_until"] is None
    assert any("include_subdomains" in sentence for sentence in state["preload_missing"])


def test_off_ramp_is_shown(gate: Any) -> None:
    """
    After HSTS was on, the state says until when max-age=0 is sent.
    """
    gate.call("PUT", "/api/v1/sites/default/hsts", {"enabled": True, "max_age": 7200})
    gate.call("PUT", "/api/v1/sites/default/hsts", {"enabled": False})
    state = gate.call("GET", "/api/v1/sites/default/hsts").json["state"]
    assert (state["sends"], state["largest_sent"]) == ("max-age=0", 7200)
    assert state["off_until"] is not None
    assert state["next"] is None


def test_redirect_state_shows_the_soak(gate: Any) -> None:
    """
    During the soak the redirect is 307 and the time of its promotion is shown; afterwards it is 308.
    """
    gate.call("PUT", "/api/v1/sites/default/redirect?force=default", {"mode": "all", "soak": 60})
    state = gate.call("GET", "/api/v1/sites/default/redirect").json["state"]
    assert state["status"] == 307
    assert state["permanent_at"] is not None
    gate.now += 60
    assert gate.call("GET", "/api/v1/sites/default/redirect").json["state"]["status"] == 308
    gate.call("PUT", "/api/v1/sites/default/redirect", {"mode": "report"})
    assert gate.call("GET", "/api/v1/sites/default/redirect").json["state"]["status"] is None


def test_what_was_read_can_be_put_back(gate: Any) -> None:
    """
    An answer with its state may be sent back; the state changes nothing.
    """
    gate.call("PUT", "/api/v1/sites/default/hsts", {"enabled": True})
    shown = gate.call("GET", "/api/v1/sites/default/hsts")
    before = gate.call("GET", "/api/v1/status").json["generation"]
    assert gate.call("PUT", "/api/v1/sites/default/hsts", shown.json).json["generation"] in (before, before + 1)
    assert gate.call("GET", "/api/v1/sites/default/hsts").json == shown.json


def test_explanation_has_words(gate: Any) -> None:
    """
    An explanation names the rule and says it; credentials, trusted peers and refusal are part of it.
    """
    peers = {"trusted_peers": ["10.0.0.0/8"], "plaintext_credentials": "refuse"}
    assert gate.call("PATCH", "/api/v1/sites/default", peers).status == 200
    asked: dict[str, Any] = {"host": "app.test", "client_ip": "10.0.0.9", "headers": {"Authorization": "x"}}
    found = gate.call("POST", "/api/v1/redirect/explain", asked).json
    assert (found["rule"], found["status"], found["refused"]) == ("credentials-in-clear", 403, True)
    assert (found["redirected"], found["credentials"]) == (False, "authorization")
    asked["headers"] |= {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"}
    found = gate.call("POST", "/api/v1/redirect/explain", asked).json
    assert (found["rule"], found["client_ip"]) == ("secure", "198.51.100.7")
    assert "trusted_peers" in found["explanation"]
    asked["target"] = "/.well-known/acme-challenge/token"
    assert gate.call("POST", "/api/v1/redirect/explain", asked).json["rule"] == "secure"
    gate.plane.live[b"token"] = b"token.thumbprint"
    found = gate.call("POST", "/api/v1/redirect/explain", asked).json
    assert (found["rule"], found["redirected"], found["refused"]) == ("acme-challenge", False, False)


def test_a_challenge_is_explained_for_every_host(gate: Any) -> None:
    """
    As the gate answers it for hosts that no site serves, too.
    """
    assert gate.call("PATCH", "/api/v1/sites/default", {"hosts": ["app.test"]}).status == 200
    asked = {"host": "mail.test", "target": "/.well-known/acme-challenge/token"}
    assert gate.call("POST", "/api/v1/redirect/explain", asked).code == "not-found"
    gate.plane.live[b"token"] = b"token.thumbprint"
    found = gate.call("POST", "/api/v1/redirect/explain", asked).json
    assert (found["site"], found["rule"]) == ("-", "acme-challenge")
