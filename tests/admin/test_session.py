"""
Sessions: two halves, an end, and no more rights than the token behind them.
"""

from typing import Any

import pytest

from tlsgate.admin._session import COOKIE, IDLE_TIMEOUT, LIFETIME, cookie_in

REMOTE = {"peer": "192.0.2.1", "token": None}


def sign_in(gate: Any, token: str, peer: str = "192.0.2.1") -> dict[str, str]:
    """
    The fields that a signed-in page sends.
    """
    reply = gate.call("POST", "/api/v1/session", {"token": token}, peer=peer, token=None)
    assert reply.status == 201, reply
    cookie, *attributes = reply.fields["set-cookie"].split("; ")
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Strict", "Secure"]
    return {"Cookie": cookie, "X-CSRF-Token": reply.json["csrf_token"]}


def test_both_halves_are_needed(gate) -> None:
    """
    The cookie alone reads nothing: a browser sends it to the application behind the gate, too.
    """
    both = sign_in(gate, gate.token("view_settings"))
    assert gate.call("GET", "/api/v1/status", fields=both, **REMOTE).status == 200
    cookie = {"Cookie": both["Cookie"]}
    for path in ("/api/v1/status", "/api/v1/session", "/api/v1/events"):
        assert gate.call("GET", path, fields=cookie, **REMOTE).code == "origin-refused"
    wrong = {**both, "X-CSRF-Token": "x" * 43}
    assert gate.call("GET", "/api/v1/status", fields=wrong, **REMOTE).code == "origin-refused"
    alone = {"X-CSRF-Token": both["X-CSRF-Token"]}
    assert gate.call("GET", "/api/v1/status", fields=alone, **REMOTE).code == "token-missing"


def test_same_permissions(gate) -> None:
    """
    A session may do what its token may, and stands under its name in history and audit log.
    """
    reader = sign_in(gate, gate.token("view_settings"))
    reply = gate.call("PUT", "/api/v1/sites/default/hsts", {}, fields=reader, **REMOTE)
    assert reply.json["permission"] == "change_https_settings"
    shown = gate.call("GET", "/api/v1/session", fields=reader, **REMOTE).json
    assert (shown["permissions"], shown["set_up"]) == (["view_settings"], False)
    admin = sign_in(gate, gate.token("admin"))
    assert len(gate.call("GET", "/api/v1/session", fields=admin, **REMOTE).json["permissions"]) == 5
    assert gate.call("PUT", "/api/v1/sites/default/hsts", {"enabled": True}, fields=admin, **REMOTE).status == 200
    assert gate.changes.current.author == "t1"
    records = gate.call("GET", "/api/v1/audit").json["records"]
    signed_in = [record for record in records if record["path"] == "/api/v1/session"]
    assert [record["author"] for record in signed_in] == ["t1", "t0"]


def test_wrong_token(gate) -> None:
    """
    Wrong tokens are 401, are counted as attempts, and are not in the audit log.
    """
    for _ in range(10):
        reply = gate.call("POST", "/api/v1/session", {"token": "tlsg_guess"}, **REMOTE)
        assert (reply.status, reply.code) == (401, "token-invalid")
        assert "set-cookie" not in reply.fields
    assert gate.call("POST", "/api/v1/session", {"token": "tlsg_guess"}, **REMOTE).code == "too-many-attempts"
    assert b"tlsg_guess" not in (gate.state / "audit.log").read_bytes()


def test_idle(gate) -> None:
    """
    A session that nobody uses ends; what the page asks for by itself keeps it no longer.
    """
    fields = sign_in(gate, gate.token("view_settings"))
    gate.clock.advance(IDLE_TIMEOUT - 1)
    assert gate.call("GET", "/api/v1/status", fields=fields, **REMOTE).status == 200
    gate.clock.advance(IDLE_TIMEOUT - 1)
    by_itself = {**fields, "X-Unattended": "true"}
    assert gate.call("GET", "/api/v1/status", fields=by_itself, **REMOTE).status == 200
    gate.clock.advance(2)
    assert gate.call("GET", "/api/v1/status", fields=fields, **REMOTE).code == "token-invalid"


