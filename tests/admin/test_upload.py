"""
The one-curl upload: what it does, and each of its refusals.
"""

import pytest
from twisted.internet.defer import Deferred

from tlsgate.certificates import self_signed
from tlsgate.changes import ChangeRequest
from tlsgate.settings import StoredCertificate

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


def test_keeps_a_certificate_until_its_time(gate, make_pair) -> None:
    """
    With activate_at the certificate waits, to become the default of the binding; a dry run keeps nothing.
    """
    certificate, key = make_pair("one.test")
    parts = {"certificate": certificate, "key": key, "name": "next"}
    later = f"{PATH}?activate_at=2027-01-20T08:00:30Z"
    assert gate.form("POST", f"{later}&dry_run=true", parts).status == 202
    assert gate.call("GET", "/api/v1/staged").json["staged"] == []
    reply = gate.form("POST", later, parts)
    assert reply.status == 202, reply
    assert (reply.json["activate_at"], reply.json["bindings"]) == ("2027-01-20T08:00:30Z", ["https"])
    assert b"PRIVATE KEY" not in reply.body
    assert gate.changes.current.number == 1
    [row] = gate.call("GET", "/api/v1/staged").json["staged"]
    assert (row["certificate"]["name"], row["bindings"]) == ("next", ["https"])


@pytest.mark.parametrize(
    ("path", "parts", "code"),
    [
        (f"{PATH}?activate_at=2027-01-20T08:00:30Z", {"port": "9443"}, "parameter-invalid"),
        (f"{PATH}?activate_at=2020-01-20T08:00:30Z", {}, "parameter-invalid"),
        (f"{PATH}?activate_at=2020-01-20T08:00:30Z&dry_run=true", {}, "parameter-invalid"),
        (f"{PATH}?activate_at=2027-02-30T08:00:30Z", {}, "parameter-invalid"),
        ("/api/v1/certificates?activate_at=2027-01-20T08:00:30Z", {"name": "default"}, "exists"),
    ],
)
def test_refuses_what_cannot_wait(gate, make_pair, path, parts, code) -> None:
    """
    What could not be done at its time, or not at once together with it, is refused now.
    """
    certificate, key = make_pair("one.test")
    reply = gate.form("POST", path, {"certificate": certificate, "key": key, **parts})
    assert reply.code == code, reply
    assert gate.call("GET", "/api/v1/staged").json["staged"] == []


def test_a_scoped_token_plans_only_its_own(gate, make_pair) -> None:
    """
    A token that is limited to hosts cannot have another's certificate replaced later either.
    """
    certificate, key = make_pair("one.test")
    token = gate.token("change_https_settings", hosts=["one.test"])
    path = "/api/v1/certificates/{}?activate_at=2027-01-20T08:00:30Z"
    parts = {"certificate": certificate, "key": key}
    reply = gate.form("PUT", path.format("default"), parts, token=token, peer="127.0.0.1")
    assert (reply.status, reply.code) == (403, "permission-missing")
    assert gate.form("PUT", path.format("mine"), parts, token=token, peer="127.0.0.1").status == 202


def test_leaves_certificates_of_files_alone(gate, make_pair, tmp_path) -> None:
    """
    A certificate that was dropped into the folder is changed, removed, planned and made in its file only.
    """
    certificate, key = make_pair("one.test")
    kept = self_signed("dropped", ["one.test"], now=gate.now)

    def drop(draft) -> None:
        draft.certificates["dropped"] = StoredCertificate(certificate=kept, source="files", added_at=gate.now)

    done = Deferred.fromCoroutine(gate.changes.apply(ChangeRequest(author="files"), drop))
    assert done.called
    parts = {"certificate": certificate, "key": key}
    path = "/api/v1/certificates/dropped"
    replies = [
        gate.form("PUT", path, parts),
        gate.form("PUT", f"{path}?activate_at=2027-01-20T08:00:30Z", parts),
        gate.form("POST", PATH, {**parts, "name": "dropped"}),
        gate.call("POST", "/api/v1/certificates/self-signed", {"name": "dropped", "names": ["one.test"]}),
        gate.call("POST", "/api/v1/certificates/csr", {"name": "dropped", "names": ["one.test"]}),
        gate.call("DELETE", path),
    ]
    assert [(reply.status, reply.code) for reply in replies] == [(409, "in-use")] * len(replies)
    assert gate.changes.current.certificates["dropped"].certificate is kept


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


def test_a_limited_token_touches_nothing_of_others(gate, make_pair) -> None:
    """
    A token for one host neither takes the name of another host's certificate nor removes it.
    """
    token = gate.token("change_https_settings", hosts=["mine.test"])
    more = {"token": token, "peer": "127.0.0.1"}
    names = ("certificate", "key")
    theirs, mine = (dict(zip(names, make_pair(name), strict=True)) for name in ("theirs.test", "mine.test"))
    assert gate.form("PUT", "/api/v1/certificates/shop", theirs).status == 201
    for reply in (
        gate.form("PUT", "/api/v1/certificates/shop", mine, **more),
        gate.call("DELETE", "/api/v1/certificates/shop", **more),
        gate.form("PUT", "/api/v1/certificates/new", theirs, **more),
    ):
        assert (reply.status, reply.code) == (403, "permission-missing")
    assert gate.call("GET", "/api/v1/certificates/shop").json["names"] == ["theirs.test"]
    assert gate.form("PUT", "/api/v1/certificates/own", mine, **more).status == 201
