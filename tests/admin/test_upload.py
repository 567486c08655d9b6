"""
The one-curl upload: what it does, and each of its refusals.
"""

import pytest

from tlsgate.certificates import self_signed

PATH = "/app/https/settings/uploadCertificate"


def test_serves_what_was_uploaded(gate, make_pair) -> None:
    """
    The documented form puts the certificate into service and answers with its object, port and generation.
    """
    certificate, key = make_pair("one.test")
    reply = gate.form("POST", PATH, {"certificate": certificate, "key": key, "port": "8443"})
    assert reply.status == 200, reply
    answer = reply.json
    assert (answer["port"], answer["generation"]) == (8443, 2)
    assert answer["certificate"]["names"] == ["one.test"]
    assert answer["workers"] == {"serving": 1, "total": 1}
    assert "self-signed" in {finding["code"] for finding in answer["findings"]}
    assert gate.plane.snapshot.certificates["default"].fingerprint == answer["certificate"]["fingerprint"]
    assert b"PRIVATE KEY" not in reply.body


def test_the_same_again_changes_nothing(gate, make_pair) -> None:
    """
    Uploading what serves already makes no generation.
    """
    certificate, key = make_pair("one.test")
    for _ in range(2):
        reply = gate.form("POST", PATH, {"certificate": certificate, "key": key})
        assert (reply.status, reply.json["generation"]) == (200, 2)


def test_moves_the_port(gate, make_pair) -> None:
    """
    Another port moves the https binding.
    """
    certificate, key = make_pair("one.test")
    reply = gate.form("POST", PATH, {"certificate": certificate, "key": key, "port": "9443"})
    assert (reply.status, reply.json["port"]) == (200, 9443)
    assert gate.plane.ports()["https"] == 9443


def test_a_busy_port_changes_nothing(gate, make_pair) -> None:
    """
    A port that cannot be bound is 409 and nothing is saved.
    """
    certificate, key = make_pair("one.test")
    gate.plane.taken.add(9443)
    reply = gate.form("POST", PATH, {"certificate": certificate, "key": key, "port": "9443"})
    assert (reply.status, reply.code) == (409, "port-in-use")
    assert gate.changes.current.number == 1


@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        ({"certificate": "hello", "key": "KEY"}, 400, "certificate-unreadable"),
        ({"certificate": "CERTIFICATE", "key": "hello"}, 400, "key-unreadable"),
        ({"certificate": "CERTIFICATE"}, 400, "missing-part"),
        ({"key": "KEY"}, 400, "missing-part"),
        ({"certificate": "CERTIFICATE", "key": "KEY", "port": "70000"}, 400, "port-invalid"),
        ({"certificate": "CERTIFICATE", "key": "KEY", "port": "x"}, 400, "port-invalid"),
        ({"certificate": "CERTIFICATE", "key": "KEY", "port": "+443"}, 400, "port-invalid"),
        ({"certificate": "CERTIFICATE", "key": "OTHER"}, 422, "key-mismatch"),
        ({"certificate": "CERTIFICATE", "kay": "KEY"}, 400, "malformed-multipart"),
    ],
)
def test_refusals(gate, make_pair, parts, status, code) -> None:
    """
    Each bad upload has its own code, and changes nothing.
    """
    certificate, key = make_pair("one.test")
    known = {"CERTIFICATE": certificate, "KEY": key, "OTHER": make_pair("one.test")[1]}
    reply = gate.form("POST", PATH, {name: known.get(value, value) for name, value in parts.items()})
    assert (reply.status, reply.code) == (status, code), reply
    assert gate.changes.current.number == 1


def test_expired(gate) -> None:
    """
    A certificate that has ended is refused.
    """
    old = self_signed("x", ["localhost"], days=1, now=gate.now - 10 * 86400)
    reply = gate.form("POST", PATH, {"certificate": old.chain, "key": old.key})
    assert (reply.status, reply.code) == (422, "certificate-expired")


def test_dry_run_changes_nothing(gate, make_pair) -> None:
    """
    A dry run tells what would be found and changes nothing.
    """
    certificate, key = make_pair("one.test")
    reply = gate.form("POST", f"{PATH}?dry_run=true", {"certificate": certificate, "key": key})
    assert reply.status == 200
    assert reply.json["generation"] == 1
    assert gate.changes.current.number == 1
    assert "self-signed" in {finding["code"] for finding in reply.json["findings"]}


def test_a_token_for_some_hosts(gate, make_pair) -> None:
    """
    A token that is limited to hosts stores certificates for these only.
    """
    token = gate.token("change_https_settings", hosts=["*.one.test"])
    mine, key = make_pair("a.one.test")
    other, other_key = make_pair("a.two.test")
    more = {"peer": "127.0.0.1", "token": token}
    assert gate.form("PUT", "/api/v1/certificates/mine", {"certificate": mine, "key": key}, **more).status == 201
    reply = gate.form("PUT", "/api/v1/certificates/mine", {"certificate": other, "key": other_key}, **more)
    assert (reply.status, reply.code) == (403, "permission-missing")
    assert gate.call("PUT", "/api/v1/sites/default/hsts", {"enabled": True}, **more).status == 403


def test_nothing_secret_is_told(gate, make_pair) -> None:
    """
    Neither answers, nor the audit log, nor scripts hold the key or the password.
    """
    certificate, key = make_pair("one.test")
    middle = key.splitlines()[1]
    parts = {"certificate": certificate, "key": key, "password": "hunter2hunter2"}
    body = {"certificate": certificate.decode(), "key": key.decode(), "password": "hunter2hunter2"}
    for reply in (
        gate.form("POST", f"{PATH}?dry_run=true", parts),
        gate.form("POST", PATH, {**parts, "certificate": b"no"}),
        gate.call("PUT", "/api/v1/certificates/json", body),
        gate.call("GET", "/api/v1/certificates"),
        gate.call("GET", "/api/v1/generations/1"),
        gate.call("GET", "/api/v1/settings"),
        gate.call("GET", "/api/v1/audit"),
        gate.call("GET", "/api/v1/status"),
    ):
        assert middle not in reply.body
        assert b"PRIVATE" not in reply.body
        assert b"hunter2hunter2" not in reply.body
    assert middle not in (gate.state / "audit.log").read_bytes()