def test_lifetime(gate) -> None:
    """
    A session that is used all day ends all the same.
    """
    fields = sign_in(gate, gate.token("view_settings"))
    for _ in range(int(LIFETIME // 1000)):
        gate.clock.advance(1000)
        assert gate.call("GET", "/api/v1/session", fields=fields, **REMOTE).status == 200
    gate.clock.advance(1000)
    assert gate.call("GET", "/api/v1/session", fields=fields, **REMOTE).code == "token-invalid"


def test_sign_out(gate) -> None:
    """
    Signing out ends one session and clears its cookie; signing out everywhere ends all of the token, and no other's.
    """
    token = gate.token("view_settings")
    one, two, three = (sign_in(gate, token) for _ in range(3))
    other = sign_in(gate, gate.token("view_settings"))
    reply = gate.call("DELETE", "/api/v1/session", fields=one, **REMOTE)
    assert reply.status == 204
    assert "Max-Age=0" in reply.fields["set-cookie"]
    assert gate.call("GET", "/api/v1/session", fields=one, **REMOTE).code == "token-invalid"
    assert gate.call("DELETE", "/api/v1/sessions", fields=two, **REMOTE).json == {"ended": 2}
    assert gate.call("GET", "/api/v1/session", fields=three, **REMOTE).code == "token-invalid"
    assert gate.call("GET", "/api/v1/session", fields=other, **REMOTE).status == 200


def test_revoked_and_moved(gate) -> None:
    """
    A session ends with its token, and is worth nothing outside the token's networks.
    """
    here = sign_in(gate, gate.token("view_settings", networks=["192.0.2.0/24"]))
    moved = {"peer": "198.51.100.1", "token": None}
    assert gate.call("GET", "/api/v1/session", fields=here, **moved).code == "token-invalid"
    token = gate.token("view_settings")
    fields = sign_in(gate, token)
    ident = gate.admin.control.tokens.list()[-1].id
    assert gate.call("DELETE", f"/api/v1/tokens/{ident}").status == 204
    assert gate.call("GET", "/api/v1/session", fields=fields, **REMOTE).code == "token-invalid"


def test_set_up(gate) -> None:
    """
    A session of the set-up token makes a token and nothing else, and ends with the set-up token.
    """
    assert gate.call("GET", "/api/v1/setup", **REMOTE).json == {"needed": True}
    fields = sign_in(gate, gate.secret)
    assert gate.call("GET", "/api/v1/session", fields=fields, **REMOTE).json["set_up"] is True
    assert gate.call("GET", "/api/v1/status", fields=fields, **REMOTE).code == "permission-missing"
    body = {"name": "first", "permissions": ["admin"]}
    assert gate.call("POST", "/api/v1/tokens", body, fields=fields, **REMOTE).status == 201
    assert gate.call("GET", "/api/v1/session", fields=fields, **REMOTE).code == "token-invalid"
    assert gate.call("GET", "/api/v1/setup", **REMOTE).json == {"needed": False}


def test_events_end_with_the_session(gate) -> None:
    """
    A stream that somebody left open says nothing more once its session has ended.
    """
    fields = sign_in(gate, gate.token("view_settings"))
    channel, wire = gate.connect("192.0.2.1")
    lines = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "localhost", **fields}.items())
    channel.dataReceived(f"GET /api/v1/events HTTP/1.1\r\n{lines}\r\n".encode())
    gate.clock.advance(0)
    gate.admin.events.publish("upstream", {"n": "first"})
    assert b"first" in wire.value()
    assert gate.call("DELETE", "/api/v1/session", fields=fields, **REMOTE).status == 204
    gate.admin.events.publish("upstream", {"n": "second"})
    assert b"second" not in wire.value()


def test_no_secret_in_a_repr(gate) -> None:
    """
    Neither half shows when something is logged.
    """
    fields = sign_in(gate, gate.token("view_settings"))
    sessions = gate.admin.control.sessions
    session = sessions.find(cookie_in([fields["Cookie"]]))
    for text in (repr(sessions), repr(session)):
        assert fields["X-CSRF-Token"] not in text
        assert cookie_in([fields["Cookie"]]) not in text


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        ([], ""),
        (["a=b"], ""),
        ([f"a=b; {COOKIE}=x"], "x"),
        ([f"x{COOKIE}=no", f"{COOKIE}=yes"], "yes"),
    ],
)
def test_cookie_in(lines, value) -> None:
    """
    The cookie is found among others.
    """
    assert cookie_in(lines) == value


def test_plans_are_not_audited(gate) -> None:
    """
    What only asks what would happen changes nothing and fills no log; that somebody may not even ask stands there.
    """
    before = gate.call("GET", "/api/v1/audit").json["records"]
    path = "/api/v1/sites/default/hsts?dry_run=true"
    assert gate.call("PUT", path, {"enabled": True}).status == 200
    assert gate.call("PUT", path, {"enabled": 7}).code == "invalid-settings"
    assert gate.call("GET", "/api/v1/audit").json["records"] == before
    fields = sign_in(gate, gate.token("view_settings"))
    assert gate.call("PUT", path, {}, fields=fields, **REMOTE).code == "permission-missing"
    assert gate.call("GET", "/api/v1/audit").json["records"][0]["code"] == "permission-missing"
